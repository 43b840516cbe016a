"""How numbers, counts and names are written."""

import numpy as np

from lungsight.wording import count, interval, listed, number, tally, with_interval


def test_words() -> None:
    row = {"f1": 0.914, "f1_lo": 0.85, "f1_hi": 0.961}
    assert with_interval(row, "f1") == "0.91 (0.85–0.96)"
    assert interval(row | {"f1_lo": np.nan}, "f1") == ""
    assert number(None) == number(np.nan) == "–"
    assert (count(1, "case"), count(2, "case")) == ("1 case", "2 cases")
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")
    assert tally(["x", "y", "y"]) == "y (2), x (1)"
