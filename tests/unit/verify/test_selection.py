"""Whether exclusion depends on the class, by the run and by the check."""

import json

import numpy as np
import pandas as pd
import pytest

from lungsight.evaluation.selection import Cohort
from lungsight.evaluation.selection import selection_table as table_of_run
from lungsight.verify.compare import compare
from lungsight.verify.crate import Crate
from lungsight.verify.run import Run
from lungsight.verify.selection import selection_rows
from tests.factories.tables import NEGATIVE, POSITIVE

LABELS, SEED = [POSITIVE, NEGATIVE], 11
TABLE = "report/selection.tsv"


def as_text(table: pd.DataFrame) -> bytes:
    return table.to_csv(sep="\t", index=False).encode()


def made(name: str, sizes: list[int], lost: float, seed: int) -> Cohort:
    """A cohort whose patients have so many slices; of the first class quality control loses more."""
    rng = np.random.default_rng(seed)
    number = np.arange(len(sizes))
    labels = np.array(LABELS, dtype=object)[number % 2]
    status = np.where(number % 7 == 5, "rejected", np.where(number % 11 == 8, "skipped", "ok"))
    names = [f"{name}{k}" for k in number]
    cases = pd.DataFrame({"case": names, "patient": names, "label": labels, "status": status})
    usable = cases[cases["status"] == "ok"]
    slices = usable.loc[usable.index.repeat([sizes[k] for k in usable.index])].drop(columns="status")
    slices = slices.assign(slice=[f"{name}-{k}" for k in range(len(slices))]).reset_index(drop=True)
    chance = np.where(slices["label"] == POSITIVE, lost, lost / 3)
    keep = (rng.random(len(slices)) >= chance).astype(int)
    return Cohort(name, cases, slices, pd.DataFrame({"slice": slices["slice"], "whole_keep": keep}), True)


COHORTS = {
    "alike": made("alike", [4] * 24, 0.4, 1),
    "unequal": made("unequal", [1, 9, 3, 2, 12, 5] * 5, 0.5, 2),
    "nothing lost": made("all", [3] * 10, 0.0, 3),
    "few": made("few", [3] * 3, 0.5, 4),
}


@pytest.fixture(scope="module")
def checked() -> tuple[pd.DataFrame, Run]:
    """The table as the run makes it, and the package that it would lie in."""
    cohorts = [cohort._replace(name=name) for name, cohort in COHORTS.items()]
    config = {
        **{"labels": {name: [name] for name in LABELS}, "report": {"bootstrap": 0}, "seed": SEED},
        "cohorts": {name: {"role": "target", "patients": "known"} for name in COHORTS}
        | {"l": {"role": "segmentation"}},
    }
    files = {"config.json": json.dumps(config).encode()}
    for cohort in cohorts:
        files[f"cohorts/{cohort.name}/cases.tsv"] = as_text(cohort.cases)
        files[f"cohorts/{cohort.name}/slices.tsv"] = as_text(cohort.slices)
        files[f"qc/{cohort.name}/manifest.tsv"] = as_text(cohort.manifest)
        split = cohort.slices.assign(split="test", probability=0.5)
        files[f"models/whole-small_cnn-scratch/stage2/predictions/{cohort.name}.tsv"] = as_text(split)
    files[TABLE] = as_text(table_of_run(cohorts, ["whole"], LABELS, SEED))
    crate = Crate.__new__(Crate)
    crate.files = files
    run = Run(crate)
    return run.crate.table(TABLE), run


def test_both_come_to_the_same_shares_intervals_and_p_values(checked: tuple[pd.DataFrame, Run]) -> None:
    table, run = checked
    outcome = compare(TABLE, table, selection_rows(run))
    assert outcome.problems == [] and outcome.compared == 11 * len(table)
    p = pd.to_numeric(table["p"])
    assert len(set(p[p < 0.05])) == 2 and (p == 1).any() and p.isna().any()


def test_every_number_of_the_table_is_compared(checked: tuple[pd.DataFrame, Run]) -> None:
    table, run = checked
    expected = list(selection_rows(run))
    for column in set(table.columns) - set(expected[0].key):
        other = table.copy()
        other.loc[0, column] = "4711"
        (problem,) = compare(TABLE, other, expected).problems
        assert problem.startswith(f"{TABLE}, row 1 (") and f", {column}: packaged 4711, " in problem
