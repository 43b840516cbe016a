"""Make shortcuts.tsv, sanity.tsv and making.tsv of one model, with intervals, from the measurements of slices."""

import argparse
import json
from pathlib import Path

from lungsight.audit.intervals import sanity_rows, shortcut_rows
from lungsight.audit.making import making_rows
from lungsight.layout import (
    INTERVENTION_LOGITS,
    MAKING,
    MAKING_LOGITS,
    SANITY,
    SANITY_VALUES,
    SHORTCUTS,
    SOURCE_PREDICTIONS,
    SWAP_LOGITS,
)
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--explanation", type=Path, required=True, help="folder of the explanation, input and output"
    )
    arguments.add_argument("--forensics", type=Path, required=True, help="the traces of the cohort's slices")
    arguments.add_argument(
        "--statistics", type=json.loads, required=True, help="positive class, resamples of intervals and seed, as JSON"
    )
    return arguments.parse_args()


def main() -> None:
    """Write the three tables."""
    args = parse_args()
    logits = read_table(args.explanation / INTERVENTION_LOGITS, schema="intervention_logits")
    sources = read_table(args.explanation / SOURCE_PREDICTIONS, schema="source_predictions")
    values = read_table(args.explanation / SANITY_VALUES, schema="sanity_values")
    positive, resamples, seed = (args.statistics[name] for name in ("positive", "resamples", "seed"))
    swaps = read_table(args.explanation / SWAP_LOGITS, schema="swap_logits") if "class" in logits else None
    shortcuts = shortcut_rows(logits, sources, positive, resamples, seed, swaps)
    write_table(args.explanation / SHORTCUTS, shortcuts, schema="audit")
    made = read_table(args.explanation / MAKING_LOGITS, schema="making_logits")
    traces = read_table(args.forensics, schema="forensics")
    write_table(args.explanation / MAKING, making_rows(made, traces, positive, resamples, seed), schema="audit")
    write_table(args.explanation / SANITY, sanity_rows(values, resamples, seed), schema="audit")


if __name__ == "__main__":
    run(main)
