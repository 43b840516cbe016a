"""Time Grad-CAM per image: ours in batches, tf-keras-vis image by image, and the bare forward pass.

python benchmarks/gradcam.py --size 256 --threads 2

The weights are random: the time does not depend on them. Each round times the three in turn on the same images, so
other work on the machine slows all of them. A ratio is the median over the rounds. It is given for wall time, and for
the CPU time of this process, which other work disturbs less.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tf_keras_vis.gradcam import Gradcam

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.explain.gradcam import PRIMARY, GradCam, primary_target
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.network import build_classifier, logits_of, make_inference, to_input

THREE = ["forward", "ours", "library"]
HEAD = {"head_units": 1024, "head_activation": "sigmoid", "batch_norm_momentum": 0.99}


def seconds(function: Callable[[], object]) -> np.ndarray:
    """Measure one call: wall seconds and CPU seconds of this process."""
    start = time.perf_counter(), time.process_time()
    function()
    return np.array([time.perf_counter() - start[0], time.process_time() - start[1]])


def library_maps(logits: keras.Model, layer: str, images: tf.Tensor, sign: np.ndarray) -> np.ndarray:
    """Compute Grad-CAM by tf-keras-vis, one image at a time: (n, h, w), not normalised."""
    explain = Gradcam(logits, clone=False)
    settings = {"penultimate_layer": layer, "seek_penultimate_conv_layer": False}
    settings |= {"expand_cam": False, "normalize_cam": False}
    maps = [
        np.asarray(explain(lambda output, one=one: output[:, 0] * one, image[None], **settings))
        for image, one in zip(images, sign, strict=True)
    ]
    return np.concatenate(maps)


def measure(name: str, size: int, batch: int, alone: int, rounds: int) -> dict[str, object]:
    """Measure milliseconds per image of the three, their ratios, and how far our maps are from the library's."""
    backbone = backbones.load(name)
    model = build_classifier(backbone, HEAD | {"image_size": size})
    logits, explainer = logits_of(model), GradCam(model, {PRIMARY: primary_target(backbone.explained_layer)})
    inference = make_inference(logits, backbone)
    images = np.random.default_rng(0).integers(0, 256, (batch, size, size)).astype(np.uint8)
    positive = np.arange(batch) % 2 == 0
    few, sign = to_input(backbone, images[:alone]), np.where(positive[:alone], 1, -1).astype(np.float32)

    def forward() -> np.ndarray:
        return inference(images)

    def ours() -> np.ndarray:
        return explainer(to_input(backbone, images), positive)[PRIMARY]

    def library() -> np.ndarray:
        return library_maps(logits, backbone.explained_layer, few, sign)

    forward()
    difference = deviation(ours()[:alone], library())
    spent = np.array(
        [[seconds(forward) / batch, seconds(ours) / batch, seconds(library) / alone] for _ in range(rounds)]
    )
    wall, cpu = pd.DataFrame(spent[..., 0], columns=THREE), pd.DataFrame(spent[..., 1], columns=THREE)
    return {
        "backbone": name,
        **{f"{what}_ms": round(1000 * wall[what].median(), 1) for what in THREE},
        "ours_over_forward": round((wall["ours"] / wall["forward"]).median(), 2),
        "ours_over_forward_cpu": round((cpu["ours"] / cpu["forward"]).median(), 2),
        "library_over_ours": round((wall["library"] / wall["ours"]).median(), 1),
        "library_over_ours_cpu": round((cpu["library"] / cpu["ours"]).median(), 1),
        "largest_difference": f"{difference:.0e}",
    }


def deviation(maps: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference, as a share of the map's maximum; for a map of zeros, the plain difference."""
    highest = expected.max(axis=(1, 2), keepdims=True)
    return float((np.abs(maps - expected) / np.where(highest > 0, highest, 1)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="rows and columns of an image")
    parser.add_argument("--batch", type=int, default=16, help="images at once")
    parser.add_argument("--alone", type=int, default=4, help="images that tf-keras-vis explains in a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--backbones", nargs="+", default=["resnet50", "densenet201"])
    args = parser.parse_args()
    prepare_device(args.threads, seed=1)
    rows = [measure(name, args.size, args.batch, args.alone, args.rounds) for name in args.backbones]
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
