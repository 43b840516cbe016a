"""The section on the lung segmentation names the origin of the masks, and a training only where there was one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lungsight.report.results import RunResults
from lungsight.report.sections.segmentation import agreement_table, section

METRICS = pd.DataFrame(
    {
        "split": ["train", "train", "test", "test"],
        "dice": [0.98, 0.96, 0.9, np.nan],
        "surface_distance_95": [2.0, 4.0, 8.0, np.nan],
        "volume_error": [0.1, -0.3, -0.05, np.nan],
        "reason": ["", "", "", "no lung in either mask"],
    }
)


def test_agreement_by_subset() -> None:
    rows = [[cell.text for cell in row] for row in agreement_table(METRICS).rows]
    assert rows[0] == ["train", "2", "0.970", "0.970", "0.960", "3.0", "20 %", "–"]
    assert rows[1] == ["val", "0", "–", "–", "–", "–", "–", "–"]
    assert rows[2] == ["test", "2", "0.900", "0.900", "0.900", "8.0", "5 %", "no lung in either mask (1)"]


def test_a_split_by_slice_is_named(tmp_path: Path) -> None:
    (tmp_path / "segmentation").mkdir()
    for name in ("curve", "worst"):
        Image.new("RGB", (32, 20), "white").save(tmp_path / f"segmentation/{name}.png")
    by_slice = METRICS.assign(z_index=range(4))
    values = section(RunResults(tmp_path, {"mask_origin": "trained"}, segmentation=by_slice))
    assert "the neighbours of a test slice" in values["origin"]
    assert values["agreement"].headings[1][0] == "Slices"


@pytest.mark.parametrize(("origin", "trained"), [("trained", True), ("given", False), ("classical", False)])
def test_a_training_is_named_only_where_one_was(tmp_path: Path, origin: str, trained: bool) -> None:
    (tmp_path / "segmentation").mkdir()
    for name in ("curve", "worst"):
        Image.new("RGB", (32, 20), "white").save(tmp_path / f"segmentation/{name}.png")
    results = RunResults(tmp_path, {"mask_origin": origin}, segmentation=METRICS)
    values = section(results)
    assert ("Training of the segmentation network" in values["curve"].caption) is trained
    assert values["curve"].alt == values["curve"].caption
    assert "The lowest Dice of all cases is 0.900" in values["worst"].alt
    assert section(RunResults(tmp_path, {"mask_origin": origin})) is None
