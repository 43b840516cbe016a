"""The sections about maps, where the numbers behind them are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lungsight.explain.gradcam import PRIMARY, THESIS
from lungsight.explain.margin import ASSUMED, FROM_SPACING
from lungsight.explain.model_summary import summarise_model
from lungsight.explain.saliency_metrics import ADDITIONAL, METRICS, WITH_MARGIN
from lungsight.report.cautions import empty_maps
from lungsight.report.results import RunResults
from lungsight.report.sections.mask_margin import margin_table, threshold_table
from lungsight.report.sections.saliency_methods import method_name, method_table
from tests.factories.explanation import made_method
from tests.factories.tables import POSITIVE

MODEL = ("whole-resnet50-scratch", 1)
LAYER_CAM = "layercam_stride16"


def saliency(enrichment: list[float], **columns: object) -> pd.DataFrame:
    """A table of slices of two patients; NaN is an empty map."""
    n = len(enrichment)
    empty = np.isnan(enrichment)
    metrics = dict.fromkeys((*METRICS, *ADDITIONAL, *WITH_MARGIN.values()), np.where(empty, np.nan, 0.5))
    return pd.DataFrame(
        {
            **{"slice": [f"s{k}" for k in range(n)], "patient": [f"p{k % 2}" for k in range(n)]},
            **{"label": POSITIVE, "outcome": ["TP", "FN"] * (n // 2), "empty": empty.astype(int)},
            "reason": np.where(empty, "the map is zero everywhere", ""),
            **metrics,
            **{"enrichment": enrichment, "margin_from": [FROM_SPACING] + [ASSUMED] * (n - 1)},
        }
        | columns
    )


def results(folder: Path, tables: dict[str, pd.DataFrame]) -> RunResults:
    """A run of one model with these tables by method."""
    methods = [made_method(name, "middle" if name == LAYER_CAM else "relu") for name in tables]
    means = [{"label": POSITIVE, "slices": 1, "patients": 1, "highest": 2.345, "where": "outside that box"}]
    summary = {"margin_mm": 5.0} | summarise_model(methods, tables, [], means, resamples=50, seed=1)
    return RunResults(folder=folder, run={}, summaries={MODEL: summary})


def cells(table, row: int) -> dict[str, tuple[str, str]]:
    """Text and note of each cell of a row by its heading; of equal headings the last."""
    return {title: (cell.text, cell.note) for (title, _), cell in zip(table.headings, table.rows[row], strict=True)}


@pytest.fixture
def some(tmp_path: Path) -> RunResults:
    primary = saliency([1.0, 2.0, 3.0, np.nan])
    return results(tmp_path, {PRIMARY: primary, THESIS: saliency([0.5] * 4), LAYER_CAM: saliency([1.5, 2.5])})


def test_methods_side_by_side_and_against_grad_cam_on_the_same_slices(some: RunResults) -> None:
    table = method_table(some)
    ours, thesis, layer_cam = (cells(table, row) for row in range(3))
    assert [row["Method"][0] for row in (ours, thesis, layer_cam)] == [
        "Grad-CAM",
        "Grad-CAM, the thesis's way",
        "LayerCAM, stride 16",
    ]
    assert ours["Enrichment"][0] == "2.00"
    assert ours["Without numbers"] == ("1", "1: the map is zero everywhere")
    assert ours["Against Grad-CAM"][0] == "–"
    # On the three slices that both measured: (−0.5 − 1.5 − 2.5) / 3.
    assert thesis["Against Grad-CAM"][0] == "−1.50"
    assert (layer_cam["n"][0], layer_cam["Against Grad-CAM"][0], layer_cam["Layer"][0]) == ("2", "+0.50", "middle")


def test_methods_have_names() -> None:
    named = [method_name(method) for method in ("gradcam_plus_plus", "layercam_stride8", "scorecam")]
    assert named == ["Grad-CAM++", "LayerCAM, stride 8", "Score-CAM"]


def test_the_margin_stands_beside_the_lung_itself(some: RunResults) -> None:
    table = margin_table(some)
    assert "5 mm" in table.caption
    (row,) = table.rows
    assert [cell.text for cell in row[2:6]] == ["2.00", "0.50", "0.50", "0.50"]
    assert row[-1].text == "assumed (3), the scan's (1)"


def test_the_iou_stands_under_nine_thresholds(some: RunResults) -> None:
    table = threshold_table(some)
    assert [title for title, _ in table.headings[2:]] == [f"≥ {percent}%" for percent in range(10, 100, 10)]
    assert [cell.text for cell in table.rows[0][2:]] == ["0.50"] * 9


@pytest.mark.parametrize(
    ("enrichment", "stated"),
    [
        ([np.nan, np.nan], "1 model, every map is zero everywhere, so where it looks is unknown"),
        ([1.0, np.nan], "whole-resnet50-scratch, stage 1 (1 of 2)"),
    ],
)
def test_a_model_with_empty_maps_is_named(tmp_path: Path, enrichment: list[float], stated: str) -> None:
    (statement,) = empty_maps(results(tmp_path, {PRIMARY: saliency(enrichment)}))
    assert statement.tone == "warn"
    assert stated in statement.text


def test_a_model_whose_maps_are_all_empty_has_tables_without_numbers(tmp_path: Path) -> None:
    silent = results(tmp_path, {PRIMARY: saliency([np.nan, np.nan])})
    assert cells(method_table(silent), 0)["Enrichment"] == ("–", "")
    assert cells(margin_table(silent), 0)["Enrichment"] == ("–", "")


def test_maps_that_are_there_need_no_caution(tmp_path: Path) -> None:
    assert empty_maps(results(tmp_path, {PRIMARY: saliency([1.0, 2.0])})) == []
