"""The slices of a cohort at the network's size, decoded once for all trainings."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from PIL import Image

from lungsight.errors import UserError
from lungsight.files import atomic_path
from lungsight.intake.geometry import slice_to_image
from lungsight.program import progress
from lungsight.tables import read_table
from lungsight.training.regions import REGIONS, WHOLE_IMAGE

ARRAYS = ("whole", "segmented", "masks")
EXTENT = ("height", "width")


def resize_image(image: np.ndarray, size: int) -> np.ndarray:
    """(rows, columns) uint8 → (size, size) uint8, bilinear, averaging where it shrinks (Pillow's triangle filter)."""
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def resize_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """(rows, columns) uint8 0/1 → (size, size) uint8 0/1, the nearest pixel."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))


def slice_arrays(image: np.ndarray, mask: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One slice as the cache has it: whole, segmented (image × mask, then resized) and mask, each (size, size) uint8.

    image: (rows, columns) uint8. mask: the same shape, 0/1.
    """
    mask = mask.astype(np.uint8)
    return resize_image(image, size), resize_image(image * mask, size), resize_mask(mask, size)


def _read_png(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        if image.mode != "L":
            raise UserError(f"{path.name} has mode {image.mode}; a slice is 8-bit with one channel.")
        return np.asarray(image)


def _read_mask(path: Path, needed: int) -> np.ndarray:
    """The mask of a case. Raises UserError where there is none, or it has fewer than the `needed` slices."""
    case = path.name.removesuffix(".nii.gz")
    if not path.is_file():
        raise UserError(f"case {case} has no lung mask: {path} does not exist; run segment_shard again.")
    volume = np.asarray(nibabel.load(path).dataobj)
    if volume.shape[2] < needed:
        raise UserError(f"case {case} has {needed} slices or more, its lung mask {volume.shape[2]}.")
    return volume


def write_image_cache(
    slices: pd.DataFrame, cohort: Path, masks: Path, size: int, arrays: dict[str, Path], region: str = WHOLE_IMAGE
) -> dict[str, np.ndarray]:
    """Fill the arrays whole, segmented and masks, (n, size, size) uint8, in the order of `slices`, one case at a time.

    slices: as slices.tsv, without cases in shards apart from each other. cohort: the folder that `png` starts from.
    masks: folder of <shard>/<case>.nii.gz. arrays: where each .npy goes; they are written memory-mapped, whole or not
    at all. region: an entry of REGIONS; image and mask are cropped alike. Returns by EXTENT what part of the image's
    height and width is shown, (n,) float64. Raises UserError where a mask is missing, or an image and its mask do not
    fit.
    """
    extents = np.ones((len(slices), 2))
    with ExitStack() as stack:
        opened = {
            name: np.lib.format.open_memmap(
                stack.enter_context(atomic_path(arrays[name])), "w+", np.uint8, (len(slices), size, size)
            )
            for name in ARRAYS
        }
        for (case, shard), rows in progress(list(_by_case(slices)), "cases"):
            volume = _read_mask(masks / shard / f"{case}.nii.gz", needed=rows["z_index"].max() + 1)
            for row in rows.itertuples():
                image, mask = _read_png(cohort / row.png), slice_to_image(volume[:, :, row.z_index])
                if image.shape != mask.shape:
                    raise UserError(f"slice {row.slice}: the image is {image.shape}, its mask {mask.shape}.")
                box = REGIONS[region](mask > 0)
                extents[row.Index] = box.extent(mask.shape)
                for name, array in zip(ARRAYS, slice_arrays(box.crop(image), box.crop(mask), size), strict=True):
                    opened[name][row.Index] = array
        for array in opened.values():
            array.flush()
    return dict(zip(EXTENT, extents.T, strict=True))


def _by_case(slices: pd.DataFrame):
    """((case, shard), its rows) in table order; the shard is the folder of the slice's png."""
    shards = slices["png"].str.split("/").str[-2]
    return slices.reset_index(drop=True).groupby([slices["case"].to_numpy(), shards.to_numpy()], sort=False)


@dataclass(frozen=True)
class CachedImages:
    """Cached pixels (n, size, size) uint8, memory-mapped, and the slice name of each.

    extents: (n, 2) shares of each slice's height and width that its pixels show.
    """

    pixels: np.ndarray
    names: pd.Index
    extents: np.ndarray = field(default_factory=lambda: np.ones((0, 2)))

    @classmethod
    def open(cls, array: Path, index: Path) -> "CachedImages":
        """Open one array of a cache with its index. Raises UserError when they do not belong together."""
        pixels = np.load(array, mmap_mode="r", allow_pickle=False)
        table = read_table(index, "image_index")
        if len(table) != len(pixels):
            raise UserError(f"{index} has {len(table)} slices, {array} {len(pixels)}; run image_cache again.")
        return cls(pixels, pd.Index(table["slice"]), table.reindex(columns=EXTENT, fill_value=1).to_numpy(float))

    @property
    def size(self) -> int:
        """Rows and columns of an image."""
        return self.pixels.shape[1]

    def rows_of(self, slices: pd.Series) -> np.ndarray:
        """(n,) int: where each slice lies. Raises UserError for one that is not there."""
        rows = self.names.get_indexer(slices)
        if (rows < 0).any():
            missing = slices[rows < 0]
            raise UserError(f"{len(missing)} slices of the split have no cached image, {missing.iloc[0]} first.")
        return rows
