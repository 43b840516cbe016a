"""Every trace, as data: a new one is one entry here and a column of forensics.table.yaml."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from lungsight.intake.forensics import blocks, edges, levels, marks, noise, resampling, shape
from lungsight.intake.forensics.pixels import Pixels
from lungsight.intake.forensics.stored import Stored

Value = str | float | int | None
WORD, NUMBER = "word", "number"
FILE, PIXELS = "file", "pixels"


@dataclass(frozen=True)
class Trace:
    """What the making of a picture left in it.

    Attributes
    ----------
    name : str
        Its column.
    title : str
        How tables and pages name it.
    kind : {"word", "number"}
    unit : str
        "" of words and of ratios.
    meaning : str
    source : {"file", "pixels"}
        What it is read from.
    measure : callable
        Stored or Pixels → its value; "" or None where it cannot be measured.
    anatomy : bool
        The patient's body or disease can change it as well. The others come from the making alone.
    """

    name: str
    title: str
    kind: str
    unit: str
    meaning: str
    source: str
    measure: Callable[[Any], Value]
    anatomy: bool = False


def _of_file(name: str, title: str, kind: str, meaning: str, unit: str = "") -> Trace:
    return Trace(name, title, kind, unit, meaning, FILE, attrgetter(name))


def _of_pixels(
    measure: Callable[[Pixels], Value], name: str, title: str, unit: str, meaning: str, anatomy: bool = False
) -> Trace:
    return Trace(name, title, NUMBER, unit, meaning, PIXELS, measure, anatomy)


TRACES = (
    _of_file("format", "file format", WORD, "png, jpeg, dicom or nifti, by content"),
    _of_file("mode", "stored mode", WORD, "bilevel, grey, palette or colour"),
    _of_file("bits", "stored bits", NUMBER, "of a channel", "bits"),
    _of_file("alpha", "alpha channel", WORD, "the file has a transparency"),
    _of_file("interlaced", "interlacing", WORD, "interlaced PNG or progressive JPEG"),
    _of_file("exif", "EXIF", WORD, "the file has EXIF data"),
    _of_file("jpeg_quality", "JPEG quality of the file", NUMBER, "of the IJG table nearest to the file's", "1–100"),
    _of_file("jpeg_tables", "JPEG tables", WORD, "the table is one of the IJG library's, or another's"),
    _of_file("jpeg_subsampling", "chroma subsampling", WORD, "of a JPEG in colour"),
    _of_file("transfer_syntax", "transfer syntax", WORD, "class of a DICOM transfer syntax"),
    _of_file("lossy", "lossy history", WORD, "DICOM: pixels were compressed with loss"),
    _of_file("rows", "rows of the file", NUMBER, "height", "pixels"),
    _of_file("columns", "columns of the file", NUMBER, "width", "pixels"),
    _of_file("coloured", "coloured pixels", NUMBER, "share of pixels whose channels differ: drawn marks"),
    _of_pixels(
        *(blocks.blockiness, "blockiness", "JPEG blockiness", ""),
        "mean difference across the strongest 8 × 8 grid over that elsewhere; 1 is none",
    ),
    _of_pixels(blocks.block_row, "block_row", "JPEG grid, first row", "pixels", "first row that begins a block"),
    _of_pixels(
        blocks.block_column, "block_column", "JPEG grid, first column", "pixels", "first column that begins a block"
    ),
    _of_pixels(
        *(resampling.resampling, "resampling", "resampling", ""),
        "highest peak in the spectrum of the second difference, over its surroundings; 3 to 4 where nothing repeats",
    ),
    _of_pixels(
        *(resampling.resampling_frequency, "resampling_frequency", "resampling frequency", "cycles per pixel"),
        "of that peak: a factor s shows at 1/s, folded into 0 … 0.5",
    ),
    _of_pixels(levels.grey_levels, "grey_levels", "grey levels", "levels", "grey levels that occur"),
    _of_pixels(
        *(levels.histogram_gaps, "histogram_gaps", "histogram gaps", ""),
        "share of the levels between lowest and highest that do not occur",
    ),
    _of_pixels(levels.clipped_low, "clipped_low", "clipped at 0", "", "share of pixels at 0", anatomy=True),
    _of_pixels(levels.clipped_high, "clipped_high", "clipped at 255", "", "share of pixels at 255", anatomy=True),
    _of_pixels(
        shape.letterbox_rows, "letterbox_rows", "flat rows at the edges", "pixels", "rows of one grey at top and bottom"
    ),
    _of_pixels(
        *(shape.letterbox_columns, "letterbox_columns", "flat columns at the edges", "pixels"),
        "columns of one grey at left and right",
    ),
    _of_pixels(shape.border_width, "border", "border width", "pixels", "of a frame of one grey around the picture"),
    _of_pixels(shape.border_grey, "border_grey", "border grey", "grey levels", "grey level of that frame"),
    _of_pixels(
        marks.marks_outside, "marks", "marks outside the body", "marks", "small bright parts: about the letters"
    ),
    _of_pixels(noise.noise_in_air, "noise_air", "noise in air", "grey levels", "standard deviation outside the body"),
    _of_pixels(
        *(noise.noise_in_muscle, "noise_muscle", "noise in soft tissue", "grey levels"),
        *("standard deviation in soft tissue", True),
    ),
    _of_pixels(
        *(edges.edge_width, "edge_width", "edge width at the chest wall", "pixels"),
        *("10–90 % width of the edge between lung and wall", True),
    ),
    _of_pixels(
        *(shape.field_of_view, "field_of_view", "field of view", "", "the body's share of the frame", True),
    ),
    _of_pixels(shape.body_cut, "body_cut", "body cut off", "", "share of the frame's rim that the body covers", True),
    _of_pixels(shape.rotation, "rotation", "rotation", "degrees", "angle of the body's long axis", True),
)
BY_NAME = {trace.name: trace for trace in TRACES}


def values_of_file(stored: Stored | None) -> dict[str, Value]:
    """Read the traces of a file; all are empty where it is not known."""
    return _values(FILE, stored)


def values_of_pixels(pixels: Pixels | None) -> dict[str, Value]:
    """Measure the traces of a picture's pixels; all are empty where there is no picture."""
    return _values(PIXELS, pixels)


def _values(source: str, measured: Stored | Pixels | None) -> dict[str, Value]:
    traces = [trace for trace in TRACES if trace.source == source]
    if measured is None:
        return {trace.name: "" if trace.kind == WORD else None for trace in traces}
    return {trace.name: trace.measure(measured) for trace in traces}
