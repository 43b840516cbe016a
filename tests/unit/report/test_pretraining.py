"""Pre-training without labels on the page: loss, spread of the outputs, and the linear probe."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lungsight.config_check import complete_config
from lungsight.report.page import PARTS, render_page
from lungsight.report.rendering import render_part
from lungsight.report.sections import pretraining
from lungsight.report.templates import section_template
from lungsight.run_description import describe_run, page_inputs
from tests.factories.pretraining import made_pretraining
from tests.factories.results import made_results

COHORTS = {name: {"role": name, "format": "png", "root": name, "table": f"{name}.tsv"} for name in ("public", "target")}


def made(folder: Path, *descriptions: tuple[str, str]) -> Any:
    """What the section reads of a run with these pre-trainings: networks and input views."""
    described = []
    for number, (backbone, view) in enumerate(descriptions):
        path = f"training/simsiam/{view}/{backbone}"
        described.append({"backbone": backbone, "input_view": view, "path": path})
        made_pretraining(folder, path, number)
    return SimpleNamespace(folder=folder, run={"pretrained": described})


def test_without_a_pretraining_there_is_nothing(tmp_path: Path) -> None:
    assert pretraining.section(made(tmp_path)) is None


def test_the_loss_and_the_spread_are_said_with_their_numbers(tmp_path: Path) -> None:
    values = pretraining.section(made(tmp_path, ("small_cnn", "whole"), ("resnet50", "segmented")))
    assert values is not None
    first, second = values["statements"]
    assert first.text == (
        "small_cnn, whole slices: the loss was −0.10 in the first and −0.50 in the last of 5 epochs. The standard"
        " deviation of z was 1.00 of 1/√d at the end."
    )
    assert second.text.startswith("resnet50, segmented slices: the loss was −0.11 in the first and −0.51")
    assert "was 0.83 of 1/√d" in second.text


def test_the_chart_draws_the_loss_and_the_spread_as_a_multiple_of_the_even_one(tmp_path: Path, monkeypatch) -> None:
    figures = []
    monkeypatch.setattr(pretraining, "as_svg", lambda figure: figures.append(figure) or "<svg></svg>")
    pretraining.section(made(tmp_path, ("small_cnn", "whole"), ("resnet50", "segmented")))
    (figure,) = figures
    of_loss, of_spread, _, of_second = figure.axes
    np.testing.assert_allclose(of_loss.lines[0].get_ydata(), [-0.1, -0.2, -0.3, -0.4, -0.5])
    np.testing.assert_allclose(of_spread.lines[0].get_ydata(), [0.2, 0.4, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(of_second.lines[0].get_ydata(), np.arange(1, 6) / 6)
    assert list(of_spread.lines[1].get_ydata()) == [1, 1] and of_spread.get_ylim()[0] == 0


def test_the_probe_shows_random_beside_pretrained_weights(tmp_path: Path) -> None:
    values = pretraining.section(made(tmp_path, ("small_cnn", "whole")))
    assert values is not None
    rows = [[cell.text for cell in row] for row in values["probe"].rows]
    assert rows[0] == ["whole", "small_cnn", "open", "90", "30", "0.50", "0.50", "0.75"]
    assert rows[1][:7] == ["whole", "small_cnn", "clinic", "90", "30", "0.50", "0.60"]
    assert values["probe"].rows[1][7].sort is None
    assert len(values["probe"].headings) == len(rows[0])


def test_the_section_is_on_the_page_with_its_tables(tmp_path: Path) -> None:
    assert "pretraining" in [section.name for part in PARTS for section in part.sections]
    shown = render_part(section_template("pretraining"), pretraining.section(made(tmp_path, ("small_cnn", "whole"))))
    assert "<svg" in shown and "small_cnn, whole slices" in shown and "without labels" in shown
    assert re.search(r'href="\.\./training/simsiam/"', shown)


@pytest.mark.parametrize(
    ("pipelines", "paths"),
    [
        ({"weights": ["scratch", "imagenet"]}, []),
        ({"weights": ["scratch", "simsiam"]}, ["training/simsiam/whole/small_cnn"]),
        (
            {"weights": ["simsiam"], "frameworks": ["whole", "segmented"], "remedies": ["none", "style"]},
            ["training/simsiam/whole/small_cnn", "training/simsiam/segmented/small_cnn"],
        ),
    ],
    ids=["none", "one", "shared by remedies"],
)
def test_the_page_is_made_from_its_tables_alone_where_there_is_one(pipelines: dict, paths: list[str]) -> None:
    chosen = {"frameworks": ["whole"], "backbones": ["small_cnn"], "remedies": ["none"]} | pipelines
    parts = {"results": "r", "cohorts": COHORTS, "segmentation": {"method": "classical"}}
    described = describe_run(complete_config(parts | {"pipelines": chosen}))
    assert [each["path"] for each in described["pretrained"]] == paths
    wanted = [path for path in page_inputs(described) if path.startswith("training/")]
    assert wanted == [f"{path}.{table}.tsv" for path in paths for table in ("history", "probe")]


def test_a_whole_page_holds_the_section_and_links_to_its_folder(tmp_path: Path) -> None:
    chosen = {"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["simsiam"]}
    results = made_results(
        tmp_path, {"lungs": "segmentation", "open": "public"}, pipelines=chosen, explain={"overlays": 1}
    )
    page = render_page(results)
    assert "Pre-training without labels" in page and 'id="linear-probe-table"' in page
    assert 'href="../training/simsiam/"' in page and (results.folder / "training/simsiam").is_dir()
