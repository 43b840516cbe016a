"""From the tables of the cohorts to the side of every kept slice."""

from dataclasses import dataclass

import pandas as pd

from lungsight.errors import UserError
from lungsight.splits.assignment import assign

EXTERNAL = "external"


@dataclass(frozen=True)
class Cohort:
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
        usable = usable.rename(columns={"given_split": "given"})[["case", "row", "given"]]
        if self.role == EXTERNAL:
            moved = usable[~usable["given"].isin(["", "test"])]
            if len(moved):
                first = moved.iloc[0]
                raise UserError(
                    f"cohort {self.name}, table row {first['row']}: split is {first['given']}, but an external "
                    "cohort is only tested. Leave the column empty, or give the cohort another role."
                )
            usable = usable.assign(given="test")
        decided = self.manifest.set_index("slice")[f"{framework}_keep"]
        slices = self.slices.merge(usable, on="case", how="inner", validate="m:1")
        kept = slices[slices["slice"].map(decided) == 1]
        return kept.sort_values(["row", "z_index"], kind="stable").reset_index(drop=True)


def _rows_in_words(slices: pd.DataFrame) -> str:
    """ "rows 3 and 9 of cohort hospital", of slices with `cohort` and `row`."""
    parts = []
    for cohort, rows in slices.groupby("cohort", sort=False)["row"]:
        numbers = sorted(set(rows))
        listed = " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))
        parts.append(f"{'rows' if len(numbers) > 1 else 'row'} {listed} of cohort {cohort}")
    return " and ".join(parts)


def check_one_side(slices: pd.DataFrame, column: str) -> None:
    """Raise UserError when a patient's slices have two sides.

    slices: `cohort patient row` and the side in `column`; an empty side counts for none.
    """
    sided = slices[slices[column] != ""]
    sides = sided.groupby("patient", sort=False)[column].unique()
    torn = sides[sides.map(len) > 1]
    if len(torn):
        own = sided[sided["patient"] == torn.index[0]].drop_duplicates(["cohort", "row", column])
        more = f" ({len(torn) - 1} more patients are torn as well.)" if len(torn) > 1 else ""
        raise UserError(
            f"The patient of table {_rows_in_words(own)} is in {' and '.join(sorted(torn.iloc[0]))}. Under "
            "splits.unit: patient all slices of a patient must be on one side: give these rows one split, or leave it "
            f"empty.{more}"
        )


def sides_by_patient(slices: pd.DataFrame, fractions: list[float], seed: int) -> pd.Series:
    """The side of every slice, all slices of a patient on one side.

    slices: `cohort patient label row given`, in table order, of one cohort or of several that share patients. A
    patient's classes are the cohorts and labels in which it occurs. Returns sides on the index of `slices`.
    """
    check_one_side(slices, "given")
    patients = slices["patient"].drop_duplicates()
    named = pd.Series(list(zip(slices["cohort"], slices["label"], strict=True)), index=slices.index, dtype=object)
    classes = named.groupby(slices["patient"]).agg(lambda own: tuple(sorted(set(own))))
    given = slices.groupby("patient")["given"].max()
    sides = assign(classes[patients].tolist(), fractions, seed, given[patients].tolist())
    return slices["patient"].map(dict(zip(patients, sides, strict=True)))


def sides_by_slice(slices: pd.DataFrame, fractions: list[float], seed: int) -> pd.Series:
    """The side of every slice, each on its own, stratified by cohort and label: what the thesis did."""
    classes = [((cohort, label),) for cohort, label in zip(slices["cohort"], slices["label"], strict=True)]
    return pd.Series(assign(classes, fractions, seed, slices["given"].tolist()), index=slices.index)


def split_cohorts(cohorts: list[Cohort], unit: str, fractions: list[float], seed: int) -> pd.DataFrame:
    """Assign the slices that the whole framework keeps, of one cohort or jointly of several that share patients.

    unit: patient or slice. Returns `cohort slice patient label row split`, in table order.
    """
    slices = pd.concat([cohort.kept("whole").assign(cohort=cohort.name) for cohort in cohorts], ignore_index=True)
    sides = (sides_by_patient if unit == "patient" else sides_by_slice)(slices, fractions, seed)
    split = slices[["cohort", "slice", "patient", "label", "row"]].assign(split=sides)
    if unit == "patient":
        check_one_side(split, "split")
    return split


def in_framework(split: pd.DataFrame, cohort: Cohort, framework: str) -> pd.DataFrame:
    """The table `split` of one cohort and framework; the segmented framework inherits the sides of the whole one."""
    own = split[split["cohort"] == cohort.name].set_index("slice")["split"]
    kept = cohort.kept(framework)
    return kept[["slice", "patient", "label"]].assign(split=kept["slice"].map(own))
