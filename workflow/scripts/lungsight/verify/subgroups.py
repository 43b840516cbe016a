"""Compute report/subgroups.tsv again."""

from collections.abc import Iterator

import pandas as pd

from lungsight.verify.classes import overall
from lungsight.verify.compare import Expected
from lungsight.verify.differences import COMPARED
from lungsight.verify.run import Run, by_patient, probabilities_of, test_rows
from lungsight.verify.statistics import all_values

GROUPINGS = {"source": "source", "scanner": "manufacturer", "kernel": "kernel", "contrast": "contrast"}
SHOWN = (*COMPARED, "hand_till", "balanced_accuracy")
OF_PEOPLE = ("age", "sex")  # groupings by people.tsv, which not every cohort has
CONTRAST = {"0": "without", "1": "with", "0.0": "without", "1.0": "with"}


def subgroup_rows(run: Run) -> Iterator[Expected]:
    """Compute report/subgroups.tsv from predictions, slices.tsv, cases.tsv and people.tsv."""
    for model, cohort, table in run.evaluated():
        slices = run.crate.table(f"cohorts/{cohort}/slices.tsv", ["slice", "case"])
        cases = run.crate.table(f"cohorts/{cohort}/cases.tsv", ["case"])
        case_of, test = dict(zip(slices["slice"], slices["case"], strict=True)), test_rows(table)
        people = f"cohorts/{cohort}/people.tsv"
        sources = [(grouping, column, cases) for grouping, column in GROUPINGS.items() if column in cases]
        if people in run.crate.files:
            persons = run.crate.table(people, ["case", *OF_PEOPLE])
            sources += [(grouping, grouping, persons) for grouping in OF_PEOPLE]
        for grouping, column, source in sources:
            of_case = dict(zip(source["case"], source[column], strict=True))
            words = [of_case.get(case_of.get(name, ""), "") for name in test["slice"]]
            if grouping == "contrast":
                words = [CONTRAST.get(word, "") for word in words]
            values = pd.Series([word or "unknown" for word in words], index=test.index)
            for value in sorted(values.unique()) if values.nunique() > 1 else []:
                members = test[values == value]
                for unit, rows in (("slice", members), ("patient", by_patient(members))):
                    key = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort}
                    numbers_of = all_values(rows, run.drawing, metrics=COMPARED)
                    counted = {"n": len(rows), "n_positive": int((rows["label"] == run.drawing.positive).sum())}
                    counted["n_patients"] = members["patient"].nunique()
                    if run.of_classes:
                        numbers_of |= overall(run, rows, probabilities_of(run, rows))
                    measured = {name: number for name, number in numbers_of.items() if name.startswith(SHOWN)}
                    yield Expected(key | {"grouping": grouping, "value": value, "unit": unit}, counted | measured)
