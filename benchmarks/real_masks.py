"""Compare lung masks of real CT: the classical method against an nnU-Net that was trained on phantoms alone.

python benchmarks/real_masks.py --ct ../shared/ct --model results/demo/segmentation/model --pictures FOLDER

The CT is that of the tests (`real_ct`). Every series goes through intake, then through both methods. The table has Dice
between the two methods. One series has a contoured left lung; for it, the table has Dice of each method with the
contour. Each series gets a picture of three slices with both outlines. The pictures show real people: keep FOLDER out
of the repository.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pydicom
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.config import config_schema  # noqa: E402
from lungsight.errors import BadCase  # noqa: E402
from lungsight.intake.contours import rasterise, read_regions  # noqa: E402
from lungsight.intake.dicom import read_dicom  # noqa: E402
from lungsight.intake.geometry import slice_to_image, voxel_spacing  # noqa: E402
from lungsight.intake.quiet import quiet  # noqa: E402
from lungsight.intake.volume import Volume, Window, slope_of  # noqa: E402
from lungsight.segmentation.agreement import dice  # noqa: E402
from lungsight.segmentation.classical import lung_mask  # noqa: E402
from lungsight.segmentation.predict import load_predictor, predict_masks  # noqa: E402
from lungsight.segmentation.volumes import Image, volume_ml  # noqa: E402

WINDOW = Window(*config_schema()["properties"]["intake"]["properties"]["window"]["default"])
CONTOURED = "Lt Lung"  # the left lung of thorax_rt; the right lung has no contour
SHOWN = (0.2, 0.5, 0.8)  # places between the lowest (0) and the highest (1) slice with lung
OUTLINES = {"classical": "#4dc3ff", "nnU-Net": "#ff9d2e"}


class Series(NamedTuple):
    """Hold a series. name: its path below the folder. left: the contoured left lung, (i, j, k) bool, or None."""

    name: str
    image: Image
    left: np.ndarray | None


def image_of(name: str, volume: Volume) -> Image:
    values = volume.voxels.astype(np.float32) * slope_of(volume.max_code)
    return Image(name, values, volume.affine, tuple(float(edge) for edge in voxel_spacing(volume.affine)))


def series_of(ct: Path) -> Iterator[Series]:
    """Read every real series and slice below the folder of the tests' CT; print those that intake refuses."""
    paths = [ct / "lung_dx_A0002", ct / "thorax_rt" / "CT", ct / "edge" / "wg04_chest_CT1" / "CT1_RLE.dcm"]
    for path in [*paths, *sorted((ct / "sbu").rglob("*.dcm"))]:
        name = " ".join(path.relative_to(ct).with_suffix("").parts)
        try:
            volume = read_dicom(path, ct, WINDOW, min_slices=1)
        except BadCase as error:
            print(f"{name}: refused by intake: {error}")
            continue
        left = None
        if path.parent.name == "thorax_rt":
            (structures,) = (path.parent / "RTSTRUCT").iterdir()
            regions = read_regions(pydicom.dcmread(structures), volume.frame_of_reference)
            (contoured,) = (region for region in regions if region.name == CONTOURED)
            left = rasterise(contoured.contours(), volume.voxels.shape, volume.affine)
        yield Series(name, image_of(name, volume), left)


def left_half(mask: np.ndarray) -> np.ndarray:
    """Keep the patient's left half of a mask (i, j, k), split midway between its ends."""
    across = np.flatnonzero(mask.any(axis=(1, 2)))
    half = mask.copy()
    if across.size:
        half[(across[0] + across[-1] + 1) // 2 :] = False
    return half


def row_of(series: Series, masks: dict[str, np.ndarray]) -> dict:
    """Make the row of a series: volumes in ml, Dice between the masks, and of each with the contoured lung."""
    affine = series.image.affine
    row = {"series": series.name, "slices": series.image.volume.shape[2]}
    row |= {f"{method}, ml": volume_ml(mask, affine) for method, mask in masks.items()}
    row["Dice of both"] = dice(*masks.values())
    for method, mask in masks.items():
        row[f"{method}, left lung"] = np.nan if series.left is None else dice(series.left, left_half(mask))
    return row


def draw(path: Path, series: Series, masks: dict[str, np.ndarray]) -> None:
    """Draw up to three slices, each once with either outline."""
    filled = np.flatnonzero(np.any([mask.any(axis=(0, 1)) for mask in masks.values()], axis=0))
    if not filled.size:
        return
    chosen = list(dict.fromkeys(filled[round(share * (filled.size - 1))] for share in SHOWN))
    figure = Figure(figsize=(4 * len(chosen), 8.3), layout="constrained", dpi=80)
    axes = figure.subplots(2, len(chosen), squeeze=False)
    for line, (method, colour) in zip(axes, OUTLINES.items(), strict=True):
        for axis, k in zip(line, chosen, strict=True):
            axis.imshow(slice_to_image(series.image.volume[:, :, k]), cmap="gray", vmin=0, vmax=1)
            if masks[method][:, :, k].any():
                axis.contour(slice_to_image(masks[method][:, :, k]), levels=[0.5], colors=colour, linewidths=1.2)
            axis.set_title(f"{method}, slice {k}", fontsize=9)
            axis.set_axis_off()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", type=Path, default=ROOT.parent / "shared" / "ct", help="folder of the tests' real CT")
    parser.add_argument("--model", type=Path, required=True, help="nnU-Net model folder")
    parser.add_argument("--pictures", type=Path, required=True, help="folder, outside the repository")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    quiet()
    args.pictures.mkdir(parents=True, exist_ok=True)
    predictor = load_predictor(args.model.resolve(), mirroring=False, threads=args.threads)
    rows = []
    for series in series_of(args.ct):
        (_, predicted), *_ = predict_masks(predictor, [series.image])
        masks = {"classical": lung_mask(series.image.volume, series.image.spacing), "nnU-Net": predicted}
        rows.append(row_of(series, masks))
        draw(args.pictures / f"{series.name}.png", series, masks)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
