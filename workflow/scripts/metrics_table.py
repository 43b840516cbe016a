"""Make report/metrics.tsv from every model's metrics.json and provenance.json, beside the thesis's numbers."""

import argparse
import json
from pathlib import Path

from lungsight.evaluation.tables import metrics_table
from lungsight.files import read_json
from lungsight.program import parser, run
from lungsight.run_description import models_of
from lungsight.tables import read_table, write_table
from lungsight.training.provenance import origins_of


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--thesis", type=Path, required=True, help="the thesis's numbers as printed")
    arguments.add_argument("--metrics", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    models, roles = models_of(args.run), {cohort["name"]: cohort["role"] for cohort in args.run["cohorts"]}
    evaluated = [
        (name, stage, read_json(args.results / f"models/{name}/stage{stage}/metrics.json")["rows"])
        for name, stage in models
    ]
    thesis = read_table(args.thesis, schema="thesis")
    table = metrics_table(evaluated, thesis, roles, origins_of(args.results, models))
    write_table(args.metrics, table, schema="metrics")


if __name__ == "__main__":
    run(main)
