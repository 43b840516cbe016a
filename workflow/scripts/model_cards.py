"""Write the model card of every trained model from the run's tables."""

import argparse
import json
from pathlib import Path

from lungsight.files import write_text
from lungsight.package.contents import card_files
from lungsight.package.crate import Published
from lungsight.package.model_card import model_card
from lungsight.program import log, parser, run
from lungsight.report.results import read_results
from lungsight.run_description import models_of


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument(
        "--licence",
        type=json.loads,
        required=True,
        help="of what is published, a JSON text; empty where none was given",
    )
    arguments.add_argument("--thesis", type=Path, required=True, help="the thesis's numbers as printed")
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder, output")
    return arguments.parse_args()


def main() -> None:
    """Write the cards."""
    args = parse_args()
    results = read_results(args.results, args.run, args.thesis)
    for model, path in zip(models_of(args.run), card_files(args.run), strict=True):
        card = model_card(results, model, Published(args.licence, ()))
        write_text(args.results / path, card)
        log(f"{results.model_name(model)}: {len(card.split())} words")


if __name__ == "__main__":
    run(main)
