"""Measure what a training step costs with each remedy, as a multiple of a step without one.

python benchmarks/remedies_cost.py --backbone resnet50 --size 96 --batch 8 --steps 6

Steps of all remedies take turns, so that what else the machine does is shared. Processor time is measured, with one
thread.
"""
# ruff: noqa: E402

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

import keras
import numpy as np
import tensorflow as tf

from benchmarks.remedies import DEFAULTS
from lungsight.training import backbones, remedies
from lungsight.training.adam import optimizer_of
from lungsight.training.device import prepare_device
from lungsight.training.fit import TrainingPlan, batches_of_epoch, make_train_step
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import build_classifier, logits_of
from lungsight.training.stage_training import architecture_of
from lungsight.training.treatment import Material, Treatment


def prepared(name: str, args: argparse.Namespace) -> tuple:
    """Make the step of a remedy, and what draws its batches."""
    keras.utils.set_random_seed(0)
    backbone, n = backbones.load(args.backbone), 8 * args.batch
    settings = {"image_size": args.size, "head_units": 32, "head_activation": "relu", "batch_norm_momentum": 0.9}
    chosen = {"name": name} | DEFAULTS.get(name, {})
    architecture = architecture_of({"remedy": chosen} if name != "none" else {})
    model = logits_of(build_classifier(backbone, settings, architecture=architecture))
    pixels = np.random.default_rng(0).integers(0, 256, (n, args.size, args.size), dtype=np.uint8)
    lungs = np.zeros_like(pixels)
    lungs[:, args.size // 4 : -args.size // 4, args.size // 5 : -args.size // 5] = 1
    patients = np.arange(n) // 4
    labels, rows = patients % 2, np.arange(n)
    sources = np.where(patients // 2 % 2, "a", "b")
    images = LabelledImages(pixels, rows, labels, patients)
    generated = LabelledImages(np.resize(pixels, (n, 64, 64)), rows, labels)
    of_images = (pixels, rows, labels, patients, lungs, np.ones(n, dtype=bool), sources, images)
    material = Material(chosen, backbone, *of_images, generated=generated)
    make = remedies.load(name).treatment if name != "none" else None
    treatment = make(material) if make else Treatment()
    treatment.attach(model)
    optimizer = optimizer_of(model, 0.0, treatment.trainable)
    step = make_train_step(model, backbone, binary_crossentropy, optimizer, 1, treatment)
    plan = TrainingPlan(epochs=args.steps, batch_size=args.batch, learning_rate=1e-4, seed=0)

    def draw(epoch: int) -> tuple:
        return next(batches_of_epoch(images, plan, epoch, treatment))

    return step, draw, model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--remedies", nargs="+", help="these alone, none among them; default: all")
    args = parser.parse_args()
    prepare_device(threads=1, seed=0)
    loaded = {name: remedies.load(name) for name in remedies.names()}
    names = ["none", *(name for name, remedy in loaded.items() if remedy.treatment or remedy.architecture)]
    names = [name for name in names if name in (args.remedies or names)]
    ready = {name: prepared(name, args) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    rate = tf.constant(1e-4, tf.float32)
    for turn in range(args.steps + 1):
        for name, (step, draw, _) in ready.items():
            started = time.process_time()
            step(*draw(turn + 1), rate)
            if turn:  # the first step allocates
                seconds[name].append(time.process_time() - started)
    plain = float(np.median(seconds["none"]))
    for name, measured in seconds.items():
        print(f"{name}\t{np.median(measured):.3f} s\t{np.median(measured) / plain:.2f} x", flush=True)


if __name__ == "__main__":
    main()
