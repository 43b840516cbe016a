"""Present memory-mapped arrays of several files as one array, of which only the rows that are asked for are read."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

ROWS_AT_ONCE = 256  # of a digest


@dataclass(frozen=True)
class ShardedArray:
    """Rows of several arrays, in any order.

    It is indexed along its first axis as a NumPy array is: by a row, a slice, a mask or an array of rows. What that
    returns is a copy in memory; a single row is a view of its file.

    Attributes
    ----------
    parts
        Arrays of one type, alike in all axes but the first.
    part_of, row_of
        (n,) int: of every row of the whole its part, and its row there.
    """

    parts: tuple[np.ndarray, ...]
    part_of: np.ndarray
    row_of: np.ndarray

    @classmethod
    def of(cls, parts: Sequence[np.ndarray], part_of: np.ndarray, row_of: np.ndarray) -> "np.ndarray | ShardedArray":
        """Join parts: a single one whose rows are all there, in their order, stays as it is.

        Raises
        ------
        ValueError
            There is no part, the parts are not alike, or one is shorter than the rows that are named.
        """
        if not parts:
            raise ValueError("there is none")
        if len({(part.dtype, part.shape[1:]) for part in parts}) != 1:
            raise ValueError("the parts differ in type or size")
        lengths = np.array([len(part) for part in parts])
        if (row_of >= lengths[part_of]).any():
            raise ValueError("a part has fewer rows than are named")
        if len(parts) == 1 and np.array_equal(row_of, np.arange(lengths[0])):
            return parts[0]
        return cls(tuple(parts), part_of, row_of)

    @property
    def dtype(self) -> np.dtype:
        """Type of an element."""
        return self.parts[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the axes of a row."""
        return len(self.part_of), *self.parts[0].shape[1:]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.part_of)

    def __getitem__(self, chosen: Any) -> np.ndarray:
        """Read rows: of each part once, in the order of its file."""
        parts, rows = self.part_of[chosen], self.row_of[chosen]
        if parts.ndim == 0:
            return self.parts[parts][rows]
        shape, parts, rows = parts.shape, parts.ravel(), rows.ravel()
        found = np.empty((len(parts), *self.shape[1:]), self.dtype)
        for places in _by_part(parts, rows):
            found[places] = self.parts[parts[places[0]]][rows[places]]
        return found.reshape(*shape, *self.shape[1:])


Rows: TypeAlias = np.ndarray | ShardedArray  # an array whose rows are read, from one file or several


def _by_part(parts: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Group places (n,) by their part, and order those of a part by their row."""
    order = np.lexsort((rows, parts))
    starts = np.flatnonzero(np.diff(parts[order])) + 1
    return [group for group in np.split(order, starts) if len(group)]


def digest_of_array(array: Rows) -> str:
    """Compute the SHA-256 of the .npy file that holds an array, 64 hexadecimal digits, without writing it."""
    header = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, description)
    digest = hashlib.sha256(header.getvalue())
    for start in range(0, len(array), ROWS_AT_ONCE):
        digest.update(np.ascontiguousarray(array[start : start + ROWS_AT_ONCE]).data)
    return digest.hexdigest()
