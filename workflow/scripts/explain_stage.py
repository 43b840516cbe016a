"""Make the saliency tables, raw maps and mean maps of one trained model from its cohort's test slices.

Writes saliency.tsv, saliency_methods.tsv, methods.json, maps.npz and mean_maps.npz of the model's explanation. Where
explain.classes is all, also class_saliency.tsv and class_maps.npz: the maps of every class.
"""

import argparse
import json
from pathlib import Path

from lungsight.program import parser, run


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="folder of the model, …/<pipeline>/stage<k>")
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort, named after it")
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cohort's cached images")
    arguments.add_argument("--manifest", type=Path, required=True, help="which masks passed quality control")
    arguments.add_argument(
        "--settings",
        type=json.loads,
        required=True,
        help="the config's explain section, as JSON",
    )
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--explanation", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def main() -> None:
    """Write the tables and the maps."""
    # Imported here: where another process has made them ahead, TensorFlow need not start.
    import lungsight.lean_keras  # noqa: F401  # isort: split
    from lungsight.explain.stage import Explained, explain_model

    args = parse_args()
    explained = Explained(args.model, args.cohort, args.images, args.manifest)
    explain_model(explained, args.settings, args.threads, args.explanation)


if __name__ == "__main__":
    run(main)
