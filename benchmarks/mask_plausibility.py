"""Count which lung masks intake takes, notes and refuses: right ones, and the same spoilt in ways that people report.

python benchmarks/mask_plausibility.py --ct ../shared/ct

The masks are those of phantoms of every disease, the contoured left lung of a real planning CT, and masks of real CT by
the classical method. The last are air by their making, so they say nothing about consolidated lungs.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.config import config_schema  # noqa: E402
from lungsight.demo.anatomy import thorax  # noqa: E402
from lungsight.demo.lesions import DISEASES  # noqa: E402
from lungsight.errors import BadCase  # noqa: E402
from lungsight.intake.cases import quiet  # noqa: E402
from lungsight.intake.dicom import read_dicom  # noqa: E402
from lungsight.intake.geometry import voxel_spacing  # noqa: E402
from lungsight.intake.mask_plausibility import AERATED, aerated_voxels, check_mask  # noqa: E402
from lungsight.intake.masks import read_mask  # noqa: E402
from lungsight.intake.plausibility import settle  # noqa: E402
from lungsight.intake.volume import AcquisitionMetadata, Volume, Window, slope_of  # noqa: E402
from lungsight.segmentation.classical import lung_mask  # noqa: E402

WINDOW = Window(*config_schema()["properties"]["intake"]["properties"]["window"]["default"])
SEEDS = 8
LEFT = {"left": [], "right": [], "both": ["lt lung"], "tumour": []}  # the one region of thorax_rt that is a lung


class Case(NamedTuple):
    """A volume and the mask of its lungs, bool. source: the row of the table that it counts in."""

    source: str
    volume: Volume
    mask: np.ndarray


def phantoms() -> Iterator[Case]:
    for seed in range(SEEDS):
        for disease in DISEASES:
            phantom = thorax(seed, matrix=128, slices=14, disease=disease)
            volume = Volume(WINDOW.encode(phantom.hu.copy()), WINDOW.max_code, phantom.affine, AcquisitionMetadata())
            volume.acquisition.hu_p50 = float(np.median(phantom.hu))
            yield Case("phantom", volume, phantom.lung)


def real(ct: Path) -> Iterator[Case]:
    thorax_rt = ct / "thorax_rt"
    volume = read_dicom(thorax_rt / "CT", ct, WINDOW, 5)
    yield Case("real, left lung contoured", volume, read_mask(thorax_rt / "RTSTRUCT", volume, LEFT, False) == 1)
    for path in [thorax_rt / "CT", ct / "lung_dx_A0002", *sorted((ct / "sbu").rglob("*.dcm"))]:
        try:
            volume = read_dicom(path, ct, WINDOW, 1)
        except BadCase:  # a localizer
            continue
        first, second, third = voxel_spacing(volume.affine).tolist()
        values = volume.voxels.astype(np.float32) * slope_of(volume.max_code)
        yield Case("real, classical", volume, lung_mask(values, (first, second, third)))


def spoilt(case: Case) -> Iterator[tuple[str, np.ndarray]]:
    """Name and make the masks that are asked about."""
    mask, tissue = case.mask, case.volume.voxels > WINDOW.encode(np.array([AERATED[1]], np.float32))
    yield "right", mask
    for axis, name in enumerate(("left and right", "front and back", "head and feet")):
        if mask.shape[axis] > 1:
            yield f"{name} swapped", np.flip(mask, axis)
    yield "an eighth of the width to the front", np.roll(mask, mask.shape[1] // 8, axis=1)
    yield "body", tissue | mask
    yield "body without lungs", tissue & ~mask
    yield "inverted", ~mask
    if mask.shape[2] > 3:
        hollow = mask.copy()
        hollow[:, :, 1::2] = False
        yield "every other slice", hollow


def outcome(case: Case, mask: np.ndarray) -> str:
    try:
        return "noted" if settle(check_mask(case.volume, WINDOW, mask.astype(np.uint8)), "refuse") else "taken"
    except BadCase:
        return "refused"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ct", type=Path, help="folder of real CT, as the tests read it")
    args = parser.parse_args()
    quiet()
    counted: Counter[tuple[str, str, str]] = Counter()
    shares: dict[str, list[float]] = {}
    for case in [*phantoms(), *(real(args.ct) if args.ct else ())]:
        aerated = aerated_voxels(case.volume, WINDOW)
        assert aerated is not None
        shares.setdefault(case.source, []).append(float(aerated[case.mask].mean()))
        for name, mask in spoilt(case):
            counted[case.source, name, outcome(case, mask)] += 1
    table = pd.Series(counted).unstack(fill_value=0).reindex(columns=["taken", "noted", "refused"], fill_value=0)
    print(table.rename_axis(["mask of", "made"]).to_string())
    for source, values in shares.items():
        print(f"{source}: {min(values):.1%} to {max(values):.1%} of the right mask aerated ({len(values)})")


if __name__ == "__main__":
    main()
