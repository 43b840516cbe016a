"""Whether a split can be trained and tested on, in words that say what to do where it cannot."""

import pandas as pd

from lungsight.errors import UserError
from lungsight.splits.cohort_split import EXTERNAL, CohortTables
from lungsight.subsets import SUBSETS


def _counts_in_words(split: pd.DataFrame, labels: list[str]) -> str:
    counts = split.drop_duplicates(["patient", "split"]).groupby(["label", "split"]).size()
    parts = [f"{label}: " + ", ".join(f"{side} {counts.get((label, side), 0)}" for side in SUBSETS) for label in labels]
    return "patients per side: " + "; ".join(parts)


def _rejected_in_words(cohort: CohortTables, label: str, framework: str) -> str:
    slices = cohort.slices[cohort.slices["label"] == label]
    kept = cohort.kept(framework)
    return f"QC keeps {(kept['label'] == label).sum()} of its {len(slices)} slices"


def _remedy(patients: int, label: str, unit: str) -> str:
    if unit in ("patient", "patient+duplicates") and patients < len(SUBSETS):
        only = "only one patient is" if patients == 1 else f"only {patients} patients are"
        return (
            f"{only} {label}, so a split by patient is impossible: it needs one on each of three sides. Use more "
            "patients, or set splits.unit: slice to reproduce the thesis; its numbers say little about new patients."
        )
    if unit == "source":
        return "name other sources as splits.test_source and val_source, or give the cohort another split_unit."
    return "change splits.fractions, the split column of the cohort table, or what QC rejects."


def check_classes(split: pd.DataFrame, cohort: CohortTables, framework: str, labels: list[str]) -> list[str]:
    """Raise UserError unless there are slices of both classes; of an external cohort one class is enough.

    split: `label` of the slices that are left. Returns warnings.
    """
    where = f"cohort {cohort.name}, framework {framework}"
    if split.empty:
        raise UserError(
            f"{where}: no slice is left after QC. Look at the page qc/{cohort.name}/index.html of this run."
        )
    absent = [label for label in labels if not (split["label"] == label).any()]
    if cohort.role == EXTERNAL:
        return [f"{where}: no slice is {label}; metrics that need both classes stay empty." for label in absent]
    if absent and not (cohort.slices["label"] == absent[0]).any():
        raise UserError(
            f"cohort {cohort.name}: no usable case is {absent[0]}. Training needs both classes: add cases, or look at"
            " why they were rejected in its cases.tsv."
        )
    if absent:
        raise UserError(
            f"{where}: no slice is {absent[0]} ({_rejected_in_words(cohort, absent[0], framework)}). Training needs "
            f"both classes: add cases, or look at qc/{cohort.name}/index.html of this run and at qc.rules."
        )
    return []


def check_input_view(
    split: pd.DataFrame, cohort: CohortTables, framework: str, unit: str, labels: list[str]
) -> list[str]:
    """Raise UserError unless every side has both classes; an external cohort needs a slice, on one side.

    split: the table `split`. labels: names of the two classes. Returns warnings.
    """
    warnings = check_classes(split, cohort, framework, labels)
    if cohort.role == EXTERNAL:
        return warnings
    for label in labels:
        own = split[split["label"] == label]
        for side in SUBSETS:
            if not (own["split"] == side).any():
                raise UserError(
                    f"cohort {cohort.name}, framework {framework}: the side {side} has no {label} "
                    f"({_counts_in_words(split, labels)}); " + _remedy(own["patient"].nunique(), label, unit)
                )
    return warnings
