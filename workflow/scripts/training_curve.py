"""Make curve.png, how a training went, from the model's history and provenance."""

import argparse
from pathlib import Path

from lungsight.files import read_json
from lungsight.program import parser, run
from lungsight.tables import read_table
from lungsight.training.history_figure import draw_curve, title_of


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--history", type=Path, required=True, help="a row for every epoch")
    arguments.add_argument("--provenance", type=Path, required=True, help="where the model comes from")
    arguments.add_argument("--curve", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Draw the curve."""
    args = parse_args()
    provenance = read_json(args.provenance)
    title = title_of(provenance["pipeline"], provenance["stage"], provenance["weights"])
    draw_curve(args.curve, read_table(args.history, "history").to_dict("records"), title)


if __name__ == "__main__":
    run(main)
