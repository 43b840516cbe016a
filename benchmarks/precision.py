"""Compare a model's metrics in two precisions: the same training twice, from the same weights, on a run's images.

python benchmarks/precision.py results/demo --config config/demo.yaml --pipeline whole-resnet50-scratch [--epochs 8]
    [--precision mixed_float16]

Stage 1 of the pipeline is trained in float32 and with another training.precision. Both models predict the test slices
in float32. The output has the metrics of both, their paired difference (the other − float32) with its interval over
patients, the largest difference between two probabilities, and the seconds of training.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.config import cohorts_with_role
from lungsight.config_check import complete_config
from lungsight.evaluation.performance_differences import paired_rows
from lungsight.tables import read_table
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.fit import fit
from lungsight.training.image_cache import CachedImages
from lungsight.training.network import logits_of, make_inference, run_in_batches
from lungsight.training.pipelines import Pipeline
from lungsight.training.stage_training import Start, TrainingCohort, in_float32, objective_of, plan_of


def trained(
    cohort: TrainingCohort, pipeline: Pipeline, settings: dict, labels: list[str], seed: int
) -> tuple[pd.DataFrame, float]:
    """Train a model with these settings; return its predictions and the seconds that its epochs took."""
    import keras

    keras.utils.set_random_seed(seed)
    backbone = backbones.load(pipeline.architecture)
    classes = cohort.classes(labels)
    subsets = cohort.subsets(classes, settings["image_size"])
    model = Start().build(pipeline.architecture, backbone, settings, classes)
    plan = plan_of(settings, 1, seed, fine_tunes=False)
    started = time.monotonic()
    fit(logits_of(model), backbone, objective_of(settings, subsets[0], classes, labels), *subsets, plan)
    seconds = time.monotonic() - started
    cached, split = CachedImages.open(cohort.images, cohort.index), read_table(cohort.split, "split")
    inference = make_inference(in_float32(model, backbone, settings), backbone)
    probability = run_in_batches(inference, cached.pixels, cached.rows_of(split["slice"]))[:, 0].astype(np.float64)
    return split.assign(probability=probability), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--pipeline", type=Pipeline.parse, required=True)
    parser.add_argument("--precision", choices=["mixed_bfloat16", "mixed_float16"], default="mixed_bfloat16")
    parser.add_argument("--epochs", type=int, help="instead of the config's")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    config = complete_config(yaml.safe_load(args.config.read_text(encoding="utf-8")))
    labels, name = list(config["labels"]), cohorts_with_role(config, "public")[0]
    images = args.run / "training/images" / name
    cohort = TrainingCohort(
        args.run / f"splits/{name}/{args.pipeline.input_view}.tsv",
        images / f"{args.pipeline.input_view}.npy",
        images / "index.tsv",
    )
    of_stage = {"learning_rate": config["training"]["learning_rate"]["stage1"]}
    of_stage["epochs"] = args.epochs or config["training"]["epochs"]["stage1"]
    prepare_device(args.threads, config["seed"])
    predictions, seconds = {}, {}
    for precision in ("float32", args.precision):
        settings = config["training"] | of_stage | {"precision": precision}
        predictions[precision], seconds[precision] = trained(cohort, args.pipeline, settings, labels, config["seed"])
    rows = paired_rows(*predictions.values(), "slice", labels[0], config["report"]["bootstrap"], config["seed"])
    print(pd.DataFrame(rows).round(3).to_string(index=False))
    apart = np.abs(np.subtract(*(table["probability"] for table in predictions.values()))).max()
    print(f"largest difference of a probability {apart:.3f}; seconds {seconds}")


if __name__ == "__main__":
    main()
