"""Run three classes on tiny phantoms up to the report: stage 1 sees two of them, stage 2 learns the third."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, confusion_matrix, f1_score, roc_auc_score

from lungsight.files import read_json
from lungsight.tables import read_table
from tests.e2e.test_tiny import write_phantom_tables
from tests.factories.workspace import ROOT, Workspace

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
    "explain": {
        "threads": 1,
        "overlays": 1,
        "sample": 2,
        "methods": ["scorecam"],
        "score_cam_channels": 4,
        "classes": "all",
    },
    "audit": {"sample": 4, "randomisations": 1, "steps": 3, "making_sample": 6},
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
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "all")
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


def test_maps_explain_the_predicted_class_and_every_other(three):
    for stage, cohort, known in ((1, "curated", ["Covid-19", "Normal"]), (2, "hospital", LABELS)):
        folder = three.run_folder / f"{MODEL.replace('models', 'explain')}/stage{stage}"
        saliency = read_table(folder / "saliency.tsv", "saliency")
        test = predictions_of(three, stage, cohort).query("split == 'test'")
        assert list(saliency["slice"]) == list(test["slice"])
        assert list(saliency["explained"]) == list(saliency["predicted"]) == list(test["predicted"])
        assert list(saliency["outcome"]) == [
            "right" if same else "wrong" for same in test["label"] == test["predicted"]
        ]
        np.testing.assert_allclose(saliency["explained_probability"], test[P].max(axis=1))
        of_classes = read_table(folder / "class_saliency.tsv", "class_saliency")
        assert list(of_classes["explained"].unique()) == known
        with np.load(folder / "class_maps.npz") as of_all, np.load(folder / "maps.npz") as of_predicted:
            assert list(of_all["classes"]) == known
            places = [known.index(name) for name in saliency["explained"]]
            chosen = of_all["maps"][places, np.arange(len(places))]
            np.testing.assert_allclose(chosen, of_predicted["maps"], rtol=1e-5, atol=1e-7)


def test_the_swap_is_the_mean_over_pairs_by_a_second_implementation(three):
    """Of a pair (a, b): slices of a with a lung of b against slices of b with a lung of a, by p_a / (p_a + p_b)."""
    folder = three.run_folder / f"{MODEL.replace('models', 'explain')}/stage2"
    swaps = read_table(folder / "swap_logits.tsv", "swap_logits")
    aucs = {}
    for first, second in combinations(LABELS, 2):
        chosen = swaps[swaps["label"].isin([first, second]) & swaps["donor"].isin([first, second])]
        sign = np.where(chosen["label"] == first, 1, -1)
        scores = chosen.assign(score=1 / (1 + np.exp(-sign * chosen["background_only_other"])))
        patients = scores.groupby(["patient", "label"], as_index=False)["score"].mean()
        aucs[first, second] = roc_auc_score(patients["label"] == first, patients["score"])
    pairs = read_table(three.run_folder / "report/pairs.tsv", "pairs")
    of_stage = pairs[pairs["stage"] == 2]
    assert of_stage.set_index(["first", "second"])["swap"].to_dict() == pytest.approx(aucs)
    assert len(pairs[pairs["stage"] == 1]) == 1, "stage 1 knows two classes"
    verdicts = read_table(three.run_folder / "report/verdicts.tsv", "verdicts").set_index("stage")
    assert verdicts.loc[2, "swap"] == pytest.approx(np.mean(list(aucs.values())))
    logits = read_table(folder / "intervention_logits.tsv", "intervention_logits")
    assert list(logits["class"][:3]) == LABELS


def test_the_page_shows_every_class(three):
    page = (three.run_folder / "report/index.html").read_text(encoding="utf-8")
    assert "tell Covid-19, CAP and Normal apart" in page
    assert 'id="pairs-table"' in page and 'id="classes-table"' in page
    assert page.count('<th scope="col">CAP</th>') == 3, "a matrix for each evaluation"


def test_the_card_has_a_row_for_each_class_and_the_package_follows(three):
    done = three.snakemake("--cores", "2", "--show-failed-logs", "package")
    assert done.returncode == 0, done.stdout[-4000:]
    card = (three.run_folder / f"{MODEL}/stage2/model_card.md").read_text(encoding="utf-8")
    assert "a probability of each of\nCovid-19, CAP, Normal." in card
    assert all(f"| {label} | " in card for label in LABELS)
    check = [sys.executable, "-m", "lungsight.verify", str(three.folder / f"{three.results}.crate.zip")]
    checked = subprocess.run(check, cwd=ROOT / "workflow/scripts", capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    # Six rows: a threshold, five counts, and with both ends nine metrics of the first class and five of all.
    assert f"report/metrics.tsv: {6 * (1 + 5 + 3 * (9 + 5))} compared, all follow" in checked.stdout, checked.stdout
    for table in ("confusion", "pairs", "renormalised", "class_curves", "verdicts", "differences"):
        assert f"report/{table}.tsv: " in checked.stdout


@pytest.mark.long
def test_new_scans_get_the_probability_of_every_class(three):
    out = "results/new"
    options = f"scans=phantoms/hospital/P001 model={three.results}/{MODEL}/stage2 out={out}"
    done = three.snakemake(
        "--cores", "2", "--show-failed-logs", "predict", "--config", *options.split(), configured=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    (row,) = read_table(three.folder / out / "predictions.tsv", "new_predictions").to_dict("records")
    assert sum(row[name] for name in P) == pytest.approx(1)
    assert (
        row["label"]
        == LABELS[int(np.argmax([row[name] for name in P]))]
        == row["ranked"].rpartition(" ")[0].split(" 0.")[0]
    )
    page = (three.folder / out / "index.html").read_text(encoding="utf-8")
    assert all(f"<li>{label} 0." in page for label in LABELS)
