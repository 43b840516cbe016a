"""Measure how fast a network trains, as ratios against named peers on the same images.

python benchmarks/training.py [--aucmedi PYTHON] [--size 128] [--batch 16] [--images 128] [--repeats 3]

Each contender trains in a separate process, in turn, `--repeats` times, so that other work on the machine slows all of
them. The table has medians over the repeats: images per second after tracing; CPU milliseconds an image, which other
work disturbs less; seconds from the start of building the network to the end of the first step. Then it says how many
times better lungsight is in each, compared within a repeat.

lungsight  images from the memory-mapped cache, shuffled and augmented. A step waits for its batch, so the times add up:
           `bound` is the rate as a share of the rate on a batch in memory, step / (step + making a batch), by medians
bfloat16   the same with training.precision: mixed_bfloat16
eigen      the same without oneDNN, on the kernels that TensorFlow uses on many processors if it is not asked
model.fit  Keras's own loop on preprocessed float32 arrays in memory, without augmentation
aucmedi    AUCMEDI 0.11 (in its own environment: pip install aucmedi==0.11), its generator with flips and rotation
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
EIGEN = "eigen"
CONTENDERS = ("lungsight", "bfloat16", EIGEN, "model.fit")
AUGMENTATION = {"horizontal_flip": True, "vertical_flip": True, "rotation": 10, "brightness": [0.2, 1.0]}
HEAD = {"head_units": 1024, "head_activation": "sigmoid", "batch_norm_momentum": 0.99}
ARCHITECTURES = {"resnet50": "2D.ResNet50", "densenet201": "2D.DenseNet201"}


def made_images(n: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Make noise, (n, size, size) uint8, and alternating labels 0 and 1."""
    return np.random.default_rng(0).integers(0, 256, (n, size, size), dtype=np.uint8), np.arange(n) % 2


class Clock:
    """Measure wall and CPU time of this process."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.monotonic(), time.process_time()

    def per_image(self, n: int) -> dict[str, float]:
        return {"rate": n / (time.monotonic() - self.wall), "cpu": 1000 * (time.process_time() - self.cpu) / n}


def ours(args: argparse.Namespace, folder: Path, policy: str) -> dict[str, float]:
    """Time lungsight's training step, first on batches from a memory-mapped cache, then on one batch in memory."""
    import tensorflow as tf

    from lungsight.training import backbones
    from lungsight.training.adam import optimizer_of
    from lungsight.training.device import prepare_device
    from lungsight.training.fit import TrainingPlan, batches_of_epoch, make_train_step
    from lungsight.training.labelled_images import LabelledImages
    from lungsight.training.losses import binary_crossentropy
    from lungsight.training.network import build_classifier, logits_of, precision

    prepare_device(args.threads, seed=1)
    pixels, labels = made_images(args.images, args.size)
    np.save(folder / "images.npy", pixels)
    cached = np.load(folder / "images.npy", mmap_mode="r")
    started = time.monotonic()
    backbone = backbones.load(args.backbone)
    with precision(policy):
        model = logits_of(build_classifier(backbone, {"image_size": args.size, **HEAD}))
    optimizer = optimizer_of(model, weight_decay=0.0)
    step = make_train_step(model, backbone, binary_crossentropy, optimizer)
    plan = TrainingPlan(1, args.batch, 1e-6, seed=1, augmentation=AUGMENTATION)
    images, rate = LabelledImages(cached, np.arange(args.images), labels), tf.constant(1e-6)
    ready = next(batches_of_epoch(images, plan, epoch=1))
    step(*ready, rate)
    first = time.monotonic() - started
    clock = Clock()
    for epoch in range(args.epochs):
        for batch in batches_of_epoch(images, plan, epoch):
            float(step(*batch, rate)[0])
    measured = clock.per_image(args.epochs * args.images)
    feed = median(lap_times(batch for epoch in range(args.epochs) for batch in batches_of_epoch(images, plan, epoch)))
    ready_step = median(lap_times(float(step(*ready, rate)[0]) for _ in range(args.images // args.batch)))
    return {"first": first, "bound": ready_step / (ready_step + feed), **measured}


def lap_times(items: Iterable) -> list[float]:
    """Measure the seconds that each item took to make."""
    ends = [time.monotonic(), *(time.monotonic() for _ in items)]
    return [end - start for start, end in pairwise(ends)]


def model_fit(args: argparse.Namespace) -> dict[str, float]:
    """Time the same network under Keras's `model.fit`, without augmentation."""
    sys.path.insert(0, str(SCRIPTS))
    import keras
    import tensorflow as tf

    from lungsight.training import backbones
    from lungsight.training.network import build_classifier, to_input

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    pixels, labels = made_images(args.images, args.size)
    backbone = backbones.load(args.backbone)
    inputs = to_input(backbone, pixels).numpy()
    started = time.monotonic()
    model = build_classifier(backbone, {"image_size": args.size, **HEAD})
    model.compile(optimizer=keras.optimizers.Adam(1e-6), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(inputs[: args.batch], labels[: args.batch], batch_size=args.batch, epochs=1, verbose=0)
    first = time.monotonic() - started
    model.fit(inputs[: args.batch], labels[: args.batch], batch_size=args.batch, epochs=1, verbose=0)
    clock = Clock()
    model.fit(inputs, labels, batch_size=args.batch, epochs=args.epochs, verbose=0)
    return {"first": first, **clock.per_image(args.epochs * args.images)}


def aucmedi(args: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Time AUCMEDI's network and generator on the same images as PNG files, in AUCMEDI's environment."""
    import tensorflow as tf
    from aucmedi import DataGenerator, ImageAugmentation, NeuralNetwork
    from PIL import Image

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    pixels, labels = made_images(args.images, args.size)
    names = [f"{number}.png" for number in range(args.images)]
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image).save(folder / name)
    started = time.monotonic()
    network = NeuralNetwork(
        n_labels=2,
        channels=3,
        input_shape=(args.size, args.size),
        architecture=ARCHITECTURES[args.backbone],
        pretrained_weights=False,
        learning_rate=1e-6,
    )
    augmentation = ImageAugmentation(
        **dict.fromkeys(
            ["scale", "brightness", "contrast", "saturation", "hue", "crop", "grid_distortion", "compression"], False
        ),
        **dict.fromkeys(["gaussian_noise", "gaussian_blur", "downscaling", "gamma", "elastic_transform"], False),
        **{"flip": True, "rotate": True},
    )

    def generator(n: int) -> object:
        return DataGenerator(
            names[:n],
            str(folder),
            labels=np.eye(2)[labels[:n]],
            batch_size=args.batch,
            img_aug=augmentation,
            resize=network.meta_input,
            standardize_mode=network.meta_standardize,
            shuffle=True,
            workers=1,
        )

    network.train(generator(args.batch), epochs=1)
    first = time.monotonic() - started
    network.train(generator(args.batch), epochs=1)
    clock = Clock()
    network.train(generator(args.images), epochs=args.epochs)
    return {"first": first, **clock.per_image(args.epochs * args.images)}


def one(args: argparse.Namespace) -> None:
    """Train as one contender, and print the measurements as the last line."""
    with tempfile.TemporaryDirectory() as folder:
        if args.contender == "aucmedi":
            found = aucmedi(args, Path(folder))
        elif args.contender == "model.fit":
            found = model_fit(args)
        else:
            sys.path.insert(0, str(SCRIPTS))
            import lungsight.lean_keras  # noqa: F401  # before TensorFlow

            policy = "mixed_bfloat16" if args.contender == "bfloat16" else "float32"
            found = ours(args, Path(folder), policy)
    print(json.dumps(found))


def measure(args: argparse.Namespace, backbone: str, contender: str) -> dict[str, float]:
    """Run one contender in a new process."""
    python = args.aucmedi if contender == "aucmedi" else sys.executable
    names = ("size", "batch", "images", "epochs", "threads")
    options = [part for name in names for part in (f"--{name}", str(getattr(args, name)))]
    command = [python, __file__, "--contender", contender, "--backbone", backbone, *options]
    environment = os.environ | ({"TF_ENABLE_ONEDNN_OPTS": "0"} if contender == EIGEN else {})
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{contender}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("size", 128), ("batch", 16), ("images", 128), ("epochs", 2), ("threads", 2), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--backbones", nargs="+", default=list(ARCHITECTURES))
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS))
    parser.add_argument("--aucmedi", help="the Python of an environment with AUCMEDI; left out without it")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--backbone", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contender:
        one(args)
        return
    contenders = [*args.contenders, *(["aucmedi"] if args.aucmedi else [])]
    print("backbone contender images/s cpu_ms_an_image first_step_s bound · lungsight: faster, less CPU, sooner")
    for backbone in args.backbones:
        turns = [{name: measure(args, backbone, name) for name in contenders} for _ in range(args.repeats)]
        for name in contenders:
            rate, cpu, first = (median(turn[name][what] for turn in turns) for what in ("rate", "cpu", "first"))
            bound = median(turn[name].get("bound", float("nan")) for turn in turns)
            faster = median(turn["lungsight"]["rate"] / turn[name]["rate"] for turn in turns)
            less, sooner = (median(turn[name][w] / turn["lungsight"][w] for turn in turns) for w in ("cpu", "first"))
            absolute = f"{backbone} {name} {rate:.1f} {cpu:.0f} {first:.1f} {bound:.3f}"
            print(f"{absolute} · {faster:.2f} {less:.2f} {sooner:.2f}", flush=True)


if __name__ == "__main__":
    main()
