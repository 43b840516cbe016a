"""Generated slices on the page: their sheet, what was measured on them, and a plain sentence about their resolution."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lungsight.report.components import PageTable, text
from lungsight.report.rendering import render_part
from lungsight.report.sections.remedies import generated_part
from lungsight.report.templates import section_template
from lungsight.tables import write_table

FOLDER = "training/generated/dcgan/clinic/image/whole"
ROW = {
    **{"label": "ill", "generated": 500, "training": 90, "validation": 20, "distance_generated": 21.26},
    **{"distance_validation": 25.0, "nearer": 0.81, "copies": 12, "spread_generated": 20.0, "spread_training": 40.0},
}


def results(folder: Path, *rows: dict[str, Any]) -> Any:
    """What the part reads of a run's results."""
    described = [{"cohort": "clinic", "input_view": "whole", "folder": FOLDER}] if rows else []
    if rows:
        write_table(folder / FOLDER / "memorisation.tsv", list(rows), "memorisation")
        Image.new("L", (64, 32)).save(folder / FOLDER / "sheet.png")
    run = {"generated": described, "settings": {"training": {"image_size": 256}}}
    return SimpleNamespace(folder=folder, run=run)


def test_without_generated_slices_there_is_nothing(tmp_path: Path) -> None:
    assert generated_part(results(tmp_path)) is None


def test_the_sheet_and_its_numbers_are_shown(tmp_path: Path) -> None:
    part = generated_part(results(tmp_path, ROW, ROW | {"label": "well", "nearer": np.nan, "copies": np.nan}))
    assert part is not None
    assert "64 × 64 pixels and are enlarged to 256 × 256" in part["resolution"]
    (sheet,) = part["sheets"]
    assert (sheet.width, sheet.height) == (64, 32) and sheet.caption.startswith("clinic, whole slices.")
    first, second = part["memorisation"].rows
    assert [cell.text for cell in first] == [
        *("clinic, whole slices", "ill", "500", "90", "21.3", "25.0", "0.81", "12", "0.50")
    ]
    assert second[6].sort is None and second[7].sort is None
    assert part["memorisation"].headings[-1][0] == "Variety" and len(part["memorisation"].headings) == len(first)


def test_slices_without_a_class_are_of_all(tmp_path: Path) -> None:
    part = generated_part(results(tmp_path, ROW | {"label": ""}))
    assert part is not None and part["memorisation"].rows[0][1].text == "all classes"


def test_slices_that_cannot_vary_have_no_variety(tmp_path: Path) -> None:
    part = generated_part(results(tmp_path, ROW | {"spread_training": 0.0}))
    assert part is not None and part["memorisation"].rows[0][-1].sort is None


@pytest.mark.parametrize("value", [0.5, 1.0])
def test_the_share_is_shown_as_it_is(tmp_path: Path, value: float) -> None:
    part = generated_part(results(tmp_path, ROW | {"nearer": value}))
    assert part is not None and part["memorisation"].rows[0][6].sort == value


def test_the_section_shows_them_behind_the_remedies(tmp_path: Path) -> None:
    table = PageTable("remedies", "caption", [("Remedy", "")], [[text("dcgan")]])
    values = {
        "remedies": table,
        "descriptions": [],
        "pictures": [],
        "generated": generated_part(results(tmp_path, ROW)),
    }
    shown = render_part(section_template("remedies"), values)
    assert "clinic, whole slices. Each row of generated slices" in shown and "data:image/webp" in shown
    assert "training/generated/" in shown and "learned its training slices by heart" in shown
    assert "64 × 64" not in render_part(section_template("remedies"), values | {"generated": None})
