"""The audit by pairs of classes, against scikit-learn, and what the swap says of made models."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from lungsight.audit.attention_differences import ENRICHMENT, SWAP, compare, comparison_rows, patients_of
from lungsight.audit.intervals import shortcut_rows
from lungsight.audit.interventions import INTERVENTIONS, SWAPS
from lungsight.audit.model_audit import Audit
from lungsight.audit.occlusion_tests import scores_of_interventions
from lungsight.audit.pair_verdicts import pair_rows, verdicts_of
from lungsight.audit.pairs import pairs_of, scores_of_pairs
from lungsight.audit.rows import UNMODIFIED, interval_of_pairs
from lungsight.classes import Classes
from lungsight.tables import check_table

LABELS = ["Covid-19", "CAP", "Normal"]
MODEL = ("whole-resnet50-scratch", 2)


def made_slices(patients: int, each: int = 2) -> pd.DataFrame:
    """The slices of some patients, a third of each class."""
    number = np.arange(patients * each)
    return pd.DataFrame(
        {
            "slice": [f"{k // each:016x}-{k % each:04d}" for k in number],
            "patient": [f"{k // each:016x}" for k in number],
            "label": [LABELS[k // each % 3] for k in number],
        }
    )


def made_tables(of_lung: float, marked: str = "", patients: int = 60, seed: int = 0) -> tuple[pd.DataFrame, ...]:
    """intervention_logits.tsv and swap_logits.tsv of a model that adds logits of the lung and of the background.

    marked: a class that the background tells from all others, and the lung does not.
    """
    slices, rng = made_slices(patients), np.random.default_rng(seed)
    own = np.array([LABELS.index(label) for label in slices["label"]])

    def logits(lung: np.ndarray, background: np.ndarray) -> np.ndarray:
        z = np.eye(3)[lung] * 4 * of_lung + np.eye(3)[background] * 4 * (1 - of_lung)
        if marked:
            place = LABELS.index(marked)
            z[:, place] = np.where(background == place, 9.0, -9.0)
        return z + 0.3 * rng.normal(size=z.shape)

    nothing = np.full(len(own), 0)
    changed = {UNMODIFIED: logits(own, own)}
    for name in INTERVENTIONS:
        without_lung = name.startswith("background_only")
        changed[name] = logits(nothing if without_lung else own, own if without_lung else nothing)
    swaps = []
    for step in (1, 2):
        other = (own + step) % 3
        by_lung, by_background = logits(other, own), logits(own, other)
        rows = np.arange(len(own))
        values = {name: z[rows, own] - z[rows, other] for name, z in zip(SWAPS, (by_lung, by_background), strict=True)}
        swaps.append(slices.assign(donor=[LABELS[place] for place in other], **values))
        changed |= dict(zip(SWAPS, (by_lung, by_background), strict=True)) if step == 1 else {}
    table = slices.loc[slices.index.repeat(3)].reset_index(drop=True)
    columns = {name: z.ravel() for name, z in changed.items()}
    return table.assign(**{"class": LABELS * len(slices)}, **columns), pd.concat(swaps, ignore_index=True)


def test_the_mean_over_pairs_is_scikit_learns() -> None:
    slices, rng = made_slices(30), np.random.default_rng(2)
    logits = rng.normal(size=(len(slices), 3)) + np.eye(3)[[LABELS.index(label) for label in slices["label"]]]
    p, label = softmax(logits, axis=1), slices["label"].to_numpy()
    areas = []
    for a, b in combinations(range(3), 2):
        rows = np.isin(label, [LABELS[a], LABELS[b]])
        areas.append(roc_auc_score(label[rows] == LABELS[a], (p[:, a] / (p[:, a] + p[:, b]))[rows]))
    scores = scores_of_pairs(slices, logits, LABELS)
    value, (low, high) = interval_of_pairs(scores, scores.statistic(), 100, 1)
    assert value == pytest.approx(np.mean(areas)) and low < value < high
    # A class with one patient has no interval.
    few = scores_of_pairs(slices.head(6), logits[:6], LABELS)
    assert np.isnan(interval_of_pairs(few, few.statistic(), 20, 1)[1]).all()


@pytest.mark.parametrize(("of_lung", "low", "high"), [(1.0, 0, 0), (0.0, 1, 1), (0.5, 0.35, 0.65)])
def test_the_swap_is_above_a_half_by_the_background_and_below_by_the_lung(
    of_lung: float, low: float, high: float
) -> None:
    """A model that weighs both the same has a half: the rows of a pair are swapped both ways."""
    tables = made_tables(of_lung)
    scores, margins = scores_of_interventions(*tables, LABELS[0])
    swap = scores["background_only_other"].by_patient()
    assert low <= interval_of_pairs(swap, swap.statistic(), 0, 1)[0] <= high
    rows = pd.DataFrame(shortcut_rows(tables[0], sources(tables[0]), LABELS[0], 20, 1, tables[1]))
    check_table(rows, "audit", "shortcuts")
    by_name = rows[(rows["measure"] == "roc_auc") & (rows["unit"] == "patient")].set_index("variant")["value"]
    assert by_name["lung_only_other"] == pytest.approx(1 - by_name["background_only_other"], abs=0.2)
    assert len(margins[UNMODIFIED]) == len(swap.table) * 2
    assert (margins[UNMODIFIED] > -1).all(), "the margin is that of the predicted class"


def sources(table: pd.DataFrame) -> pd.DataFrame:
    return table[["slice", "patient"]].drop_duplicates().assign(source="one", predicted="")


def test_a_class_that_the_background_tells_is_found_and_no_other() -> None:
    rows = pd.DataFrame(pair_rows(MODEL, *made_tables(1.0, marked="CAP"), resamples=200, seed=1))
    check_table(rows, "pairs", "pairs")
    found = {pair[:2]: pair.conclusion for pair in verdicts_of(rows)}
    assert found == {
        ("Covid-19", "CAP"): "elsewhere",
        ("Covid-19", "Normal"): "lung",
        ("CAP", "Normal"): "elsewhere",
    }
    of_lung = pd.DataFrame(pair_rows(MODEL, *made_tables(1.0), resamples=200, seed=1))
    assert set(of_lung["verdict"]) == {"looks at the lung"} and len(of_lung) == len(pairs_of(LABELS))


def test_intervals_of_pairs_are_wider_than_that_of_one() -> None:
    logits, swaps = made_tables(0.5, patients=45)
    logits[[UNMODIFIED, *INTERVENTIONS]] += np.random.default_rng(3).normal(scale=3, size=(len(logits), 11))
    rows = pd.DataFrame(pair_rows(MODEL, logits, swaps, resamples=400, seed=1))
    scores, _ = scores_of_interventions(logits, swaps, LABELS[0])
    first = scores[UNMODIFIED].by_patient().only(0)
    value, (low, high) = interval_of_pairs(first, first.statistic(), 400, 1)
    assert rows["auc"][0] == value
    assert rows["auc_lo"][0] < low and high <= rows["auc_hi"][0]


def test_models_are_compared_over_the_pairs_of_their_classes() -> None:
    by_lung, by_background = (
        patients_of(logits, logits[["patient", "label"]].drop_duplicates().assign(enrichment=2.0), swaps)
        for logits, swaps in (made_tables(1.0), made_tables(0.0))
    )
    models = {("whole-resnet50-scratch", 2): by_lung, ("segmented-resnet50-scratch", 2): by_background}
    rows = pd.DataFrame(comparison_rows(models, LABELS[0], 50, 1)).set_index("measure")
    assert rows.loc["swap", ["first", "second", "difference", "patients"]].tolist() == [0, 1, 1, 60]
    assert rows.loc["enrichment", "difference"] == 0


def test_a_model_without_an_audited_slice_is_compared_by_nothing() -> None:
    """Quality control may have rejected every lung mask of the test slices."""
    none = Audit.without_slices(Classes.of(["a", "b", "c"]))
    saliency = pd.DataFrame({"patient": ["p"], "label": ["a"], "enrichment": [np.nan]})
    patients = patients_of(none.logits, saliency, none.swaps)
    assert patients["patient"].tolist() == ["p"]
    for measure in (SWAP, ENRICHMENT):
        found = compare(patients, patients, measure, "a", 10, 1)
        assert (found["patients"], found["reason"] != "") == (0, True)
