"""Spoil lung masks of models whose truth is known, and look whether the verdicts stay.

python benchmarks/spoiled_masks.py --seeds 201 208 --out spoiled.tsv

Of a share of the test slices the mask is spoiled: half of them lose a lung, of the others only the trachea is left.
Quality control, at the schema's defaults, then accepts or rejects every mask. `no qc` audits all slices with the masks
as they are; `qc` leaves out those whose mask was rejected. The masks are spoiled at random (`random`), only in
positive patients (`positive`), or in the positive slices that the model is surest of (`surest`): the last two lose the
class that the verdict needs, and the verdict has to be withheld before it turns wrong.
"""
# ruff: noqa: E402

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
sys.path.insert(0, str(ROOT))

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.planted_truth import SETTINGS, Examined, examine, planted_model, test_slices_of
from benchmarks.qc_failures import RULES
from lungsight.audit.model_audit import AuditSettings
from lungsight.demo.cohort import POSITIVE
from lungsight.explain.explanation import SliceImages
from lungsight.qc.rules import decide
from lungsight.qc.scores import volume_scores
from lungsight.training.device import prepare_device

TRUTH = {"lesions": "lung", "mark 1.0": "elsewhere", "mark alone": "elsewhere"}
SPOILED = (
    *(("random", share) for share in (0.0, 0.3)),
    *(("positive", share) for share in (0.2, 0.4, 0.6)),
    *(("surest", share) for share in (0.2, 0.4, 0.6)),
)
# The config's defaults, on a smaller sample.
QUICK = replace(SETTINGS, sample=12, draws=1, steps=4)


def half_lung(mask: np.ndarray) -> np.ndarray:
    """Lose the lung on the image's right."""
    kept = mask.copy()
    kept[:, mask.shape[1] // 2 :] = False
    return kept


def trachea(mask: np.ndarray) -> np.ndarray:
    """Leave a disc between the lungs."""
    rows, columns = np.indices(mask.shape)
    row, column = np.argwhere(mask).mean(axis=0)
    return (rows - row) ** 2 + (columns - column) ** 2 <= (mask.shape[0] / 32) ** 2


def chosen_slices(slices: SliceImages, probability: np.ndarray, how: str, share: float, seed: int) -> np.ndarray:
    """Choose the slices whose mask is spoiled. share: of the slices that may be chosen."""
    positive = np.flatnonzero(slices.table["label"] == POSITIVE)
    candidates = np.arange(len(slices.table)) if how == "random" else positive
    order = np.argsort(-probability[candidates]) if how == "surest" else None
    shuffled = np.random.default_rng(seed).permutation(len(candidates)) if order is None else order
    return candidates[shuffled[: round(share * len(candidates))]]


def spoil(masks: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Spoil the masks of the chosen slices, in two ways by turns."""
    spoiled = masks.copy()
    for number, row in enumerate(chosen):
        spoiled[row] = (half_lung, trachea)[number % 2](masks[row])
    return spoiled


def accepted_by_quality_control(slices: SliceImages) -> np.ndarray:
    """Decide on the mask of every slice as the workflow does, patient by patient, (n,) bool."""
    accepted = np.zeros(len(slices.table), dtype=bool)
    for _, rows in slices.table.groupby("patient", sort=False):
        images, masks = slices.images[rows.index] / np.float32(255), slices.masks[rows.index]
        scores = pd.DataFrame(volume_scores(images, masks, RULES["soft_level"], RULES["air_level"]))
        accepted[rows.index] = decide(scores, RULES)["segmented_keep"] == 1
    return accepted


class Spoiled(NamedTuple):
    """Hold the audits with the masks as they are, and without those that quality control rejects.

    Attributes
    ----------
    rejected
        Share of the spoiled masks that quality control rejects.
    rejected_good
        The same of the others.
    """

    without_qc: Examined | None
    with_qc: Examined
    rejected: float
    rejected_good: float


def examine_spoiled(
    name: str, seed: int, how: str, share: float, settings: AuditSettings = QUICK, both: bool = True
) -> Spoiled:
    """Examine a scenario with spoiled masks. both: also without quality control."""
    planted, outputs = planted_model(name, seed)
    slices = test_slices_of(planted)
    chosen = chosen_slices(slices, expit(outputs(slices.images).logits[:, 0]), how, share, seed)
    spoiled = replace(slices, masks=spoil(slices.masks, chosen))
    accepted = accepted_by_quality_control(spoiled)
    without = examine(outputs, spoiled, "whole", seed, settings) if both else None
    left = examine(outputs, replace(spoiled, accepted=accepted), "whole", seed, settings)
    good = np.ones(len(accepted), dtype=bool)
    good[chosen] = False
    rejected = float(1 - accepted[chosen].mean()) if len(chosen) else float("nan")
    return Spoiled(without, left, rejected, float(1 - accepted[good].mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", nargs="+", choices=list(TRUTH), default=list(TRUTH))
    parser.add_argument("--seeds", nargs=2, type=int, default=[201, 208], help="the first and the last")
    parser.add_argument("--out", type=Path, required=True, help="table; rewritten after every model")
    args = parser.parse_args()
    prepare_device(threads=1, seed=0)
    rows = []
    for seed in range(args.seeds[0], args.seeds[1] + 1):
        for scenario in args.scenarios:
            for how, share in SPOILED:
                found = examine_spoiled(scenario, seed, how, share)
                for name, examined in (("no qc", found.without_qc), ("qc", found.with_qc)):
                    verdict, sample = examined.verdict, examined.evidence.sample
                    rows.append(
                        {
                            **{"scenario": scenario, "truth": TRUTH[scenario], "seed": seed, "spoiled": how},
                            **{"share": share, "audit": name, "verdict": verdict.conclusion, "rule": verdict.rule},
                            **{"swap": round(examined.evidence.swap.value, 3), "lost": sample.lost},
                            **{"rejected": round(found.rejected, 3), "rejected_good": round(found.rejected_good, 3)},
                        }
                    )
                print(f"{scenario}, seed {seed}, {how} {share}: {found.with_qc.verdict.sentence}", flush=True)
            pd.DataFrame(rows).to_csv(args.out, sep="\t", index=False)
    table = pd.DataFrame(rows)
    counts = table.groupby(["scenario", "spoiled", "share", "audit", "verdict"]).size().unstack(fill_value=0)
    print(counts.to_string())


if __name__ == "__main__":
    main()
