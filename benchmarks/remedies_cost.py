"""Measure what a training step costs with each remedy, as a multiple of a step without one.

python benchmarks/remedies_cost.py --backbone resnet50 --size 96 --batch 8 --steps 6

Steps of all remedies take turns, so that what else the machine does is shared. Processor time is measured, with one
thread. `simsiam` is a step of the pre-training on two views of as many images. `generator` is a step of a generator of
slices and its discriminator on as many slices of 64 x 64. Both have the sizes of the config's defaults.
"""
# ruff: noqa: E402

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

import keras
import numpy as np
import tensorflow as tf

from benchmarks.planted_pretraining import TRAINING
from benchmarks.remedies import DEFAULTS
from lungsight.training import backbones, dcgan, remedies, simsiam
from lungsight.training.adam import optimizer_of, prepared
from lungsight.training.device import prepare_device
from lungsight.training.fit import TrainingPlan, batches_of_epoch, make_train_step
from lungsight.training.labelled_images import JoinedImages, LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import build_classifier, logits_of
from lungsight.training.settings import SIMSIAM
from lungsight.training.sgd import Sgd
from lungsight.training.stage_training import architecture_of
from lungsight.training.treatment import Material, Treatment

GENERATOR = "generator"
BATCH_NORM_MOMENTUM = 0.9


class Ready(NamedTuple):
    """Steps that are ready to be taken.

    Attributes
    ----------
    take
        Takes the step of a turn, numbered from 1.
    networks
        What it trains. A traced step does not keep its variables alive.
    """

    take: Callable[[int], object]
    networks: object


def pictures_of(args: argparse.Namespace, size: int) -> np.ndarray:
    """Draw pictures (8 batches, size, size) uint8 of noise."""
    return np.random.default_rng(0).integers(0, 256, (8 * args.batch, size, size), dtype=np.uint8)


def pretraining_of(args: argparse.Namespace) -> Ready:
    """Prepare the steps of a pre-training by SimSiam."""
    backbone, images = backbones.load(args.backbone), pictures_of(args, args.size)
    sizes = {"image_size": args.size, "batch_size": args.batch, "batch_norm_momentum": BATCH_NORM_MOMENTUM}
    settings = TRAINING[SIMSIAM] | sizes | {"precision": "float32"}
    siamese = simsiam.Siamese.of(backbone, settings)
    optimizer = prepared(Sgd(settings["momentum"], settings["weight_decay"]), siamese.model)
    step = simsiam.make_step(siamese, backbone, optimizer)
    joined = JoinedImages((LabelledImages(images, np.arange(len(images)), np.zeros(len(images), int)),))

    def take(turn: int) -> object:
        pixels, first, second = next(simsiam.batches_of_epoch(joined, settings, 0, turn))
        return step(tf.constant(pixels), *map(tf.constant, (*first, *second)), tf.constant(1e-3, tf.float32))

    return Ready(take, siamese)


def generator_of(args: argparse.Namespace) -> Ready:
    """Prepare the steps of a generator of slices and its discriminator."""
    slices = pictures_of(args, dcgan.SIDE)[: args.batch]
    noise = np.random.default_rng(0).standard_normal((args.batch, dcgan.NOISE)).astype(np.float32)
    both = dcgan.Adversaries.of(DEFAULTS["dcgan"]["filters"], "float32")
    step = dcgan.make_step(both)
    return Ready(lambda turn: step(tf.constant(slices), tf.constant(noise)), both)


def training_of(name: str, args: argparse.Namespace) -> Ready:
    """Prepare the steps of a training with a remedy, or with none."""
    keras.utils.set_random_seed(0)
    backbone, n = backbones.load(args.backbone), 8 * args.batch
    settings = {"image_size": args.size, "head_units": 32, "head_activation": "relu"}
    settings["batch_norm_momentum"] = BATCH_NORM_MOMENTUM
    chosen = {"name": name} | DEFAULTS.get(name, {})
    architecture = architecture_of({"remedy": chosen} if name != "none" else {})
    model = logits_of(build_classifier(backbone, settings, architecture=architecture))
    pixels = pictures_of(args, args.size)
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
    rate = tf.constant(plan.learning_rate, tf.float32)
    return Ready(lambda turn: step(*next(batches_of_epoch(images, plan, turn, treatment)), rate), model)


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
    before = {SIMSIAM: pretraining_of, GENERATOR: generator_of}
    names = [name for name in (*names, *before) if not args.remedies or name in args.remedies]
    ready = {name: before[name](args) if name in before else training_of(name, args) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(args.steps + 1):
        for name, each in ready.items():
            started = time.process_time()
            each.take(turn + 1)
            if turn:  # the first step allocates
                seconds[name].append(time.process_time() - started)
    plain = float(np.median(seconds["none"]))
    for name, measured in seconds.items():
        print(f"{name}\t{np.median(measured):.3f} s\t{np.median(measured) / plain:.2f} x", flush=True)


if __name__ == "__main__":
    main()
