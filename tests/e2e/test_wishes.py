"""Run config/wishes.yaml on tiny phantoms: every wish that is a word of the config, both stages, to the report.

The tests show that everything runs and that files follow from one another, not how well it learns.
"""

import keras
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from lungsight.files import read_json
from lungsight.tables import read_table
from tests.e2e.test_tiny import write_phantom_tables
from tests.factories.workspace import ROOT, Workspace

pytestmark = pytest.mark.long

PLAIN = "whole-small_cnn-simsiam"
PHANTOMS = {
    "curated": {"role": "public", "format": "png", "phantom": {"seed": 2, "patients": 16, "slices": 3}},
    "hospital": {"role": "target", "format": "dicom", "phantom": {"seed": 3, "patients": 16, "slices": 5}},
}


def small_config() -> dict:
    """Return config/wishes.yaml with fewer and smaller phantoms, pre-trained weights alone, and few steps."""
    config = yaml.safe_load((ROOT / "config/wishes.yaml").read_text(encoding="utf-8"))
    cohorts = yaml.safe_load(yaml.safe_dump(PHANTOMS))
    for name, cohort in cohorts.items():
        cohort |= {"root": f"phantoms/{name}", "table": f"{name}.tsv"}
        cohort["phantom"]["matrix"] = 96
    training = config["training"] | {"epochs": {"stage1": 1, "stage2": 1}}
    training["simsiam"] |= {"epochs": 2, "batch_size": 16}
    for remedy in ("dcgan", "madani"):
        training["remedies"].setdefault(remedy, {})
        training["remedies"][remedy] |= {"filters": 4, "steps": 10, "batch": 8, "samples": 20}
    return {
        **{"labels": config["labels"], "cohorts": cohorts, "training": training, "intake": {"png_size": 96}},
        **{"pipelines": config["pipelines"] | {"weights": ["simsiam"], "ensembles": {}}, "leakage": {"pipelines": []}},
        **{"segmentation": {"method": "classical"}, "splits": {"fractions": [0.5, 0.2, 0.3]}},
        **{"explain": config["explain"] | {"sample": 2}, "report": {"bootstrap": 50}},
        **{"audit": {"sample": 2, "randomisations": 1, "steps": 2, "making_sample": 2}},
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("wishes"), small_config())
    write_phantom_tables(workspace)
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "all")
    assert done.returncode == 0, done.stdout[-8000:]
    return workspace


def test_every_wish_is_judged_beside_none(finished):
    table = read_table(finished.run_folder / "report/remedies.tsv", "remedies").set_index("remedy")
    assert list(table.index) == finished.config["pipelines"]["remedies"]
    assert table["verdict"].notna().all() and (table["compared_with"].iloc[1:] == PLAIN).all()
    metrics = read_table(finished.run_folder / "report/metrics.tsv", "metrics")
    for name in table["pipeline"]:
        predictions = read_table(
            finished.run_folder / f"models/{name}/stage2/predictions/hospital.tsv", "predictions"
        ).query("split == 'test'")
        truth = (predictions["label"] == "Covid-19").to_numpy()
        chosen = (metrics["pipeline"] == name) & (metrics["stage"] == 2) & (metrics["unit"] == "slice")
        expected = roc_auc_score(truth, predictions["probability"])
        assert metrics.loc[chosen, "roc_auc"].item() == pytest.approx(expected), name


def test_saved_models_open_with_keras_alone_and_attention_has_weights_of_its_own(finished):
    sizes = {}
    for remedy in finished.config["pipelines"]["remedies"]:
        name = PLAIN if remedy == "none" else f"{PLAIN}-{remedy}"
        model = keras.models.load_model(finished.run_folder / f"models/{name}/stage2/model.keras", compile=False)
        assert isinstance(model, keras.Model) and model.output_shape == (None, 1)
        sizes[remedy] = model.count_params()
    assert sizes["cbam"] > sizes["none"]
    assert {sizes[remedy] for remedy in ("dann", "domain_norm", "dcgan", "madani")} == {sizes["none"]}


def test_provenance_names_the_start_and_what_a_remedy_found(finished):
    models = finished.run_folder / "models"
    assert read_json(models / PLAIN / "stage1/provenance.json")["weights"]["kind"] == "simsiam"
    found = read_json(models / f"{PLAIN}-dann" / "stage2/provenance.json")["training"]["remedy"]["cohort_accuracy"]
    assert set(found) == {"before", "after"}
    page = (finished.run_folder / "report/index.html").read_text(encoding="utf-8")
    assert "Before and after: remedies against shortcuts" in page and "DeTraC" in page
    assert "Pre-training without labels" in page
