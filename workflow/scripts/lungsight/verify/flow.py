"""Count the rows of report/flow.tsv again: who reached each step, and how many were left out before it."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.verify.compare import Expected
from lungsight.verify.crate import numbers
from lungsight.verify.run import Run

KEY, UNITS = ["cohort", "input_view", "step", "label"], ["cases", "patients", "slices"]
BY_INTAKE, BY_QUALITY = "left out by intake", "left out by quality control"
SUBSETS = ("train", "val", "test")


class Rows(NamedTuple):
    """What a step counts: cases or slices, and the number of slices that each row stands for."""

    table: pd.DataFrame
    slices: "pd.Series[float]"

    def where(self, chosen: "pd.Series[bool]") -> "Rows":
        """Keep some of the rows."""
        return Rows(self.table[chosen], self.slices[chosen])

    def of(self, label: str) -> "Rows":
        """Keep the rows of one class; of all, for ""."""
        return self.where(self.table["label"] == label) if label else self

    def counted(self) -> dict[str, int]:
        """Count cases, patients and slices."""
        named = (self.table[unit].nunique() for unit in ("case", "patient"))
        return dict(zip(UNITS, (*named, int(np.nansum(self.slices))), strict=True))

    def lost(self, going_on: "Rows") -> dict[str, int]:
        """Count the cases and patients of which nothing goes on, and all slices."""
        gone = (len(set(self.table[unit]) - set(going_on.table[unit])) for unit in ("case", "patient"))
        return dict(zip(UNITS, (*gone, int(np.nansum(self.slices))), strict=True))


def summed_reasons(table: pd.DataFrame) -> pd.DataFrame:
    """Sum what was left out at a step over the reasons, as `flow_rows` counts it; each sum stands at its first row."""
    left_out = table["step"].isin([BY_INTAKE, BY_QUALITY])
    counts = table[UNITS].apply(lambda column: numbers(column, "report/flow.tsv", str(column.name)).to_numpy())
    parts = pd.concat([table[KEY], counts], axis=1)
    first = parts[left_out].drop_duplicates(KEY)
    sums = parts[left_out].groupby(KEY, sort=False)[UNITS].sum()
    merged = pd.concat([first[KEY], sums.set_index(first.index)], axis=1)
    merged[UNITS] = merged[UNITS].map(lambda value: f"{value:.17g}")
    return pd.concat([table.loc[~left_out, KEY + UNITS], merged]).sort_index()


def flow_rows(run: Run) -> Iterator[Expected]:
    """Count each cohort from its cases, slices, quality control and splits; what was left out without its reasons."""
    for cohort in run.config["cohorts"]:
        name = f"cohorts/{cohort}/cases.tsv"
        cases = run.crate.table(name, ["case", "patient", "label", "status", "n_slices"])
        whole = Rows(cases, numbers(cases["n_slices"], name, "n_slices"))
        labels = ["", *(label for label in dict.fromkeys(cases["label"]) if label)]
        usable = whole.where(cases["status"] == "ok")
        yield from _at(cohort, "", "table", whole, labels)
        yield from _left_out(cohort, "", BY_INTAKE, whole.where(cases["status"] != "ok"), usable, labels)
        yield from _at(cohort, "", "usable", usable, labels)
        if f"qc/{cohort}/manifest.tsv" in run.crate.files:
            yield from _by_view(run, cohort, labels)


def _by_view(run: Run, cohort: str, labels: list[str]) -> Iterator[Expected]:
    """Count what each input view keeps, and its subsets."""
    slices = run.crate.table(f"cohorts/{cohort}/slices.tsv", ["slice", "case", "patient", "label"])
    usable = Rows(slices, pd.Series(1.0, index=slices.index))
    for view in sorted({model.pipeline.split("-")[0] for model, _ in run.predictions}):
        manifest = run.crate.table(f"qc/{cohort}/manifest.tsv", ["slice", f"{view}_keep"])
        stays = slices["slice"].isin(manifest.loc[manifest[f"{view}_keep"] == "1", "slice"])
        kept = usable.where(stays)
        yield from _left_out(cohort, view, BY_QUALITY, usable.where(~stays), kept, labels)
        yield from _at(cohort, view, "kept", kept, labels)
        split = run.crate.table(f"splits/{cohort}/{view}.tsv", ["slice", "split"])
        for subset in SUBSETS:
            members = slices["slice"].isin(split.loc[split["split"] == subset, "slice"])
            yield from _at(cohort, view, subset, usable.where(members), labels)


def _at(cohort: str, view: str, step: str, rows: Rows, labels: list[str]) -> Iterator[Expected]:
    for label in labels:
        yield Expected(dict(zip(KEY, (cohort, view, step, label), strict=True)), rows.of(label).counted())


def _left_out(cohort: str, view: str, step: str, lost: Rows, going_on: Rows, labels: list[str]) -> Iterator[Expected]:
    if lost.table.empty:
        return
    for label in labels:
        key = dict(zip(KEY, (cohort, view, step, label), strict=True))
        yield Expected(key, lost.of(label).lost(going_on.of(label)))
