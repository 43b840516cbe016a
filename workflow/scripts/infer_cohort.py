"""Make the predictions of one trained model for every slice of a cohort's split from the cached images."""

import argparse
from pathlib import Path

from lungsight.program import parser, run


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="folder of the model, …/<pipeline>/stage<k>")
    arguments.add_argument("--split", type=Path, required=True, help="split of the cohort")
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cohort's cached images")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--predictions", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the predictions."""
    # Imported here: where another process has made them ahead, TensorFlow need not start.
    import lungsight.lean_keras  # noqa: F401  # isort: split
    from lungsight.classes import check_probabilities
    from lungsight.files import read_json
    from lungsight.layout import MODEL, PROVENANCE
    from lungsight.tables import read_table, write_table
    from lungsight.training.device import prepare_device
    from lungsight.training.image_cache import CachedImages
    from lungsight.training.inference import predict_slices
    from lungsight.training.pipelines import pipeline_and_stage

    args = parse_args()
    provenance = read_json(args.model / PROVENANCE)
    prepare_device(args.threads, provenance["seed"])
    pipeline, _ = pipeline_and_stage(args.model)
    images = CachedImages.of(args.images, pipeline.input_view)
    predictions = predict_slices(args.model / MODEL, provenance, read_table(args.split, "split"), images)
    check_probabilities(predictions, provenance["labels"], where="the model's outputs")
    write_table(args.predictions, predictions, "predictions")


if __name__ == "__main__":
    run(main)
