"""Measure what each option of segmentation.postprocessing does to true lung masks and to faulty ones.

python benchmarks/postprocessing.py [--patients 6] [--matrix 192]

The phantoms have COVID-19, and their true masks are known. Each option gets masks with the fault that it corrects:
trachea and main bronchi kept, three pieces beside the lungs, or holes of 2 to 6 pixels. The table gives the lowest Dice
of any patient with the true mask, before and after.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT)]

from benchmarks.qc_failures import patient_of  # noqa: E402
from lungsight.segmentation.agreement import dice  # noqa: E402
from lungsight.segmentation.postprocess import airways, postprocess  # noqa: E402

FIELD_OF_VIEW = 384.0  # mm, of the phantoms' scanner alpha
OPTIONS = {"remove_airways": True, "largest_components": 2, "fill_holes": True}


def with_pieces(lungs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add three cubes, 5 voxels wide, in corners of the volume outside the patient."""
    spoilt = lungs.copy()
    for corner in rng.permutation([(0, 0), (0, -5), (-5, 0), (-5, -5)])[:3]:
        spoilt[slice(corner[0], corner[0] + 5 or None), slice(corner[1], corner[1] + 5 or None), 4:9] = True
    return spoilt


def with_holes(lungs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut forty square holes, 2 to 6 pixels wide, into slices of the volume."""
    spoilt = lungs.copy()
    for i, j, k in rng.permutation(np.argwhere(lungs))[:40]:
        spoilt[i : i + rng.integers(2, 7), j : j + rng.integers(2, 7), k] = False
    return spoilt


def measured(seed: int, matrix: int) -> list[dict]:
    """Measure Dice with one patient's true mask for every option, on the true and on the faulty mask."""
    patient = patient_of(seed, "covid", matrix=matrix, slices=16)
    volume, lungs = (np.moveaxis(part, 0, 2).swapaxes(0, 1) for part in (patient.images, patient.lungs))
    spacing = (FIELD_OF_VIEW / matrix, FIELD_OF_VIEW / matrix, 20.0)
    rng = np.random.default_rng(seed)
    spoilt = {
        "remove_airways": lungs | airways(volume, spacing),
        "largest_components": with_pieces(lungs, rng),
        "fill_holes": with_holes(lungs, rng),
    }
    rows = []
    for option, value in OPTIONS.items():
        mended = [postprocess(mask, volume, spacing, **{option: value}) for mask in (lungs, spoilt[option])]
        before, after = dice(spoilt[option], lungs), [dice(mask, lungs) for mask in mended]
        rows.append(
            {"option": option, "true mask, after": after[0], "spoilt, before": before, "spoilt, after": after[1]}
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=6)
    parser.add_argument("--matrix", type=int, default=192)
    args = parser.parse_args()
    rows = [row for seed in range(101, 101 + args.patients) for row in measured(seed, args.matrix)]
    print(pd.DataFrame(rows).groupby("option", sort=False).min().round(4).to_string())


if __name__ == "__main__":
    main()
