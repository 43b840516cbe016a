"""Run config/table-2-2.yaml on tiny phantoms: ten pipelines of the literature, both stages, to the report.

Images are as small as the backbones allow, and trainings take a few steps. The tests show that everything runs, not how
well it learns. Stand-in pre-training replaces ImageNet weights.
"""

import re

import numpy as np
import pytest
import yaml

from lungsight.files import read_json
from lungsight.tables import read_table
from lungsight.training import published_models
from lungsight.training.pipelines import PATIENT_PREDICTION
from tests.e2e.test_tiny import write_phantom_tables
from tests.factories.workspace import ROOT, Workspace

pytestmark = pytest.mark.long

SMALL = {
    **{"image_size": 80, "batch_size": 8, "epochs": {"stage1": 1, "stage2": 1}, "warmup_epochs": 0, "head_units": 16},
    **{"learning_rate": {"stage1": 1e-3, "stage2": 1e-3}, "threads": 1},
    "stand_in": {"images": 16, "epochs": 1, "size": 64},
}
PHANTOMS = {
    "curated": {"role": "public", "format": "png", "phantom": {"seed": 2, "patients": 16, "slices": 3}},
    "hospital": {"role": "target", "format": "dicom", "phantom": {"seed": 3, "patients": 16, "slices": 5}},
}


def small_config() -> dict:
    """Return config/table-2-2.yaml with phantom cohorts and settings that make it quick."""
    config = yaml.safe_load((ROOT / "config/table-2-2.yaml").read_text(encoding="utf-8"))
    cohorts = yaml.safe_load(yaml.safe_dump(PHANTOMS))
    for name, cohort in cohorts.items():
        cohort |= {"root": f"phantoms/{name}", "table": f"{name}.tsv"}
        cohort["phantom"]["matrix"] = 96
    return {
        **{name: config[name] for name in ("labels", "pipelines")},
        **{"cohorts": cohorts, "training": config["training"] | SMALL, "intake": {"png_size": 96}},
        **{"segmentation": {"method": "classical"}, "splits": {"fractions": [0.5, 0.2, 0.3]}},
        **{"explain": {"threads": 1, "overlays": 1, "sample": 0}, "leakage": {"pipelines": []}},
        **{"audit": {"sample": 2, "randomisations": 1, "steps": 2, "making_sample": 2}, "report": {"bootstrap": 50}},
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("systems"), small_config())
    write_phantom_tables(workspace)
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "all")
    assert done.returncode == 0, done.stdout[-8000:]
    return workspace


def table_at(workspace: Workspace, path: str, schema: str):
    return read_table(workspace.run_folder / path, schema)


def test_every_published_model_is_ranked_with_all_its_columns(finished):
    table = table_at(finished, "report/systems.tsv", "systems")
    assert set(table["backbone"]) == set(published_models.names())
    for _, rows in table.groupby("stage"):
        assert len(rows) == 10 and rows["rank"].iloc[0] == 1 and rows["rank"].is_monotonic_increasing
        assert rows["roc_auc"].is_monotonic_decreasing
        assert np.isnan(rows["difference"].iloc[0]) and rows["difference"].iloc[1:].le(0).all()
    filled = ["accuracy", "accuracy_lo", "accuracy_hi", "ece", "brier", "parameters"]
    assert table[filled].notna().all(axis=None)
    assert set(table["verdict"]) <= {"looks at the lung", "no better than chance", "looks elsewhere", "cannot tell"}
    assert set(table.loc[table["answer"] == "pooled", "backbone"]) == {"bai2020"}
    assert set(table.loc[table["region"] == "lung_box", "backbone"]) == {"wang2021"}


def test_a_pooling_model_predicts_each_patient_once(finished):
    predictions = table_at(finished, "models/segmented-bai2020-imagenet/stage2/predictions/hospital.tsv", "predictions")
    assert (predictions.groupby("patient")[PATIENT_PREDICTION].nunique() == 1).all()
    test = predictions[predictions["split"] == "test"].drop_duplicates("patient")
    metrics = table_at(finished, "report/metrics.tsv", "metrics")
    chosen = metrics["pipeline"].str.contains("bai2020") & (metrics["stage"] == 2) & (metrics["unit"] == "patient")
    right = (test[PATIENT_PREDICTION] >= 0.5) == (test["label"] == "Covid-19")
    assert metrics.loc[chosen, "accuracy"].item() == pytest.approx(right.mean())


def test_maps_of_a_box_are_measured_against_the_box(finished):
    index = table_at(finished, "training/images/hospital/lung_box/index.tsv", "image_index")
    assert (index["width"] < 0.95).any()
    saliency = table_at(finished, "explain/whole-wang2021-imagenet/stage2/saliency.tsv", "saliency")
    others = table_at(finished, "explain/whole-li2021-imagenet/stage2/saliency.tsv", "saliency")
    both = saliency.merge(others, on="slice", suffixes=("", "_whole"))
    assert len(both) and (both["lung_fraction"] >= both["lung_fraction_whole"] - 0.02).all()


def test_machines_are_solved_in_closed_form(finished):
    folder = "models/whole-turkoglu2021-imagenet"
    for stage in (1, 2):
        history = table_at(finished, f"{folder}/stage{stage}/history.tsv", "history")
        assert list(history["stopped"]) == ["solved in closed form"]
    provenance = read_json(finished.run_folder / folder / "stage2/provenance.json")
    assert (provenance["backbone"], provenance["settings"]["solver"]) == ("densenet201", "closed_form")


def test_the_report_shows_papers_their_figures_and_substitutions(finished):
    page = (finished.run_folder / "report/index.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", page)
    for name in published_models.names():
        assert published_models.load(name).paper in text
    assert "automatic lung box" in text
    assert "0.895" in text and "0.971" in text
