"""Make the split of the segmentation cohort from its cases: patients, or slices, in train, val and test."""

import argparse
import json
from pathlib import Path

import pandas as pd

from lungsight.layout import CASES
from lungsight.prior_assignments import apply_assignments, assignments_of_earlier_run
from lungsight.program import parser, run
from lungsight.segmentation.split import split_cases, with_preassigned_subsets
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort, named after it")
    arguments.add_argument(
        "--settings",
        type=json.loads,
        required=True,
        help="fractions (null where nothing is trained), unit, seed, preassigned (row → subset, by other cohorts'"
        " tables), shared_ids, patient_ids and previous (results of an earlier run, or empty), as JSON",
    )
    arguments.add_argument("--private", type=Path, required=True, help="the run's private folder, for `previous`")
    arguments.add_argument("--split", type=Path, required=True, help="output")
    return arguments.parse_args()


def read_cases(args: argparse.Namespace) -> pd.DataFrame:
    """Read the cases, with the subset that their patient has elsewhere in `preassigned_split`."""
    settings, name = args.settings, args.cohort.name
    cases = with_preassigned_subsets(read_table(args.cohort / CASES, schema="cases"), settings["preassigned"])
    if not settings["previous"] or settings["fractions"] is None:
        return cases
    private = {name: args.private / f"{name}.tsv"}
    ids = (settings[key] for key in ("shared_ids", "patient_ids"))
    known = assignments_of_earlier_run(Path(settings["previous"]), private, {name: cases}, *ids)
    filled = apply_assignments(cases.assign(cohort=name, preassigned=cases["preassigned_split"]), known)
    return cases.assign(preassigned_split=filled["preassigned"])


def main() -> None:
    """Write the split."""
    args = parse_args()
    how = (args.settings[name] for name in ("fractions", "seed", "unit"))
    write_table(args.split, split_cases(read_cases(args), *how), schema="segmentation_split")


if __name__ == "__main__":
    run(main)
