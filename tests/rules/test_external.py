"""A cohort with role external, from its kept slices to its metrics: only tested, by both stages."""

import pytest

from lungsight.files import read_json
from lungsight.tables import read_table
from tests.made import made_cohort, made_manifest
from tests.made_run import made_workspace

MODEL = "models/whole-small_cnn-scratch"
RULES = ("check_split", "make_split", "image_cache", "train_stage", "classify", "evaluate")


@pytest.mark.long
def test_an_external_cohort_is_predicted_and_evaluated_by_both_stages(tmp_path):
    roles = {"curated": "public", "hospital": "target", "abroad": "external"}
    head = {"head_units": 4, "image_size": 32, "batch_size": 8, "epochs": {"stage1": 1, "stage2": 1}, "threads": 1}
    pipelines = {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]}
    workspace = made_workspace(tmp_path, roles, pipelines=pipelines, training=head, report={"bootstrap": 50})
    for seed, name in enumerate(roles):
        patients = 4 if name == "abroad" else 8  # three and fewer of a class are enough where nothing is trained
        made_manifest(workspace.run_folder, name, made_cohort(workspace.run_folder, name, patients, 2, 48, seed))
        rows = [f"P{n}\tone\t{('Covid-19', 'Non Covid')[n % 2]}" for n in range(patients)]
        for number in range(patients):
            (tmp_path / "data" / name / str(number)).mkdir()
        rows = [row.replace("one", str(number)) for number, row in enumerate(rows)]
        (tmp_path / f"{name}.tsv").write_text("\n".join(["patient\tpath\tlabel", *rows]) + "\n")
    predictions = [f"{MODEL}/stage{stage}/predictions/abroad.tsv" for stage in (1, 2)]
    targets = [f"{workspace.results}/{path}" for path in (*predictions, f"{MODEL}/stage2/metrics.json")]
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", *RULES, "--", *targets)
    assert done.returncode == 0, done.stdout[-6000:]

    split = read_table(workspace.run_folder / "splits/abroad/whole.tsv", "split")
    assert set(split["split"]) == {"test"} and len(split) == 8
    first, second = (read_table(workspace.run_folder / path, "predictions") for path in predictions)
    assert first["slice"].tolist() == second["slice"].tolist() == split["slice"].tolist()
    assert first["probability"].tolist() != second["probability"].tolist()
    metrics = read_json(workspace.run_folder / MODEL / "stage2/metrics.json")
    rows = [(row["cohort"], row["unit"], row["n"]) for row in metrics["rows"]]
    assert [row for row in rows if row[0] == "abroad"] == [("abroad", "slice", 8), ("abroad", "patient", 4)]
    provenance = read_json(workspace.run_folder / MODEL / "stage2/provenance.json")
    assert "abroad" not in str(provenance)
    assert provenance["images"]["train"] == pytest.approx(0.6 * 16, abs=4)
