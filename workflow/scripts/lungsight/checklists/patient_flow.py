"""Follow cases, patients and slices from the rows of a cohort's table to train, validation and test.

Numbers add up by construction of what is counted: a case or patient is left out at the step that leaves nothing of it.
`gaps` checks that they do.

References
----------
Bossuyt et al., STARD 2015, BMJ 351:h5527, 2015: items 19 and 23. Schulz et al., CONSORT 2010, BMJ 340:c332, 2010.
"""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from lungsight.intake.cohort_summary import usable_cases
from lungsight.intake.counts import normalise_reason
from lungsight.qc.rules import in_brief
from lungsight.rows import FlowRow
from lungsight.subsets import SUBSETS

TABLE, BY_INTAKE, USABLE = "table", "left out by intake", "usable"
BY_QUALITY, KEPT = "left out by quality control", "kept"
UNITS = ("cases", "patients", "slices")


def flow_rows(
    cohort: str,
    cases: pd.DataFrame,
    slices: pd.DataFrame | None,
    manifest: pd.DataFrame | None,
    splits: Mapping[str, pd.DataFrame],
    input_views: Sequence[str],
) -> list[FlowRow]:
    """Count a cohort at every step, all classes together and each by itself.

    Parameters
    ----------
    cases, slices, manifest
        The cohort's tables; None where the run has none.
    splits
        Input view → split, where there is one.
    """
    counter = _Counter(cohort, list(dict.fromkeys(cases["label"])))
    return list(_steps(counter, cases, slices, manifest, splits, input_views))


def _steps(
    counter: "_Counter",
    cases: pd.DataFrame,
    slices: pd.DataFrame | None,
    manifest: pd.DataFrame | None,
    splits: Mapping[str, pd.DataFrame],
    input_views: Sequence[str],
) -> Iterator[FlowRow]:
    usable = usable_cases(cases)
    lost = cases[cases["status"] != "ok"]
    reasons = lost["status"] + ": " + lost["reason"].map(normalise_reason)
    yield from counter.at(TABLE, cases)
    for reason, rows in lost.groupby(reasons, sort=False):
        yield from counter.left_out(BY_INTAKE, rows, usable, lost, str(reason))
    yield from counter.at(USABLE, usable)
    if manifest is None or slices is None:
        return
    for view in input_views:
        in_view = manifest.set_index("slice")[f"{view}_keep"]
        is_kept = slices["slice"].map(in_view) == 1
        kept, gone = slices[is_kept], slices[~is_kept]
        why = gone["slice"].map(manifest.set_index("slice")["reason"]).map(in_brief)
        for reason, rows in gone.groupby(why, sort=False):
            yield from counter.left_out(BY_QUALITY, rows, kept, gone, str(reason), view)
        yield from counter.at(KEPT, kept, view)
        split = splits.get(view)
        if split is None:
            continue
        for subset in SUBSETS:
            members = slices[slices["slice"].isin(split.loc[split["split"] == subset, "slice"])]
            yield from counter.at(subset, members, view)


class _Counter:
    """Counts rows of cases.tsv or slices.tsv, all classes (label "") and each class."""

    def __init__(self, cohort: str, labels: Sequence[str]):
        self.cohort, self.labels = cohort, [label for label in labels if label]

    def at(self, step: str, rows: pd.DataFrame, view: str = "") -> Iterator[FlowRow]:
        """Count what is there at a step."""
        for label in ("", *self.labels):
            yield self._row(step, view, "", label, *_counts(_of(rows, label)))

    def left_out(
        self,
        step: str,
        rows: pd.DataFrame,
        going_on: pd.DataFrame,
        all_left_out: pd.DataFrame,
        reason: str,
        view: str = "",
    ) -> Iterator[FlowRow]:
        """Count what is left out for one reason: all its slices; cases and patients of which nothing goes on.

        Of several reasons the first in the table counts for a case and for a patient.
        """
        for label in ("", *self.labels):
            here, after, lost = _of(rows, label), _of(going_on, label), _of(all_left_out, label)
            gone = {}
            for unit in ("case", "patient"):
                first = lost[~lost[unit].isin(after[unit])].drop_duplicates(unit)
                gone[unit] = int(first.index.isin(here.index).sum())
            yield self._row(step, view, reason, label, gone["case"], gone["patient"], _counts(here)[2])

    def _row(self, step: str, view: str, reason: str, label: str, cases: int, patients: int, slices: int) -> FlowRow:
        return FlowRow(
            cohort=self.cohort,
            input_view=view,
            step=step,
            reason=reason,
            label=label,
            cases=cases,
            patients=patients,
            slices=slices,
        )


def _of(rows: pd.DataFrame, label: str) -> pd.DataFrame:
    return rows[rows["label"] == label] if label else rows


def _counts(rows: pd.DataFrame) -> tuple[int, int, int]:
    """Count cases, patients and slices of rows of cases.tsv or of slices.tsv."""
    slices = int(rows["n_slices"].sum()) if "n_slices" in rows.columns else len(rows)
    return rows["case"].nunique(), rows["patient"].nunique(), slices


def gaps(flow: pd.DataFrame) -> list[str]:
    """List where numbers do not add up, one sentence each; none is as it should be.

    A split by slice puts one patient into several subsets: its cases and patients may then add up to more.
    """
    found = []
    for (cohort, label), rows in flow.groupby(["cohort", "label"], sort=False):
        shared = rows[rows["input_view"] == ""]
        where = f"{cohort}{f', {label}' if label else ''}"
        found += _gap(shared, TABLE, (USABLE, BY_INTAKE), where, UNITS)
        for view, of_view in rows[rows["input_view"] != ""].groupby("input_view", sort=False):
            steps = pd.concat([shared, of_view])
            found += _gap(steps, USABLE, (KEPT, BY_QUALITY), f"{where}, {view}", UNITS)
            if of_view["step"].isin(SUBSETS).any():
                found += _gap(of_view, KEPT, SUBSETS, f"{where}, {view}", UNITS)
    return found


def _gap(rows: pd.DataFrame, whole: str, parts: Sequence[str], where: str, units: Sequence[str]) -> list[str]:
    total = rows.loc[rows["step"] == whole, list(units)].sum()
    summed = rows.loc[rows["step"].isin(parts), list(units)].sum()
    return [
        f"{where}: {total[unit]} {unit} at {whole}, but {summed[unit]} in {' and '.join(parts)}"
        for unit in units
        if total[unit] != summed[unit]
    ]
