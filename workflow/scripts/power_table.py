"""Make power.tsv, how wide the interval of a result will be, from the users' tables alone."""

import argparse
import json
from pathlib import Path

from lungsight.evaluation.planned_test_set import planned_test_set
from lungsight.evaluation.sample_size import Assumptions, power_rows
from lungsight.intake.cohort_table import read_rows
from lungsight.program import parser, run
from lungsight.tables import write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--tables", type=json.loads, required=True, help="cohort → its table, as JSON")
    arguments.add_argument("--settings", type=json.loads, required=True, help="cohort → its split's settings, as JSON")
    arguments.add_argument("--slices", type=json.loads, required=True, help="cohort → slices of a row, as JSON")
    arguments.add_argument("--assumptions", type=json.loads, required=True, help="the config's power, as JSON")
    arguments.add_argument("--labels", type=json.loads, required=True, help="class name → the user's words, as JSON")
    arguments.add_argument("--seed", type=int, required=True, help="of the simulations")
    arguments.add_argument("--power", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    assumed = Assumptions(**{name: args.assumptions[name] for name in Assumptions._fields})
    rows = []
    for cohort, settings in args.settings.items():
        tables = {
            name: read_rows(args.tables[name], args.labels, settings["patient_ids"][name])
            for name in settings["cohorts"]
        }
        test = planned_test_set(cohort, tables, settings, args.slices[cohort])
        rows += power_rows(test, assumed, args.seed)
    write_table(args.power, rows, schema="power")


if __name__ == "__main__":
    run(main)
