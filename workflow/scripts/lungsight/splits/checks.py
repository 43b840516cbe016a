"""Check whether a split can be trained and tested on; a message names the remedy where it cannot."""

import pandas as pd

from lungsight.errors import UserError
from lungsight.splits.cohort_split import EXTERNAL, CohortTables
from lungsight.subsets import SUBSETS


def _patients_per_subset(split: pd.DataFrame, labels: list[str]) -> str:
    counts = split.drop_duplicates(["patient", "split"]).groupby(["label", "split"]).size()
    parts = [f"{label}: " + ", ".join(f"{name} {counts.get((label, name), 0)}" for name in SUBSETS) for label in labels]
    return "patients per subset: " + "; ".join(parts)


def _slices_kept(cohort: CohortTables, label: str, input_view: str) -> str:
    slices = cohort.slices[cohort.slices["label"] == label]
    kept = cohort.kept(input_view)
    return f"QC keeps {(kept['label'] == label).sum()} of its {len(slices)} slices"


def _remedy(patients: int, label: str, unit: str) -> str:
    if unit in ("patient", "patient+duplicates") and patients < len(SUBSETS):
        only = "only one patient is" if patients == 1 else f"only {patients} patients are"
        return (
            f"{only} {label}, so a split by patient is impossible: it needs one in each of three subsets. Use more "
            "patients, or set splits.unit: slice to reproduce the thesis; its numbers say little about new patients."
        )
    if unit == "source":
        return "name other sources as splits.test_source and val_source, or give the cohort another split_unit."
    return "change splits.fractions, the split column of the cohort table, or what QC rejects."


def check_classes(split: pd.DataFrame, cohort: CohortTables, input_view: str, labels: list[str]) -> list[str]:
    """Check that there are slices of both classes. One class is enough for an external cohort.

    Parameters
    ----------
    split
        The column `label` of the slices that are left.

    Returns
    -------
    list of str
        Warnings.

    Raises
    ------
    UserError
        If no slice is left, or a class is missing.
    """
    where = f"cohort {cohort.name}, framework {input_view}"
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
            f"{where}: no slice is {absent[0]} ({_slices_kept(cohort, absent[0], input_view)}). Training needs "
            f"both classes: add cases, or look at qc/{cohort.name}/index.html of this run and at qc.rules."
        )
    return []


def check_input_view(
    split: pd.DataFrame, cohort: CohortTables, input_view: str, unit: str, labels: list[str]
) -> list[str]:
    """Check that every subset has both classes. One slice is enough for an external cohort.

    Parameters
    ----------
    split
        The table `split` of the input view.
    labels
        Names of the two classes.

    Returns
    -------
    list of str
        Warnings.

    Raises
    ------
    UserError
        If a class is missing in a subset, with the number of patients in each.
    """
    warnings = check_classes(split, cohort, input_view, labels)
    if cohort.role == EXTERNAL:
        return warnings
    for label in labels:
        of_class = split[split["label"] == label]
        for subset in SUBSETS:
            if not (of_class["split"] == subset).any():
                raise UserError(
                    f"cohort {cohort.name}, framework {input_view}: {subset} has no {label} "
                    f"({_patients_per_subset(split, labels)}); " + _remedy(of_class["patient"].nunique(), label, unit)
                )
    return warnings
