"""Make report/saliency.tsv from every model's saliency.tsv: means by outcome, with intervals over patients."""

import argparse
import json
from pathlib import Path

from lungsight.explain.tables import saliency_table
from lungsight.program import parser, run
from lungsight.run_description import models_of
from lungsight.tables import read_table, write_table
from lungsight.training.provenance import origins_of


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--saliency", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    models = models_of(args.run)
    explained = [
        (name, stage, read_table(args.results / f"explain/{name}/stage{stage}/saliency.tsv", schema="saliency"))
        for name, stage in models
    ]
    table = saliency_table(explained, origins_of(args.results, models), args.run["bootstrap"], args.run["seed"])
    write_table(args.saliency, table, schema="report_saliency")


if __name__ == "__main__":
    run(main)
