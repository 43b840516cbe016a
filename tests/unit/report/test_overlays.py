"""Overlays in layers, and the data of the overlay browser."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from lungsight.explain.layers import load_layers
from lungsight.report.layered import heat_picture, outline_path
from lungsight.report.model_charts import maps_anchor
from lungsight.report.results import RunResults
from lungsight.report.sections import browser
from lungsight.report.sections.browser import browser_data
from lungsight.report.sections.gallery import section as gallery
from tests.factories.results import changed


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))


def test_an_outline_runs_between_the_pixels_of_the_mask_and_closes_at_the_border() -> None:
    mask = np.zeros((8, 8), bool)
    mask[0:3, 2:5] = True
    path = outline_path(mask)
    points = np.array([[float(number) for number in pair.split()] for pair in re.split("[MLZ]", path) if pair])
    assert path.count("M") == path.count("Z") == 1
    assert points[:, 0].min() == 2.0 and points[:, 0].max() == 5.0
    assert points[:, 1].min() == 0.0 and points[:, 1].max() == 3.0
    assert outline_path(np.zeros((8, 8), bool)) == ""


def test_a_map_is_opaque_where_it_is_high_and_clear_where_it_is_zero() -> None:
    raw = np.zeros((4, 4), np.float32)
    raw[0, 0] = 2
    alpha = pixels(heat_picture(raw))[..., 3] / 255
    assert alpha[0, 0] == pytest.approx(0.75, abs=0.02)
    assert alpha[-1, -1] == 0
    assert not pixels(heat_picture(np.zeros((4, 4), np.float32)))[..., 3].any()


def test_every_overlay_is_in_the_data_once_with_its_slice(results: RunResults) -> None:
    data = browser_data(results)
    named = [(item["model"], item["name"]) for item in data["items"]]
    assert len(set(named)) == len(named)
    for number, (model, summary) in enumerate(results.summaries.items()):
        wanted = {entry["slice"] for key in ("overlays", "by_confidence") for entry in summary[key]["pictures"]}
        assert {name for each, name in named if each == number} == wanted
        assert data["models"][number] == {"name": results.model_name(model), "anchor": maps_anchor(model)}
    patients = {
        name: patient for table in results.splits.values() for name, patient in table[["slice", "patient"]].to_numpy()
    }
    assert all(item["patient"] == patients[item["name"]] for item in data["items"])
    assert all("heat" in item and item["slice"] in data["slices"] for item in data["items"])


def test_the_data_end_no_script_element(results: RunResults) -> None:
    values = browser.section(results)
    assert values is not None
    assert "</" not in values["data"] and json.loads(values["data"])["items"]


def test_what_does_not_fit_is_shown_from_the_folder_beside(
    results: RunResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "BROWSER_BYTES", 30_000)
    data = browser_data(results)
    beside = [item for item in data["items"] if "file" in item]
    assert beside and any("heat" in item for item in data["items"])
    for item in beside:
        assert (results.folder / "report" / item["file"]).resolve().is_file()
    size = sum(len(item.get("heat", "")) for item in data["items"])
    assert size + sum(len(each["image"]) for each in data["slices"].values()) < 30_000


def test_without_overlays_there_is_no_browser(results: RunResults) -> None:
    empty = {
        model: summary | {key: summary[key] | {"pictures": []} for key in ("overlays", "by_confidence")}
        for model, summary in results.summaries.items()
    }
    assert browser.section(changed(results, summaries=empty)) is None


def test_lesions_are_among_the_layers_of_who_has_them(results: RunResults) -> None:
    model = next(iter(results.summaries))
    layers = load_layers(results.folder / f"explain/{model[0]}/stage{model[1]}/layers.npz")
    by_name = {each.split()[-1]: picture for each, picture in browser_data(results)["slices"].items()}
    for name, lesions in zip(layers.slices, layers.lesions, strict=True):
        assert bool(by_name[name]["lesions"]) == lesions.any()


def test_the_mean_maps_have_alternative_texts(results: RunResults) -> None:
    pictures = gallery(results)["pictures"]
    assert [name for name, _ in pictures] == [results.model_name(model) for model in results.summaries]
    assert all(
        image.alt.startswith("Mean Grad-CAM map of each class around the lung: Covid-19 (") for _, image in pictures
    )
