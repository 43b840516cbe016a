"""Check whether a split can be trained and tested on; a message names the remedy where it cannot."""

import pandas as pd

from lungsight.errors import UserError
from lungsight.splits.cohort_split import EXTERNAL, CohortTables
from lungsight.subsets import SUBSETS
from lungsight.wording import listed


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


def check_classes_of_table(cohort: CohortTables, labels: list[str]) -> list[str]:
    """Check that a cohort's table names classes that a network can be trained on, in a run of more than two.

    Returns
    -------
    list of str
        Warnings: the classes that the cohort does not have.

    Raises
    ------
    UserError
        If the first class or all others are missing in a cohort that a stage is trained on.
    """
    named = cohort.classes(labels)
    absent = [label for label in labels if label not in named]
    if not absent or not named:
        return []
    if cohort.role != EXTERNAL and labels[0] in absent:
        raise UserError(
            f"cohort {cohort.name}: no row is {labels[0]}, the first of labels. Binary numbers are those of the first"
            " class against the rest, so a training needs it: add cases, write another class first, or make the cohort"
            " external."
        )
    if cohort.role != EXTERNAL and len(named) == 1:
        raise UserError(f"cohort {cohort.name}: all rows are {named[0]}. Training needs two classes: add cases.")
    of_role = "" if cohort.role == EXTERNAL else f" A model that is trained on it tells {listed(named)} apart."
    return [f"cohort {cohort.name}: no row is {' or '.join(absent)}.{of_role}"]


def check_classes(split: pd.DataFrame, cohort: CohortTables, input_view: str, labels: list[str]) -> list[str]:
    """Check that there are slices of every class. One class is enough for an external cohort.

    With more than two classes, a cohort needs those that its table names.

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
    warnings = [] if len(labels) == 2 else check_classes_of_table(cohort, labels)
    training = "both classes" if len(labels) == 2 else "every class that the table names"
    absent = [label for label in cohort.classes(labels) if not (split["label"] == label).any()]
    if cohort.role == EXTERNAL:
        needing = "both classes" if len(labels) == 2 else "it"
        return warnings + [f"{where}: no slice is {label}; metrics that need {needing} stay empty." for label in absent]
    if absent and not (cohort.slices["label"] == absent[0]).any():
        raise UserError(
            f"cohort {cohort.name}: no usable case is {absent[0]}. Training needs {training}: add cases, or look at"
            " why they were rejected in its cases.tsv."
        )
    if absent:
        raise UserError(
            f"{where}: no slice is {absent[0]} ({_slices_kept(cohort, absent[0], input_view)}). Training needs "
            f"{training}: add cases, or look at qc/{cohort.name}/index.html of this run and at qc.rules."
        )
    return warnings


def check_input_view(
    split: pd.DataFrame, cohort: CohortTables, input_view: str, unit: str, labels: list[str]
) -> list[str]:
    """Check that every subset has every class. One slice is enough for an external cohort.

    Parameters
    ----------
    split
        The table `split` of the input view.
    labels
        Names of the classes.

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
    named = cohort.classes(labels)
    for label in named:
        of_class = split[split["label"] == label]
        for subset in SUBSETS:
            if not (of_class["split"] == subset).any():
                raise UserError(
                    f"cohort {cohort.name}, framework {input_view}: {subset} has no {label} "
                    f"({_patients_per_subset(split, named)}); " + _remedy(of_class["patient"].nunique(), label, unit)
                )
    return warnings
