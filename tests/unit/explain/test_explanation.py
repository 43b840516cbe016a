"""From maps to rows, pictures and summary, against values by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lungsight.classes import Classes
from lungsight.errors import UserError
from lungsight.explain.explanation import (
    Explanation,
    SliceImages,
    describe_methods,
    explain_slices,
    measure_maps,
    other_methods,
    outcomes,
    reasons,
    select_test_slices,
)
from lungsight.explain.gradcam import PRIMARY, THESIS, Target
from lungsight.explain.layers import Layers, load_layers, save_layers
from lungsight.explain.map_files import load_maps, save_maps
from lungsight.explain.margin import ASSUMED, FROM_SPACING, UNKNOWN, NearLung
from lungsight.explain.model_summary import summarise_model
from lungsight.explain.overlays import draw_overlays
from lungsight.explain.reasons import REJECTED
from lungsight.explain.saliency_metrics import ADDITIONAL, METRICS, WITH_MARGIN
from lungsight.explain.sampling import pictures_by_confidence, pictures_of, sample, sample_by_confidence
from lungsight.explain.summary import summarise
from lungsight.training.image_cache import CachedImages
from tests.factories.explanation import made_method
from tests.factories.tables import NEGATIVE, POSITIVE

CLASSES = Classes.of([POSITIVE, NEGATIVE])

PATIENT = "{:016x}".format


def slice_name(number: int) -> str:
    return f"{PATIENT(number)}-0000"


def saliency(n: int, **columns: object) -> pd.DataFrame:
    """Make a saliency table of n slices of n patients; `columns` replace the defaults."""
    table = pd.DataFrame(
        {
            "slice": [slice_name(k) for k in range(n)],
            "patient": [PATIENT(k) for k in range(n)],
            **{"label": POSITIVE, "probability": 0.9, "outcome": "TP", "empty": 0, "reason": "", "lung_fraction": 0.2},
        }
    )
    return table.assign(**dict.fromkeys(METRICS, 0.5)).assign(**columns)


class FakeExplainer:
    """A stand-in for GradCam: it returns prepared maps batch by batch, and records the predictions that it gets."""

    def __init__(self, **maps: np.ndarray) -> None:
        self.methods = dict.fromkeys(maps)
        self.positive: list[bool] = []
        self._maps = maps

    def __call__(self, images: np.ndarray, positive: np.ndarray) -> dict[str, np.ndarray]:
        batch = slice(len(self.positive), len(self.positive) + len(images))
        self.positive += positive.tolist()
        return {name: maps[batch] for name, maps in self._maps.items()}


def half_lung(n: int, size: int = 16) -> SliceImages:
    """Make n slices whose left half is lung, positive and negative in turn, with probabilities from 0 to 1."""
    masks = np.zeros((n, size, size), dtype=bool)
    masks[:, :, : size // 2] = True
    labels = [POSITIVE if k % 2 == 0 else NEGATIVE for k in range(n)]
    table = pd.DataFrame(
        {"slice": map(slice_name, range(n)), "patient": [PATIENT(k // 2) for k in range(n)], "label": labels}
    ).assign(probability=np.linspace(0, 1, n))
    return SliceImages(table, np.where(masks, 60, 200).astype(np.uint8), masks)


def test_test_slices_come_in_table_order_with_their_own_pixels() -> None:
    names = [slice_name(k) for k in range(6)]
    pixels = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), dtype=np.uint8)
    cached = CachedImages(pixels, pd.Index(names))
    predictions = pd.DataFrame({"slice": [names[k] for k in (4, 0, 2)], "patient": "p", "label": "x"})
    predictions = predictions.assign(split=["test", "train", "test"], probability=[0.1, 0.2, 0.3])
    masks = CachedImages(pixels > 3, pd.Index(names))
    chosen = select_test_slices(predictions, cached, masks, accepted=pd.Index([names[0], names[2]]))
    assert list(chosen.table["slice"]) == [names[4], names[2]]
    assert list(chosen.table["probability"]) == [0.1, 0.3]
    assert chosen.images[:, 0, 0].tolist() == [4, 2]
    assert chosen.masks[:, 0, 0].tolist() == [True, False]
    assert chosen.accepted is not None and chosen.accepted.tolist() == [False, True]


def test_a_split_without_test_slices_is_an_error() -> None:
    cached = CachedImages(np.zeros((1, 4, 4), np.uint8), pd.Index([slice_name(0)]))
    row = {"slice": slice_name(0), "patient": "p", "label": "x", "split": "train", "probability": 0.5}
    with pytest.raises(UserError, match="no test slice"):
        select_test_slices(pd.DataFrame([row]), cached, cached, pd.Index([]))


def test_outcomes_at_one_half() -> None:
    labels = pd.Series([POSITIVE, POSITIVE, NEGATIVE, NEGATIVE])
    assert outcomes(labels, np.array([0.5, 0.49, 0.5, 0.49]), POSITIVE).tolist() == ["TP", "FN", "FP", "TN"]


def test_a_slice_without_metrics_has_its_reason() -> None:
    maps, slices = np.ones((5, 2, 2)), half_lung(5)
    maps[0, 0, 0], maps[1] = np.nan, 0
    slices.masks[2] = False
    slices.images[3] = 7
    assert reasons(maps, slices).tolist() == [
        "the gradient is not finite",
        "the map is zero everywhere",
        "no lung in the mask",
        "the image has one value everywhere",
        "",
    ]
    masked = np.array([True, True, True, True, False])
    assert reasons(maps, replace(slices, has_mask=masked)).tolist()[2:] == [
        "no lung in the mask",
        "the image has one value everywhere",
        "no lung mask",
    ]


def test_a_slice_without_a_lung_mask_has_a_row_with_the_reason() -> None:
    slices = half_lung(3)
    slices.masks[1] = False
    slices = replace(slices, has_mask=np.array([True, False, True]))
    table = measure_maps(slices.table.assign(outcome="TP"), np.ones((3, 4, 4), np.float32), slices, 0.5).table
    assert table["reason"].tolist() == ["", "no lung mask", ""]
    assert table.loc[1, ["lung_fraction", *METRICS, *ADDITIONAL]].isna().all()
    assert table.loc[[0, 2], "lung_fraction"].tolist() == [0.5, 0.5]


def test_a_slice_whose_mask_was_rejected_has_a_row_without_numbers() -> None:
    """Its map stays, and whether it is empty; nothing is measured against a wrong mask."""
    slices = replace(half_lung(4), accepted=np.array([True, False, False, True]))
    maps = np.ones((4, 4, 4), np.float32)
    maps[2] = 0
    explained = measure_maps(slices.table.assign(outcome="TP"), maps, slices, 0.5)
    assert explained.table["reason"].tolist() == ["", REJECTED, REJECTED, ""]
    assert explained.table["empty"].tolist() == [0, 0, 1, 0]
    assert explained.table.loc[[1, 2], ["lung_fraction", *METRICS, *ADDITIONAL]].isna().all(axis=None)
    assert explained.maps is maps
    overall = summarise(explained.table, 0, 1)[0]
    assert (overall["n"], overall["n_left_out"], overall["n_empty"]) == (4, 2, 1)
    assert overall["enrichment"] == pytest.approx(explained.table.loc[[0, 3], "enrichment"].mean())


def test_samples_are_taken_among_accepted_masks() -> None:
    slices = half_lung(9)
    assert list(slices.sample(3).table["slice"]) == [slice_name(k) for k in (0, 4, 8)]
    accepted = replace(slices, accepted=np.isin(np.arange(9), [1, 2, 3, 6, 7]))
    assert list(accepted.sample(3).table["slice"]) == [slice_name(k) for k in (1, 3, 7)]
    assert accepted.sample(99).accepted is not None and len(accepted.sample(99).table) == 5
    assert replace(slices, accepted=np.zeros(9, bool)).sample(3).table.empty


def test_rows_have_metrics_or_a_reason() -> None:
    n = 40
    slices = half_lung(n)
    maps = np.zeros((n, 4, 4), dtype=np.float32)
    maps[:, :, 0] = 1
    maps[3], maps[5, 0, 0] = 0, np.inf
    explainer = FakeExplainer(gradcam=maps)
    explained = explain_slices(explainer, slices, lambda images: images, CLASSES, iou_level=0.5)[PRIMARY]
    table = explained.table
    assert list(table["slice"]) == list(slices.table["slice"])
    assert table["empty"].tolist() == [int(k == 3) for k in range(n)]
    assert table.loc[[3, 5], "reason"].tolist() == ["the map is zero everywhere", "the gradient is not finite"]
    assert table.loc[[3, 5], list(METRICS)].isna().all(axis=None)
    good = table.drop(index=[3, 5])
    assert good[[*METRICS, *ADDITIONAL]].notna().all(axis=None)
    assert not set(WITH_MARGIN.values()) & set(table)
    # The hot column, upsampled, reaches pixel 5 of 16; the lung is pixels 0 to 7.
    np.testing.assert_allclose(good["lung_mass"], 1)
    np.testing.assert_allclose(good["enrichment"], 2)


def test_probability_and_sign_are_the_recorded_ones() -> None:
    slices, explainer = half_lung(5), FakeExplainer(gradcam=np.ones((5, 4, 4)))
    table = explain_slices(explainer, slices, lambda images: images, CLASSES, iou_level=0.5)[PRIMARY].table
    assert table["probability"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert table["outcome"].tolist() == ["FN", "TN", "TP", "FP", "TP"]
    assert explainer.positive == [False, False, True, True, True]


def test_metrics_with_a_margin_equal_those_of_the_dilated_mask() -> None:
    n = 4
    slices, maps = half_lung(n), np.random.default_rng(0).random((n, 4, 4), dtype=np.float32)
    maps[1] = 0
    wider = slices.masks | np.roll(slices.masks, 2, axis=2)
    origin = np.array([FROM_SPACING, FROM_SPACING, ASSUMED, UNKNOWN])
    near, alone = (
        explain_slices(FakeExplainer(gradcam=maps), shown, lambda images: images, CLASSES, iou_level=0.5)[PRIMARY].table
        for shown in (replace(slices, near=NearLung(wider, origin)), replace(slices, masks=wider))
    )
    assert near["margin_from"].tolist() == origin.tolist()
    for name, column in WITH_MARGIN.items():
        np.testing.assert_array_equal(near.loc[[0, 2], column], alone.loc[[0, 2], name])
    assert near.loc[[1, 3], list(WITH_MARGIN.values())].isna().all(axis=None)
    np.testing.assert_array_equal(near["lung_fraction"], 0.5)


@pytest.mark.parametrize(("size", "rows"), [(1, [0]), (3, [0, 4, 9]), (10, range(10)), (99, range(10))])
def test_a_sample_is_spread_evenly_over_the_table(size: int, rows: list[int]) -> None:
    slices = half_lung(10)
    near = NearLung(slices.masks, np.full(10, UNKNOWN))
    slices.images[:] += np.arange(10, dtype=np.uint8)[:, None, None]
    chosen = replace(slices, near=near).sample(size)
    assert list(chosen.table["slice"]) == [slice_name(row) for row in rows]
    assert (chosen.images[:, 0, 0] - 60).tolist() == list(rows)
    assert len(chosen.masks) == len(chosen.near.masks) == len(chosen.table)


def test_a_method_is_compared_with_grad_cam_on_the_slices_that_both_measured() -> None:
    primary = saliency(5, enrichment=[1.0, 2.0, 3.0, np.nan, 5.0])
    other = saliency(5, enrichment=[9.0, 3.0, 5.0, 1.0, np.nan]).iloc[[1, 2, 3, 4]]
    tables = {PRIMARY: primary, THESIS: other}
    first, second = summarise_model([made_method(name) for name in tables], tables, [], [], 100, 1)["methods"]
    assert first["difference"] == {"n": 4, "enrichment": 0, "enrichment_lo": 0, "enrichment_hi": 0}
    assert (second["n"], second["difference"]["n"]) == (4, 2)
    assert second["difference"]["enrichment"] == pytest.approx(1.5)
    assert (second["difference"]["enrichment_lo"], second["difference"]["enrichment_hi"]) == (1, 2)


def test_maps_open_without_pickle_and_are_the_maps(tmp_path) -> None:
    maps = np.random.default_rng(0).random((3, 4, 5), dtype=np.float32)
    save_maps(tmp_path / "maps.npz", saliency(3)["slice"], maps)
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as saved:
        assert saved["slices"].dtype.kind == "U"
        assert saved["slices"].tolist() == [slice_name(k) for k in range(3)]
        np.testing.assert_array_equal(saved["maps"], maps)
        assert saved["maps"].dtype == np.float32
    some = load_maps(tmp_path / "maps.npz", pd.Series([slice_name(2), slice_name(0)]))
    np.testing.assert_array_equal(some, maps[[2, 0]])


def test_other_methods_carry_their_name() -> None:
    explained = {PRIMARY: Explanation(saliency(2), np.ones((2, 4, 4))), THESIS: Explanation(saliency(2), None)}
    assert other_methods(explained)["method"].tolist() == [THESIS, THESIS]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [2]), (3, [2, 0, 4]), (4, [2, 0, 4, 1]), (5, [2, 0, 4, 1, 3]), (9, [2, 0, 4, 1, 3])]
)
def test_sample_is_median_lowest_highest_then_between(count: int, expected: list[int]) -> None:
    chosen = sample(saliency(5, enrichment=np.arange(5.0)), count)
    assert list(chosen.index) == expected
    assert list(chosen["position"][:3]) == ["median", "lowest", "highest"][:count]


def test_sample_is_by_outcome_and_leaves_out_what_was_not_measured() -> None:
    table = saliency(4, enrichment=[1.0, np.nan, 2.0, 3.0], outcome=["TP", "TP", "FN", "FN"])
    assert list(sample(table, 1).index) == [0, 2]
    assert sample(table, 0).empty


def test_surest_and_least_sure_of_the_right_and_of_the_wrong() -> None:
    outcome = ["TP", "TN", "TP", "FP", "FN", "FN", "TP"]
    probability = [0.9, 0.02, 0.55, 0.6, 0.1, 0.3, 0.99]
    table = saliency(7, outcome=outcome, probability=probability, enrichment=[1.0] * 6 + [np.nan])
    chosen = sample_by_confidence(table)
    assert list(chosen.index) == [1, 2, 4, 3]
    assert list(chosen["position"]) == ["surest", "least sure"] * 2
    one = sample_by_confidence(table.iloc[:1])
    assert list(one["position"]) == ["surest"]
    assert pictures_by_confidence(table, 0) == []
    assert [picture["slice"] for picture in pictures_by_confidence(table, 1)] == list(chosen["slice"])


def test_layers_are_read_as_they_were_written(tmp_path) -> None:
    rng = np.random.default_rng(1)
    written = Layers(
        slices=np.array(["a", "b"]),
        images=rng.integers(0, 255, (2, 8, 8)).astype(np.uint8),
        **{name: rng.random((2, 8, 8)) > 0.5 for name in ("lungs", "lesions")},
        maps=rng.random((2, 4, 4)).astype(np.float32),
        sided=np.array([True, False]),
    )
    save_layers(tmp_path / "layers.npz", written)
    for name, array in vars(load_layers(tmp_path / "layers.npz")).items():
        np.testing.assert_array_equal(array, getattr(written, name))


def test_overlays_are_the_sampled_slices(tmp_path) -> None:
    slices = half_lung(4)
    table = saliency(4, enrichment=[1.0, 2.0, 3.0, 4.0], outcome=["TP", "TP", "TN", "TN"])
    drawn = pictures_of(table, count=1)
    assert [one["slice"] for one in drawn] == [slice_name(0), slice_name(2)]
    rows = [0, 2]
    draw_overlays(tmp_path, drawn, slices.images[rows], slices.masks[rows], np.ones((2, 4, 4)), [False] * 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(one["file"] for one in drawn)
    assert (tmp_path / drawn[0]["file"]).read_bytes().startswith(b"\x89PNG")


def pixels_of(folder: Path, drawn: dict) -> np.ndarray:
    return np.asarray(Image.open(folder / drawn["file"])).astype(int)


def test_overlays_of_scans_say_which_side_is_the_right(tmp_path) -> None:
    slices, table = half_lung(1), saliency(1, enrichment=[1.0], outcome=["TP"])
    pictures = {}
    for sided in (True, False):
        (one,) = pictures_of(table, count=1)
        draw_overlays(tmp_path / str(sided), [one], slices.images, slices.masks, np.ones((1, 4, 4)), [sided])
        pictures[sided] = pixels_of(tmp_path / str(sided), one)
    marked = np.abs(pictures[True] - pictures[False]).max(axis=2) > 100
    width = marked.shape[1]
    columns = np.flatnonzero(marked.any(axis=0)) / width
    panes = [columns[columns < 0.45], columns[columns >= 0.45]]
    assert all(pane.size and pane.max() < start + 0.06 for pane, start in zip(panes, (0.005, 0.455), strict=True))


def test_summary_means_by_outcome_and_counts() -> None:
    table = saliency(6, outcome=["TP"] * 4 + ["FN"] * 2, enrichment=[1.0, 2.0, 3.0, np.nan, 5.0, 5.0])
    table.loc[3, ["empty", "reason"]] = [1, "the map is zero everywhere"]
    rows = {row["outcome"]: row for row in summarise(table, resamples=200, seed=1)}
    assert list(rows) == ["all", "TP", "FN"]
    assert rows["all"]["enrichment"] == pytest.approx(16 / 5)
    assert (rows["TP"]["n"], rows["TP"]["n_patients"], rows["TP"]["n_empty"]) == (4, 4, 1)
    assert rows["TP"]["enrichment"] == pytest.approx(2)
    assert rows["TP"]["enrichment_lo"] < 2 < rows["TP"]["enrichment_hi"]
    assert rows["FN"]["enrichment_lo"] == rows["FN"]["enrichment_hi"] == 5


def test_the_summary_names_layer_sign_and_reasons() -> None:
    table = saliency(3, empty=[1, 0, 0], reason=["the map is zero everywhere", "", ""])
    explained = {PRIMARY: Explanation(table, np.ones((3, 4, 5)))}
    described = describe_methods(explained, {PRIMARY: Target("relu", "logit", True)}, CLASSES)
    summary = summarise_model(described, {PRIMARY: table}, [], [], resamples=0, seed=1)
    (method,) = summary["methods"]
    assert (method["layer"], method["explained"], method["n_empty"]) == ("relu", "logit", 1)
    assert (method["method"], method["map_size"]) == (PRIMARY, [4, 5])
    assert "−logit" in method["sign"]
    assert method["missing"] == {"the map is zero everywhere": 1}
    assert method["outcomes"][0]["enrichment_lo"] is None
