"""Read values of a DICOM header as plain numbers and text, straight from its bytes."""

import math
import struct
from functools import cache
from typing import Any, overload

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

_PADDING = "\0 "
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}


@cache
def tag_of_keyword(keyword: str) -> BaseTag:
    """Look up the tag of a DICOM keyword."""
    return Tag(keyword)


@cache
def _representation(keyword: str) -> str:
    return dictionary_VR(tag_of_keyword(keyword))


class HeaderValues:
    """The attributes of a data set by keyword; None or "" where the header is silent.

    pydicom's own conversion builds several objects per element. For the thirty elements of every slice of a cohort that
    takes longer than reading the files.
    """

    def __init__(self, dataset: pydicom.Dataset) -> None:
        self._dataset = dataset

    def _parts(self, keyword: str) -> list[Any]:
        """List the values of an attribute: numbers if it is binary, else bytes.

        An attribute that is stored in an unusual way is left to pydicom's conversion. Raises what pydicom raises for a
        damaged element, and struct.error for a binary value that is cut off.
        """
        tag = tag_of_keyword(keyword)
        element = self._dataset.get_item(tag)
        if element is None:
            return []
        representation = _representation(keyword)
        as_usual = isinstance(element, RawDataElement) and element.VR in (None, "UN", representation)
        value = element.value if as_usual else self._dataset[tag].value
        if value is None or value == b"":
            return []
        if not isinstance(value, bytes):
            return list(value) if isinstance(value, list | MultiValue) else [value]
        if representation in _BINARY and isinstance(element, RawDataElement):
            order = "<" if element.is_little_endian else ">"
            return [number for (number,) in struct.iter_unpack(order + _BINARY[representation], value)]
        return [part.strip(_PADDING.encode()) for part in value.split(b"\\")]

    def numbers(self, keyword: str, count: int) -> list[float] | None:
        """Return `count` values; None if the attribute is absent, has another number of values, or not all finite."""
        try:
            values = [float(part) for part in self._parts(keyword)]
        except (TypeError, ValueError):
            return None
        return values if len(values) == count and all(map(math.isfinite, values)) else None

    def fault(self, keyword: str, count: int) -> str:
        """Say why `count` numbers cannot be read of an attribute that is there; "" if it is absent or empty."""
        parts, text = self._parts(keyword), self.text(keyword)
        if not text:
            return ""
        if "," in text:
            return "is not readable as a number: it is written with a decimal comma"
        if len(parts) != count:
            return f"has {len(parts)} {'value' if len(parts) == 1 else 'values'} instead of {count}"
        return "is not readable as a number"

    def number(self, keyword: str) -> float | None:
        """Return the one value of an attribute; None as in `numbers`."""
        values = self.numbers(keyword, 1)
        return None if values is None else values[0]

    def positive(self, keyword: str) -> float | None:
        """Return what `number` does; None also for 0 and below."""
        value = self.number(keyword)
        return value if value is not None and value > 0 else None

    @overload
    def whole(self, keyword: str) -> int | None: ...
    @overload
    def whole(self, keyword: str, default: int) -> int: ...
    def whole(self, keyword: str, default: int | None = None) -> int | None:
        """Return what `number` does, without its decimals; the default where that is None."""
        value = self.number(keyword)
        return default if value is None else int(value)

    def text(self, keyword: str) -> str:
        r"""Return the text of an attribute, several values joined by \."""
        parts = [part.decode("latin-1") if isinstance(part, bytes) else str(part) for part in self._parts(keyword)]
        return "\\".join(parts).strip(_PADDING)

    def word(self, keyword: str) -> str:
        """Return the text of an attribute in capitals."""
        return self.text(keyword).upper()
