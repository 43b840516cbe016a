"""Train small models of three classes on phantoms, one class with a planted mark or none, and measure the audit.

python benchmarks/planted_classes.py --seeds 201 220 --out planted-classes.tsv
"""
# ruff: noqa: E402

import argparse
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

import keras
import numpy as np
import pandas as pd

from benchmarks.planted_truth import BACKBONE, HEAD, RESAMPLES, SETTINGS, enrichment_of, test_slices_of
from lungsight.audit.intervals import sanity_rows, shortcut_rows
from lungsight.audit.model_audit import AuditSettings, audit
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.pair_verdicts import pair_rows, verdicts_of
from lungsight.audit.verdict import Evidence, Verdict, classes_by_background, decide, evidence_of
from lungsight.classes import Classes
from lungsight.demo.planted import PLANTED_CLASSES, THREE, Planted, plant
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.fit import TrainingPlan, fit
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import CATEGORICAL_LOSSES
from lungsight.training.network import build_classifier, logits_of

CLASSES = Classes.of(THREE)
EPOCHS = 14
PATIENTS = {"train": 96, "val": 9, "test": 60}
MODEL = (f"whole-{BACKBONE}-scratch", 1)


class ExaminedClasses(NamedTuple):
    """Hold the audit's result for one model. named: the classes that it tells by the background, in words."""

    evidence: Evidence
    verdict: Verdict
    named: str
    pairs: pd.DataFrame


def train_on(planted: Planted, seed: int) -> keras.Model:
    """Train a small network on planted slices, by the loop that trains the workflow's models."""
    keras.utils.set_random_seed(seed)
    backbone = backbones.load(BACKBONE)
    model = build_classifier(backbone, HEAD, outputs=CLASSES.outputs)
    labels = CLASSES.numbers_of(planted.table["label"])
    rows = [np.flatnonzero(planted.table["split"] == subset) for subset in ("train", "val")]
    training, validation = (LabelledImages(planted.images, each, labels[each]) for each in rows)
    loss = CATEGORICAL_LOSSES["binary_crossentropy"](labels[rows[0]], {"label_smoothing": 0.0}, len(CLASSES))
    plan = TrainingPlan(epochs=EPOCHS, batch_size=16, learning_rate=1e-3, seed=seed, recalibrate=True)
    fit(logits_of(model), backbone, loss, training, validation, plan)
    return model


@lru_cache(maxsize=4)
def planted_model(name: str, seed: int) -> tuple[Planted, ModelOutputs]:
    """Plant one of PLANTED_CLASSES and train a model on it; the seed draws the phantoms and starts the network."""
    planted = plant(PLANTED_CLASSES[name], seed, **PATIENTS)
    return planted, ModelOutputs(train_on(planted, seed), backbones.load(BACKBONE))


def examine_classes(name: str, seed: int, settings: AuditSettings = SETTINGS) -> ExaminedClasses:
    """Audit a model of one of PLANTED_CLASSES on its test slices."""
    planted, outputs = planted_model(name, seed)
    slices = test_slices_of(planted)
    sources = pd.Series("phantom", index=slices.table["slice"])
    found = audit(outputs, slices, sources, CLASSES, settings, seed)
    assert found.swaps is not None, "there are three classes"
    shortcuts = shortcut_rows(found.logits, found.sources, THREE[0], RESAMPLES, seed, found.swaps)
    rows = pd.DataFrame([*shortcuts, *sanity_rows(found.sanity, RESAMPLES, seed)])
    pairs = pd.DataFrame(pair_rows(MODEL, found.logits, found.swaps, RESAMPLES, seed))
    verdicts = verdicts_of(pairs)
    evidence = evidence_of("whole", rows, enrichment_of(outputs, slices, seed), pairs=verdicts)
    return ExaminedClasses(evidence, decide(evidence), classes_by_background(verdicts), pairs)


def as_row(scenario: str, seed: int, examined: ExaminedClasses, seconds: float) -> dict:
    """Make one row of the table that this benchmark writes."""
    numbers = {
        f"{name} {row['first']} {row['second']}": round(row[name], 3)
        for row in examined.pairs.to_dict("records")
        for name in ("auc", "background", "swap")
    }
    verdict = examined.verdict
    return {
        **{"scenario": scenario, "seed": seed, "named": examined.named},
        **{"verdict": verdict.conclusion, "rule": verdict.rule, "seconds": round(seconds, 1)},
        **{"auc": round(examined.evidence.auc.value, 3), "swap": round(examined.evidence.swap.value, 3)},
        **numbers,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", nargs="+", choices=list(PLANTED_CLASSES), default=list(PLANTED_CLASSES))
    parser.add_argument("--seeds", nargs=2, type=int, default=[201, 220], help="the first and the last")
    parser.add_argument("--out", type=Path, required=True, help="table; rewritten after every model")
    args = parser.parse_args()
    prepare_device(threads=1, seed=0)
    rows = []
    for seed in range(args.seeds[0], args.seeds[1] + 1):
        for scenario in args.scenarios:
            started = time.monotonic()
            examined = examine_classes(scenario, seed)
            rows.append(as_row(scenario, seed, examined, time.monotonic() - started))
            print(f"{scenario}, seed {seed}: {examined.verdict.sentence}", flush=True)
            pd.DataFrame(rows).to_csv(args.out, sep="\t", index=False)
    table = pd.DataFrame(rows)
    print(pd.crosstab(table["scenario"], [table["verdict"], table["named"]]).to_string())


if __name__ == "__main__":
    main()
