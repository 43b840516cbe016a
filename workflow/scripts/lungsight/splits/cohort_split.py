"""Assign every kept slice of the cohorts to a subset, from the cohorts' tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lungsight.classes import present
from lungsight.errors import SplitError
from lungsight.prior_assignments import PriorAssignments, apply_assignments
from lungsight.splits.assignment import Classes, assign, assign_fold
from lungsight.splits.groups import check_one_subset, groups_of, with_duplicates
from lungsight.splits.held_out_sources import subsets_by_source

EXTERNAL = "external"


@dataclass(frozen=True)
class SplitPlan:
    """How to split cohorts: their unit, and the config's `seed` and section `splits`, which explains every field."""

    unit: str
    fractions: list[float]
    seed: int
    folds: int = 0
    fold: int = 1
    val_source: str = ""
    test_source: str = ""

    @classmethod
    def of(cls, settings: dict[str, Any], unit: str, seed: int) -> "SplitPlan":
        """Make the plan from the config's `splits`."""
        return cls(unit=unit, seed=seed, **{name: settings[name] for name in cls.settings()})

    @staticmethod
    def settings() -> tuple[str, ...]:
        """Return the keys of the config's `splits` that a plan needs beside the unit."""
        return ("fractions", "folds", "fold", "val_source", "test_source")


@dataclass(frozen=True)
class CohortTables:
    """A labelled cohort with its tables `cases` and `slices`, in table order.

    Attributes
    ----------
    keep
        By input view: 1 where quality control keeps a slice, else 0, by slice.
    """

    name: str
    role: str
    cases: pd.DataFrame
    slices: pd.DataFrame
    keep: "Mapping[str, pd.Series[int]]"

    def classes(self, labels: Sequence[str]) -> list[str]:
        """Return the classes that the cohort must have: in a run of more than two those that its table names."""
        if len(labels) == 2:
            return list(labels)
        return present(labels, self.cases.loc[self.cases["status"] != "skipped", "label"])

    def kept(self, input_view: str) -> pd.DataFrame:
        """Return the slices of usable cases that QC keeps in an input view, in table order.

        Returns
        -------
        DataFrame
            The columns of `slices`, `row`, and `preassigned`: the subset by the user's table, `test` in an external
            cohort, else "".

        Raises
        ------
        SplitError
            If the user's table assigns a row of an external cohort to train or val.
        """
        usable = self.cases[self.cases["status"] == "ok"]
        usable = usable.rename(columns={"preassigned_split": "preassigned"})[["case", "row", "preassigned"]]
        if self.role == EXTERNAL:
            not_test = usable[~usable["preassigned"].isin(["", "test"])]
            if len(not_test):
                first = not_test.iloc[0]
                raise SplitError(
                    f"cohort {self.name}, table row {first['row']}: split is {first['preassigned']}, but an external "
                    "cohort is only tested. Leave the column empty, or give the cohort another role."
                )
            usable = usable.assign(preassigned="test")
        slices = self.slices.merge(usable, on="case", how="inner", validate="m:1")
        kept = slices[slices["slice"].map(self.keep[input_view]) == 1]
        return kept.sort_values(["row", "z_index"], kind="stable").reset_index(drop=True)


def classes_of(slices: pd.DataFrame, groups: pd.Series) -> Classes:
    """Return for each group the pairs of cohort and label in which it occurs."""
    classes: list[set[tuple[str, str]]] = [set() for _ in range(groups.max() + 1)]
    for cohort, label, group in zip(slices["cohort"], slices["label"], groups, strict=True):
        classes[group].add((cohort, label))
    return [tuple(sorted(pairs)) for pairs in classes]


def strata_of(slices: pd.DataFrame, groups: pd.Series, classes: Classes) -> Classes:
    """Return for each group what to divide evenly beside its classes: its sources, and its third by number of slices.

    The thirds, of few, middle and many slices, are those of the groups with the same classes.
    """
    sources = slices["source"].groupby(groups).unique().map(tuple)
    counts = groups.value_counts().sort_index()
    same_classes = pd.Series([str(pairs) for pairs in classes], index=counts.index)
    few, many = (counts.groupby(same_classes).transform("quantile", q) for q in (1 / 3, 2 / 3))
    thirds = (counts > few).astype(int) + (counts > many).astype(int)
    return list(zip(sources, thirds, strict=True))


def check_nothing_preassigned(cohort: CohortTables) -> None:
    """Raise SplitError if the user's table assigns subsets: a cross-validation tests every patient."""
    preassigned = cohort.cases[(cohort.cases["preassigned_split"] != "") & (cohort.cases["status"] == "ok")]
    if cohort.role != EXTERNAL and len(preassigned):
        first = preassigned.iloc[0]
        raise SplitError(
            f"cohort {cohort.name}, table row {first['row']}: split is {first['preassigned_split']}, but a"
            " cross-validation tests every patient once. Leave the column empty, or set splits.folds: 0."
        )


def check_folds(slices: pd.DataFrame, groups: pd.Series, plan: SplitPlan) -> None:
    """Raise SplitError if a class has fewer groups than there are folds. slices: those without a prior subset."""
    counts = slices[["cohort", "label"]].assign(group=groups).drop_duplicates().groupby(["cohort", "label"]).size()
    for cohort, label, count in counts[counts < plan.folds].reset_index(name="count").itertuples(index=False):
        raise SplitError(
            f"cohort {cohort}: splits.folds is {plan.folds}, but only {count} of its units (splits.unit: {plan.unit})"
            f" hold {label}. Each fold tests at least one of each class: choose at most {count} folds, or add patients."
        )


def subsets_of_slices(slices: pd.DataFrame, plan: SplitPlan) -> pd.Series:
    """Assign every slice to a subset, all slices of a unit to the same one.

    Parameters
    ----------
    slices
        The columns `cohort patient label source row preassigned`, and `duplicates` if the unit needs it. In table
        order, of one cohort or of several that share patients.

    Returns
    -------
    Series of str
        The name of the subset, on the index of `slices`.
    """
    groups = groups_of(slices, plan.unit)
    check_one_subset(slices, groups, "preassigned", plan.unit)
    prior = slices["preassigned"].groupby(groups).max()
    free = groups.map(prior) == ""
    if plan.unit == "source":
        named = {"test": plan.test_source, "val": plan.val_source}
        return groups.map(subsets_by_source(slices, groups, prior, plan.fractions, named))
    classes = classes_of(slices, groups)
    strata = strata_of(slices, groups, classes)
    if plan.folds:
        check_folds(slices[free], groups[free], plan)
        subsets = assign_fold(classes, plan.fractions, plan.seed, prior.tolist(), strata, plan.folds, plan.fold)
    else:
        subsets = assign(classes, plan.fractions, plan.seed, prior.tolist(), strata)
    return groups.map(pd.Series(subsets))


def split_cohorts(
    cohorts: list[CohortTables],
    plan: SplitPlan,
    duplicates: pd.DataFrame | None = None,
    prior: Sequence[PriorAssignments] = (),
) -> pd.DataFrame:
    """Split the slices that QC keeps as whole images, of one cohort or jointly of several.

    Parameters
    ----------
    duplicates
        The table of that name, for the unit patient+duplicates.
    prior
        Subsets that patients already have, beside those of the user's table.

    Returns
    -------
    DataFrame
        The columns `cohort slice patient label row split`, in table order.

    Raises
    ------
    SplitError
        If a unit would be in two subsets.
    """
    if plan.folds:
        for cohort in cohorts:
            check_nothing_preassigned(cohort)
    slices = pd.concat([cohort.kept("whole").assign(cohort=cohort.name) for cohort in cohorts], ignore_index=True)
    slices["place"] = slices["cohort"] + "/" + slices["source"]
    if duplicates is not None:
        slices = with_duplicates(slices, duplicates)
    for assignments in prior:
        slices = apply_assignments(slices, assignments)
    subsets = subsets_of_slices(slices, plan) if len(slices) else np.array([], dtype=str)
    split = slices[["cohort", "slice", "patient", "label", "row"]].assign(split=subsets)
    if len(split):
        check_one_subset(split, groups_of(slices, plan.unit), "split", plan.unit)
    return split


def in_input_view(split: pd.DataFrame, cohort: CohortTables, input_view: str) -> pd.DataFrame:
    """Return the table `split` of one cohort and input view. A segmented slice has the subset of its whole slice."""
    subset_of = split[split["cohort"] == cohort.name].set_index("slice")["split"]
    kept = cohort.kept(input_view)
    return kept[["slice", "patient", "label"]].assign(split=kept["slice"].map(subset_of))
