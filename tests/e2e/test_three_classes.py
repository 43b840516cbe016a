"""Run three classes on tiny phantoms up to the evaluation: stage 1 sees two of them, stage 2 learns the third."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, confusion_matrix, f1_score, roc_auc_score

from lungsight.files import read_json
from lungsight.tables import read_table
from tests.e2e.test_tiny import write_phantom_tables
from tests.factories.workspace import Workspace

LABELS = ["Covid-19", "CAP", "Normal"]
P = ["p_1", "p_2", "p_3"]
MODEL = "models/whole-small_cnn-scratch"
CONFIG = {
    "labels": {name: [name] for name in LABELS},
    "cohorts": {
        "curated": {
            **{"role": "public", "format": "png"},
            "phantom": {"seed": 2, "patients": 10, "slices": 3, "matrix": 96, "classes": ["Covid-19", "Normal"]},
        },
        "hospital": {
            **{"role": "target", "format": "dicom"},
            "phantom": {"seed": 3, "patients": 18, "slices": 6, "matrix": 96, "scanner": "beta", "classes": LABELS},
        },
    },
    "intake": {"png_size": 96},
    "segmentation": {"method": "classical"},
    "splits": {"fractions": [0.4, 0.2, 0.4]},
    "pipelines": {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]},
    "training": {
        **{"image_size": 64, "batch_size": 8, "epochs": {"stage1": 2, "stage2": 4}, "batch_norm_momentum": 0.8},
        **{"learning_rate": {"stage1": 1e-3, "stage2": 1e-3}, "head_units": 16, "threads": 1},
        "loss": "class_weighted",
    },
    "leakage": {"pipelines": []},
    "report": {"bootstrap": 100},
}


def workspace_of(folder) -> Workspace:
    config = {**CONFIG, "cohorts": {name: dict(cohort) for name, cohort in CONFIG["cohorts"].items()}}
    for name, cohort in config["cohorts"].items():
        cohort |= {"root": f"phantoms/{name}", "table": f"{name}.tsv"}
    workspace = Workspace(folder, config)
    write_phantom_tables(workspace)
    return workspace


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Workspace:
    workspace = workspace_of(tmp_path_factory.mktemp("three"))
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "evaluate")
    assert done.returncode == 0, done.stdout[-8000:]
    assert "stage 1 (curated) never sees CAP. Stage 2 therefore gets a new head" in done.stdout
    return workspace


def predictions_of(run: Workspace, stage: int, cohort: str) -> pd.DataFrame:
    return read_table(run.run_folder / f"{MODEL}/stage{stage}/predictions/{cohort}.tsv", "predictions")


def test_predictions_hold_every_class(three):
    for stage, cohort in ((1, "curated"), (1, "hospital"), (2, "hospital")):
        table = predictions_of(three, stage, cohort)
        assert list(table.columns) == ["slice", "patient", "label", "split", "probability", *P, "predicted"]
        np.testing.assert_allclose(table[P].sum(axis=1), 1, atol=1e-6)
        assert (table["probability"] == table["p_1"]).all()
        assert list(table["predicted"]) == [LABELS[place] for place in table[P].to_numpy().argmax(axis=1)]
        assert (table["p_2"] == 0).all() == (stage == 1), "stage 1 never saw a CAP"


def test_provenance_says_which_classes_a_model_knows(three):
    first, second = (read_json(three.run_folder / f"{MODEL}/stage{stage}/provenance.json") for stage in (1, 2))
    assert (first["classes"], first["head"]) == (["Covid-19", "Normal"], None)
    assert second["classes"] == second["labels"] == LABELS
    assert second["head"] == {"kept": ["Covid-19", "Normal"], "new": ["CAP"], "dropped": []}


def test_metrics_are_those_of_scikit_learn(three):
    metrics = read_table(three.run_folder / "report/metrics.tsv", "metrics")
    row = metrics[(metrics["stage"] == 2) & (metrics["unit"] == "slice")].iloc[0]
    test = predictions_of(three, 2, "hospital").query("split == 'test'")
    truth, p, predicted = test["label"], test[P].to_numpy(), test["predicted"]
    order = np.array([LABELS.index(label) for label in truth])
    assert row["roc_auc"] == pytest.approx(roc_auc_score(truth == "Covid-19", test["probability"]))
    assert row["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert row["macro_auc"] == pytest.approx(roc_auc_score(order, p, multi_class="ovr"))
    assert row["hand_till"] == pytest.approx(roc_auc_score(order, p, multi_class="ovo"))
    assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert row["kappa"] == pytest.approx(cohen_kappa_score(truth, predicted))
    for name in ("macro_f1", "macro_auc", "hand_till", "balanced_accuracy", "kappa"):
        assert row[f"{name}_lo"] <= row[name] <= row[f"{name}_hi"]
    confusion = read_table(three.run_folder / "report/confusion.tsv", "confusion")
    counts = confusion[(confusion["stage"] == 2) & (confusion["unit"] == "slice")]["n"].to_numpy().reshape(3, 3)
    np.testing.assert_array_equal(counts, confusion_matrix(truth, predicted, labels=LABELS))
    classes = read_table(three.run_folder / "report/classes.tsv", "classes")
    of_slices = classes[(classes["stage"] == 2) & (classes["unit"] == "slice")]
    assert list(of_slices["class"]) == LABELS
    np.testing.assert_allclose(of_slices["sensitivity"], np.diag(counts) / counts.sum(axis=1))


def test_a_cohort_without_a_class_is_shown_raw_and_renormalised(three):
    renormalised = read_table(three.run_folder / "report/renormalised.tsv", "renormalised")
    assert list(renormalised["cohort"].unique()) == ["curated"]
    classes = read_table(three.run_folder / "report/classes.tsv", "classes")
    assert set(classes.loc[classes["cohort"] == "curated", "probabilities"]) == {"raw", "renormalised"}
    assert set(classes.loc[classes["cohort"] == "hospital", "probabilities"]) == {"raw"}


def test_what_knows_two_classes_is_refused_before_any_job(three):
    done = three.snakemake("--cores", "1", "-n", "all")
    assert done.returncode == 1
    assert "labels has 3 classes. Explanations, the audit, the report" in done.stdout
    assert "Traceback" not in done.stdout
