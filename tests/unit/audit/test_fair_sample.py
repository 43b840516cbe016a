"""What is left once slices without an accepted lung mask are out, against counts and a bootstrap by hand."""

import numpy as np
import pandas as pd
import pytest

from lungsight.audit.fair_sample import audited_sample, with_slices_not_seen
from lungsight.explain.reasons import EMPTY, NO_MASK, REJECTED
from lungsight.splits.cohort_split import CohortTables, SplitPlan, in_input_view, split_cohorts
from tests.factories.tables import NEGATIVE, POSITIVE


def saliency(*patients: tuple[str, str, str]) -> pd.DataFrame:
    """Rows of patients: label, a letter for each slice (l: lost, k: kept), outcome."""
    reasons = {"l": REJECTED, "n": NO_MASK, "k": "", "e": EMPTY}
    return pd.DataFrame(
        [
            {"patient": f"p{number}", "label": label, "outcome": outcome, "reason": reasons[letter]}
            for number, (label, letters, outcome) in enumerate(patients)
            for letter in letters
        ]
    )


def test_slices_and_patients_of_each_class_are_counted() -> None:
    table = saliency(("ill", "llkk", "TP"), ("ill", "nl", "FN"), ("well", "kkke", "TN"), ("well", "kkkl", "FP"))
    found = audited_sample(table, 0, 1)
    ill, well = found.classes
    assert ill == ("ill", 6, 2, 2, 1, pytest.approx((0.5 + 1) / 2))
    assert well == ("well", 8, 7, 2, 2, pytest.approx(0.125))
    assert (found.slices, found.lost) == (14, 5)
    assert found.lost_of_classes == "4 of 6 ill, 1 of 8 well"
    assert found.by_class.value == pytest.approx(0.75 - 0.125)
    # A handful of wrong predictions tells nothing of wrong predictions.
    assert np.isnan(found.by_outcome.value)
    # Of six wrongly predicted slices three are lost, of eight rightly predicted two; five times as many patients.
    many = pd.concat([table.assign(patient=table["patient"] + f"-{k}") for k in range(5)], ignore_index=True)
    assert audited_sample(many, 0, 1).by_outcome.value == pytest.approx(3 / 6 - 2 / 8)
    assert (found.smallest.label, found.most_lost.label) == ("ill", "ill")


def test_intervals_draw_patients() -> None:
    """Against a bootstrap that draws patients one by one."""
    rng = np.random.default_rng(5)
    shares = rng.integers(0, 5, 40)
    rows = [("ill" if k < 20 else "well", "l" * lost + "k" * (4 - lost), "TP") for k, lost in enumerate(shares)]
    found = audited_sample(saliency(*rows), 4000, 1).by_class
    drawn = rng.integers(0, 40, (4000, 40))
    ill, lost = drawn < 20, shares[drawn] / 4
    differences = (lost * ill).sum(1) / ill.sum(1) - (lost * ~ill).sum(1) / (~ill).sum(1)
    sign = np.sign(shares[:20].sum() - shares[20:].sum())
    assert found.value == pytest.approx(abs(shares[:20].mean() - shares[20:].mean()) / 4)
    assert [found.low, found.high] == pytest.approx(np.sort(sign * np.quantile(differences, [0.025, 0.975])), abs=0.02)


def test_three_classes_are_compared_by_the_two_that_differ_most() -> None:
    table = saliency(("a", "lk", "TP"), ("b", "kk", "TN"), ("c", "lllk", "TN"))
    assert audited_sample(table, 0, 1).by_class.value == pytest.approx(0.75)


def test_without_a_loss_everything_is_zero() -> None:
    found = audited_sample(saliency(("ill", "kk", "TP"), ("well", "kk", "TN")), 10, 1)
    assert found.lost == 0 and found.by_class == found.by_outcome == (0, 0, 0)
    assert not (found.too_few_left or found.mostly_lost or found.follows_class or found.follows_outcome)


def cohort_with_lost_masks(lost: dict[str, float], patients: int, slices: int) -> CohortTables:
    """A cohort of two classes; of each class the share `lost` of the patients has no accepted mask at all."""
    cases = [
        (f"{label}-{k}", label, k >= round(share * patients)) for label, share in lost.items() for k in range(patients)
    ]
    table = pd.DataFrame(
        [
            {"slice": f"{case}-{z}", "case": case, "patient": case, "label": label, "source": "one", "z_index": z}
            for case, label, _ in cases
            for z in range(slices)
        ]
    )
    rows = pd.DataFrame({"case": [case for case, _, _ in cases], "label": [label for _, label, _ in cases]})
    rows = rows.assign(row=range(1, len(cases) + 1), preassigned_split="", status="ok")
    accepted = {case for case, _, kept in cases if kept}
    keep = {"whole": pd.Series(1, index=table["slice"])}
    keep["segmented"] = pd.Series(table["case"].isin(accepted).astype(int).to_numpy(), index=table["slice"])
    return CohortTables("clinic", "target", rows, table, keep)


def test_what_was_lost_is_the_same_for_both_input_views() -> None:
    """From the split on: the split of segmented slices holds no slice without an accepted mask."""
    cohort = cohort_with_lost_masks({POSITIVE: 0.6, NEGATIVE: 0.05}, patients=60, slices=2)
    split = split_cohorts([cohort], SplitPlan("patient", [0.4, 0.1, 0.5], seed=1))
    whole, segmented = (in_input_view(split, cohort, view) for view in ("whole", "segmented"))
    common = whole[whole["split"] == "test"]
    accepted = common["slice"].map(cohort.keep["segmented"]) == 1
    outcomes = {POSITIVE: "TP", NEGATIVE: "TN"}
    of_whole = common.assign(outcome=common["label"].map(outcomes), reason=np.where(accepted, "", REJECTED))
    tested = segmented[segmented["split"] == "test"]
    of_segmented = tested.assign(outcome=tested["label"].map(outcomes), reason="")
    lost = {}
    for view, saliency in (("whole", of_whole), ("segmented", of_segmented)):
        found = audited_sample(with_slices_not_seen(saliency, common), 200, 1)
        assert (found.slices, found.lost) == (len(common), (~accepted).sum()) and found.lost > 0
        assert found.follows_class
        lost[view] = {each.label: each for each in found.classes}
    assert lost["whole"] == lost["segmented"]


def test_what_a_model_never_saw_says_nothing_of_its_errors() -> None:
    rows = [*[("ill", "kk", "TP")] * 12, *[("ill", "kk", "FN")] * 12, *[("well", "kk", "TN")] * 12]
    seen = saliency(*rows)
    seen = seen.assign(slice=[f"s{number}" for number in range(len(seen))])
    assert audited_sample(seen, 0, 1).by_outcome.value == 0
    more = pd.DataFrame({"slice": ["new"], "patient": ["q"], "label": ["well"]})
    found = audited_sample(with_slices_not_seen(seen, pd.concat([seen, more])), 0, 1)
    assert found.lost_of_classes == "0 of 48 ill, 1 of 25 well"
    assert np.isnan(found.by_outcome.value) and not found.follows_outcome
