"""Make summary.json of one model's explanation from its saliency tables, mean maps and what its methods explain."""

import argparse
import json
from pathlib import Path

from lungsight.explain.mean_map import describe_mean_maps, load_mean_maps
from lungsight.explain.model_summary import summarise_model, tables_of_methods
from lungsight.explain.sampling import pictures_by_confidence, pictures_of
from lungsight.files import read_json, write_json
from lungsight.layout import MEAN_MAPS, METHODS, SALIENCY, SALIENCY_METHODS, SUMMARY
from lungsight.program import parser, run
from lungsight.tables import read_table
from lungsight.training.pipelines import pipeline_and_stage


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--explanation", type=Path, required=True, help="folder of the explanation, input and output"
    )
    arguments.add_argument("--cohort", required=True, help="name of the cohort that is explained")
    arguments.add_argument("--stated", type=json.loads, required=True, help="settings that the summary states, as JSON")
    arguments.add_argument("--pictures", type=int, required=True, help="overlays of each outcome, at most")
    arguments.add_argument(
        "--resampling", type=json.loads, required=True, help="resamples of intervals and seed, as JSON"
    )
    return arguments.parse_args()


def main() -> None:
    """Write the summary."""
    args = parse_args()
    pipeline, stage = pipeline_and_stage(args.explanation)
    methods = read_json(args.explanation / METHODS)
    saliency = read_table(args.explanation / SALIENCY, schema="saliency")
    others = read_table(args.explanation / SALIENCY_METHODS, schema="saliency_methods")
    summary = summarise_model(
        methods,
        tables_of_methods(methods, saliency, others),
        pictures_of(saliency, args.pictures),
        describe_mean_maps(load_mean_maps(args.explanation / MEAN_MAPS)),
        **args.resampling,
        by_confidence=pictures_by_confidence(saliency, args.pictures),
    )
    identity = {"pipeline": pipeline.name, "stage": stage, "cohort": args.cohort}
    write_json(args.explanation / SUMMARY, identity | args.stated | summary)


if __name__ == "__main__":
    run(main)
