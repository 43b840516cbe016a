"""summary.json from the files of explain_stage is summary.json from memory, number for number."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lungsight.classes import Classes
from lungsight.explain.explanation import Explanation, SliceImages, describe_methods, measure_maps, other_methods
from lungsight.explain.gradcam import PRIMARY, THESIS, Target
from lungsight.explain.lesions import Lesions
from lungsight.explain.margin import ASSUMED, FROM_SPACING, UNKNOWN, near_lung
from lungsight.explain.mean_map import describe_mean_maps, load_mean_maps, mean_maps, save_mean_maps
from lungsight.explain.model_summary import summarise_model, tables_of_methods
from lungsight.explain.sampling import pictures_of
from lungsight.files import read_json, write_json
from lungsight.tables import read_table, write_table
from tests.factories.tables import NEGATIVE, POSITIVE, made_slice

N, SIZE = 14, 32
LAYER_CAM = "layercam_stride2"
TARGETS = {
    PRIMARY: Target("relu", "logit", True),
    THESIS: Target("conv", "probability", False),
    LAYER_CAM: Target("early", "logit", True),
}


@pytest.fixture(scope="module")
def slices() -> SliceImages:
    """Slices of five patients: without a lung, without a mask, with and without spacing, lesions and lesion masks."""
    rng = np.random.default_rng(3)
    labels = [POSITIVE if k // 3 % 2 == 0 else NEGATIVE for k in range(N)]
    drawn = [made_slice(SIZE, label == POSITIVE, rng) for label in labels]
    images, masks = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
    masks = masks.astype(bool)
    masks[[0, 4]] = False
    table = pd.DataFrame(
        {
            "slice": [f"{k // 3:016x}-{k % 3:04d}" for k in range(N)],
            "patient": [f"{k // 3:016x}" for k in range(N)],
            "label": labels,
            # The first and the last are whole numbers; in between are some of many digits.
            "probability": np.r_[0.0, rng.random(N - 2), 1.0],
        }
    )
    origin = np.array([FROM_SPACING, ASSUMED, FROM_SPACING, UNKNOWN] * 4)[:N]
    near = near_lung(masks, np.where(origin == UNKNOWN, np.nan, 4.0)[:, None].repeat(2, axis=1), origin, margin=5)
    spots = masks & (rng.random(masks.shape) < 0.2) & (table["label"] == POSITIVE).to_numpy()[:, None, None]
    lesions = Lesions(spots, np.arange(N) % 5 > 0)
    return SliceImages(table, images, masks, near, has_mask=np.arange(N) != 4, lesions=lesions)


@pytest.fixture(scope="module")
def explained(slices: SliceImages) -> dict[str, Explanation]:
    """Three methods, the last one on a sample, with maps that are zero or not finite."""
    rng, outcome = np.random.default_rng(5), np.array(["TP", "FN", "TN", "FP"])
    found = {}
    for method, side in ((PRIMARY, 4), (THESIS, 4), (LAYER_CAM, 8)):
        chosen = slices.sample(6) if method == LAYER_CAM else slices
        maps = rng.random((len(chosen.table), side, side)).astype(np.float32)
        maps[1], maps[2, 0, 0] = 0, np.nan
        identity = chosen.table.assign(outcome=outcome[rng.integers(0, 4, len(maps))])
        found[method] = measure_maps(identity, maps, chosen, iou_level=0.5)
    return found


@pytest.mark.parametrize("resamples", [0, 50])
def test_the_summary_of_the_files_is_that_of_memory(
    tmp_path: Path, slices: SliceImages, explained: dict[str, Explanation], resamples: int
) -> None:
    primary = explained[PRIMARY]
    means = mean_maps(primary.table, primary.maps, slices.masks, [POSITIVE, NEGATIVE])
    methods = describe_methods(explained, TARGETS, Classes.of([POSITIVE, NEGATIVE]))
    tables = {name: one.table for name, one in explained.items()}
    in_memory = summarise_model(
        methods, tables, pictures_of(primary.table, 3), describe_mean_maps(means), resamples, seed=7
    )

    write_table(tmp_path / "saliency.tsv", primary.table, schema="saliency")
    write_table(tmp_path / "saliency_methods.tsv", other_methods(explained), schema="saliency_methods")
    write_json(tmp_path / "methods.json", methods)
    save_mean_maps(tmp_path / "mean_maps.npz", means)
    saliency = read_table(tmp_path / "saliency.tsv", schema="saliency")
    others = read_table(tmp_path / "saliency_methods.tsv", schema="saliency_methods")
    written = read_json(tmp_path / "methods.json")
    of_files = summarise_model(
        written,
        tables_of_methods(written, saliency, others),
        pictures_of(saliency, 3),
        describe_mean_maps(load_mean_maps(tmp_path / "mean_maps.npz")),
        resamples,
        seed=7,
    )
    assert json.dumps(of_files, allow_nan=False) == json.dumps(in_memory, allow_nan=False)

    # The equality says something: there are intervals, missing numbers, reasons, pictures and lesions.
    first, _, sampled = of_files["methods"]
    overall = first["outcomes"][0]
    assert (overall["enrichment_lo"] is None) == (resamples == 0) and overall["enrichment"] > 0
    assert set(first["missing"]) == {"the map is zero everywhere", "the gradient is not finite"} | {
        "no lung in the mask",
        "no lung mask",
    }
    assert set(first["margin_from"]) == {FROM_SPACING, ASSUMED, UNKNOWN} and first["lesions"]["outcomes"]
    assert (sampled["n"], sampled["map_size"]) == (6, [8, 8]) and sampled["difference"]["n"] < 6
    assert of_files["overlays"]["pictures"] and len(of_files["mean_maps"]["classes"]) == 2


def test_tables_keep_every_number_and_word(tmp_path: Path, explained: dict[str, Explanation]) -> None:
    """Numbers of many digits, whole ones, missing ones, and words that other readers take for missing."""
    table = explained[PRIMARY].table
    assert {str(kind) for kind in table.select_dtypes("number").dtypes} == {"float64", "int64"}
    hard = np.resize([1 / 3, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1e22, 123456789.123456789, 0.0], N)
    table = table.assign(enrichment=hard, label=["NA"] * N, reason=["", "nan"] * (N // 2), iou_50=np.nan)
    write_table(tmp_path / "saliency.tsv", table, schema="saliency")
    back = read_table(tmp_path / "saliency.tsv", schema="saliency")
    assert back["enrichment"].tolist() == hard.tolist()
    pd.testing.assert_frame_equal(back, table[list(back)], check_exact=True, check_dtype=False)
    assert back["iou_50"].dtype == np.float64
