"""Name the aspects of a case that have nothing to do with the lung, but by which a model could separate the classes."""

import numpy as np
import pandas as pd

# Column of a table of cases with aspects → how the report names it. Words first, then numbers.
WORDS = {
    "source": "source",
    "size": "rows × columns",
    "kernel": "kernel",
    "manufacturer": "manufacturer",
    "transfer_syntax": "transfer syntax",
    "lossy": "lossy compression",
    "contrast": "contrast agent",
}
NUMBERS = {
    "slices": "slices of a patient",
    "spacing_row": "pixel spacing",
    "spacing_slice": "slice spacing",
    "slice_thickness": "slice thickness",
    "kvp": "kV",
    "hu_p01": "HU, 1st percentile",
    "hu_p50": "HU, median",
    "hu_p99": "HU, 99th percentile",
}


def with_aspects(cases: pd.DataFrame) -> pd.DataFrame:
    """Add the column `size` (`512 × 512`) to a table `cases` and turn its yes/no columns into words.

    Columns of WORDS that an older table lacks are empty.
    """
    missing = {name: "" for name in ("kernel", "manufacturer", "transfer_syntax") if name not in cases}
    cases = cases.assign(**missing, **({"lossy": np.nan} if "lossy" not in cases else {}))
    sizes = zip(cases["rows"], cases["columns"], strict=True)
    size = [f"{rows:.0f} × {columns:.0f}" if rows > 0 else "" for rows, columns in sizes]
    yes_no = {name: cases[name].map({1: "yes", 0: "no"}).fillna("") for name in ("lossy", "contrast")}
    return cases.assign(size=size, **yes_no)
