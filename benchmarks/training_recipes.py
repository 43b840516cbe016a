"""Ask what each part of a training recipe costs or brings, on the real pictures of a trial's run.

python benchmarks/training_recipes.py results/real-trial --config config/real-trial.yaml results/real-trial-data.yaml
    --out FILE.tsv [--size 64] [--seeds 1 2 3] [--recipes modern plain …] [--pipeline whole-resnet50-scratch] [--choose]

The run must have its splits and cached images; it needs no model. Every recipe of a stage is trained on the same
splits, for the same epochs, from the same seeds. Stage 1 is measured on the test slices of its own cohort and, unseen,
on those of the target cohort. A recipe of stage 2 starts from the stage 1 that the recipe `modern` has with the same
seed, and is measured on the test slices of the target cohort. FILE.tsv gets a row for each training, and what is in
it is not trained again: after a change of the preset take another file. At the end comes a table of means over the
seeds.

With --choose nothing is measured on test slices, so they can judge afterwards what was chosen. The training slices of
both cohorts are divided into as many folds of patients as there are seeds. Each seed trains without a fold of its own,
and is measured on it. Where patients are unknown, folds are of pictures.

keras  the peer: keras.Model.fit, keras.optimizers.Adam at 3e-4, keras.layers.RandomFlip and RandomRotation (± 10°)
plain  the same recipe by lungsight's training loop
modern the preset
old    the preset as it was when its training was first compared with plain Keras
others one of these with the changes that the name says after commas; --recipes takes any of them
"""
# ruff: noqa: E402

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import yaml
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from snakemake.utils import update_config

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

from benchmarks.growing_table import fill_table
from lungsight.config import cohorts_with_role, presets_of
from lungsight.config_check import complete_config
from lungsight.tables import read_table
from lungsight.training import backbones
from lungsight.training.backbones import Backbone
from lungsight.training.device import prepare_device
from lungsight.training.fit import fit
from lungsight.training.image_cache import CachedImages, resize_image
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.network import build_classifier, logits_of, make_inference, precision, run_in_batches
from lungsight.training.pipelines import Pipeline
from lungsight.training.stage_training import in_float32, objective_of, plan_of

MODERN = presets_of("training")["modern"]
FULL_BRIGHTNESS = [1.0, 1.0]
# Plain Adam: no smoothing, decay, schedule or warm-up; flips and ± 10°, brightness as it is.
PLAIN: dict[str, Any] = {
    **{"head": "linear", "loss": "binary_crossentropy", "label_smoothing": 0, "weight_decay": 0},
    **{"learning_rate": 3e-4, "learning_rate_schedule": "constant", "warmup_epochs": 0, "early_stopping": None},
    **{"batch_norm_frozen": False, "brightness": FULL_BRIGHTNESS},
}
OLD: dict[str, Any] = {
    **{"head": "linear", "loss": "class_weighted", "label_smoothing": 0.1, "weight_decay": 0.01},
    **{"learning_rate_schedule": "cosine", "warmup_epochs": 2, "early_stopping": 10, "batch_norm_frozen": True},
    "brightness": [0.2, 1.0],
}
RATES_OF_OLD = {1: 1e-4, 2: 3e-5}
CHANGES: dict[str, dict[str, Any]] = {
    "rate 3e-4": {"learning_rate": 3e-4},
    "rate 1e-3": {"learning_rate": 1e-3},
    "constant rate": {"learning_rate_schedule": "constant", "warmup_epochs": 0},
    "no smoothing": {"label_smoothing": 0},
    "no decay": {"weight_decay": 0},
    "full brightness": {"brightness": FULL_BRIGHTNESS},
    "slight brightness": {"brightness": [0.8, 1.2]},
    "moving statistics": {"batch_norm_frozen": False},
    "recalibrated": {"batch_norm_recalibration": True},
    "plain loss": {"loss": "binary_crossentropy"},
}
KERAS = "keras"
KEY = ["stage", "recipe", "seed", "measured_on"]
# Without a parent, batch normalisation has nothing to freeze.
ONLY_IN_STAGE_2 = {"moving statistics"}
# A scheme, and what is changed of it.
RECIPES = """
plain
plain, slight brightness
modern
modern, rate 3e-4
modern, rate 1e-3
modern, full brightness
old
old, rate 3e-4
old, rate 1e-3
old, constant rate
old, full brightness
old, slight brightness
old, moving statistics
old, no smoothing
old, no decay
old, plain loss
""".strip().splitlines()


def schemes(stage: int) -> dict[str, dict[str, Any]]:
    """Name → settings of training of each scheme."""
    modern = {key: value for key, value in MODERN.items() if key != "augmentation"} | MODERN["augmentation"]
    return {
        "plain": PLAIN,
        "modern": modern | {"learning_rate": MODERN["learning_rate"][f"stage{stage}"]},
        "old": OLD | {"learning_rate": RATES_OF_OLD[stage]},
    }


def settings_of(recipe: str, stage: int) -> dict[str, Any]:
    """Return the settings of training of a recipe. Raise KeyError for a word that is no scheme or change."""
    scheme, *changes = ("plain" if recipe == KERAS else recipe).split(", ")
    return schemes(stage)[scheme] | {key: value for change in changes for key, value in CHANGES[change].items()}


def default_recipes(stage: int) -> list[str]:
    """List the recipes that differ in a stage, in the order in which they are trained."""
    different: dict[str, dict[str, Any]] = {}
    for recipe in RECIPES:
        settings = settings_of(recipe, stage)
        if settings not in different.values() and (stage == 2 or ONLY_IN_STAGE_2.isdisjoint(recipe.split(", "))):
            different[recipe] = settings
    return [*different, KERAS]


@dataclass(frozen=True)
class Pictures:
    """The images of a cohort with their split.

    Attributes
    ----------
    pixels
        (n, size, size) uint8.
    table
        The split table: slice, patient, label, split; its rows are those of `pixels`.
    labels
        (n,) int, 1 for the positive class.
    """

    pixels: np.ndarray
    table: pd.DataFrame
    labels: np.ndarray

    @classmethod
    def read(cls, run: Path, cohort: str, framework: str, positive: str, size: int) -> "Pictures":
        """Read the images that a run has cached, at a smaller size where one is asked for."""
        folder = run / "training/images" / cohort
        cached = CachedImages.open(folder / f"{framework}.npy", folder / "index.tsv")
        table = read_table(run / f"splits/{cohort}/{framework}.tsv", "split").reset_index(drop=True)
        pixels = cached.pixels[cached.rows_of(table["slice"])]
        smaller = pixels if size == cached.size else np.stack([resize_image(image, size) for image in pixels])
        return cls(smaller, table, (table["label"] == positive).to_numpy().astype(int))

    def holding_out(self, fold: int, folds: int) -> "Pictures":
        """Return the same images where a fold of the training patients is the test subset, and none is the old one."""
        rows = self.rows("train")
        patients = self.table["patient"].to_numpy()[rows]
        divided = StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(rows, self.labels[rows], patients)
        held_out = rows[[test for _, test in divided][fold]]
        split = self.table["split"].replace("test", "unused")
        return replace(self, table=self.table.assign(split=split.mask(split.index.isin(held_out), "test")))

    def rows(self, subset: str) -> np.ndarray:
        """List the rows of a subset."""
        return np.flatnonzero(self.table["split"] == subset)

    def subset(self, subset: str) -> LabelledImages:
        """Return the images of a subset."""
        rows = self.rows(subset)
        return LabelledImages(self.pixels, rows, self.labels[rows])

    def auc(self, predict: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> dict[str, float]:
        """Measure the AUC on the test slices, by slice and by patient (mean of logits)."""
        rows = self.rows("test")
        table = pd.DataFrame({"patient": self.table["patient"].to_numpy()[rows], "label": self.labels[rows]})
        table["logit"] = predict(self.pixels, rows)[:, 0].astype(float)
        patients = table.groupby(["patient", "label"], as_index=False)["logit"].mean()
        return {
            "auc": float(roc_auc_score(table["label"], table["logit"])),
            "auc_patients": float(roc_auc_score(patients["label"], patients["logit"])),
        }


@dataclass(frozen=True)
class Bench:
    """What all trainings with a seed share: the two cohorts, the backbone, and the config's training section."""

    public: Pictures
    target: Pictures
    architecture: str
    backbone: Backbone
    training: dict[str, Any]
    size: int
    measured_on: str = "test"

    def settings(self, stage: int, recipe: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of a training: the config's, with what the recipe changes."""
        own = {key: value for key, value in recipe.items() if key != "brightness"}
        of_bench = {
            "image_size": self.size,
            "epochs": self.training["epochs"][f"stage{stage}"],
            "augmentation": self.training["augmentation"] | {"brightness": recipe["brightness"]},
        }
        return self.training | own | of_bench

    def without_fold(self, fold: int, folds: int) -> "Bench":
        """Return the bench that trains without a fold of the training patients, and measures on it."""
        public, target = (cohort.holding_out(fold, folds) for cohort in (self.public, self.target))
        return replace(self, public=public, target=target, measured_on=f"fold {fold + 1} of {folds}")

    def network(self, settings: dict[str, Any], weights: list[np.ndarray] | None) -> keras.Model:
        """Build the network, from these weights or from nothing."""
        with precision(settings["precision"]):
            model = build_classifier(self.backbone, settings)
        if weights is not None:
            model.set_weights(weights)
        return model

    def train(self, stage: int, recipe: str, seed: int, parent: list[np.ndarray] | None) -> keras.Model:
        """Train one stage by a recipe; returns the network."""
        keras.utils.set_random_seed(seed)
        pictures = self.public if stage == 1 else self.target
        settings = self.settings(stage, settings_of(recipe, stage))
        model = self.network(settings, parent)
        if recipe == KERAS:
            train_by_keras(model, self.backbone, pictures, settings)
        else:
            plan = plan_of(settings, stage, seed, fine_tunes=parent is not None)
            training = pictures.subset("train")
            fit(
                logits_of(model),
                self.backbone,
                objective_of(settings, training),
                training,
                pictures.subset("val"),
                plan,
            )
        return in_float32(model, self.backbone, settings)

    def measure(self, model: keras.Model) -> dict[str, float]:
        """Measure a network on the test slices of both cohorts."""
        infer = make_inference(logits_of(model), self.backbone)

        def predict(pixels: np.ndarray, rows: np.ndarray) -> np.ndarray:
            return run_in_batches(infer, pixels, rows)

        found = {"public": self.public.auc(predict), "target": self.target.auc(predict)}
        return {f"{cohort}_{name}": value for cohort, values in found.items() for name, value in values.items()}


def train_by_keras(model: keras.Model, backbone: Backbone, pictures: Pictures, settings: dict[str, Any]) -> None:
    """Train by keras.Model.fit, on the images that `fit` would train on."""
    moved = keras.Sequential([
        keras.layers.RandomFlip("horizontal_and_vertical"),
        keras.layers.RandomRotation(10 / 360, fill_mode="nearest"),
    ])  # fmt: skip
    inputs = keras.Input((*pictures.pixels.shape[1:], 1))
    preprocessed = backbone.preprocess(keras.ops.repeat(moved(inputs), 3, axis=-1))
    whole = keras.Model(inputs, model(preprocessed))
    whole.compile(keras.optimizers.Adam(settings["learning_rate"]), "binary_crossentropy")
    rows = pictures.rows("train")
    images = pictures.pixels[rows][..., None].astype(np.float32)
    whole.fit(images, pictures.labels[rows], settings["batch_size"], settings["epochs"], verbose=0)


def run_all(benches: dict[int, Bench], chosen: list[str], out: Path) -> pd.DataFrame:
    """Train with each seed what the table lacks, a row after each; returns the table."""
    parent = cache(lambda seed: parent_of(benches[seed], seed, out))

    def row_of(stage: int, recipe: str, seed: int, measured_on: str) -> dict[str, Any]:
        bench = benches[seed]
        model = bench.train(stage, recipe, seed, parent(seed) if stage == 2 else None)
        if stage == 1 and recipe == "modern":
            model.save_weights(parent_file(out, seed, measured_on))
        key = {"stage": stage, "recipe": recipe, "seed": seed, "measured_on": measured_on}
        return {**key, **bench.measure(model)}

    recipes = {stage: chosen or default_recipes(stage) for stage in (1, 2)}
    wanted = [
        (stage, recipe, seed, bench.measured_on)
        for seed, bench in benches.items()
        for stage in (1, 2)
        for recipe in recipes[stage]
    ]
    return fill_table(out, KEY, wanted, row_of)


def parent_file(out: Path, seed: int, measured_on: str) -> Path:
    """Say where the stage 1 of `modern` is kept for the recipes of stage 2."""
    return out.with_name(f"{out.stem}-{seed}-{measured_on.replace(' ', '-')}.weights.h5")


def parent_of(bench: Bench, seed: int, out: Path) -> list[np.ndarray]:
    """Return the weights that stage 2 starts from; trains them where they are not kept."""
    kept = parent_file(out, seed, bench.measured_on)
    if kept.is_file():
        settings = bench.settings(1, settings_of("modern", 1))
        model = in_float32(bench.network(settings, None), bench.backbone, settings)
        model.load_weights(kept)
    else:
        model = bench.train(1, "modern", seed, None)
        model.save_weights(kept)
    return model.get_weights()


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Average over the seeds."""
    measured = table.columns.drop(KEY)
    grouped = table.groupby(["stage", "recipe"], sort=False)
    return grouped[list(measured)].mean().join(grouped["seed"].size().rename("seeds"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--config", type=Path, nargs="+", required=True, help="as given to --configfile")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pipeline", type=Pipeline.parse, default=Pipeline.parse("whole-resnet50-scratch"))
    parser.add_argument("--size", type=int, default=64, help="rows and columns of the images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--recipes", nargs="+", default=[], help="these alone")
    parser.add_argument("--choose", action="store_true", help="measure on folds of the training patients")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.choose and len(set(args.seeds)) < 2:
        parser.error("--choose takes two seeds or more, a fold each.")
    for recipe in args.recipes:
        try:
            settings_of(recipe, 1)
        except KeyError as error:
            parser.error(f"--recipes: {error} in {recipe!r} is none of {', '.join([*schemes(1), KERAS, *CHANGES])}.")
    written: dict[str, Any] = {}
    for path in args.config:
        update_config(written, yaml.safe_load(path.read_text(encoding="utf-8")))
    config = complete_config(written)
    positive = next(iter(config["labels"]))
    prepare_device(args.threads, args.seeds[0])
    public, target = (
        Pictures.read(args.run, cohorts_with_role(config, role)[0], args.pipeline.input_view, positive, args.size)
        for role in ("public", "target")
    )
    name = args.pipeline.architecture
    bench = Bench(public, target, name, backbones.load(name), config["training"], args.size)
    benches = dict.fromkeys(args.seeds, bench)
    if args.choose:
        benches = {seed: bench.without_fold(fold, len(benches)) for fold, seed in enumerate(benches)}
    print(summary(run_all(benches, args.recipes, args.out)).round(3).to_string())


if __name__ == "__main__":
    main()
