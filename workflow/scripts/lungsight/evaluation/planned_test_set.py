"""Foresee the test patients of a cohort from the users' tables alone, as if every row were usable."""

from collections.abc import Mapping, Sequence
from typing import Any

from lungsight.errors import SplitError
from lungsight.evaluation.sample_size import TestSet
from lungsight.intake.cohort_table import TableRow
from lungsight.splits.cohort_split import SplitPlan, in_input_view, split_cohorts
from lungsight.splits.precheck import cohort_of_rows

BY_SLICE = "slices are split, so these patients are trained on as well: the interval says nothing about new patients"
DUPLICATES = "patients who share images are found later and may move"


def planned_test_set(
    cohort: str, tables: Mapping[str, Sequence[TableRow]], settings: Mapping[str, Any], slices_of_row: float
) -> TestSet:
    """Split a cohort as `make_split` will, and count its test patients.

    Parameters
    ----------
    tables
        The rows of the cohorts that are split together.
    settings
        What their split follows, as `check_split` has it.
    slices_of_row
        How many slices a row of the table gives.
    """
    cohorts = [
        cohort_of_rows(name, settings["cohorts"][name], rows, settings["shared_ids"]) for name, rows in tables.items()
    ]
    unit = settings["unit"]
    known = "patient" if unit == "patient+duplicates" else unit
    try:
        split = split_cohorts(cohorts, SplitPlan.of(settings["splits"], known, settings["seed"]))
    except SplitError as error:  # check_split says it too, where anything is to be trained
        return TestSet(cohort, 0, 0, slices_of_row, f"no split is possible: {error}")
    own = next(each for each in cohorts if each.name == cohort)
    test = in_input_view(split, own, "whole").query("split == 'test'")
    first = settings["labels"][0]
    positive = test.loc[test["label"] == first, "patient"].nunique()
    negative = test.loc[test["label"] != first, "patient"].nunique()
    slices = slices_of_row * len(test) / max(test["patient"].nunique(), 1)
    return TestSet(
        cohort, positive, negative, slices, {"slice": BY_SLICE, "patient+duplicates": DUPLICATES}.get(unit, "")
    )
