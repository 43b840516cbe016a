"""Cells of the page."""

import numpy as np

from lungsight.report.components import p_value


def test_p_values_are_marked_only_after_correction() -> None:
    assert [(p_value(value, True).text, p_value(value, True).tone) for value in (0.0004, 0.02, 0.2, np.nan)] == [
        ("< 0.001", "good"),
        ("0.020", "good"),
        ("0.200", ""),
        ("–", ""),
    ]
    assert p_value(0.0004).tone == ""
