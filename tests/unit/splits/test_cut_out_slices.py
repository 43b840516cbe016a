"""Pictures of lungs that are cut out, from the decision of quality control to the file of the split."""

import pandas as pd
import pytest

from benchmarks.qc_failures import RULES
from lungsight.errors import UserError
from lungsight.qc.rules import CUT_OUT, decide
from lungsight.splits.checks import check_input_view
from lungsight.splits.cohort_split import CohortTables, SplitPlan, in_input_view, split_cohorts
from lungsight.tables import read_table, write_table
from tests.unit.qc.test_rules import GOOD
from tests.unit.splits.test_assignment import LABELS, cohort_of

FRACTIONS = [0.6, 0.2, 0.2]
VIEWS = ("whole", "segmented")


def cohort_with(cut_out: set[int], patients: int = 40) -> CohortTables:
    """A cohort of one picture per patient, with what `decide` keeps. cut_out: numbers of the patients."""
    names = [f"{number:016x}" for number in range(patients)]
    cohort = cohort_of("clinic", [(LABELS[number % 2], 1, 0) for number in range(patients)], names=names)
    rows = [
        GOOD | {"slice": name, "cut_out": int(number in cut_out)} for number, name in enumerate(cohort.slices["slice"])
    ]
    scores = pd.DataFrame(rows)
    decided = decide(scores, RULES).set_index(scores["slice"])
    assert set(decided.loc[scores["cut_out"].to_numpy() == 1, "reason"]) <= {CUT_OUT}
    keep = {view: decided[f"{view}_keep"] for view in VIEWS}
    return CohortTables(cohort.name, cohort.role, cohort.cases, cohort.slices, keep)


@pytest.mark.parametrize("unit", ["patient", "slice"])
def test_a_cut_out_picture_is_in_no_split_and_stops_none(tmp_path, unit: str) -> None:
    cohort = cohort_with({0, 1, 10, 33})
    split = split_cohorts([cohort], SplitPlan(unit, FRACTIONS, 1))
    for view in VIEWS:
        table = in_input_view(split, cohort, view)
        assert check_input_view(table, cohort, view, unit, LABELS) == []
        write_table(tmp_path / f"{view}.tsv", table, schema="split")
        read = read_table(tmp_path / f"{view}.tsv", "split")
        shown = [name for number, name in enumerate(cohort.slices["slice"]) if number not in {0, 1, 10, 33}]
        assert read["slice"].tolist() == shown


def test_where_all_are_cut_out_the_message_says_to_look_at_the_page() -> None:
    cohort = cohort_with(set(range(40)))
    split = split_cohorts([cohort], SplitPlan("patient", FRACTIONS, 1))
    for view in VIEWS:
        with pytest.raises(UserError, match=r"no slice is left after QC\. Look at the page"):
            check_input_view(in_input_view(split, cohort, view), cohort, view, "patient", LABELS)
