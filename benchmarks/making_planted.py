"""Train networks on pictures with a planted trace of the making, and count how often the audit finds and names it.

python benchmarks/making_planted.py --seeds 401 420 --out making-planted.tsv

Nobody has a lesion: nothing but the trace goes with the label. With strength s, a share s of the patients carries the
trace if and only if they are positive; of the others a coin decides. In `lesions` there is no trace, and positives have
lesions: a model that "depends on how the image was made" is a false alarm there. Whether a network uses the trace shows
where it contradicts the label: `reversed` is the AUC by patient of test pictures in which the negatives alone carry it.
The table is written after every network; rows that it holds already are not computed again.
"""
# ruff: noqa: E402

import argparse
import io
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from benchmarks.growing_table import fill_table
from benchmarks.planted_truth import BACKBONE, PATIENTS, examine, making_audit, test_slices_of, train_on
from benchmarks.remedies import SETTINGS, auc_by_patient
from lungsight.audit.making import COUNTERFACTUAL
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.verdict import decide
from lungsight.demo.cohort import POSITIVE
from lungsight.demo.planted import Planted, PlantedScenario, plant
from lungsight.intake.forensics.traces import BY_NAME
from lungsight.intake.forensics.washing import WASHINGS, rounded
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import slice_arrays

PICTURE, SEEN = 192, 96  # rows and columns of a picture, and as the network sees it
STRENGTHS = (1.0, 0.9, 0.6)
LESIONS = "lesions"
KIND_OF = {BY_NAME[name].title: kind for kind, washing in WASHINGS.items() for name in washing.traces}
Trace = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def compressed(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Save as JPEG of quality 30, then as PNG."""
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file))


def softened(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shrink to a half, and enlarge again."""
    image = Image.fromarray(grey)
    small = image.resize((PICTURE // 2, PICTURE // 2), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(image.size, Image.Resampling.BILINEAR))


def windowed(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Show a window that is narrower by a tenth at its upper end."""
    return rounded(grey / 0.9)


def noisy(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add noise of six grey levels."""
    return rounded(grey + rng.normal(0, 6, grey.shape))


def lettered(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Write a letter beside the body."""
    image = Image.fromarray(grey)
    ImageDraw.Draw(image).text((6, 4), "L", fill=230, font=ImageFont.load_default(size=14))
    return np.asarray(image)


# By the washing that removes the same: how the trace is planted.
PLANTS: dict[str, Trace] = {
    "compression": compressed,
    "resolution": softened,
    "grey_levels": windowed,
    "noise": noisy,
    "letters": lettered,
}


def carriers(table: pd.DataFrame, strength: float, seed: int) -> np.ndarray:
    """Say which slices carry the trace, (n,) bool: by patient."""
    patients = table.drop_duplicates("patient").set_index("patient")["label"] == POSITIVE
    rng = np.random.default_rng([seed, round(100 * strength)])
    carried = np.where(rng.random(len(patients)) < strength, patients, rng.random(len(patients)) < 0.5)
    return table["patient"].map(dict(zip(patients.index, carried, strict=True))).to_numpy(bool)


def with_trace(planted: Planted, trace: Trace, carried: np.ndarray, seed: int) -> Planted:
    """Put a trace into the slices that carry it."""
    rng = np.random.default_rng(seed)
    images = [trace(grey, rng) if has else grey for grey, has in zip(planted.images, carried, strict=True)]
    return replace(planted, images=np.stack(images))


def as_seen(planted: Planted) -> Planted:
    """Resize pictures and masks as the image cache does."""
    arrays = [
        slice_arrays(image, lung, SEEN) for image, lung in zip(planted.images, planted.lung.astype(bool), strict=True)
    ]
    whole, _, masks = (np.stack(each) for each in zip(*arrays, strict=True))
    return replace(planted, images=whole, lung=masks > 0)


def of_versions(rows: pd.DataFrame, prefix: str, measure: str) -> dict[str, float]:
    """Give a measure of every kind of trace."""
    chosen = rows[(rows["measure"] == measure) & rows["variant"].isin(WASHINGS)]
    return {f"{prefix}_{kind}": round(value, 3) for kind, value in zip(chosen["variant"], chosen["value"], strict=True)}


def best_by_kind(telling: pd.DataFrame) -> dict[str, float]:
    """Give the AUC of the trace of every kind that tells the label best, of those that differ from chance."""
    significant = telling[telling["p_holm"] < 0.05].set_index("trace")["auc"]
    return {
        kind: float(significant[significant.index.isin(washing.traces)].max()) for kind, washing in WASHINGS.items()
    }


def row_of(kind: str, strength: float, seed: int) -> dict:
    """Train and examine one network."""
    started = time.process_time()
    plain = plant(PlantedScenario(lesions=kind == LESIONS), seed, **PATIENTS, size=PICTURE)
    positive = (plain.table["label"] == POSITIVE).to_numpy()
    own, against = plain, plain
    if kind != LESIONS:
        own = with_trace(plain, PLANTS[kind], carriers(plain.table, strength, seed), seed)
        against = with_trace(plain, PLANTS[kind], ~positive, seed)
    seen = as_seen(own)
    outputs = ModelOutputs(train_on(seen, seed), backbones.load(BACKBONE))
    examined = examine(outputs, test_slices_of(seen), "whole", seed, SETTINGS)
    made = making_audit(outputs, own, lambda image, lung: slice_arrays(image, lung, SEEN)[0], SEEN, seed)
    evidence = examined.evidence._replace(making=made.evidence)
    verdict, named = decide(evidence), evidence.named_making
    return {
        **{"trace": kind, "strength": strength, "seed": seed},
        **{"verdict": verdict.conclusion, "rule": verdict.rule, "named": KIND_OF[named.trace] if named else ""},
        "auc": round(auc_by_patient(outputs, seen, seed)[0], 3),
        "reversed": round(auc_by_patient(outputs, as_seen(against), seed)[0], 3),
        **of_versions(made.rows, "washed", "roc_auc"),
        **of_versions(made.rows, "counterfactual", COUNTERFACTUAL),
        **{f"telling_{each}": round(value, 3) for each, value in best_by_kind(made.traces).items()},
        "seconds": round(time.process_time() - started, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", nargs="+", choices=[*PLANTS, LESIONS], default=[*PLANTS, LESIONS])
    parser.add_argument("--strengths", nargs="+", type=float, default=list(STRENGTHS))
    parser.add_argument("--seeds", nargs=2, type=int, default=[401, 420], help="the first and the last")
    parser.add_argument("--out", type=Path, required=True, help="table; rewritten after every network")
    args = parser.parse_args()
    prepare_device(threads=1, seed=0)
    strengths = {kind: args.strengths if kind != LESIONS else [0.0] for kind in args.traces}
    seeds = range(args.seeds[0], args.seeds[1] + 1)
    wanted = [(kind, strength, seed) for seed in seeds for kind in args.traces for strength in strengths[kind]]
    table = fill_table(args.out, ["trace", "strength", "seed"], wanted, row_of)
    print(pd.crosstab([table["trace"], table["strength"]], [table["verdict"], table["named"]]).to_string())


if __name__ == "__main__":
    main()
