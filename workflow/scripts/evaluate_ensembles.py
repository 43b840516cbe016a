"""Make the predictions of all ensembles and report/ensembles.tsv, from the predictions of the run's pipelines.

Weights and temperatures are fitted on the validation subset of the cohort that a stage is trained on.
"""

import argparse
import json
from pathlib import Path

from lungsight.evaluation.ensemble_table import Statistics, combine_predictions, rows_of_stage
from lungsight.evaluation.predictions import read_predictions
from lungsight.layout import predictions_file
from lungsight.program import log, parser, run
from lungsight.tables import columns_in, write_table
from lungsight.training.pipelines import pipeline_and_stage


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--ensembles", type=json.loads, required=True, help="name → pipelines, as JSON")
    arguments.add_argument("--cohorts", type=json.loads, required=True, help="stage → the cohort that it is trained on")
    arguments.add_argument(
        "--statistics", type=json.loads, required=True, help="positive class, resamples of intervals and seed, as JSON"
    )
    arguments.add_argument("--classes", type=json.loads, required=True, help="labels, in order, and costs, as JSON")
    arguments.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="<pipeline>/stage<k>/…/<cohort>.tsv"
    )
    arguments.add_argument("--combined", type=Path, required=True, help="output: folder of the ensembles' predictions")
    arguments.add_argument("--table", type=Path, required=True, help="output: report/ensembles.tsv")
    return arguments.parse_args()


def main() -> None:
    """Write predictions and table."""
    args = parse_args()
    statistics = Statistics(**args.statistics, **args.classes)
    tables: dict[int, dict[str, dict]] = {}
    for path in args.predictions:
        pipeline, stage = pipeline_and_stage(path.parents[1])
        of_pipeline = tables.setdefault(stage, {}).setdefault(pipeline.name, {})
        of_pipeline[path.stem] = read_predictions(path, statistics.labels)
    rows = []
    for stage, predictions in tables.items():
        cohort = args.cohorts[str(stage)]
        ensembles = {
            name: combine_predictions(members, predictions, cohort, statistics.labels)
            for name, members in args.ensembles.items()
        }
        for name, (ensemble, combined) in ensembles.items():
            log(f"{name}, stage {stage}: weights {ensemble.weights} of {ensemble.members} {ensemble.note}".rstrip())
            for of_cohort, table in combined.items():
                write_table(predictions_file(args.combined / name / f"stage{stage}", of_cohort), table, "predictions")
        rows += rows_of_stage(stage, cohort, predictions, ensembles, statistics)
    columns = columns_in("ensembles", rows)
    write_table(args.table, [{name: row[name] for name in columns} for row in rows], schema="ensembles")


if __name__ == "__main__":
    run(main)
