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
    detail : bool
        It shows in single pixels: an example needs a detail of the picture.
    writing : bool
        It is high where somebody wrote into the picture, maybe a name. No example of it is shown.
    """

    name: str
    title: str
    kind: str
    unit: str
    meaning: str
    source: str
    measure: Callable[[Any], Value]
    anatomy: bool = False
    detail: bool = False
    writing: bool = False


def _of_file(name: str, title: str, kind: str, meaning: str, unit: str = "", writing: bool = False) -> Trace:
    return Trace(name, title, kind, unit, meaning, FILE, attrgetter(name), writing=writing)


def _of_pixels(
    name: str,
    title: str,
    measure: Callable[[Pixels], Value],
    meaning: str,
    unit: str = "",
    anatomy: bool = False,
    detail: bool = False,
    writing: bool = False,
) -> Trace:
    return Trace(name, title, NUMBER, unit, meaning, PIXELS, measure, anatomy, detail, writing)


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
    _of_file("coloured", "coloured pixels", NUMBER, "share of pixels whose channels differ: drawn marks", writing=True),
    _of_pixels(
        "blockiness",
        "JPEG blockiness",
        blocks.blockiness,
        "mean difference across the strongest 8 × 8 grid over that elsewhere; 1 is none",
        detail=True,
    ),
    _of_pixels("block_row", "JPEG grid, first row", blocks.block_row, "first row that begins a block", "pixels"),
    _of_pixels(
        "block_column", "JPEG grid, first column", blocks.block_column, "first column that begins a block", "pixels"
    ),
    _of_pixels(
        "resampling",
        "resampling",
        resampling.resampling,
        "highest peak in the spectrum of the second difference, over its surroundings; 3 to 4 where nothing repeats",
        detail=True,
    ),
    _of_pixels(
        "resampling_frequency",
        "resampling frequency",
        resampling.resampling_frequency,
        "of that peak: a factor s shows at 1/s, folded into 0 … 0.5",
        "cycles per pixel",
        detail=True,
    ),
    _of_pixels("grey_levels", "grey levels", levels.grey_levels, "grey levels that occur", "levels"),
    _of_pixels(
        "histogram_gaps",
        "histogram gaps",
        levels.histogram_gaps,
        "share of the levels between lowest and highest that do not occur",
    ),
    _of_pixels("clipped_low", "clipped at 0", levels.clipped_low, "share of pixels at 0", anatomy=True),
    _of_pixels("clipped_high", "clipped at 255", levels.clipped_high, "share of pixels at 255", anatomy=True),
    _of_pixels(
        "letterbox_rows",
        "flat rows at the edges",
        shape.letterbox_rows,
        "rows of one grey at top and bottom",
        "pixels",
    ),
    _of_pixels(
        "letterbox_columns",
        "flat columns at the edges",
        shape.letterbox_columns,
        "columns of one grey at left and right",
        "pixels",
    ),
    _of_pixels("border", "border width", shape.border_width, "of a frame of one grey around the picture", "pixels"),
    _of_pixels("border_grey", "border grey", shape.border_grey, "grey level of that frame", "grey levels"),
    _of_pixels(
        "marks",
        "marks outside the body",
        marks.marks_outside,
        "small bright parts: about the letters",
        "marks",
        writing=True,
    ),
    _of_pixels("noise_air", "noise in air", noise.noise_in_air, "standard deviation outside the body", "grey levels"),
    _of_pixels(
        "noise_muscle",
        "noise in soft tissue",
        noise.noise_in_muscle,
        "standard deviation in soft tissue",
        "grey levels",
        anatomy=True,
        detail=True,
    ),
    _of_pixels(
        "edge_width",
        "edge width at the chest wall",
        edges.edge_width,
        "10–90 % width of the edge between lung and wall",
        "pixels",
        anatomy=True,
    ),
    _of_pixels("field_of_view", "field of view", shape.field_of_view, "the body's share of the frame", anatomy=True),
    _of_pixels(
        "body_cut", "body cut off", shape.body_cut, "share of the frame's rim that the body covers", anatomy=True
    ),
    _of_pixels("rotation", "rotation", shape.rotation, "angle of the body's long axis", "degrees", anatomy=True),
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
