"""Make report/selection.tsv, whether what was left out depends on the class, from the tables of labelled cohorts."""

import argparse
import json
from pathlib import Path

from lungsight.evaluation.selection import Cohort, selection_table
from lungsight.layout import CASES, SLICES, cohort_folder, manifest_file
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument(
        "--known", type=json.loads, required=True, help="labelled cohort → whether its patients are known, as JSON"
    )
    arguments.add_argument("--input-views", nargs="+", required=True, help="whole, segmented or both")
    arguments.add_argument("--labels", type=json.loads, required=True, help="the classes, as JSON")
    arguments.add_argument("--seed", type=int, required=True, help="of the test")
    arguments.add_argument("--selection", type=Path, required=True, help="output")
    return arguments.parse_args()


def read_cohort(results: Path, name: str, patients_known: bool) -> Cohort:
    """Read the tables of one cohort."""
    folder = cohort_folder(results, name)
    cases, slices = read_table(folder / CASES, schema="cases"), read_table(folder / SLICES, schema="slices")
    return Cohort(name, cases, slices, read_table(manifest_file(results, name), schema="manifest"), patients_known)


def main() -> None:
    """Write the table."""
    args = parse_args()
    cohorts = [read_cohort(args.results, name, known) for name, known in args.known.items()]
    table = selection_table(cohorts, args.input_views, args.labels, args.seed)
    write_table(args.selection, table, schema="selection")


if __name__ == "__main__":
    run(main)
