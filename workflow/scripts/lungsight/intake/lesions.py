"""Read the lesion mask that may come with a case.

It is a NIfTI, NRRD or MetaImage on the grid of the image; for a picture it is a PNG of the picture's size.
"""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lungsight.errors import BadCase
from lungsight.intake.geometry import image_to_slice
from lungsight.intake.headers import MAX_PIXELS
from lungsight.intake.mask_plausibility import check_extent
from lungsight.intake.masks import label_volume
from lungsight.intake.volume import Volume

MOST_LABELS = 16  # grey values or colours of a PNG mask, background included; a picture has more
_GREY = ("1", "L", "I", "I;16")


def read_lesion(path: Path, volume: Volume, format: str) -> np.ndarray:
    """Read the lesions of a case. All labels above 0 are lesion; a mask may be empty.

    Parameters
    ----------
    path : Path
    volume : Volume
        The case.
    format : {"dicom", "nifti", "png"}
        Of the cohort.

    Returns
    -------
    uint8 array of the shape of `volume.voxels`
        1 is lesion.

    Raises
    ------
    BadCase
        For a mask that does not fit the image, is no mask, or cannot be read.
    """
    labels = _lesion_of_picture(path, volume) if format == "png" else label_volume(path, volume)
    mask = (labels > 0).astype(np.uint8)
    check_extent(mask, "lesions")
    return mask


def _lesion_of_picture(path: Path, volume: Volume) -> np.ndarray:
    """Read a PNG mask and resize it as the picture was resized."""
    labels = _labels_of_png(path)
    shown = (volume.acquisition.rows, volume.acquisition.columns)
    if labels.shape != shown:
        raise BadCase(f"the mask has {labels.shape[0]} × {labels.shape[1]} pixels, the picture {shown[0]} × {shown[1]}")
    mask = Image.fromarray((labels > 0).astype(np.uint8))
    columns, rows, _ = volume.voxels.shape
    return image_to_slice(np.asarray(mask.resize((columns, rows), Image.Resampling.NEAREST)))[:, :, None]


def _labels_of_png(path: Path) -> np.ndarray:
    """Read a PNG mask as (rows, columns) integers. 0 is no lesion: black or transparent in a coloured mask."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # PNG alone: a JPEG blurs the edges of its labels.
            with Image.open(path, formats=("PNG",)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise BadCase("the mask is larger than any CT slice")
                upright = ImageOps.exif_transpose(image)
                values = np.asarray(upright if upright.mode in _GREY else upright.convert("RGBA"))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise BadCase("the mask is no readable PNG") from error
    if values.ndim == 3:
        red, green, blue, opaque = np.moveaxis(values.astype(np.int64), -1, 0)
        values = np.where(opaque > 0, red << 16 | green << 8 | blue, 0)
        if not values.any() and 0 < np.count_nonzero(opaque) < opaque.size:
            raise BadCase("the mask is drawn in black on transparent, and black is no lesion: give it a colour")
    if len(np.unique(values)) > MOST_LABELS:
        raise BadCase("the mask holds more grey values than labels: it is a picture")
    return values.astype(np.int64)
