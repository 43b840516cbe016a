"""Read what a picture's file says of itself: format, pixel type, compression."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, JpegImagePlugin

from lungsight.intake.forensics.jpeg_tables import jpeg_quality

MODES = ("bilevel", "grey", "palette", "colour")
_MODE_OF = {"1": "bilevel", "P": "palette", "PA": "palette", "L": "grey", "LA": "grey", "La": "grey"}
_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
_COLOUR_DIFFERENCE = 16  # grey levels between channels from which on a pixel is coloured: JPEG makes fewer of grey
_STEP = 2


@dataclass(frozen=True)
class Stored:
    """What the file says. Words are closed; "" and None stand for what a format does not say.

    Attributes
    ----------
    format : {"png", "jpeg", "dicom", "nifti"}
        By content, not by the ending of the name.
    mode : str
        One of MODES.
    bits : int or None
        Of a channel.
    alpha, interlaced, exif : {"yes", "no", ""}
        interlaced: Adam7 of a PNG, progressive of a JPEG.
    jpeg_quality : int or None
        1 … 100.
    jpeg_tables : {"ijg", "other", ""}
    jpeg_subsampling : {"4:4:4", "4:2:2", "4:2:0", "other", ""}
        Of the colours.
    transfer_syntax, lossy : str
        Of DICOM: as in cases.tsv; lossy is "yes", "no" or "".
    rows, columns : int or None
        Of the file.
    coloured : float or None
        Share of the pixels that have a colour.
    """

    format: str
    mode: str = ""
    bits: int | None = None
    alpha: str = ""
    interlaced: str = ""
    exif: str = ""
    jpeg_quality: int | None = None
    jpeg_tables: str = ""
    jpeg_subsampling: str = ""
    transfer_syntax: str = ""
    lossy: str = ""
    rows: int | None = None
    columns: int | None = None
    coloured: float | None = None


def yes_no(value: object) -> str:
    """Say whether something is so."""
    return "yes" if value else "no"


def stored_picture(image: Image.Image, path: Path) -> Stored:
    """Describe an opened PNG or JPEG. `path` is its file, of which the header is read once more.

    Pillow calls a JPEG that holds several pictures, as of some cameras, MPO.
    """
    jpeg = image.format != "PNG"
    quality, tables = jpeg_quality(getattr(image, "quantization", {})) if jpeg else (None, "")
    mode = _MODE_OF.get(image.mode, "grey" if image.mode.startswith("I") else "colour")
    return Stored(
        format="jpeg" if jpeg else "png",
        mode=mode,
        bits=8 if jpeg else png_bits(path),
        alpha=yes_no(image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info),
        interlaced=yes_no(image.info.get("progressive" if jpeg else "interlace")),
        exif=yes_no(image.getexif()),
        jpeg_quality=quality,
        jpeg_tables=tables,
        jpeg_subsampling=_subsampling(image) if jpeg and mode == "colour" else "",
        rows=image.height,
        columns=image.width,
        coloured=share_of_colour(image),
    )


def _subsampling(image: Image.Image) -> str:
    """Name the chroma subsampling of a JPEG in colour."""
    return _SUBSAMPLING.get(JpegImagePlugin.get_sampling(image), "other")


def png_bits(path: Path) -> int:
    """Read the bits of a channel from a PNG's header (IHDR). Pillow does not keep them."""
    with open(path, "rb") as file:
        return file.read(25)[24]


def share_of_colour(image: Image.Image) -> float | None:
    """Measure the share of pixels that have a colour: drawn arrows, measures and frames. Every other row counts."""
    if image.mode in ("P", "PA"):
        image = image.convert("RGB")
    if image.mode not in ("RGB", "RGBA"):
        return 0.0
    red, green, blue = (np.asarray(image)[::_STEP, ::_STEP, channel] for channel in range(3))
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return float((spread > _COLOUR_DIFFERENCE).mean())
