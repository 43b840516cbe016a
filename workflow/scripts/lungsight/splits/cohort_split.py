"""From the tables of the cohorts to the side of every kept slice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lungsight.errors import UserError
from lungsight.prior_assignments import PriorAssignments, fill_in
from lungsight.splits.assignment import Classes, assign, assign_fold
from lungsight.splits.groups import check_one_subset, groups_of, with_duplicates
from lungsight.splits.held_out_sources import subsets_by_source

EXTERNAL = "external"


@dataclass(frozen=True)
class SplitPlan:
    """How to split: the config's `splits` and `seed`, the unit being that of the cohorts at hand."""

    unit: str
    fractions: list[float]
    seed: int
    folds: int = 0
    fold: int = 1
    val_source: str = ""
    test_source: str = ""

    @classmethod
    def of(cls, settings: dict[str, Any], unit: str, seed: int) -> "SplitPlan":
        """From the config's `splits`."""
        return cls(unit=unit, seed=seed, **{name: settings[name] for name in cls.settings()})

    @staticmethod
    def settings() -> tuple[str, ...]:
        """The keys of the config's `splits` that a plan follows from, beside the unit."""
        return ("fractions", "folds", "fold", "val_source", "test_source")


@dataclass(frozen=True)
class CohortTables:
    """A labelled cohort: its tables `cases`, `slices` and `manifest`, in table order."""

    name: str
    role: str
    cases: pd.DataFrame
    slices: pd.DataFrame
    manifest: pd.DataFrame

    def kept(self, framework: str) -> pd.DataFrame:
        """Slices of usable cases that QC keeps in a framework, in table order: `slices` with `row` and `given`.

        given: the side that the user's table gives, `test` in an external cohort, else "".
        """
        usable = self.cases[self.cases["status"] == "ok"]
        usable = usable.rename(columns={"preassigned_split": "preassigned"})[["case", "row", "preassigned"]]
        if self.role == EXTERNAL:
            moved = usable[~usable["preassigned"].isin(["", "test"])]
            if len(moved):
                first = moved.iloc[0]
                raise UserError(
                    f"cohort {self.name}, table row {first['row']}: split is {first['preassigned']}, but an external "
                    "cohort is only tested. Leave the column empty, or give the cohort another role."
                )
            usable = usable.assign(preassigned="test")
        decided = self.manifest.set_index("slice")[f"{framework}_keep"]
        slices = self.slices.merge(usable, on="case", how="inner", validate="m:1")
        kept = slices[slices["slice"].map(decided) == 1]
        return kept.sort_values(["row", "z_index"], kind="stable").reset_index(drop=True)


def classes_of(slices: pd.DataFrame, groups: pd.Series) -> Classes:
    """The cohorts and labels in which each group occurs."""
    found: list[set] = [set() for _ in range(groups.max() + 1)]
    known = slices[["cohort", "label"]].assign(group=groups).drop_duplicates()
    for cohort, label, group in known.itertuples(index=False):
        found[group].add((cohort, label))
    return [tuple(sorted(classes)) for classes in found]


def strata_of(slices: pd.DataFrame, groups: pd.Series, classes: Classes) -> Classes:
    """What the sides should be alike in beside the classes: each group's sources, and its third by number of slices.

    Thirds are those of the groups with the same classes: few, middle and many slices.
    """
    named = slices["source"].groupby(groups).unique().map(tuple)
    counts = groups.value_counts().sort_index()
    kinds = pd.Series(classes, index=counts.index).map(str)
    few, many = (counts.groupby(kinds).transform("quantile", q) for q in (1 / 3, 2 / 3))
    thirds = (counts > few).astype(int) + (counts > many).astype(int)
    return list(zip(named, thirds, strict=True))


def check_nothing_preassigned(cohort: CohortTables) -> None:
    """Raise UserError where the user's table gives sides: every patient takes a turn in test."""
    given = cohort.cases[(cohort.cases["preassigned_split"] != "") & (cohort.cases["status"] == "ok")]
    if cohort.role != EXTERNAL and len(given):
        first = given.iloc[0]
        raise UserError(
            f"cohort {cohort.name}, table row {first['row']}: split is {first['preassigned_split']}, but a cross-validation"
            " tests every patient once. Leave the column empty, or set splits.folds: 0."
        )


def check_folds(slices: pd.DataFrame, groups: pd.Series, plan: SplitPlan) -> None:
    """Raise UserError where a class has fewer groups than there are folds. slices: without those of a given side."""
    counts = slices[["cohort", "label"]].assign(group=groups).drop_duplicates().groupby(["cohort", "label"]).size()
    for (cohort, label), count in counts[counts < plan.folds].items():
        raise UserError(
            f"cohort {cohort}: splits.folds is {plan.folds}, but only {count} of its units (splits.unit: {plan.unit})"
            f" hold {label}. Each fold tests at least one of each class: choose at most {count} folds, or add patients."
        )


def subsets_of_slices(slices: pd.DataFrame, plan: SplitPlan) -> pd.Series:
    """The side of every slice, all slices of a unit on one side.

    slices: `cohort patient label source row given`, and `duplicates` where the unit asks for it, in table order, of one
    cohort or of several that share patients. Returns sides on the index of `slices`.
    """
    groups = groups_of(slices, plan.unit)
    check_one_subset(slices, groups, "preassigned", plan.unit)
    given = slices["preassigned"].groupby(groups).max()
    free = groups.map(given) == ""
    if plan.unit == "source":
        wanted = {"test": plan.test_source, "val": plan.val_source}
        return groups.map(subsets_by_source(slices, groups, given, plan.fractions, wanted))
    classes = classes_of(slices, groups)
    strata = strata_of(slices, groups, classes)
    if plan.folds:
        check_folds(slices[free], groups[free], plan)
        sides = assign_fold(classes, plan.fractions, plan.seed, given.tolist(), strata, plan.folds, plan.fold)
    else:
        sides = assign(classes, plan.fractions, plan.seed, given.tolist(), strata)
    return groups.map(pd.Series(sides))


def split_cohorts(
    cohorts: list[CohortTables],
    plan: SplitPlan,
    duplicates: pd.DataFrame | None = None,
    known: Sequence[PriorAssignments] = (),
) -> pd.DataFrame:
    """Assign the slices that the whole framework keeps, of one cohort or jointly of several.

    duplicates: the table of that name, for the unit patient+duplicates. known: sides that patients already have, beside
    those of the user's table. Returns `cohort slice patient label row split`, in table order. Raises UserError when a
    unit would be on two sides.
    """
    if plan.folds:
        for cohort in cohorts:
            check_nothing_preassigned(cohort)
    slices = pd.concat([cohort.kept("whole").assign(cohort=cohort.name) for cohort in cohorts], ignore_index=True)
    slices["place"] = slices["cohort"] + "/" + slices["source"]
    if duplicates is not None:
        slices = with_duplicates(slices, duplicates)
    for one in known:
        slices = fill_in(slices, one)
    sides = subsets_of_slices(slices, plan) if len(slices) else np.array([], dtype=str)
    split = slices[["cohort", "slice", "patient", "label", "row"]].assign(split=sides)
    if len(split):
        check_one_subset(split, groups_of(slices, plan.unit), "split", plan.unit)
    return split


def in_input_view(split: pd.DataFrame, cohort: CohortTables, framework: str) -> pd.DataFrame:
    """The table `split` of one cohort and framework; the segmented framework inherits the sides of the whole one."""
    own = split[split["cohort"] == cohort.name].set_index("slice")["split"]
    kept = cohort.kept(framework)
    return kept[["slice", "patient", "label"]].assign(split=kept["slice"].map(own))
