"""The slices of a cohort at the network's size, decoded once for all trainings."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lungsight.errors import BadCase, UserError
from lungsight.files import atomic_path
from lungsight.intake.geometry import slice_to_image
from lungsight.program import log, progress
from lungsight.segmentation.volumes import mask_that_fits
from lungsight.tables import read_table
from lungsight.training.regions import REGIONS, WHOLE_IMAGE

MASKS = ("masks", "lesions")  # of the lung, and of lesions where they are known; columns of the index too
ARRAYS = ("whole", "segmented", *MASKS)
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


def _masks_of(case: str, file: Path, folders: dict[str, Path], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Those masks of a case that there are and that fit its image, (i, j, k) bool; what is wrong with one is said.

    file: below the folder of each of MASKS. A case need not have a mask of its lesions.
    """
    found = {}
    for name, folder in folders.items():
        if name == "lesions" and not (folder / file).is_file():
            continue
        try:
            found[name] = mask_that_fits(folder / file, shape)
        except BadCase as error:
            log(f"case {case}: no {'lesion' if name == 'lesions' else 'lung'} mask: {error}")
    return found


def write_image_cache(
    slices: pd.DataFrame,
    cohort: Path,
    masks: dict[str, Path],
    size: int,
    arrays: dict[str, Path],
    region: str = WHOLE_IMAGE,
) -> dict[str, np.ndarray]:
    """Fill the arrays of ARRAYS, (n, size, size) uint8, in the order of `slices`, one case at a time.

    slices: as slices.tsv, every slice of a case, its shard's cases together. cohort: the folder that `png` starts from.
    masks: by MASKS the folder of <shard>/<case>.nii.gz. arrays: where each .npy goes; they are written memory-mapped,
    whole or not at all. region: an entry of REGIONS; image and masks are cropped alike. Where a mask is missing or does
    not fit, the array is zero. Returns columns of the index: by EXTENT what part of the image's height and width is
    shown, (n,) float64, and by MASKS whether there is such a mask, (n,) int.
    """
    extents, given = np.ones((len(slices), 2)), {name: np.zeros(len(slices), int) for name in MASKS}
    with ExitStack() as stack:
        opened = {
            name: np.lib.format.open_memmap(
                stack.enter_context(atomic_path(arrays[name])), "w+", np.uint8, (len(slices), size, size)
            )
            for name in ARRAYS
        }
        for (case, shard), rows in progress(list(_by_case(slices)), "cases"):
            images = _images_of(rows, cohort)
            first = next(images)
            volumes = _masks_of(case, Path(shard) / f"{case}.nii.gz", masks, (*first.shape[::-1], len(rows)))
            for row, image in zip(rows.itertuples(), chain([first], images), strict=True):
                planes = {name: slice_to_image(volume[:, :, row.z_index]) for name, volume in volumes.items()}
                lung = planes.get("masks", np.zeros(image.shape, bool))
                box = REGIONS[region](lung)
                extents[row.Index] = box.extent(image.shape)
                shown = slice_arrays(box.crop(image), box.crop(lung), size)
                for name, array in zip(("whole", "segmented", "masks"), shown, strict=True):
                    opened[name][row.Index] = array
                # Left alone where there is none: a file of nothing but zeros takes no room on the disk.
                if "lesions" in planes:
                    opened["lesions"][row.Index] = resize_mask(box.crop(planes["lesions"]).astype(np.uint8), size)
                for name in planes:
                    given[name][row.Index] = 1
        for array in opened.values():
            array.flush()
    return dict(zip(EXTENT, extents.T, strict=True)) | given


def _images_of(rows: pd.DataFrame, cohort: Path) -> Iterator[np.ndarray]:
    """The 8-bit slices of a case. Raises UserError where they differ in size."""
    shape = None
    for row in rows.itertuples():
        image = _read_png(cohort / row.png)
        if image.shape != (shape or image.shape):
            raise UserError(f"slice {row.slice}: the image is {image.shape}, another of its case {shape}.")
        shape = image.shape
        yield image


def _by_case(slices: pd.DataFrame):
    """((case, shard), its rows) in table order; the shard is the folder of the slice's png."""
    shards = slices["png"].str.split("/").str[-2]
    return slices.reset_index(drop=True).groupby([slices["case"].to_numpy(), shards.to_numpy()], sort=False)


@dataclass(frozen=True)
class CachedImages:
    """Cached pixels (n, size, size) uint8, memory-mapped, and the slice name of each.

    extents: (n, 2) shares of each slice's height and width that its pixels show. given: (n,) bool, of an array of masks
    the slices that have a mask at all; None: all of them.
    """

    pixels: np.ndarray
    names: pd.Index
    extents: np.ndarray = field(default_factory=lambda: np.ones((0, 2)))
    given: np.ndarray | None = None

    @classmethod
    def open(cls, array: Path, index: Path) -> "CachedImages":
        """Open one array of a cache with its index. Raises UserError when they do not belong together."""
        pixels = np.load(array, mmap_mode="r", allow_pickle=False)
        table = read_table(index, "image_index")
        if len(table) != len(pixels):
            raise UserError(f"{index} has {len(table)} slices, {array} {len(pixels)}; run image_cache again.")
        extents = table.reindex(columns=EXTENT, fill_value=1).to_numpy(float)
        given = table[array.stem].to_numpy() == 1 if array.stem in table else None
        return cls(pixels, pd.Index(table["slice"]), extents, given)

    def is_given(self, rows: np.ndarray) -> np.ndarray:
        """(n,) bool: whether there is a mask for each of these rows."""
        return np.ones(len(rows), bool) if self.given is None else self.given[rows]

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
