"""Summaries of quality control, written out."""

import pandas as pd

from lungsight.qc.summary import kept_by_class, reasons_left_out

MANIFEST = pd.DataFrame(
    {
        "slice": list("abcd"),
        "whole_keep": [1, 1, 0, 1],
        "segmented_keep": [1, 0, 0, 0],
        "reason": ["", "holes of 20 % in the mask, limit 15 %", "no lung visible", "ragged"],
        "decided_by": ["auto", "auto", "auto", "person"],
    }
)
SLICES = pd.DataFrame({"slice": list("dcba"), "label": ["y", "x", "x", "x"]})


def test_slices_are_counted_before_and_after_quality_control() -> None:
    rows = kept_by_class(MANIFEST, SLICES, ["whole", "segmented"]).to_numpy().tolist()
    assert rows == [["x", "whole", 3, 2], ["x", "segmented", 3, 1], ["y", "whole", 1, 1], ["y", "segmented", 1, 0]]


def test_reasons_are_counted_by_who_decided() -> None:
    rows = reasons_left_out(MANIFEST, ["whole", "segmented"]).to_numpy().tolist()
    assert rows == [
        ["whole", "auto", 1, "no lung visible (1)"],
        ["segmented", "auto", 2, "holes in the mask (1), no lung visible (1)"],
        ["segmented", "person", 1, "ragged (1)"],
    ]
