"""Train small models on planted shortcuts with every remedy, and measure whether the remedy repairs them.

python benchmarks/remedies.py --seeds 301 303 --out remedies.tsv

The table is written after every model. Rows that it holds already are not computed again. Shortcuts are a mark outside
of the lung on the positives (with strength 0.9 or 1.0), and a style: noise and compression of the positives' pictures.
In `lesions` there is no shortcut. Beside the audit's verdict stand three AUCs by patient of the same test persons: as
they are, with the shortcut removed, and with the shortcut on the negatives. Remedies that train on two cohorts get a
second one of other persons, who have no shortcut; a control is trained on that one alone. `simsiam` is a training
without a remedy from weights that are pre-trained on the training slices of both cohorts, without labels. Generators
see those of the first cohort.
"""
# ruff: noqa: E402

import argparse
import io
import sys
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

import keras
import numpy as np
import pandas as pd
from PIL import Image
from scipy.special import expit

from benchmarks.growing_table import fill_table
from benchmarks.planted_pretraining import TRAINING, generated_for, pretrained_weights
from benchmarks.planted_truth import BACKBONE, EPOCHS, HEAD, PATIENTS, examine, making_audit, test_slices_of
from lungsight.audit.interventions import Extents
from lungsight.audit.model_audit import AuditSettings
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.rows import clustered_interval
from lungsight.audit.verdict import decide
from lungsight.demo.cohort import POSITIVE
from lungsight.demo.planted import PLANTED_SCENARIOS, Planted, plant
from lungsight.evaluation.metrics import ranking_metrics
from lungsight.training import backbones, remedies
from lungsight.training.bags import group_numbers
from lungsight.training.device import prepare_device
from lungsight.training.fit import TrainingPlan, fit
from lungsight.training.image_cache import slice_arrays
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import build_classifier, logits_of
from lungsight.training.regions import lung_box
from lungsight.training.settings import SIMSIAM
from lungsight.training.stage_training import architecture_of
from lungsight.training.swapping import SAME, Swap
from lungsight.training.treatment import Material, Treatment

STYLE = "style"
SCENARIOS = ("lesions", "mark 0.9", "mark 1.0", STYLE)
SAME_CLASS, SEGMENTED = "lung_swap, same class alone", "segmented"
OTHER = "none, second cohort alone"  # the control of what takes labels from there
TRAINED = ("none", *remedies.names(), SIMSIAM, SAME_CLASS, OTHER, SEGMENTED)
NOISE, QUALITY = 8.0, 30  # of the planted style: grey levels, and JPEG
SETTINGS = AuditSettings(
    Extents(margin=0.02, border=0.1, crop=0.6, low_pass=0.03, blur=0.1), sample=12, draws=2, steps=5
)
DEFAULTS = TRAINING["remedies"]
RESAMPLES = 1000
OF_COMPANION = 5000  # added to the seed of the second cohort


def degraded(images: np.ndarray, seed: int) -> np.ndarray:
    """Add noise and compress pictures (n, size, size) uint8."""
    rng, found = np.random.default_rng(seed), []
    for image in images:
        noisy = np.clip(np.rint(image + rng.normal(0, NOISE, image.shape)), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=QUALITY)
        found.append(np.asarray(Image.open(file)))
    return np.stack(found)


def variants_of(scenario: str, seed: int) -> dict[str, Planted]:
    """Plant a scenario: its slices, and those with the shortcut on nobody, and on the negatives alone."""
    plain = plant(PLANTED_SCENARIOS["lesions"], seed, **PATIENTS)
    positive = (plain.table["label"] == POSITIVE).to_numpy()
    if scenario == "lesions":
        return {"auc": plain, "removed": plain, "reversed": plain}
    if scenario == STYLE:
        changed = degraded(plain.images, seed)
        own = replace(plain, images=np.where(positive[:, None, None], changed, plain.images))
    else:
        own = plant(PLANTED_SCENARIOS[scenario], seed, **PATIENTS)
        marked = plant(PLANTED_SCENARIOS["mark 1.0"], seed, **PATIENTS)
        place = (marked.images[positive] != plain.images[positive]).any(axis=0)
        grey = marked.images[positive][0][place]
        changed = plain.images.copy()
        changed[:, place] = grey
    on_negatives = np.where(positive[:, None, None], plain.images, changed)
    return {"auc": own, "removed": plain, "reversed": replace(plain, images=on_negatives)}


def as_seen(planted: Planted, remedy: str) -> Planted:
    """Show the slices as the network of a remedy sees them: whole, cropped or segmented."""
    if remedy == SEGMENTED:
        return replace(planted, images=planted.images * planted.lung.astype(np.uint8))
    if remedy != "crop":
        return planted
    size, arrays = planted.images.shape[1], []
    for image, lung in zip(planted.images, planted.lung, strict=True):
        box = lung_box(lung)
        arrays.append(slice_arrays(box.crop(image), box.crop(lung), size))
    whole, _, masks = (np.stack(each) for each in zip(*arrays, strict=True))
    return replace(planted, images=whole, lung=masks > 0)


def treatment_for(remedy: str, material: Material) -> Treatment:
    """Make the treatment of a row of the table."""
    if remedy == SAME_CLASS:
        return Swap(replace(material, settings=DEFAULTS["lung_swap"]), kinds=(SAME,))
    make = remedies.load(remedy).treatment if remedy in remedies.names() else None
    return make(material) if make else Treatment()


def companion_of(remedy: str, seed: int) -> LabelledImages | None:
    """Give the training images of a second cohort without a shortcut, to what trains on it."""
    if remedy not in (SIMSIAM, OTHER) and (
        remedy not in remedies.names() or remedies.COMPANION not in remedies.load(remedy).needs
    ):
        return None
    return images_of(plant(PLANTED_SCENARIOS["lesions"], seed + OF_COMPANION, **PATIENTS), "train")


def images_of(planted: Planted, subset: str) -> LabelledImages:
    """Give the images of a subset with their labels and patients."""
    rows = np.flatnonzero(planted.table["split"] == subset)
    table = planted.table.iloc[rows]
    return LabelledImages(
        planted.images, rows, (table["label"] == POSITIVE).to_numpy(int), group_numbers(table["patient"])
    )


def build(remedy: str, settings: dict, cohorts: list[LabelledImages], seed: int) -> keras.Model:
    """Build the small network at the start of its training. cohorts: what a pre-training sees."""
    backbone = backbones.load(BACKBONE)
    if remedy == SIMSIAM:
        with tempfile.TemporaryDirectory() as folder:
            weights = pretrained_weights(cohorts, seed, Path(folder))
            keras.utils.set_random_seed(seed)
            return build_classifier(backbone, HEAD, weights)
    keras.utils.set_random_seed(seed)
    architecture = architecture_of({"remedy": settings} if remedy in remedies.names() else {})
    return build_classifier(backbone, HEAD, architecture=architecture)


def train_with(remedy: str, planted: Planted, seed: int) -> tuple[keras.Model, float]:
    """Train a small network, as `planted_truth` does, with a remedy. Return it with the seconds of its epochs."""
    backbone = backbones.load(BACKBONE)
    settings = {"name": remedy} | DEFAULTS.get(remedy, {})
    training, validation = (images_of(planted, subset) for subset in ("train", "val"))
    companion, generated = companion_of(remedy, seed), generated_for(remedy, training, seed)
    if remedy == OTHER and companion:
        training, companion = companion, None
    model = build(remedy, settings, [each for each in (training, companion) if each], seed)
    material = Material(
        settings,
        backbone,
        planted.images,
        training.rows,
        training.labels,
        training.groups(),
        planted.lung.astype(np.uint8),
        np.ones(len(training), dtype=bool),
        np.full(len(training), "phantom"),
        companion,
        generated=generated,
    )
    decay = settings.get("weight_decay", 0.0)
    plan = TrainingPlan(
        epochs=EPOCHS, batch_size=16, learning_rate=1e-3, seed=seed, recalibrate=True, weight_decay=decay
    )
    treatment = treatment_for(remedy, material)
    logits = logits_of(model)
    history = fit(logits, backbone, binary_crossentropy, training, validation, plan, treatment=treatment)
    return model, float(np.median([row["seconds"] for row in history]))


def auc_by_patient(outputs: ModelOutputs, planted: Planted, seed: int) -> tuple[float, float, float]:
    """Measure the AUC of the test patients with its interval."""
    slices = test_slices_of(planted)
    probability = expit(outputs(slices.images).logits[:, 0])
    means = (
        slices.table.assign(probability=probability).groupby(["patient", "label"])["probability"].mean().reset_index()
    )
    truth, score = (means["label"] == POSITIVE).to_numpy(), means["probability"].to_numpy()
    value, (low, high) = clustered_interval(
        lambda weights: ranking_metrics(truth, score, weights)["roc_auc"], means["patient"], RESAMPLES, seed
    )
    return value, low, high


def row_of(seed: int, scenario: str, remedy: str) -> dict:
    """Train and examine one model."""
    started = time.monotonic()
    variants = {name: as_seen(each, remedy) for name, each in variants_of(scenario, seed).items()}
    model, seconds = train_with(remedy, variants["auc"], seed)
    outputs = ModelOutputs(model, backbones.load(BACKBONE))
    view = "segmented" if remedy == SEGMENTED else "whole"
    base = "lung_swap" if remedy == SAME_CLASS else remedy
    trained_on = remedies.load(base).instruments if base in remedies.names() else ()
    examined = examine(outputs, test_slices_of(variants["auc"]), view, seed, SETTINGS, trained_on)
    seen = examined.evidence
    if scenario == STYLE:
        # Pictures have the network's size. A crop is changed after it was resized.
        pictures = variants["auc"]
        made = making_audit(outputs, pictures, lambda image, lung: image, pictures.images.shape[1], seed)
        seen = seen._replace(making=made.evidence)
    verdict = decide(seen)
    row = {"scenario": scenario, "remedy": remedy, "seed": seed}
    row |= {"verdict": verdict.conclusion, "rule": verdict.rule}
    for name, planted in variants.items():
        value, low, high = auc_by_patient(outputs, planted, seed)
        row |= {name: round(value, 3), f"{name}_lo": round(low, 3), f"{name}_hi": round(high, 3)}
    estimates = {name: getattr(seen, name).value for name in ("background", "swap", "lung", "enrichment")}
    row |= {name: round(value, 3) for name, value in estimates.items()}
    return row | {"seconds_epoch": round(seconds, 2), "seconds": round(time.monotonic() - started, 1)}


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Count repaired models by shortcut and remedy.

    lung
        The verdict is that the model looks at the lung.
    counterfactual
        The interval of the AUC with the shortcut on the negatives lies above 0.5: the answers follow the lesion.
    repaired
        Both.
    auc, removed, reversed
        Means over the seeds.
    below_unmarked
        By how much the AUC without the shortcut is below that of models without a remedy trained on data without one.
    """
    follows = table["reversed_lo"] > 0.5
    counted = table.assign(lung=table["verdict"] == "lung", counterfactual=follows)
    counted["repaired"] = counted["lung"] & counted["counterfactual"]
    unmarked = table[(table["scenario"] == "lesions") & (table["remedy"] == "none")].set_index("seed")["auc"]
    counted["below_unmarked"] = table["seed"].map(unmarked) - table["removed"]
    grouped = counted.groupby(["scenario", "remedy"])
    counts = grouped[["lung", "counterfactual", "repaired"]].sum().astype(int)
    means = grouped[["auc", "removed", "reversed", "below_unmarked"]].mean().round(3)
    return pd.concat([grouped.size().rename("models"), counts, means], axis=1).reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--remedies", nargs="+", choices=TRAINED, default=list(TRAINED))
    parser.add_argument("--seeds", nargs=2, type=int, default=[301, 320], help="the first and the last")
    parser.add_argument("--out", type=Path, required=True, help="table; rewritten after every model")
    args = parser.parse_args()
    prepare_device(threads=1, seed=0)
    seeds = range(args.seeds[0], args.seeds[1] + 1)
    wanted = product(seeds, args.scenarios, args.remedies)
    table = fill_table(args.out, ["seed", "scenario", "remedy"], wanted, row_of)
    print(summary(table).to_string(index=False))


if __name__ == "__main__":
    main()
