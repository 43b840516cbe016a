"""Splits keep more than two classes in proportion, and say where one has too few patients."""

from dataclasses import replace

import pytest

from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.splits.checks import check_input_view
from lungsight.splits.cohort_split import CohortTables, SplitPlan, in_input_view, split_cohorts
from lungsight.splits.precheck import cohort_of_rows

LABELS = ["Covid-19", "CAP", "Normal"]
FRACTIONS = [0.6, 0.2, 0.2]


def cohort_of(counts: dict[str, int], role: str = "target", sources: int = 1) -> CohortTables:
    """Make a cohort from a table: a row per patient, class after class; sources take turns."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    rows = [
        TableRow(n, f"P{n}", f"{n}.png", label, f"s{n % sources}", "", "") for n, label in enumerate(labels, start=1)
    ]
    return cohort_of_rows("hospital", role, rows, shared_ids=False)


def checked(cohort: CohortTables, unit: str = "patient") -> tuple[list[str], dict]:
    """Split, and return the warnings and the patients of each class and subset."""
    split = in_input_view(split_cohorts([cohort], SplitPlan(unit, FRACTIONS, 1)), cohort, "whole")
    warnings = check_input_view(split, cohort, "whole", unit, LABELS)
    return warnings, split.groupby(["label", "split"]).size().to_dict()


def test_every_class_is_divided_by_the_fractions() -> None:
    warnings, counts = checked(cohort_of({"Covid-19": 20, "CAP": 10, "Normal": 5}))
    assert warnings == []
    for label, n in (("Covid-19", 20), ("CAP", 10), ("Normal", 5)):
        assert [counts[label, subset] for subset in ("train", "val", "test")] == [0.6 * n, 0.2 * n, 0.2 * n]


def test_a_class_without_a_patient_in_a_subset_is_named() -> None:
    with pytest.raises(UserError, match=r"(val|test) has no CAP .*CAP: train 1.*only 2 patients are CAP"):
        checked(cohort_of({"Covid-19": 9, "CAP": 2, "Normal": 9}))


def test_a_cohort_may_lack_a_class_but_not_the_first() -> None:
    ((warning,), _) = checked(cohort_of({"Covid-19": 5, "Normal": 5}))
    assert warning == "cohort hospital: no row is CAP. A model that is trained on it tells Covid-19 and Normal apart."
    with pytest.raises(UserError, match="no row is Covid-19, the first of labels"):
        checked(cohort_of({"CAP": 5, "Normal": 5}))
    with pytest.raises(UserError, match=r"all rows are Covid-19\. Training needs two classes"):
        checked(cohort_of({"Covid-19": 5}))
    ((warning,), _) = checked(cohort_of({"CAP": 5}, role="external"))
    assert warning == "cohort hospital: no row is Covid-19 or Normal."


def test_a_class_of_the_table_that_is_lost_is_refused() -> None:
    cohort = cohort_of({"Covid-19": 5, "CAP": 5, "Normal": 5})
    cohort.cases.loc[cohort.cases["label"] == "CAP", "status"] = "rejected"
    cohort = replace(cohort, slices=cohort.slices[cohort.slices["label"] != "CAP"])
    with pytest.raises(UserError, match=r"no usable case is CAP\. Training needs every class that the table names"):
        checked(cohort)
    cohort.cases.loc[cohort.cases["label"] == "CAP", "status"] = "skipped"
    assert len(checked(cohort)[0]) == 1, "who skips all of a class does not have it"


def test_a_held_out_source_has_all_classes_of_the_cohort() -> None:
    cohort = cohort_of({"Covid-19": 8, "CAP": 8, "Normal": 8}, sources=4)
    _, counts = checked(cohort, unit="source")
    assert all(counts[label, subset] for label in LABELS for subset in ("train", "val", "test"))
    lacking = cohort_of({"Covid-19": 8, "CAP": 1, "Normal": 8}, sources=4)
    with pytest.raises(UserError, match=r"no source is left that could be (test|val): it must hold all classes"):
        checked(lacking, unit="source")
