"""Read the mask of a picture, a PNG of its size, onto the grid on which the picture is kept."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lungsight.errors import BadCase
from lungsight.intake.geometry import image_to_slice
from lungsight.intake.headers import MAX_PIXELS
from lungsight.intake.volume import Volume

MOST_LABELS = 16  # grey values or colours of a PNG mask, background included; a picture has more
_GREY = ("1", "L", "I", "I;16")


def read_picture_mask(path: Path, volume: Volume, of: str) -> np.ndarray:
    """Read a PNG mask and resize it as the picture was resized.

    Parameters
    ----------
    path : Path
    volume : Volume
        The picture.
    of : str
        What the mask marks, for messages: "lesion", say.

    Returns
    -------
    uint8 array of the shape of `volume.voxels`
        1 wherever the PNG is neither black nor transparent.

    Raises
    ------
    BadCase
        For a mask of another size, a picture instead of a mask, or a file that is no readable PNG.
    """
    labels = _labels_of_png(path, of)
    shown = (volume.acquisition.rows, volume.acquisition.columns)
    if labels.shape != shown:
        raise BadCase(f"the mask has {labels.shape[0]} × {labels.shape[1]} pixels, the picture {shown[0]} × {shown[1]}")
    mask = Image.fromarray((labels > 0).astype(np.uint8))
    columns, rows, _ = volume.voxels.shape
    return image_to_slice(np.asarray(mask.resize((columns, rows), Image.Resampling.NEAREST)))[:, :, None]


def _labels_of_png(path: Path, of: str) -> np.ndarray:
    """Read a PNG mask as (rows, columns) integers. 0 is black, or transparent in a coloured mask."""
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
            raise BadCase(f"the mask is drawn in black on transparent, and black is no {of}: give it a colour")
    if len(np.unique(values)) > MOST_LABELS:
        raise BadCase("the mask holds more grey values than labels: it is a picture")
    return values.astype(np.int64)
