"""Simulate exclusion, and measure how often the test of report/selection.tsv finds that it depends on the class.

python benchmarks/selection.py [--simulations 1000]

Patients have a number of slices that depends on their class. A patient's slices are left out with a probability that
is drawn from a beta distribution around the class's share; `within` is the correlation of two slices of a patient.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.evaluation.selection import SIGNIFICANT, p_of_classes  # noqa: E402

# name: shares of both classes, patients of both classes, slices of a patient of each class, correlation within patients
SCENES = {
    "equal, one slice each": ((0.2, 0.2), (200, 170), (1, 1), 0.0),
    "equal, rare": ((0.03, 0.03), (200, 170), (1, 1), 0.0),
    "equal, few patients": ((0.2, 0.2), (12, 12), (5, 5), 0.3),
    "equal, unequal slices": ((0.2, 0.2), (100, 30), (2, 20), 0.3),
    "equal, unequal slices, the other way": ((0.2, 0.2), (100, 30), (20, 2), 0.3),
    "equal, rare, unequal slices": ((0.05, 0.05), (100, 30), (20, 2), 0.3),
    "26 % and 14 %, 266 and 397 pictures, each a patient": ((0.26, 0.14), (266, 397), (1, 1), 0.0),
    "26 % and 14 %, 216 and 171 patients": ((0.26, 0.14), (216, 171), (2, 2), 0.3),
    "26 % and 14 %, 100 and 100 patients of 20 slices": ((0.26, 0.14), (100, 100), (20, 20), 0.3),
    "26 % and 14 %, 40 and 40 patients of 20 slices": ((0.26, 0.14), (40, 40), (20, 20), 0.3),
}


def simulated_shares(share: float, patients: int, slices: int, within: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the share of slices that each patient of a class loses, (patients,)."""
    chance = np.full(patients, share)
    if within > 0:
        scale = 1 / within - 1
        chance = rng.beta(share * scale, (1 - share) * scale, patients)
    return rng.binomial(slices, chance) / slices


def simulated_rate(
    shares: tuple[float, float],
    patients: tuple[int, int],
    slices: tuple[int, int],
    within: float,
    simulations: int,
    draws: int,
    seed: int,
) -> float:
    """Return how often the test finds a difference between two classes at SIGNIFICANT."""
    rng = np.random.default_rng(seed)
    labels, units = pd.Series(np.repeat(["first", "second"], patients)), np.repeat(np.array(slices, float), patients)
    found = 0
    for number in range(simulations):
        of_classes = [simulated_shares(*each, within, rng) for each in zip(shares, patients, slices, strict=True)]
        found += p_of_classes(np.concatenate(of_classes), units, labels, number, draws) < SIGNIFICANT
    return found / simulations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=499)
    args = parser.parse_args()
    for name, scene in SCENES.items():
        rate = simulated_rate(*scene, simulations=args.simulations, draws=args.draws, seed=1)
        print(f"{rate:.3f}  {name}", flush=True)


if __name__ == "__main__":
    main()
