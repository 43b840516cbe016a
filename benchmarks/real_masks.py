"""Look at lung masks of real CT: of pictures by the classical method; of CT series also by an nnU-Net.

python benchmarks/real_masks.py --images FOLDER --pictures SHEETS [--sample 600]
python benchmarks/real_masks.py --ct ../shared/ct --model results/demo/segmentation/model --pictures FOLDER

The first command takes every PNG and JPEG below FOLDER through the classical method and quality control. The
table has the share that is kept for each group: the folder, and the start of the file name up to a digit, a
space or a bracket. SHEETS gets contact sheets of kept and of rejected masks.

The second compares the classical method with an nnU-Net that was trained on phantoms alone.
The CT is that of the tests (`real_ct`). Every series goes through intake, then through both methods. The table has Dice
between the two methods. One series has a contoured left lung; for it, the table has Dice of each method with the
contour. Each series gets a picture of three slices with both outlines. All pictures show real people: keep them out of
the repository.
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import PIL.Image
import pydicom
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT)]

from benchmarks.picture_masks import Picture, decision_on, mask_of  # noqa: E402
from lungsight.config import config_schema  # noqa: E402
from lungsight.errors import BadCase  # noqa: E402
from lungsight.intake.contours import rasterise, read_regions  # noqa: E402
from lungsight.intake.dicom import read_dicom  # noqa: E402
from lungsight.intake.geometry import slice_to_image, voxel_spacing  # noqa: E402
from lungsight.intake.quiet import quiet  # noqa: E402
from lungsight.intake.volume import Volume, Window, slope_of  # noqa: E402
from lungsight.qc.rules import in_brief  # noqa: E402
from lungsight.segmentation.agreement import dice  # noqa: E402
from lungsight.segmentation.classical import lung_mask  # noqa: E402
from lungsight.segmentation.predict import load_predictor, predict_masks  # noqa: E402
from lungsight.segmentation.volumes import Image, volume_ml  # noqa: E402

WINDOW = Window(*config_schema()["properties"]["intake"]["properties"]["window"]["default"])
CONTOURED = "Lt Lung"  # the left lung of thorax_rt; the right lung has no contour
SHOWN = (0.2, 0.5, 0.8)  # places between the lowest (0) and the highest (1) slice with lung
SHEET = 64  # pictures on a contact sheet
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


def group_of(path: Path, root: Path) -> str:
    """Name the group of a picture: its folder, and the start of its name."""
    return f"{path.parent.relative_to(root)}/{re.split(r'[0-9 (%]', path.stem)[0]}".removeprefix("./")


def judged(path: Path) -> tuple[Picture, dict]:
    """Segment a picture and decide on it. Returns it with its mask as lungs, and a row of the table."""
    with PIL.Image.open(path) as image:
        grey = np.asarray(image.convert("L"))
    start = time.process_time()
    mask = mask_of(Picture(grey, grey > 0))
    seconds = time.process_time() - start
    decision = decision_on(grey, mask)
    row = {"whole": decision["whole_keep"], "segmented": decision["segmented_keep"], "seconds": seconds}
    return Picture(grey, mask), row | {"reason": in_brief(decision["reason"])}


def write_sheets(folder: Path, name: str, shown: list[Picture]) -> None:
    """Write contact sheets of pictures with the outline of their masks."""
    for first in range(0, len(shown), SHEET):
        figure = Figure(figsize=(16, 16), layout="constrained", dpi=80)
        for axis, picture in zip(figure.subplots(8, 8).flat, shown[first : first + SHEET], strict=False):
            axis.imshow(picture.grey, cmap="gray", vmin=0, vmax=255)
            if picture.lungs.any():
                axis.contour(picture.lungs, levels=[0.5], colors="#ff4040", linewidths=0.8)
        for axis in figure.axes:
            axis.set_axis_off()
        figure.savefig(folder / f"{name}-{first // SHEET + 1}.png")


def judge_folder(root: Path, sheets: Path, sample: int | None, seed: int) -> None:
    """Print what quality control keeps of the pictures below a folder, by group, and write contact sheets."""
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if sample and sample < len(paths):
        paths = [paths[n] for n in sorted(np.random.default_rng(seed).permutation(len(paths))[:sample])]
    rows, shown = [], {"kept": [], "rejected": []}
    for path in paths:
        picture, row = judged(path)
        rows.append(row | {"group": group_of(path, root)})
        shown["kept" if row["segmented"] else "rejected"].append(picture)
    found = pd.DataFrame(rows)
    table = found.groupby("group")[["whole", "segmented", "seconds"]].mean().round(3)
    table.insert(0, "n", found.groupby("group").size())
    print(table.to_string())
    print(found.loc[found["reason"] != "", "reason"].value_counts().to_string())
    for name, pictures in shown.items():
        write_sheets(sheets, name, pictures[: 4 * SHEET])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", type=Path, default=ROOT.parent / "shared" / "ct", help="folder of the tests' real CT")
    parser.add_argument("--images", type=Path, help="folder of pictures, in place of --ct and --model")
    parser.add_argument("--sample", type=int, help="number of pictures, drawn by --seed")
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--model", type=Path, help="nnU-Net model folder")
    parser.add_argument("--pictures", type=Path, required=True, help="folder, outside the repository")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    quiet()
    args.pictures.mkdir(parents=True, exist_ok=True)
    if args.images:
        judge_folder(args.images, args.pictures, args.sample, args.seed)
        return
    if not args.model:
        parser.error("name --images, or --model")
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
