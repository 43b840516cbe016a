"""Values of a DICOM header as plain numbers and text, straight from its bytes."""

import math
import struct
from functools import cache

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

_PADDING = "\0 "
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}


@cache
def tag_of_keyword(keyword: str) -> BaseTag:
    """The tag of a DICOM keyword."""
    return Tag(keyword)


@cache
def _representation(keyword: str) -> str:
    return dictionary_VR(tag_of_keyword(keyword))


class HeaderValues:
    """The attributes of a data set by keyword, None or "" where it is silent.

    pydicom's own conversion of an element builds several objects; for the thirty of every slice of a cohort that takes
    longer than reading them.
    """

    def __init__(self, dataset: pydicom.Dataset) -> None:
        self._dataset = dataset

    def _parts(self, keyword: str) -> list:
        """What an attribute lists: numbers where it is binary, else bytes; as pydicom has it where it is stored oddly.

        Raises what pydicom does for a damaged element, and struct.error for a binary value that is cut off.
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
        if representation in _BINARY:
            order = "<" if element.is_little_endian else ">"
            return [number for (number,) in struct.iter_unpack(order + _BINARY[representation], value)]
        return [part.strip(_PADDING.encode()) for part in value.split(b"\\")]

    def numbers(self, keyword: str, count: int) -> list[float] | None:
        """`count` values, None where the attribute is absent, has another number of values, or they are not finite."""
        try:
            values = [float(part) for part in self._parts(keyword)]
        except (TypeError, ValueError):
            return None
        return values if len(values) == count and all(map(math.isfinite, values)) else None

    def number(self, keyword: str) -> float | None:
        """The one value of an attribute, None as by `numbers`."""
        values = self.numbers(keyword, 1)
        return None if values is None else values[0]

    def positive(self, keyword: str) -> float | None:
        """As `number`, None also for 0 and below."""
        value = self.number(keyword)
        return value if value is not None and value > 0 else None

    def whole(self, keyword: str, default: int | None = None) -> int | None:
        """As `number`, without what is behind the point."""
        value = self.number(keyword)
        return default if value is None else int(value)

    def text(self, keyword: str) -> str:
        r"""The text of an attribute, several values with \ between them."""
        parts = [part.decode("latin-1") if isinstance(part, bytes) else str(part) for part in self._parts(keyword)]
        return "\\".join(parts).strip(_PADDING)

    def word(self, keyword: str) -> str:
        """The text of an attribute in capitals."""
        return self.text(keyword).upper()
