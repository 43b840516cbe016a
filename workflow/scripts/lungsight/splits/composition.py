"""Describe the composition of a split: patients and slices in each subset, and what gives the class away."""

import pandas as pd

from lungsight.subsets import SUBSETS


def subset_counts(split: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """Count patients and slices in each subset, by class and source.

    Parameters
    ----------
    split
        slice, patient, label, split.
    slices
        The cohort's slices.tsv, for the source.

    Returns
    -------
    pandas.DataFrame
        label, source, then train_patients, train_slices and so on for each subset.
    """
    table = split.assign(source=split["slice"].map(slices.set_index("slice")["source"]))
    rows = []
    for (label, source), group in table.groupby(["label", "source"], sort=False):
        row = {"label": label, "source": source}
        for subset in SUBSETS:
            members = group[group["split"] == subset]
            row |= {f"{subset}_patients": members["patient"].nunique(), f"{subset}_slices": len(members)}
        rows.append(row)
    return pd.DataFrame(rows)


def class_counts(split: pd.DataFrame, label: str) -> dict[str, int]:
    """Count the slices of one class in each subset, and its test patients (`test_patients`)."""
    members = split[split["label"] == label]
    counts = {subset: int((members["split"] == subset).sum()) for subset in SUBSETS}
    return counts | {"test_patients": members.loc[members["split"] == "test", "patient"].nunique()}


def slices_per_patient(split: pd.DataFrame) -> "pd.Series[float]":
    """Average the slices per patient in each class."""
    grouped = split.groupby("label", sort=False)
    return grouped["slice"].count() / grouped["patient"].nunique()


def single_class_sources(slices: pd.DataFrame) -> list[str]:
    """Name the sources that hold one class only, where there are several sources. slices: the cohort's slices.tsv."""
    classes = slices.groupby("source")["label"].nunique()
    return list(classes.index[classes == 1]) if len(classes) > 1 else []
