"""Rules of the audit room by themselves, on a small network with random weights and on a made run."""

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.replicate_maps import load_replicate_maps
from lungsight.config_check import complete_config
from lungsight.files import read_json, write_json
from lungsight.intake.forensics.washing import WASHINGS
from lungsight.run_description import describe_run
from lungsight.tables import read_table, table_schema, write_table
from lungsight.training import backbones
from lungsight.training.network import build_classifier, to_input
from tests.factories.forensics import made_forensics
from tests.factories.replicates import made_replicates
from tests.factories.run import FINISHED_PIPELINES as PIPELINES
from tests.factories.run import REPORT_RULES, made_finished_run, made_run, made_workspace
from tests.factories.tables import (
    NEGATIVE,
    POSITIVE,
    made_cohort,
    made_manifest,
    made_slice,
    made_split,
    save_images,
    save_manifest,
)
from tests.factories.workspace import Workspace
from tests.rules.test_evaluation import three_class_space
from tests.unit.audit.test_pairs import made_tables

SIZE = 48
PIPELINE = "whole-small_cnn-scratch"
MODEL, OUTPUTS = f"models/{PIPELINE}/stage2", f"explain/{PIPELINE}/stage2"
HEAD = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.9}


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """A run up to the predictions of stage 2. The first test slice has no lung, the third a rejected mask."""
    workspace = made_workspace(
        tmp_path,
        {"annotated": "segmentation", "open": "public", "clinic": "target"},
        pipelines={"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]},
        **{"training": {"image_size": SIZE}, "report": {"bootstrap": 50}, "explain": {"threads": 1}},
        audit={"sample": 4, "randomisations": 2, "steps": 3, "making_sample": 20},
    )
    run = workspace.run_folder
    slices = made_cohort(run, "clinic", patients=16, slices=2, size=SIZE)
    split = made_split(run, "clinic", "whole", slices)
    rng = np.random.default_rng(0)
    drawn = [made_slice(SIZE, label == POSITIVE, rng) for label in slices["label"]]
    images, masks = (np.stack(arrays).astype(np.uint8) for arrays in zip(*drawn, strict=True))
    test = split["split"] == "test"
    for path, image in zip(slices["png"], images, strict=True):
        Image.fromarray(image).save(run / "cohorts/clinic" / path)
    made_forensics(run, "clinic", slices)
    masks[test.idxmax()] = 0
    made_manifest(run, "clinic", slices)
    manifest = read_table(run / "qc/clinic/manifest.tsv", schema="manifest")
    rejected = slices["slice"] == split.loc[test, "slice"].iloc[2]
    save_manifest(run, "clinic", manifest.assign(segmented_keep=(~rejected).astype(int)))
    cache = run / "training/images/clinic"
    save_images(cache, slices[["slice"]], whole=images, masks=masks)

    keras.utils.set_random_seed(1)
    backbone = backbones.load("small_cnn")
    model = build_classifier(backbone, HEAD)
    (run / MODEL).mkdir(parents=True)
    model.save(run / MODEL / "model.keras")
    made = {"backbone": "small_cnn", "preprocessing": backbone.preprocessing, "image_size": SIZE}
    made["labels"] = [POSITIVE, NEGATIVE]
    write_json(run / MODEL / "provenance.json", made)
    probability = model.predict(to_input(backbone, images), verbose=0)[:, 0]
    write_table(run / MODEL / "predictions/clinic.tsv", split.assign(probability=probability), schema="predictions")
    return workspace


def test_audit_stage(workspace: Workspace) -> None:
    workspace.must_run("audit_stage", f"{OUTPUTS}/intervention_logits.tsv")
    run, folder = workspace.run_folder, workspace.run_folder / OUTPUTS
    predictions = read_table(run / MODEL / "predictions/clinic.tsv", schema="predictions")
    test = predictions[predictions["split"] == "test"]
    every = test
    test = test.drop(index=test.index[[0, 2]])
    logits = read_table(folder / "intervention_logits.tsv", schema="intervention_logits")
    assert list(logits.columns) == table_schema("intervention_logits")["required"]
    assert list(logits["slice"]) == list(test["slice"])
    np.testing.assert_allclose(1 / (1 + np.exp(-logits["intact"])), test["probability"], rtol=1e-4)

    sources = read_table(folder / "source_predictions.tsv", schema="source_predictions")
    assert list(sources["slice"]) == list(test["slice"])
    assert set(sources["source"]) == {"clinic"} and set(sources["predicted"]) == {""}
    values = read_table(folder / "sanity_values.tsv", schema="sanity_values")
    spread = np.linspace(0, len(test) - 1, 4).round().astype(int)
    for (_, _, measure), of_slices in values.groupby(["test", "variant", "measure"]):
        assert list(of_slices["slice"]) == list(test["slice"].iloc[spread])
        assert (
            of_slices["value"].between(-1 if measure != "enrichment" else 0, 1 if measure != "enrichment" else 99).all()
        )
    assert set(values["test"]) == {"randomisation", "deletion", "insertion"}
    # Slices without an accepted mask have a making as well.
    made = read_table(folder / "making_logits.tsv", schema="making_logits")
    assert list(made["slice"]) == list(every["slice"])
    np.testing.assert_allclose(1 / (1 + np.exp(-made["intact"])), every["probability"], rtol=1e-4)
    assert not np.allclose(made["washed_noise"], made["imposed_noise"], rtol=1e-4)
    written = {path.name for path in folder.iterdir()}
    assert written == {
        f"{name}.tsv" for name in ("intervention_logits", "source_predictions", "sanity_values", "making_logits")
    }
    log = (run / f"logs/audit_stage/{PIPELINE}/stage2.log").read_text(encoding="utf-8")
    assert "interventions in" in log and str(workspace.folder) not in log


def test_audit_intervals(workspace: Workspace) -> None:
    workspace.must_run("audit_stage", f"{OUTPUTS}/intervention_logits.tsv")
    workspace.must_run("audit_intervals", f"{OUTPUTS}/shortcuts.tsv")
    folder = workspace.run_folder / OUTPUTS
    logits = read_table(folder / "intervention_logits.tsv", schema="intervention_logits")
    shortcuts = read_table(folder / "shortcuts.tsv", schema="audit")
    intact = shortcuts[(shortcuts["variant"] == "intact") & (shortcuts["unit"] == "slice")].iloc[0]
    positive = logits["label"] == POSITIVE
    pairs = np.sign(logits["intact"][positive].to_numpy()[:, None] - logits["intact"][~positive].to_numpy())
    assert intact["value"] == pytest.approx((pairs.mean() + 1) / 2)
    assert (intact["n"], intact["chance"]) == (len(logits), 0.5)
    making = read_table(folder / "making.tsv", schema="audit")
    assert list(making.loc[making["measure"] == "auc_counterfactual", "variant"]) == list(WASHINGS)
    traced = making[making["measure"] == "rank_correlation"].set_index("variant")
    assert traced.loc["noise_air", "n"] == making["n"].max() // 2 and "jpeg_quality" in traced.index
    assert shortcuts["test"].iloc[-1] == "source_from_features"
    assert shortcuts["reason"].iloc[-1] == "the test slices come from one source"

    values = read_table(folder / "sanity_values.tsv", schema="sanity_values")
    sanity = read_table(folder / "sanity.tsv", schema="audit")
    blocks = sanity.loc[sanity["measure"] == "rank_correlation", "variant"]
    assert list(blocks) == ["head", "stride 8", "stride 4", "stride 2", "stride 1", "all"]
    assert set(sanity["test"]) == {"randomisation", "deletion", "insertion"}
    names = ["test", "variant", "measure"]
    np.testing.assert_allclose(sanity["value"], values.groupby(names, sort=False)["value"].mean())
    np.testing.assert_array_equal(sanity["n"], values.groupby(names, sort=False)["value"].count())


def test_metadata_classifier(workspace: Workspace) -> None:
    run = workspace.run_folder
    path = run / "cohorts/clinic/cases.tsv"
    cases = read_table(path, schema="cases")
    kvp = np.where(cases["label"] == POSITIVE, 100.0, 120.0)
    write_table(path, cases.assign(kvp=kvp, contrast=np.nan), schema="cases")
    workspace.must_run("metadata_classifier", "explain/metadata/clinic/whole.tsv")
    table = read_table(run / "explain/metadata/clinic/whole.tsv", schema="audit")
    by_patient = table[table["unit"] == "patient"].set_index("variant")
    assert by_patient.loc["exposure", "value"] == 1
    assert by_patient.loc["image size", "reason"] == "unknown, or the same for every slice"
    assert by_patient.loc["source", "reason"] == "unknown, or the same for every slice"
    assert by_patient.loc["all", "value"] == 1
    by_slice = table[table["unit"] == "slice"].set_index("variant")
    assert by_slice.loc["all", "n"] == by_slice.loc["exposure", "n"] - 1


def test_replicate_maps(workspace: Workspace) -> None:
    """A second training with other weights: both explain the class that the first predicts, on the audited slices."""
    workspace.config["training"]["replicates"] = 2
    workspace.write_config()
    run, other = workspace.run_folder, MODEL.replace("/stage2", "-r2/stage2")
    keras.utils.set_random_seed(2)
    model = build_classifier(backbones.load("small_cnn"), HEAD)
    (run / other).mkdir(parents=True)
    model.save(run / other / "model.keras")
    write_json(run / other / "provenance.json", read_json(run / MODEL / "provenance.json"))
    workspace.must_run("replicate_maps", f"{OUTPUTS}/replicate_maps.npz")
    maps = load_replicate_maps(run / OUTPUTS / "replicate_maps.npz")

    predictions = read_table(run / MODEL / "predictions/clinic.tsv", schema="predictions")
    test = predictions[predictions["split"] == "test"]
    audited = test.drop(index=test.index[[0, 2]])
    chosen = audited.iloc[np.linspace(0, len(audited) - 1, 4).round().astype(int)]
    assert list(maps.slices) == list(chosen["slice"]) and list(maps.patients) == list(chosen["patient"])
    assert maps.trained.shape == (2, 4, *maps.random.shape[2:]) and len(maps.random) == 16
    rows = predictions.index[predictions["slice"].isin(chosen["slice"])]
    np.testing.assert_array_equal(maps.lung, np.load(run / "training/images/clinic/000/masks.npy")[rows].astype(bool))
    images = np.load(run / "training/images/clinic/000/whole.npy")[rows]
    numbers = (chosen["probability"] >= 0.5).to_numpy(int)
    for own, folder in zip(maps.trained, (MODEL, other), strict=True):
        loaded = keras.saving.load_model(run / folder / "model.keras", compile=False)
        np.testing.assert_allclose(
            own, ModelOutputs(loaded, backbones.load("small_cnn"))(images).maps(numbers), atol=1e-5
        )
    assert not np.allclose(maps.random[0], maps.random[1])


def test_replicates_table(tmp_path) -> None:
    space = made_finished_run(tmp_path)
    space.config["training"] = {"replicates": 3}
    space.write_config()
    run = describe_run(complete_config({"results": space.results} | space.config))
    made_replicates(space.run_folder, run, {name: [-0.05, 0.05] for name in PIPELINES})
    space.must_run("replicates_table", "report/replicates.tsv")
    table = read_table(space.run_folder / "report/replicates.tsv", schema="replicates")
    of_auc = table.query("metric == 'roc_auc' and unit == 'patient' and cohort == 'clinic' and stage == 2")
    assert list(of_auc["pipeline"]) == PIPELINES and set(table["replicates"]) == {3}
    for name, row in of_auc.set_index("pipeline").iterrows():
        own = read_json(space.run_folder / f"models/{name}/stage2/metrics.json")["rows"]
        [auc] = [each["roc_auc"] for each in own if (each["cohort"], each["unit"]) == ("clinic", "patient")]
        values = [auc, max(0, auc - 0.05), min(1, auc + 0.05)]
        assert row["value"] == auc
        assert (row["mean"], row["sd"]) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert set(table.query("metric == 'rank'")["cohort"]) == {"open", "clinic"}
    assert (table.query("metric == 'repeatability_spearman'")["value"] > 0.9).all()


TABLES = ("metrics_table", "saliency_table")


@pytest.fixture
def finished(tmp_path) -> Workspace:
    return made_finished_run(tmp_path)


def test_pairs_table(tmp_path) -> None:
    """A model that follows the lung but for CAP, in both stages."""
    space, _ = three_class_space(tmp_path, report={"bootstrap": 50}, segmentation={"method": "classical"})
    for stage in (1, 2):
        folder = space.run_folder / f"explain/whole-small_cnn-scratch/stage{stage}"
        for name, table in zip(("intervention_logits", "swap_logits"), made_tables(1.0, marked="CAP"), strict=True):
            write_table(folder / f"{name}.tsv", table, schema=name)
    space.must_run("pairs_table", "report/pairs.tsv")
    pairs = read_table(space.run_folder / "report/pairs.tsv", schema="pairs")
    assert list(pairs["stage"]) == [1] * 3 + [2] * 3
    found = pairs.set_index(["stage", "first", "second"])["verdict"]
    assert found[2, "Covid-19", "Normal"] == "looks at the lung"
    assert found[2, "Covid-19", "CAP"] == found[1, "CAP", "Normal"] == "looks elsewhere"


def test_audit_tables(finished: Workspace) -> None:
    done = finished.snakemake(
        *("--cores", "2", "--show-failed-logs", "--allowed-rules", *TABLES, "audit_tables", "--"),
        f"{finished.results}/report/verdicts.tsv",
    )
    assert done.returncode == 0, done.stdout
    run = finished.run_folder
    audit = read_table(run / "report/audit.tsv", schema="report_audit")
    shortcuts = read_table(run / f"explain/{PIPELINES[1]}/stage2/shortcuts.tsv", schema="audit")
    here = audit[(audit["pipeline"] == PIPELINES[1]) & (audit["stage"] == 2)]
    assert here["value"].head(len(shortcuts)).equals(shortcuts["value"].set_axis(here.index[: len(shortcuts)]))
    assert set(here["cohort"]) == {"clinic"}
    of_metadata = audit[audit["pipeline"] == ""]
    assert set(of_metadata["cohort"]) == {"open", "clinic"} and set(of_metadata["test"]) == {"metadata"}

    verdicts = read_table(run / "report/verdicts.tsv", schema="verdicts")
    assert list(zip(verdicts["pipeline"], verdicts["stage"], strict=True)) == [
        (name, stage) for name in PIPELINES for stage in (1, 2)
    ]
    by_patient = shortcuts[(shortcuts["unit"] == "patient") & (shortcuts["measure"] == "roc_auc")]
    swap = by_patient.set_index("variant").loc["background_only_other", "value"]
    assert verdicts.loc[3, "swap"] == pytest.approx(swap)

    comparisons = read_table(run / "report/comparisons.tsv", schema="comparisons")
    assert set(comparisons["compared"]) == {"framework"}
    row = comparisons[(comparisons["stage"] == 2) & (comparisons["measure"] == "swap")].iloc[0]
    swaps = verdicts[verdicts["stage"] == 2].set_index("pipeline")["swap"]
    assert (row["first"], row["second"]) == pytest.approx((swaps[PIPELINES[0]], swaps[PIPELINES[1]]))
    assert row["difference"] == pytest.approx(row["second"] - row["first"])


def test_the_verdict_on_segmented_slices_sees_what_their_split_does_not_hold(tmp_path) -> None:
    """Of a class every other test patient lost all masks; the common split alone tells it."""
    workspace = made_workspace(
        tmp_path,
        {"lungs": "segmentation", "clinic": "target", "open": "public"},
        pipelines={"frameworks": ["segmented"], "backbones": ["resnet50"], "weights": ["scratch"]},
        report={"bootstrap": 50},
    )
    run = workspace.run_folder
    made_run(run, complete_config({"results": workspace.results} | workspace.config), patients=48)
    name = "segmented-resnet50-scratch"
    folder = run / f"explain/{name}/stage2"
    common = read_table(run / "splits/clinic/whole.tsv", schema="split")
    test = common[common["split"] == "test"]
    positive = list(dict.fromkeys(test.loc[test["label"] == POSITIVE, "patient"]))
    assert len(positive) == 6
    lost = test.loc[test["patient"].isin(positive[::2]), "slice"]
    for table in ("saliency", "intervention_logits"):
        rows = read_table(folder / f"{table}.tsv", schema=table)
        write_table(folder / f"{table}.tsv", rows[~rows["slice"].isin(lost)], schema=table)
    done = workspace.snakemake(
        *("--cores", "2", "--show-failed-logs", "--allowed-rules", *TABLES, "audit_tables", "--"),
        f"{workspace.results}/report/verdicts.tsv",
    )
    assert done.returncode == 0, done.stdout
    verdicts = read_table(run / "report/verdicts.tsv", schema="verdicts").set_index("stage")
    assert (verdicts.loc[1, "slices_left_out"], verdicts.loc[2, "slices_left_out"]) == (0, len(lost))
    assert verdicts.loc[2, "slices"] == len(test)
    assert verdicts.loc[2, "lost_by_class"] == pytest.approx(0.5)
    assert (verdicts.loc[2, "verdict"], verdicts.loc[2, "rule"]) == ("not assessed", "too few left")


def test_rank_pipelines(finished: Workspace) -> None:
    done = finished.snakemake(
        *("--cores", "2", "--show-failed-logs", "--allowed-rules", *TABLES, "audit_tables", "rank_pipelines"),
        *("--", f"{finished.results}/report/systems.tsv"),
    )
    assert done.returncode == 0, done.stdout
    run = finished.run_folder
    table = read_table(run / "report/systems.tsv", schema="systems")
    assert list(table["stage"]) == [1, 1, 2, 2] and list(table["rank"].iloc[[0, 2]]) == [1, 1]
    metrics = read_table(run / "report/metrics.tsv", schema="metrics").query("unit == 'patient'")
    by_model = metrics.set_index(["pipeline", "stage", "cohort"])["roc_auc"]
    for row in table.itertuples():
        assert row.roc_auc == by_model[row.pipeline, row.stage, row.cohort]
    first, second = table["roc_auc"].iloc[2:]
    assert first >= second and table["rank"].iloc[3] == (2 if first > second else 1)
    assert table["difference"].iloc[3] == pytest.approx(second - first)
    assert (table["network"] == "resnet50").all() and (table["paper"] == "").all()


def test_audit(finished: Workspace) -> None:
    finished.must_reach("audit", "saliency_table", "audit_tables")
    verdicts = read_table(finished.run_folder / "report/verdicts.tsv", schema="verdicts")
    assert set(verdicts["pipeline"]) == set(PIPELINES) and len(verdicts) == 4


def test_forensics_table(tmp_path) -> None:
    """Format tells the label of one cohort and nothing does in the other; the blocks tell both cohorts apart."""
    workspace = made_workspace(tmp_path, {"open": "public", "clinic": "target"})
    run = workspace.run_folder
    for cohort, planted in (("open", {"format": 1.0}), ("clinic", {})):
        traces = made_forensics(run, cohort, made_cohort(run, cohort, patients=60, slices=1, size=16), **planted)
        traces["blockiness"] += cohort == "clinic"
        write_table(run / f"cohorts/{cohort}/forensics.tsv", traces, schema="forensics")
    workspace.must_run("forensics_table", "report/forensics.tsv")
    table = read_table(run / "report/forensics.tsv", "report_forensics")
    assert list(table["cohort"].unique()) == ["open", "clinic", "open vs clinic"]
    significant = {cohort: set(rows.loc[rows["p_holm"] < 0.05, "trace"]) for cohort, rows in table.groupby("cohort")}
    assert significant["open"] == {"format", "making", "all"} and significant["clinic"] == set()
    assert "blockiness" in significant["open vs clinic"]


def test_remedies_table(tmp_path) -> None:
    """A made run with a remedy: differences are to none on the same patients, and the page shows both."""
    names = ["whole-resnet50-scratch", "whole-resnet50-scratch-style"]
    workspace = made_workspace(
        tmp_path,
        {"lungs": "segmentation", "open": "public", "clinic": "target", "abroad": "external"},
        pipelines={
            "frameworks": ["whole"],
            "backbones": ["resnet50"],
            "weights": ["scratch"],
            "remedies": ["none", "style"],
        },
        **{"explain": {"overlays": 1}, "report": {"bootstrap": 100, "title": "Repaired"}},
    )
    made_run(workspace.run_folder, complete_config({"results": workspace.results} | workspace.config), patients=24)
    rules = [rule for rule in REPORT_RULES if rule != "report"]
    workspace.must_reach(f"{workspace.results}/report/index.html", *rules, "remedies_table")
    run = workspace.run_folder
    table = read_table(run / "report/remedies.tsv", schema="remedies").set_index("pipeline")
    assert list(table.index) == names and list(table["remedy"]) == ["none", "style"]
    assert list(table["compared_with"]) == ["", names[0]]
    metrics = read_table(run / "report/metrics.tsv", schema="metrics").query("unit == 'patient'")
    by_model = metrics.set_index(["pipeline", "stage", "cohort"])["roc_auc"]
    verdicts = read_table(run / "report/verdicts.tsv", schema="verdicts").query("stage == 2").set_index("pipeline")
    for name in names:
        row = table.loc[name]
        assert row["home"] == pytest.approx(by_model[name, 2, "clinic"])
        assert row["before"] == pytest.approx(by_model[name, 1, "clinic"])
        assert row["external"] == pytest.approx(by_model[name, 2, "abroad"])
        assert row["swap"] == pytest.approx(verdicts.loc[name, "swap"])
        assert row["background"] == pytest.approx(verdicts.loc[name, "background"])
        assert row["verdict"] == verdicts.loc[name, "verdict"]
    differences = read_table(run / "report/differences.tsv", schema="differences")
    wanted = {"comparison": "remedy", "unit": "patient", "metric": "roc_auc", "first_stage": "2", "cohort": "clinic"}
    (of_home,) = differences[(differences[list(wanted)].astype(str) == pd.Series(wanted)).all(axis=1)].to_dict(
        "records"
    )
    after = table.loc[names[1]]
    assert after["home_difference"] == pytest.approx(of_home["difference"])
    assert after["swap_difference"] == pytest.approx(table["swap"].iloc[1] - table["swap"].iloc[0])
    for measure in ("home", "swap", "enrichment"):
        low, value, high = (after[f"{measure}_difference{end}"] for end in ("_lo", "", "_hi"))
        assert low <= value <= high
    assert after["training_ratio"] == pytest.approx(1) and table["home_difference"].isna().iloc[0]
    page = (run / "report/index.html").read_text(encoding="utf-8")
    assert "Before and after: remedies against shortcuts" in page and "MixStyle" in page
