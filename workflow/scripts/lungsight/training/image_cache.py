"""Decode the slices of a cohort once for all trainings, at the network's size, into memory-mapped arrays.

Every shard of a cohort has arrays of its own, so that a changed slice is decoded with its shard alone. `CachedImages`
presents them as one array in the order of the cohort.
"""

import re
import shutil
from collections.abc import Collection, Iterator
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
from lungsight.training.sharded_array import Rows, ShardedArray, digest_of_array

MASKS = ("masks", "lesions")  # of the lung, and of lesions; also columns of the index
ARRAYS = ("whole", "segmented", *MASKS)
EXTENT = ("height", "width")
INDEX = "index.tsv"  # of a shard: the slice of each row; of a cohort: also the shard and the row of each slice


def resize_image(image: np.ndarray, size: int) -> np.ndarray:
    """Resize (rows, columns) uint8 to (size, size) uint8: bilinear, averaging where it shrinks (triangle filter)."""
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def resize_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Resize (rows, columns) uint8 0/1 to (size, size) uint8 0/1 by the nearest pixel."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))


def slice_arrays(image: np.ndarray, mask: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make the cached arrays of one slice.

    Parameters
    ----------
    image
        (rows, columns) uint8.
    mask
        The lung, of the same shape, 0/1.
    size
        Rows and columns of the arrays.

    Returns
    -------
    whole, segmented, mask
        (size, size) uint8 each. The segmented image is masked first and then resized.
    """
    mask = mask.astype(np.uint8)
    return resize_image(image, size), resize_image(image * mask, size), resize_mask(mask, size)


def _read_png(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        if image.mode != "L":
            raise UserError(f"{path.name} has mode {image.mode}; a slice is 8-bit with one channel.")
        return np.asarray(image)


def _masks_of(case: str, file: Path, folders: dict[str, Path], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Read the masks of a case that exist and fit its image, (i, j, k) bool; log what is wrong with any other.

    file: relative to the folder of each of MASKS. A case without a mask of its lesions is normal.
    """
    volumes = {}
    for name, folder in folders.items():
        if name == "lesions" and not (folder / file).is_file():
            continue
        try:
            volumes[name] = mask_that_fits(folder / file, shape)
        except BadCase as error:
            log(f"case {case}: no {'lesion' if name == 'lesions' else 'lung'} mask: {error}")
    return volumes


def write_image_cache(
    slices: pd.DataFrame,
    cohort: Path,
    masks: dict[str, Path],
    size: int,
    arrays: dict[str, Path],
    region: str = WHOLE_IMAGE,
) -> dict[str, np.ndarray]:
    """Fill the arrays of ARRAYS, (n, size, size) uint8, in the order of `slices`, one case at a time.

    A missing or unfitting mask leaves its array zero.

    Parameters
    ----------
    slices
        Every slice of a case, and the cases of a shard together: the shard's slices.tsv.
    cohort
        The folder that the column `png` starts from.
    masks
        By MASKS, the folder of <shard>/<case>.nii.gz.
    size
        Rows and columns of a cached image.
    arrays
        By ARRAYS, the path of the .npy file. Files are written memory-mapped, whole or not at all.
    region
        An entry of REGIONS. Image and masks are cropped alike.

    Returns
    -------
    Columns of the index. By EXTENT: the share of the image's height and width that is shown, (n,) float64. By MASKS:
    whether the slice has such a mask, (n,) int.
    """
    extents, has_mask = np.ones((len(slices), 2)), {name: np.zeros(len(slices), int) for name in MASKS}
    with ExitStack() as stack:
        opened = {
            name: np.lib.format.open_memmap(
                stack.enter_context(atomic_path(arrays[name])), "w+", np.uint8, (len(slices), size, size)
            )
            for name in ARRAYS
        }
        for row, image, planes in planes_of_slices(slices, cohort, masks):
            lung = planes.get("masks", np.zeros(image.shape, bool))
            box = REGIONS[region](lung)
            extents[row] = box.extent(image.shape)
            shown = slice_arrays(box.crop(image), box.crop(lung), size)
            for name, array in zip(("whole", "segmented", "masks"), shown, strict=True):
                opened[name][row] = array
            # Without lesions nothing is written: a file of nothing but zeros takes no room on the disk.
            if "lesions" in planes:
                opened["lesions"][row] = resize_mask(box.crop(planes["lesions"]).astype(np.uint8), size)
            for name in planes:
                has_mask[name][row] = 1
        for array in opened.values():
            array.flush()
    return dict(zip(EXTENT, extents.T, strict=True)) | has_mask


def planes_of_slices(
    slices: pd.DataFrame, cohort: Path, masks: dict[str, Path]
) -> Iterator[tuple[int, np.ndarray, dict[str, np.ndarray]]]:
    """Read all slices with their masks, one case at a time.

    Parameters
    ----------
    slices, cohort, masks
        As for `write_image_cache`.

    Yields
    ------
    row, image, planes
        Place in `slices`. (rows, columns) uint8. By MASKS, those that exist and fit, (rows, columns) bool.
    """
    for case, shard, rows in progress(list(_by_case(slices)), "cases"):
        images = _images_of(rows, cohort)
        first = next(images)
        volumes = _masks_of(case, Path(shard) / f"{case}.nii.gz", masks, (*first.shape[::-1], len(rows)))
        for row, z_index, image in zip(rows.index, rows["z_index"], chain([first], images), strict=True):
            yield row, image, {name: slice_to_image(volume[:, :, z_index]) for name, volume in volumes.items()}


def _images_of(rows: pd.DataFrame, cohort: Path) -> Iterator[np.ndarray]:
    """Yield the 8-bit slices of a case. Raises UserError where they differ in size."""
    shape = None
    for name, png in zip(rows["slice"], rows["png"], strict=True):
        image = _read_png(cohort / png)
        if image.shape != (shape or image.shape):
            raise UserError(f"slice {name}: the image is {image.shape}, another of its case {shape}.")
        shape = image.shape
        yield image


def _by_case(slices: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield (case, shard, its rows) in table order; the shard is the folder of the slice's png."""
    shards = slices["png"].str.split("/").str[-2]
    groups = slices.reset_index(drop=True).groupby([slices["case"].to_numpy(), shards.to_numpy()], sort=False)
    for (case, shard), rows in groups:
        yield str(case), str(shard), rows


def index_of_cohort(slices: pd.Series, shards: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Say of every slice of a cohort in which shard, and in which row of its arrays, its pixels lie.

    Parameters
    ----------
    slices
        Names of the slices, in the order of the cohort. A shard may hold slices that are none of the cohort's.
    shards
        By name of the shard, its index.

    Raises
    ------
    UserError
        A slice is in no shard, or in two.
    """
    rows = [table.assign(shard=name, row=range(len(table))) for name, table in shards.items()]
    cached = pd.concat(rows, ignore_index=True).set_index("slice")
    if (twice := cached.index.duplicated()).any():
        raise UserError(f"{cached.index[twice][0]} is in two shards of the images: run image_cache again.")
    missing = slices[~slices.isin(cached.index)]
    if len(missing):
        raise UserError(f"{len(missing)} slices are in no shard of the images, {missing.iloc[0]} first: run again.")
    return cached.loc[slices].reset_index()


def remove_what_is_old(images: Path, shards: Collection[str]) -> int:
    """Remove the folders of shards that a cohort has no longer, and arrays of the whole cohort.

    Snakemake forgets them; before there were shards, an array was one file of the whole cohort. Images of people who
    are no longer in the table must not stay.

    Returns
    -------
    How many folders and files were removed.
    """
    folders = [each for each in images.glob("*") if re.fullmatch(r"\d{3}", each.name) and each.name not in shards]
    files = [images / f"{name}.npy" for name in ARRAYS if (images / f"{name}.npy").is_file()]
    for folder in folders:
        shutil.rmtree(folder)
    for file in files:
        file.unlink()
    return len(folders) + len(files)


def _map(array: Path) -> np.ndarray:
    # A view of the class ndarray: rows of a numpy.memmap are taken in twice the time.
    return np.asarray(np.load(array, mmap_mode="r", allow_pickle=False))


def _pixels(array: Path, index: pd.DataFrame) -> Rows:
    """Map an array of a cohort, (n, size, size), from its shards; or from one file, where the index names no shards.

    Raises UserError where a shard is missing, or has fewer rows than the index says.
    """
    if "shard" not in index:
        return _map(array)
    shards, part_of = np.unique(index["shard"].to_numpy(str), return_inverse=True)
    # A cohort without a slice has shards nevertheless, and they tell the size of an image.
    files = [array.parent / shard / array.name for shard in shards] or sorted(array.parent.glob(f"*/{array.name}"))[:1]
    try:
        return ShardedArray.of([_map(file) for file in files], part_of, index["row"].to_numpy(int))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing, a shard of the cached images; run image_cache again.") from error
    except ValueError as error:
        raise UserError(f"{array.name} in the shards of {array.parent}: {error}; run image_cache again.") from error


def digest_of_images(array: Path, index: Path) -> str:
    """Compute the SHA-256 that an array of a cohort has as one .npy file, whatever its shards."""
    return digest_of_array(CachedImages.open(array, index).pixels)


@dataclass(frozen=True)
class CachedImages:
    """One array of the cache of a cohort, memory-mapped.

    Attributes
    ----------
    pixels
        (n, size, size) uint8, in the order of the cohort.
    names
        The slice of each row.
    extents
        (n, 2) share of the slice's height and width that the pixels show.
    has_mask
        (n,) bool, for an array of masks: whether the slice has such a mask. None for an array of images.
    """

    pixels: Rows
    names: pd.Index
    extents: np.ndarray = field(default_factory=lambda: np.ones((0, 2)))
    has_mask: np.ndarray | None = None

    @classmethod
    def open(cls, array: Path, index: Path) -> "CachedImages":
        """Open one array of a cache with its index. Raises UserError where they do not belong together.

        array: <folder>/<name>.npy. Where the index names shards, its rows lie in <folder>/<shard>/<name>.npy.
        """
        table = read_table(index, "image_index")
        pixels = _pixels(array, table)
        if len(table) != len(pixels):
            raise UserError(f"{index} has {len(table)} slices, {array} {len(pixels)}; run image_cache again.")
        extents = table.reindex(columns=list(EXTENT), fill_value=1).to_numpy(float)
        has_mask = table[array.stem].to_numpy() == 1 if array.stem in table else None
        return cls(pixels, pd.Index(table["slice"]), extents, has_mask)

    @classmethod
    def of(cls, folder: Path, array: str) -> "CachedImages":
        """Open one array, of ARRAYS, of a folder of cached images. Raises UserError as `open` does."""
        return cls.open(folder / f"{array}.npy", folder / INDEX)

    def mask_exists(self, rows: np.ndarray) -> np.ndarray:
        """Return whether the slices of these rows have a mask, (n,) bool; all of them for an array of images."""
        return np.ones(len(rows), bool) if self.has_mask is None else self.has_mask[rows]

    @property
    def size(self) -> int:
        """Rows and columns of an image."""
        return self.pixels.shape[1]

    def rows_of(self, slices: pd.Series) -> np.ndarray:
        """Return the row of each slice, (n,) int. Raises UserError for a slice that is not cached."""
        rows = self.names.get_indexer(pd.Index(slices))
        if (rows < 0).any():
            missing = slices[rows < 0]
            raise UserError(f"{len(missing)} slices of the split have no cached image, {missing.iloc[0]} first.")
        return rows
