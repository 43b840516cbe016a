"""Find the quality at which a JPEG was written, from its quantisation tables.

References
----------
ITU-T T.81 (1992), annex K.1: the tables. The scaling by a quality 1 … 100 is that of the Independent JPEG Group's
library (jcparam.c).
"""

from collections.abc import Mapping, Sequence

import numpy as np

# Annex K.1, luminance, in rows.
_LUMINANCE = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61),
        *(12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56),
        *(14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77),
        *(24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101),
        *(72, 92, 95, 98, 112, 100, 103, 99),
    ]
)
_QUALITIES = np.arange(1, 101)
IJG, OTHER = "ijg", "other"


def _scaled_tables() -> np.ndarray:
    """Scale the luminance table to every quality: (100, 64)."""
    scale = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
    return np.clip((_LUMINANCE * scale[:, None] + 50) // 100, 1, 255)


_TABLES = _scaled_tables()


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> tuple[int | None, str]:
    """Find the quality whose luminance table is nearest to that of a file.

    Parameters
    ----------
    tables
        Number of a table → its 64 entries in rows, as Pillow's `quantization` gives them. Table 0 is the luminance's.

    Returns
    -------
    quality : int or None
        1 … 100; None without a table.
    kind : str
        "ijg" if the table is exactly that of the quality, "other" if it is another program's, "" without a table.
    """
    if 0 not in tables or len(tables[0]) != 64:
        return None, ""
    distance = np.abs(_TABLES - np.asarray(tables[0])).sum(axis=1)
    nearest = int(distance.argmin())
    return int(_QUALITIES[nearest]), OTHER if distance[nearest] else IJG
