"""Train small models on phantoms with a planted truth, and measure whether the audit finds it.

python benchmarks/planted_truth.py --scenarios lesions "mark alone" --seeds 101 120 --out planted.tsv
"""
# ruff: noqa: E402

import argparse
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import keras
import numpy as np
import pandas as pd
from scipy.special import expit

from lungsight.audit.fair_sample import audited_sample
from lungsight.audit.forensics import answers, traces_of_patients
from lungsight.audit.intervals import sanity_rows, shortcut_rows
from lungsight.audit.interventions import Extents
from lungsight.audit.making import making_logits, making_of, making_rows, sample_of_patients, versions_of
from lungsight.audit.model_audit import AuditSettings, audit
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.rows import Estimate
from lungsight.audit.verdict import Evidence, Making, Verdict, decide, evidence_of
from lungsight.classes import Classes
from lungsight.demo.cohort import NEGATIVE, POSITIVE
from lungsight.demo.planted import PLANTED_SCENARIOS, Planted, plant
from lungsight.evaluation.intervals import mean_with_interval
from lungsight.explain.explanation import SliceImages, outcomes
from lungsight.explain.reasons import REJECTED
from lungsight.explain.resample import upsample_bilinear
from lungsight.explain.saliency_metrics import enrichment
from lungsight.intake.forensics.pixels import Pixels
from lungsight.intake.forensics.stored import Stored
from lungsight.intake.forensics.traces import NUMBER, TRACES, values_of_file, values_of_pixels
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.fit import TrainingPlan, fit
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import build_classifier, logits_of

BACKBONE = "small_cnn"
HEAD = {"image_size": 64, "head_units": 32, "head_activation": "relu", "batch_norm_momentum": 0.8}
EPOCHS = 12
PATIENTS = {"train": 64, "val": 8, "test": 40}
RESAMPLES = 1000
CLASSES = Classes.of([POSITIVE, NEGATIVE])
# The config's defaults, on a smaller sample.
SETTINGS = AuditSettings(
    Extents(margin=0.02, border=0.1, crop=0.6, low_pass=0.03, blur=0.1), sample=24, draws=3, steps=10
)


class Examined(NamedTuple):
    """Hold the audit's result for one model. rows: its audit rows."""

    evidence: Evidence
    verdict: Verdict
    rows: pd.DataFrame


def train_on(planted: Planted, seed: int) -> keras.Model:
    """Train a small network on planted slices, by the loop that trains the workflow's models."""
    keras.utils.set_random_seed(seed)
    backbone = backbones.load(BACKBONE)
    model = build_classifier(backbone, HEAD | {"image_size": planted.images.shape[1]})
    labels = (planted.table["label"] == POSITIVE).to_numpy(int)
    rows = [np.flatnonzero(planted.table["split"] == subset) for subset in ("train", "val")]
    training, validation = (LabelledImages(planted.images, each, labels[each]) for each in rows)
    plan = TrainingPlan(epochs=EPOCHS, batch_size=16, learning_rate=1e-3, seed=seed, recalibrate=True)
    fit(logits_of(model), backbone, binary_crossentropy, training, validation, plan)
    return model


@lru_cache(maxsize=8)
def planted_model(name: str, seed: int) -> tuple[Planted, ModelOutputs]:
    """Plant one of PLANTED_SCENARIOS and train a model on it; the seed draws the phantoms and starts the network."""
    planted = plant(PLANTED_SCENARIOS[name], seed, **PATIENTS)
    return planted, ModelOutputs(train_on(planted, seed), backbones.load(BACKBONE))


def test_slices_of(planted: Planted) -> SliceImages:
    """Give the slices of the test patients."""
    test = np.flatnonzero(planted.table["split"] == "test")
    return SliceImages(planted.table.iloc[test].reset_index(drop=True), planted.images[test], planted.lung[test])


def enrichment_of(outputs: ModelOutputs, slices: SliceImages, seed: int) -> Estimate:
    """Estimate the mean enrichment of Grad-CAM over the usable slices, as report/saliency.tsv does."""
    slices = slices.take(np.flatnonzero(slices.usable))
    predictions = outputs(slices.images)
    maps = upsample_bilinear(predictions.maps(predictions.numbers), slices.masks.shape[1:])
    values = enrichment(maps, slices.masks)[:, None]
    return Estimate(*(float(part[0]) for part in mean_with_interval(values, slices.table["patient"], RESAMPLES, seed)))


def examine(
    outputs: ModelOutputs,
    slices: SliceImages,
    input_view: str,
    seed: int,
    settings: AuditSettings = SETTINGS,
    trained_on: tuple[str, ...] = (),
) -> Examined:
    """Audit a model on test slices. Those whose mask was not accepted are left out. trained_on: instruments."""
    sources = pd.Series("phantom", index=slices.table["slice"])
    found = audit(outputs, slices, sources, CLASSES, settings, seed)
    shortcuts = shortcut_rows(found.logits, found.sources, POSITIVE, RESAMPLES, seed)
    rows = pd.DataFrame([*shortcuts, *sanity_rows(found.sanity, RESAMPLES, seed)])
    of_slices = slices.table[["patient", "label"]].assign(
        outcome=outcomes(slices.table["label"], expit(outputs(slices.images).logits[:, 0]), POSITIVE),
        reason=np.where(slices.usable, "", REJECTED),
    )
    sample = audited_sample(of_slices, RESAMPLES, seed)
    evidence = evidence_of(input_view, rows, enrichment_of(outputs, slices, seed), sample, trained_on=trained_on)
    return Examined(evidence, decide(evidence), rows)


class MakingAudit(NamedTuple):
    """Hold what the audit of the making says of one model.

    Attributes
    ----------
    evidence
        For the verdict.
    rows
        Of the audit.
    traces
        How well each trace tells the label, as report/forensics.tsv has it.
    """

    evidence: tuple[Making, ...]
    rows: pd.DataFrame
    traces: pd.DataFrame


def traces_of(planted: Planted) -> pd.DataFrame:
    """Measure the traces of the middle slice of every patient, as forensics.tsv has them."""
    rows = []
    for place in np.flatnonzero(~planted.table["patient"].duplicated()) + 1:
        measured = values_of_file(Stored("png", "grey", 8)) | values_of_pixels(Pixels(planted.images[place]))
        rows.append({**planted.table.iloc[place][["slice", "patient", "label"]], **measured})
    table = pd.DataFrame(rows)
    numbers = [trace.name for trace in TRACES if trace.kind == NUMBER]
    table[numbers] = table[numbers].astype(float)
    return table


def making_audit(
    outputs: ModelOutputs, pictures: Planted, seen: Callable[[np.ndarray, np.ndarray], np.ndarray], size: int, seed: int
) -> MakingAudit:
    """Audit whether a model uses how pictures were made, on one slice of each test patient.

    seen: turns a picture and its lung into what the network sees, `size` pixels a side.
    """
    traces = traces_of(pictures)
    telling = pd.DataFrame(answers(traces_of_patients(traces, "label"), "label", seed)).assign(tells="label")
    test = pictures.table[pictures.table["split"] == "test"]
    identity = sample_of_patients(test, test["patient"].nunique())
    lungs = pictures.lung[identity.index]
    made = [versions_of(pictures.images[place], size) for place in identity.index]
    remade = {
        name: np.stack([seen(each[name], lung) for each, lung in zip(made, lungs, strict=True)]) for name in made[0]
    }
    logits = making_logits(outputs, remade, identity.reset_index(drop=True), CLASSES)
    rows = pd.DataFrame(making_rows(logits, traces, POSITIVE, RESAMPLES, seed))
    return MakingAudit(making_of(telling, rows), rows, telling)


def examine_scenario(name: str, seed: int, settings: AuditSettings = SETTINGS) -> Examined:
    """Examine one of PLANTED_SCENARIOS; the seed draws the phantoms and starts the network."""
    planted, outputs = planted_model(name, seed)
    input_view = "segmented" if PLANTED_SCENARIOS[name].segmented else "whole"
    return examine(outputs, test_slices_of(planted), input_view, seed, settings)


def as_row(scenario: str, seed: int, examined: Examined, seconds: float) -> dict:
    """Make one row of the table that this benchmark writes."""
    numbers = {
        f"{name}{end}": round(value, 3)
        for name, estimate in examined.evidence._asdict().items()
        if isinstance(estimate, Estimate)
        for end, value in zip(("", "_lo", "_hi"), estimate, strict=True)
    }
    verdict = examined.verdict
    return {
        "scenario": scenario,
        "seed": seed,
        "verdict": verdict.conclusion,
        "rule": verdict.rule,
        "seconds": round(seconds, 1),
    } | numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", nargs="+", choices=list(PLANTED_SCENARIOS), default=list(PLANTED_SCENARIOS))
    parser.add_argument("--seeds", nargs=2, type=int, default=[101, 120], help="the first and the last")
    parser.add_argument("--out", type=Path, required=True, help="table; rewritten after every model")
    args = parser.parse_args()
    prepare_device(threads=1, seed=0)
    rows = []
    for seed in range(args.seeds[0], args.seeds[1] + 1):
        for scenario in args.scenarios:
            started = time.monotonic()
            examined = examine_scenario(scenario, seed)
            rows.append(as_row(scenario, seed, examined, time.monotonic() - started))
            print(f"{scenario}, seed {seed}: {examined.verdict.sentence}", flush=True)
            pd.DataFrame(rows).to_csv(args.out, sep="\t", index=False)
    print(pd.crosstab(*(pd.DataFrame(rows)[key] for key in ("scenario", "verdict"))).to_string())


if __name__ == "__main__":
    main()
