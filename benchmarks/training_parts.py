"""What each home-made part of the training buys, against Keras's own part in its place.

python benchmarks/training_parts.py [--parts adam …] [--backbones resnet50 …] [--settings demo larger] [--repeats 3]

A whole training runs by `lungsight.training.fit`: building the network, tracing, every step, validation and the
recalibration of batch normalisation. It runs twice from the same seed, once as it is and once with one part replaced.
The two take turns, in one process, and each pair starts with the other one than the pair before. One training that is
not counted comes first. Printed are medians over the pairs of Keras's time divided by ours: above 1 the home-made part
saves time. Processor time is printed beside time on the clock, since other jobs on the machine disturb it less.
`first` is the processor time from building the network to the end of the first step.

The last columns compare the two trained networks: whether history and weights are equal to the bit, and the largest
difference of a weight.

control         the same training twice: how far the ratios scatter
adam            keras.optimizers.Adam
adamw           keras.optimizers.AdamW, without weight decay of vectors; both train with a weight decay of 0.01
adam_update     keras.optimizers.Adam whose `update_step` is the one operation of ours
adam_apply      keras.optimizers.Adam whose `apply` is the loop of ours over the variables
loss_scale      keras.optimizers.LossScaleOptimizer around adam_apply; both train in float16
schedule        keras.optimizers.schedules.CosineDecay; both warm up for one epoch and fall along a cosine
batch_norm      keras.layers.BatchNormalization as it is
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
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
from lungsight.training.network import build_classifier, logits_of, precision
from lungsight.training.objectives import binary_crossentropy

ROOT = Path(__file__).resolve().parents[1]
BACKBONES = ("small_cnn", "resnet50", "densenet201")
HALF = "mixed_float16"


@dataclass(frozen=True)
class Setting:
    """How much is trained: the config's `training`, numbers of images, and the plan."""

    training: dict
    images: int
    validation: int
    plan: fit.Plan


def demo_setting() -> Setting:
    """Stage 1 of the demonstration, from scratch: as many images as its split gives, its settings and epochs."""
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    training, phantom = config["training"], config["cohorts"]["curated"]["phantom"]
    slices, shares = phantom["patients"] * phantom["slices"], config["splits"]["fractions"]
    plan = fit.Plan(
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
    """The same with larger images, larger batches and three times as many images."""
    demo = demo_setting()
    plan = replace(demo.plan, epochs=4, batch_size=16)
    return Setting(demo.training | {"image_size": 128}, 192, 48, plan)


SETTINGS = {"demo": demo_setting, "larger": larger_setting}


class KerasOptimizer:
    """An optimizer of Keras's behind the three methods that a training calls."""

    def __init__(self, model: keras.Model, weight_decay: float, plain: Callable[[], keras.optimizers.Optimizer]):
        self.variables = model.trainable_variables
        self.optimizer = plain()
        if weight_decay:
            self.optimizer.exclude_from_weight_decay(var_list=[v for v in self.variables if len(v.shape) < 2])
        if any(layer.compute_dtype == "float16" for layer in model.layers):
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        self.optimizer.build(self.variables)

    def minimise(self, tape: tf.GradientTape, loss: tf.Tensor, learning_rate: tf.Tensor) -> None:
        with tape:
            scaled = self.optimizer.scale_loss(loss)
        self.optimizer.learning_rate = learning_rate
        self.optimizer.apply(tape.gradient(scaled, [variable.value for variable in self.variables]))


class UpdateByOneOperation(keras.optimizers.Adam):
    """Keras's Adam, whose step of a variable is `ResourceApplyAdam`."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: Any) -> None:
        index, step = self._get_variable_index(variable), tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class StepInOneLoop(keras.optimizers.Adam):
    """Keras's Adam, whose whole step is our loop of `ResourceApplyAdam` over the variables."""

    def apply(self, grads: Sequence[tf.Tensor], trainable_variables: Any = None) -> None:
        step = tf.cast(self._iterations.value.assign_add(1), tf.float32)
        powers = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        rate = tf.convert_to_tensor(self.learning_rate.value)
        parts = zip(self._trainable_variables, self._momentums, self._velocities, grads, strict=True)
        for variable, momentum, velocity, gradient in parts:
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=momentum.value.handle,
                v=velocity.value.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )


def optimizer_by(plain: Callable[[], keras.optimizers.Optimizer]) -> Callable[..., KerasOptimizer]:
    """What stands in for `optimizer_of`."""
    return lambda model, weight_decay: KerasOptimizer(model, weight_decay, plain)


def keras_rate(step: int, steps: int, warmup: int, start: float, schedule: str) -> float:
    """What stands in for `learning_rate_at`. Keras's warm-up starts at a rate of 0, ours one step further."""
    assert schedule == "cosine"
    decay = keras.optimizers.schedules.CosineDecay(0.0, steps - warmup, warmup_target=start, warmup_steps=warmup)
    return float(decay(step + 1 if step < warmup else step))


@dataclass(frozen=True)
class Part:
    """One part: what stands in for which attributes of which modules, and how both contenders train."""

    swaps: Sequence[tuple[Any, str, Any]] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)
    policy: str = "float32"


def adam_of_keras() -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(1.0)


def adamw_of_keras() -> keras.optimizers.Optimizer:
    return keras.optimizers.AdamW(1.0, weight_decay=0.01)


PARTS = {
    "control": Part(),
    "adam": Part([(fit, "optimizer_of", optimizer_by(adam_of_keras))]),
    "adamw": Part([(fit, "optimizer_of", optimizer_by(adamw_of_keras))], {"weight_decay": 0.01}),
    "adam_update": Part([(fit, "optimizer_of", optimizer_by(lambda: UpdateByOneOperation(1.0)))]),
    "adam_apply": Part([(fit, "optimizer_of", optimizer_by(lambda: StepInOneLoop(1.0)))]),
    "loss_scale": Part([(fit, "optimizer_of", optimizer_by(lambda: StepInOneLoop(1.0)))], policy=HALF),
    "schedule": Part([(fit, "learning_rate_at", keras_rate)], {"schedule": "cosine", "warmup_epochs": 1.0}),
    "batch_norm": Part([(module, "fused_batch_norm", nullcontext) for module in (fit, network, recalibration)]),
}


@contextmanager
def replaced(place: Any, name: str, value: Any) -> Iterator[None]:
    """While inside, an attribute of a module is another one."""
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


def made_images(setting: Setting) -> tuple[fit.LabelledImages, fit.LabelledImages]:
    """Training and validation images: noise, a little brighter where the label is 1."""
    rng, n, size = np.random.default_rng(0), setting.images + setting.validation, setting.training["image_size"]
    labels = np.arange(n) % 2
    pixels = np.clip(rng.normal(110, 40, (n, size, size)) + 15 * labels[:, None, None], 0, 255).astype(np.uint8)
    rows = rng.permutation(n)
    halves = rows[: setting.images], rows[setting.images :]
    training, validation = (fit.LabelledImages(pixels, half, labels[half]) for half in halves)
    return training, validation


class Clock:
    """Seconds since it was made, on the clock and of this process's processor time."""

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
        with precision(part.policy):
            model = build_classifier(backbone, setting.training)
        history = fit.fit(logits_of(model), backbone, binary_crossentropy, *images, plan)
        wall, cpu = clock.read()
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
    return Trained(wall, cpu, firsts[0][1], rows, [variable.numpy() for variable in model.weights])


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.tobytes() == other.tobytes()


def compare(backbone: str, setting: Setting, part: Part, repeats: int) -> str:
    """The columns of one part: ours in seconds, ratios Keras / ours, and how the two results differ."""
    train(
        backbone,
        replace(setting, images=2 * setting.plan.batch_size, plan=replace(setting.plan, epochs=1)),
        part,
        False,
    )
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
    told = " ".join(f"{what} {median(each):.3f} ({min(each):.3f}-{max(each):.3f})" for what, each in ratios.items())
    same = f"history {'equal' if ours.history == theirs.history else 'differs'}"
    return f"{seconds} · {told} · {same}, weights {'equal' if weights else 'differ'}, at most {apart:.2g} apart"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=list(BACKBONES))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    prepare_device(threads=1, seed=1)
    print("setting backbone part · ours: wall s, cpu s, first s · Keras / ours: median (range) · results")
    for name in args.settings:
        for backbone in args.backbones:
            for part in args.parts:
                found = compare(backbone, SETTINGS[name](), PARTS[part], args.repeats)
                print(f"{name} {backbone} {part} · {found}", flush=True)


if __name__ == "__main__":
    main()
