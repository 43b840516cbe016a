"""Read a PNG or JPEG slice, which its maker has windowed already, as a volume of one slice.

The result has one 8-bit channel. EXIF rotation is applied. Transparency is laid over black. Colours become Rec. 601
luma, so grey pictures saved as RGB keep their values. 16 bits are scaled by 255 / 65535. 1 bit becomes 0 and 255.
"""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lungsight.errors import BadCase
from lungsight.intake.geometry import image_to_slice
from lungsight.intake.headers import MAX_PIXELS
from lungsight.intake.plausibility import doubts_about_picture
from lungsight.intake.substitutes import substitute_of
from lungsight.intake.volume import AcquisitionMetadata, Volume

_COLOURS = ("RGB", "RGBA", "P", "LA", "PA", "RGBa", "La")


def to_grey(image: Image.Image) -> np.ndarray:
    """Reduce a picture to one 8-bit channel (rows, columns) by the rule above.

    Raises
    ------
    BadCase
        For another pixel type (CMYK, float).
    """
    image = ImageOps.exif_transpose(image)
    if image.mode in ("L", "1") and "transparency" not in image.info:
        return np.asarray(image.convert("L"))
    if image.mode in _COLOURS or image.mode in ("L", "1"):
        coloured = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return np.asarray(Image.alpha_composite(black, coloured).convert("L"))
    if _is_deep(image):
        values = np.asarray(image).astype(np.int64)
        if isinstance(transparent := image.info.get("transparency"), int):
            values = np.where(values == transparent, 0, values)
        if values.min() >= 0 and values.max() <= 65535:
            return ((values * 255 + 32767) // 65535).astype(np.uint8)
    raise BadCase(f"the picture's pixel type {image.mode} is not grey, colour or 16-bit grey")


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I")


def _has_16_bits(path: Path) -> bool:
    """Tell whether a PNG stores 16 bits a channel. Pillow drops the lower eight of colours and says nothing."""
    with open(path, "rb") as file:
        head = file.read(25)
    return head[1:4] == b"PNG" and head[24] == 16


def load_grey(path: Path) -> np.ndarray:
    """Decode a PNG or JPEG to (rows, columns) uint8. Its content counts, not the ending of its name.

    Raises
    ------
    BadCase
        For any other file, for damaged pictures, several pictures in a file, and sizes beyond any slice.
    """
    return _load(path)[0]


def _load(path: Path) -> tuple[np.ndarray, int]:
    """Decode a picture as `load_grey` does; return it with the bits of a pixel in the file, 8 or 16."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise BadCase(f"the picture says {image.height} × {image.width}, more than any CT slice")
                if (pictures := getattr(image, "n_frames", 1)) > 1:
                    kind = (
                        "is animated" if image.format == "PNG" else "is a photograph with its preview, as phones make"
                    )
                    raise BadCase(f"the file holds several pictures ({pictures}): it {kind}; export the slice alone")
                image.load()
                return to_grey(image), 16 if _is_deep(image) or _has_16_bits(path) else 8
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        found = substitute_of(path)
        other = f"but {found}" if found and found not in ("a PNG", "a JPEG") else "or is damaged"
        raise BadCase(f"the file is neither PNG nor JPEG, {other}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadCase("the picture is truncated or damaged") from error


def read_image(path: Path, size: int) -> Volume:
    """Convert a picture to a volume of one slice.

    A picture of another size is resized, bilinearly. Its place in the body is unknown: the affine is 1 mm along each
    axis, with origin 0.

    Parameters
    ----------
    path : Path
    size : int
        Rows and columns of the volume.
    """
    grey, bits = _load(path)
    doubts = doubts_about_picture(grey, bits)
    acquisition = AcquisitionMetadata(rows=grey.shape[0], columns=grey.shape[1])
    if grey.shape != (size, size):
        grey = np.asarray(Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR))
    return Volume(image_to_slice(grey)[:, :, None], 255, np.eye(4), acquisition, doubts=doubts)
