"""Ask whether how an image was made tells the label, or the cohort: report/forensics.tsv.

Each trace alone, all traces that hold no anatomy together, and all together. A row of the test is a patient, or a
patient under one label where there are two.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lungsight.audit.trace_classifier import (
    PERMUTATIONS,
    Answer,
    answer_of,
    bins_of_numbers,
    bins_of_words,
    testable,
)
from lungsight.evaluation.intervals import IntArray, patient_numbers
from lungsight.evaluation.performance_differences import holm
from lungsight.intake.forensics.traces import TRACES, WORD
from lungsight.layout import FORENSICS, SLICES
from lungsight.tables import columns_of, read_table

MAKING, ALL = "making", "all"  # rows of several traces together; MAKING leaves out those that hold anatomy
LABEL, COHORT = "label", "cohort"
BETWEEN = " vs "
ANSWERS = Path("report/forensics.tsv")  # of a run's folder

Row = dict[str, object]


def read_traces(cohort: Path) -> pd.DataFrame:
    """Read forensics.tsv of a cohort's folder, with patient and label of each slice."""
    slices = read_table(cohort / SLICES, schema="slices")[["slice", "patient", "label"]]
    return slices.merge(read_table(cohort / FORENSICS, schema="forensics"), on="slice", validate="one_to_one")


def read_answers(results: Path, labelled: Collection[str]) -> pd.DataFrame:
    """Read report/forensics.tsv of a run's folder; it has no row where no cohort has labels, and no such file."""
    if not labelled:
        return pd.DataFrame(columns=columns_of("report_forensics"))
    return read_table(results / ANSWERS, schema="report_forensics")


def traces_of_patients(traces: pd.DataFrame, by: str) -> pd.DataFrame:
    """Reduce traces of slices to one row for each patient and class.

    Parameters
    ----------
    traces
        A table `forensics` with the columns patient and `by`.
    by
        Column of the class.

    Returns
    -------
    DataFrame
        patient, `by` and the traces: the median of a number, the most frequent of words. Empty where no slice has it.
    """
    key = ["patient", by]
    numbers = [trace.name for trace in TRACES if trace.kind != WORD]
    reduced = traces.groupby(key, sort=False)[numbers].median()
    for trace in TRACES:
        if trace.kind == WORD:
            reduced[trace.name] = _most_frequent(traces, key, trace.name)
            reduced[trace.name] = reduced[trace.name].fillna("")
    return reduced.reset_index()


def _most_frequent(traces: pd.DataFrame, key: list[str], name: str) -> "pd.Series[str]":
    """Find the most frequent word of each group; of equally frequent ones the first in the alphabet."""
    counts = traces[traces[name] != ""].groupby([*key, name]).size().reset_index(name="slices")
    ordered = counts.sort_values(["slices", name], ascending=[False, True], kind="stable")
    return ordered.drop_duplicates(key).set_index(key)[name]


def answers(patients: pd.DataFrame, by: str, seed: int, permutations: int = PERMUTATIONS) -> list[Row]:
    """Measure how well each trace alone, and all together, tell a class of patients.

    Parameters
    ----------
    patients
        As from `traces_of_patients`.
    by
        Column of the class.
    seed, permutations
        Of the null.

    Returns
    -------
    list of dict
        Rows of the table `report_forensics` without cohort, tells and patients_known. All numbers but counts are NaN
        where a class has too few patients. A trace that is the same for all tells nothing and is not tested.
    """
    labels, persons = patient_numbers(patients[by]), patient_numbers(patients["patient"])
    bins = {
        trace.name: bins_of_words(patients[trace.name])
        if trace.kind == WORD
        else bins_of_numbers(patients[trace.name].to_numpy(np.float64))
        for trace in TRACES
    }
    varied = {name: values for name, values in bins.items() if values.max(initial=0) > 0}
    making = [varied[trace.name] for trace in TRACES if trace.name in varied and not trace.anatomy]
    questions = {**{name: [values] for name, values in varied.items()}, MAKING: making, ALL: list(varied.values())}
    rows = [
        _row(name, questions.get(name, []), labels, persons, _known(patients, name), seed, permutations)
        for name in (*bins, MAKING, ALL)
    ]
    adjusted = holm(np.array([row["p"] for row in rows], dtype=np.float64))
    return [row | {"p_holm": float(p)} for row, p in zip(rows, adjusted, strict=True)]


def _known(patients: pd.DataFrame, name: str) -> int:
    """Count the patients of whom a trace is known; of several together, all of them."""
    if name not in patients:
        return len(patients)
    return int((patients[name].notna() & (patients[name] != "")).sum())


def _row(
    name: str, bins: list[IntArray], labels: IntArray, persons: IntArray, known: int, seed: int, permutations: int
) -> Row:
    classes = int(labels.max(initial=-1)) + 1
    found = Answer(np.nan, np.nan, np.nan, np.nan)
    if len(labels) and testable(labels, persons):
        same_for_all = Answer(0.5, 1 / classes, np.nan, np.nan)
        found = answer_of(bins, labels, persons, seed, permutations) if bins else same_for_all
    counts = {"patients": len(np.unique(persons)), "classes": classes, "known": known}
    return {"trace": name, **found._asdict(), **counts}


def forensics_table(
    traces: Mapping[str, pd.DataFrame], seed: int, permutations: int = PERMUTATIONS, unknown: Collection[str] = ()
) -> pd.DataFrame:
    """Make report/forensics.tsv.

    Parameters
    ----------
    traces
        Cohort → its table `forensics`, with patient and label of each slice.
    seed, permutations
        Of the null.
    unknown
        Cohorts whose patients are unknown: each image counts as a patient.
    """
    rows = [
        row | {"patients_known": int(set(row["cohort"].split(BETWEEN)).isdisjoint(unknown))}
        for row in _rows(traces, seed, permutations)
    ]
    return pd.DataFrame(rows, columns=columns_of("report_forensics"))


def _rows(traces: Mapping[str, pd.DataFrame], seed: int, permutations: int) -> Iterator[dict[str, Any]]:
    for cohort, table in traces.items():
        for row in answers(traces_of_patients(table, LABEL), LABEL, seed, permutations):
            yield {"cohort": cohort, "tells": LABEL, **row}
    for pair in combinations(traces, 2):
        both = pd.concat([traces[name].assign(**{COHORT: name}) for name in pair], ignore_index=True)
        for row in answers(traces_of_patients(both, COHORT), COHORT, seed, permutations):
            yield {"cohort": BETWEEN.join(pair), "tells": COHORT, **row}
