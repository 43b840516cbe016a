"""Measure what each home-made part of the training buys, against Keras's own part in its place.

python benchmarks/training_parts.py [--parts adam …] [--backbones resnet50 …] [--settings demo larger] [--repeats 3]

A whole training runs by `lungsight.training.fit`: building the network, tracing, every step, validation and the
recalibration of batch normalisation. It runs twice from the same seed, once as it is and once with one part replaced.
The two take turns, in one process for each part. Each pair starts with the other one than the pair before. One training
that is not counted comes first. Printed are medians over the pairs of Keras's time divided by ours: above 1 the
home-made part saves time. Processor time is printed beside time on the clock, since other jobs on the machine disturb
it less. `first` is the processor time from building the network to the end of the first step.

The last columns compare the two trained networks: whether history and weights are equal to the bit, and the largest
difference of a weight.

control     the same training twice: how far the ratios scatter
adam        keras.optimizers.Adam
adamw       keras.optimizers.AdamW, without weight decay of vectors; both train with a weight decay of 0.01
schedule    keras.optimizers.schedules.CosineDecay; both warm up for one epoch and fall along a cosine
batch_norm  keras.layers.BatchNormalization as it is
"""

import argparse
import gc
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.training import backbones, fit, network, recalibration
from lungsight.training.device import prepare_device
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import build_classifier, logits_of

ROOT = Path(__file__).resolve().parents[1]
BACKBONES = ("small_cnn", "resnet50", "densenet201")


@dataclass(frozen=True)
class Setting:
    """How much is trained: the config's `training`, numbers of images, and the plan."""

    training: dict
    images: int
    validation: int
    plan: fit.TrainingPlan


def demo_setting() -> Setting:
    """Take stage 1 of the demonstration, from scratch: settings, epochs, and as many images as its split gives."""
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    training, phantom = config["training"], config["cohorts"]["curated"]["phantom"]
    slices, shares = phantom["patients"] * phantom["slices"], config["splits"]["fractions"]
    plan = fit.TrainingPlan(
        epochs=training["epochs"]["stage1"],
        batch_size=training["batch_size"],
        learning_rate=training["learning_rate"]["stage1"],
        seed=1,
        stage=1,
        augmentation=training["augmentation"],
        recalibrate=training["batch_norm_recalibration"],
    )
    settings = training | {"head_activation": "sigmoid"}
    return Setting(settings, round(shares[0] * slices), round(shares[1] * slices), plan)


def larger_setting() -> Setting:
    """Take larger images, larger batches and nearly three times as many images."""
    demo = demo_setting()
    plan = replace(demo.plan, epochs=4, batch_size=16)
    return Setting(demo.training | {"image_size": 128}, 192, 48, plan)


SETTINGS = {"demo": demo_setting, "larger": larger_setting}


def optimizer_of_keras(model: keras.Model, weight_decay: float) -> keras.optimizers.Optimizer:
    """Make Keras's optimizer in place of `optimizer_of`'s."""
    variables = model.trainable_variables
    if weight_decay:
        optimizer = keras.optimizers.AdamW(weight_decay=weight_decay)
        optimizer.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) < 2])
    else:
        optimizer = keras.optimizers.Adam()
    optimizer.build(variables)
    return optimizer


def keras_rate(step: int, steps: int, warmup: int, start: float, schedule: str) -> float:
    """Compute a rate in place of `learning_rate_at`. Keras's warm-up starts at a rate of 0, ours one step further."""
    assert schedule == "cosine"
    decay = keras.optimizers.schedules.CosineDecay(0.0, steps - warmup, warmup_target=start, warmup_steps=warmup)
    return float(decay(step + 1 if step < warmup else step))


@dataclass(frozen=True)
class Part:
    """One part: what stands in for which attributes of which modules, and how the plan differs for both contenders."""

    swaps: Sequence[tuple[Any, str, Any]] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)


PARTS = {
    "control": Part(),
    "adam": Part([(fit, "optimizer_of", optimizer_of_keras)]),
    "adamw": Part([(fit, "optimizer_of", optimizer_of_keras)], {"weight_decay": 0.01}),
    "schedule": Part([(fit, "learning_rate_at", keras_rate)], {"schedule": "cosine", "warmup_epochs": 1.0}),
    "batch_norm": Part([(module, "fused_batch_norm", nullcontext) for module in (fit, network, recalibration)]),
}


@contextmanager
def replaced(place: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute of a module for as long as the context is open."""
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


def made_images(setting: Setting) -> tuple[fit.LabelledImages, fit.LabelledImages]:
    """Make training and validation images: noise, a little brighter where the label is 1."""
    rng, n, size = np.random.default_rng(0), setting.images + setting.validation, setting.training["image_size"]
    labels = np.arange(n) % 2
    pixels = np.clip(rng.normal(110, 40, (n, size, size)) + 15 * labels[:, None, None], 0, 255).astype(np.uint8)
    rows = rng.permutation(n)
    halves = rows[: setting.images], rows[setting.images :]
    training, validation = (fit.LabelledImages(pixels, half, labels[half]) for half in halves)
    return training, validation


class Clock:
    """Count seconds since it was made, on the clock and of this process's processor time."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.monotonic(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.monotonic() - self.wall, time.process_time() - self.cpu


@dataclass(frozen=True)
class Trained:
    """A training's seconds on the clock and of the processor, the latter up to the first step's end, and its result."""

    wall: float
    cpu: float
    first: float
    history: list[dict]
    weights: list[np.ndarray]


def train(backbone_name: str, setting: Setting, part: Part, keras_own: bool) -> Trained:
    """Run one whole training."""
    keras.backend.clear_session()
    gc.collect()
    keras.utils.set_random_seed(setting.plan.seed)
    images, plan, firsts = made_images(setting), replace(setting.plan, **part.plan), []
    make_train_step = fit.make_train_step

    def timed(*arguments: Any) -> fit.Step:
        step = make_train_step(*arguments)

        def first_timed(*batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            outcome = step(*batch)
            if not firsts:
                firsts.append((float(outcome[0]), clock.read()[1]))
            return outcome

        return first_timed

    with ExitStack() as stack:
        stack.enter_context(replaced(fit, "make_train_step", timed))
        for swap in part.swaps if keras_own else ():
            stack.enter_context(replaced(*swap))
        clock = Clock()
        backbone = backbones.load(backbone_name)
        model = build_classifier(backbone, setting.training)
        history = fit.fit(logits_of(model), backbone, binary_crossentropy, *images, plan)
        wall, cpu = clock.read()
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
    return Trained(wall, cpu, firsts[0][1], rows, [variable.numpy() for variable in model.weights])


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.tobytes() == other.tobytes()


def compare(setting_name: str, backbone: str, part_name: str, repeats: int) -> str:
    """Measure one part: ours in seconds, ratios Keras / ours, and how the two results differ."""
    prepare_device(threads=1, seed=1)
    setting, part = SETTINGS[setting_name](), PARTS[part_name]
    short = replace(setting, images=2 * setting.plan.batch_size, plan=replace(setting.plan, epochs=1))
    train(backbone, short, part, keras_own=False)
    pairs = []
    for number in range(repeats):
        order = (False, True) if number % 2 == 0 else (True, False)
        found = {keras_own: train(backbone, setting, part, keras_own) for keras_own in order}
        pairs.append((found[False], found[True]))
    ratios = {what: [getattr(b, what) / getattr(a, what) for a, b in pairs] for what in ("wall", "cpu", "first")}
    ours, theirs = pairs[0]
    weights = all(map(same_bits, ours.weights, theirs.weights))
    apart = max(float(np.abs(a - b).max()) for a, b in zip(ours.weights, theirs.weights, strict=True))
    seconds = " ".join(f"{median(getattr(a, what) for a, _ in pairs):.1f}" for what in ("wall", "cpu", "first"))
    text = " ".join(f"{what} {median(each):.3f} ({min(each):.3f}-{max(each):.3f})" for what, each in ratios.items())
    same = f"history {'equal' if ours.history == theirs.history else 'differs'}"
    return f"{seconds} · {text} · {same}, weights {'equal' if weights else 'differ'}, at most {apart:.2g} apart"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=list(BACKBONES))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    print("setting backbone part · ours: wall s, cpu s, first s · Keras / ours: median (range) · results")
    # TensorFlow keeps what was traced, so each part has a process of its own.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for names in product(args.settings, args.backbones, args.parts):
            found = pool.submit(compare, *names, args.repeats).result()
            print(f"{' '.join(names)} · {found}", flush=True)


if __name__ == "__main__":
    main()
