"""Make report/metrics.tsv and report/saliency.tsv from every model's metrics.json, provenance.json and saliency.tsv."""

import argparse
import json
from pathlib import Path

from lungsight.files import read_json
from lungsight.program import parser, run
from lungsight.report.facts import models_of
from lungsight.report.summary_tables import metrics_table, origins_of, saliency_table
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--facts", type=json.loads, required=True, help="what the config says, as JSON")
    arguments.add_argument("--thesis", type=Path, required=True, help="the thesis's numbers as printed")
    arguments.add_argument("--metrics", type=Path, required=True, help="output")
    arguments.add_argument("--saliency", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    models, roles = models_of(args.facts), {cohort["name"]: cohort["role"] for cohort in args.facts["cohorts"]}
    evaluated = [
        (name, stage, read_json(args.results / f"models/{name}/stage{stage}/metrics.json")["rows"])
        for name, stage in models
    ]
    explained = [
        (name, stage, read_table(args.results / f"explain/{name}/stage{stage}/saliency.tsv", schema="saliency"))
        for name, stage in models
    ]
    origins = origins_of(args.results, models)
    metrics = metrics_table(evaluated, read_table(args.thesis, schema="thesis"), roles, origins)
    write_table(args.metrics, metrics, schema="metrics")
    saliency = saliency_table(explained, origins, args.facts["bootstrap"], args.facts["seed"])
    write_table(args.saliency, saliency, schema="report_saliency")


if __name__ == "__main__":
    run(main)
