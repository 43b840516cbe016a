"""Make report/subgroups.tsv, test metrics by scanner, age and other groups, from tables and predictions."""

import argparse
import json
from pathlib import Path

import pandas as pd

from lungsight.evaluation.predictions import read_predictions
from lungsight.evaluation.subgroups import groupings_of, subgroup_rows
from lungsight.program import parser, run
from lungsight.tables import columns_in, read_table, write_table
from lungsight.training.pipelines import Pipeline


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--statistics", type=json.loads, required=True, help="positive class, resamples of intervals and seed, as JSON"
    )
    arguments.add_argument("--classes", type=json.loads, required=True, help="labels, in order, and costs, as JSON")
    arguments.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="<pipeline>/stage<k>/predictions/<cohort>.tsv"
    )
    arguments.add_argument("--cohorts", type=Path, nargs="+", required=True, help="folders with slices.tsv, cases.tsv")
    arguments.add_argument("--people", type=Path, nargs="*", default=[], help="people.tsv of cohorts that have one")
    arguments.add_argument("--subgroups", type=Path, required=True, help="output")
    return arguments.parse_args()


def groups_of(cohort: Path, people: pd.DataFrame | None) -> pd.DataFrame:
    """Assign the slices of a cohort to their groups."""
    slices, cases = (read_table(cohort / f"{name}.tsv", name) for name in ("slices", "cases"))
    return groupings_of(slices, cases, people)


def main() -> None:
    """Write the table."""
    args = parse_args()
    people = {path.parent.name: read_table(path, "people") for path in args.people}
    groups = {folder.name: groups_of(folder, people.get(folder.name)) for folder in args.cohorts}
    rows = []
    for path in args.predictions:
        pipeline, stage, _, _ = path.parts[-4:]
        model = {"pipeline": pipeline, **Pipeline.parse(pipeline).columns, "stage": int(stage.removeprefix("stage"))}
        predictions = read_predictions(path, args.classes["labels"])
        found = subgroup_rows(predictions, groups[path.stem], **args.statistics, **args.classes)
        rows += [{**model, "cohort": path.stem, **row} for row in found]
    write_table(args.subgroups, pd.DataFrame(rows, columns=columns_in("subgroups", rows)), schema="subgroups")


if __name__ == "__main__":
    run(main)
