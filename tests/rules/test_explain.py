"""Rules of the explain room by themselves, on a small network with random weights and on a made run."""

import keras
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from lungsight.explain.layers import load_layers
from lungsight.explain.mean_map import load_mean_maps
from lungsight.explain.overlays import draw_mean_maps, draw_overlays
from lungsight.explain.reasons import REJECTED
from lungsight.explain.saliency_metrics import ADDITIONAL, METRICS, WITH_MARGIN
from lungsight.files import read_json, write_json
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.network import build_classifier
from tests.factories.run import FINISHED_PIPELINES, made_finished_run, made_workspace
from tests.factories.tables import (
    NEGATIVE,
    POSITIVE,
    SHARD,
    made_cohort,
    made_manifest,
    made_slice,
    made_split,
    save_images,
    save_manifest,
)
from tests.factories.workspace import Workspace

SIZE = 48
PIPELINE = "segmented-small_cnn-scratch"
OUTPUTS = f"explain/{PIPELINE}/stage2"


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """A run up to the trained model and its predictions.

    The first test slice has no lung, the second no lung mask, and the mask of the third is rejected; positive patients
    have a lesion mask.
    """
    pipelines = {"frameworks": ["segmented"], "backbones": ["small_cnn"], "weights": ["scratch"]}
    workspace = made_workspace(
        tmp_path,
        {"annotated": "segmentation", "open": "public", "clinic": "target"},
        **{"pipelines": pipelines, "training": {"image_size": SIZE}, "report": {"bootstrap": 50}},
        explain={"overlays": 1, "threads": 1, "sample": 4, "score_cam_channels": 3},
    )
    run = workspace.run_folder
    slices = made_cohort(run, "clinic", patients=16, slices=2)
    split = made_split(run, "clinic", "segmented", slices)
    cache, rng = run / "training/images/clinic", np.random.default_rng(0)
    drawn = [made_slice(SIZE, label == POSITIVE, rng) for label in slices["label"]]
    images, masks = (np.stack(arrays).astype(np.uint8) for arrays in zip(*drawn, strict=True))
    lesions = np.zeros_like(masks)
    lesions[:, 24:30, 30:36] = 1
    known = (slices["label"] == POSITIVE).to_numpy()
    lesions[~known] = 0
    first, second, third = (
        (slices["slice"] == name).to_numpy() for name in split.loc[split["split"] == "test", "slice"].iloc[:3]
    )
    made_manifest(run, "clinic", slices)
    manifest = read_table(run / "qc/clinic/manifest.tsv", schema="manifest")
    save_manifest(run, "clinic", manifest.assign(segmented_keep=(~(first | second | third)).astype(int)))
    masks[first | second] = 0
    index = slices[["slice"]].assign(masks=(~second).astype(int), lesions=known.astype(int))
    save_images(cache, index, segmented=images * masks, masks=masks, lesions=lesions)
    save_model(workspace)
    # Other than the model's own, so that it shows whose probabilities the tables have.
    predictions = split.assign(probability=rng.random(len(split)))
    write_table(run / f"models/{PIPELINE}/stage2/predictions/clinic.tsv", predictions, schema="predictions")
    return workspace


def save_model(workspace: Workspace) -> None:
    """A network with random weights, and its provenance."""
    keras.utils.set_random_seed(1)
    backbone = backbones.load("small_cnn")
    head = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.9}
    model = build_classifier(backbone, head)
    folder = workspace.run_folder / f"models/{PIPELINE}/stage2"
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    made = {"backbone": "small_cnn", "preprocessing": backbone.preprocessing, "image_size": SIZE, "seed": 1}
    made["labels"] = [POSITIVE, NEGATIVE]
    write_json(folder / "provenance.json", made)


@pytest.fixture
def finished(tmp_path) -> Workspace:
    return made_finished_run(tmp_path)


def test_explain_stage(workspace: Workspace) -> None:
    workspace.must_run("explain_stage", f"{OUTPUTS}/saliency.tsv")
    run, folder = workspace.run_folder, workspace.run_folder / OUTPUTS
    table = read_table(folder / "saliency.tsv", schema="saliency")
    predictions = read_table(run / f"models/{PIPELINE}/stage2/predictions/clinic.tsv", schema="predictions")
    test = predictions[predictions["split"] == "test"]
    for column in ("slice", "patient", "label", "probability"):
        assert list(table[column]) == list(test[column])
    assert set(table["label"]) == {POSITIVE, NEGATIVE}

    rows = test.index.to_numpy()
    masks = np.load(run / "training/images/clinic/000/masks.npy")[rows]
    assert (table["outcome"].isin(["TP", "FP"]) == (table["probability"] >= 0.5)).all()

    assert table.loc[0, "reason"] == "no lung in the mask"
    assert table.loc[1, "reason"] == "no lung mask"
    assert table.loc[2, "reason"] == REJECTED
    assert table.loc[[0, 1, 2], "lung_mass"].isna().all() and table.loc[[1, 2], "lung_fraction"].isna().all()
    measured = table[table["reason"] == ""]
    assert len(measured) == len(table) - 3
    with np.load(folder / "maps.npz", allow_pickle=False) as saved:
        assert saved["slices"].tolist() == list(table["slice"])
        maps = saved["maps"]
    assert maps.shape == (len(table), SIZE // 8, SIZE // 8)
    large = keras.ops.image.resize(maps[..., None], (SIZE, SIZE), interpolation="bilinear").numpy()[..., 0]
    inside = (large * masks).sum(axis=(1, 2)) / large.sum(axis=(1, 2))
    np.testing.assert_allclose(measured["lung_mass"], inside[measured.index], rtol=1e-4)
    np.testing.assert_allclose(measured["lung_fraction"], masks.mean(axis=(1, 2))[measured.index])
    assert measured[[*METRICS, *ADDITIONAL, *WITH_MARGIN.values()]].notna().all(axis=None)
    assert set(table["margin_from"]) == {"spacing"}
    # A pixel of the cache is 64 · 2 mm / 48: the pixels beside and diagonal to a lung pixel lie within 5 mm.
    dilated = binary_dilation(masks, np.ones((1, 3, 3)))
    np.testing.assert_allclose(measured["lung_fraction_margin"], dilated.mean(axis=(1, 2))[measured.index])

    lesions = np.load(run / "training/images/clinic/000/lesions.npy")[rows]
    positive = table["label"] == POSITIVE
    assert table.columns[-1] == "lesion_enrichment_in_lung"
    np.testing.assert_array_equal(table["lesion_fraction"], np.where(positive, 36 / SIZE**2, np.nan))
    ill = measured[measured["label"] == POSITIVE]
    marked = (large * lesions).sum(axis=(1, 2)) / large.sum(axis=(1, 2))
    np.testing.assert_allclose(ill["lesion_mass"], marked[ill.index], rtol=1e-4)
    assert table.drop(index=ill.index)["lesion_mass"].isna().all()

    methods = read_table(folder / "saliency_methods.tsv", schema="saliency_methods")
    by_method = {name: list(rows["slice"]) for name, rows in methods.groupby("method", sort=False)}
    strides = [f"layercam_stride{stride}" for stride in (8, 4, 2)]
    assert list(by_method) == ["gradcam_thesis", "gradcam_plus_plus", *strides, "scorecam"]
    assert by_method.pop("gradcam_thesis") == list(table["slice"])
    spread = 3 + np.linspace(0, len(table) - 4, 4).round().astype(int)
    assert all(names == list(table["slice"].iloc[spread]) for names in by_method.values())

    explained = read_json(folder / "methods.json")
    assert [one["method"] for one in explained] == [
        "gradcam",
        "gradcam_thesis",
        "gradcam_plus_plus",
        *strides,
        "scorecam",
    ]
    assert [one["layer"] for one in explained] == ["relu4", "conv4", "relu4", "relu4", "relu3", "relu2", "relu4"]
    sides = [SIZE // stride for stride in (8, 8, 8, 8, 4, 2, 8)]
    assert [one["map_size"] for one in explained] == [[side, side] for side in sides]
    means = load_mean_maps(folder / "mean_maps.npz")
    assert [one.label for one in means] == [POSITIVE, NEGATIVE]
    written = {path.name for path in folder.iterdir()}
    assert written == {"saliency.tsv", "saliency_methods.tsv", "methods.json", "maps.npz", "mean_maps.npz"}


def test_summarise_maps(workspace: Workspace) -> None:
    """What the maps' tables say, with intervals."""
    workspace.must_run("explain_stage", f"{OUTPUTS}/saliency.tsv")
    workspace.must_run("summarise_maps", f"{OUTPUTS}/summary.json")
    folder = workspace.run_folder / OUTPUTS
    table = read_table(folder / "saliency.tsv", schema="saliency")
    measured, positive = table[table["reason"] == ""], table["label"] == POSITIVE
    summary = read_json(folder / "summary.json")
    stated = ("pipeline", "stage", "cohort", "iou_level", "margin_mm")
    assert [summary[key] for key in stated] == [PIPELINE, 2, "clinic", 0.5, 5]
    assert list(summary)[:5] == list(stated)
    assert (summary["intervals"]["resamples"], summary["intervals"]["seed"]) == (50, 2021)
    described = read_json(folder / "methods.json")
    assert [{key: one[key] for key in described[0]} for one in summary["methods"]] == described
    primary = summary["methods"][0]
    overall = primary["outcomes"][0]
    assert overall["enrichment"] == pytest.approx(measured["enrichment"].mean())
    assert overall["enrichment_lo"] < overall["enrichment"] < overall["enrichment_hi"]
    assert len(summary["overlays"]["pictures"]) == measured["outcome"].nunique()
    assert primary["lesions"]["known"] == positive.sum()
    assert primary["lesions"]["outcomes"][0]["n"] == positive.sum()
    ill = measured[measured["label"] == POSITIVE]
    assert primary["lesions"]["outcomes"][0]["lesion_mass"] == pytest.approx(ill["lesion_mass"].mean())
    assert primary["missing"] == {"no lung in the mask": 1, "no lung mask": 1, REJECTED: 1}
    assert primary["margin_from"] == {"spacing": len(table)}
    assert [(one["label"], one["slices"]) for one in summary["mean_maps"]["classes"]] == [
        (one.label, one.slices) for one in load_mean_maps(folder / "mean_maps.npz")
    ]
    assert not (folder / "overlays").exists() and not (folder / "mean_maps.png").exists(), "nothing is drawn here"


def test_draw_overlays(workspace: Workspace) -> None:
    """The pictures of the summary, of the pixels that the network saw, with the side of a scan."""
    workspace.must_run("explain_stage", f"{OUTPUTS}/saliency.tsv")
    workspace.must_run("summarise_maps", f"{OUTPUTS}/summary.json")
    workspace.must_run("draw_overlays", f"{OUTPUTS}/mean_maps.png")
    folder = workspace.run_folder / OUTPUTS
    pictures = read_json(folder / "summary.json")["overlays"]["pictures"]
    assert {one["file"] for one in pictures} == {path.name for path in (folder / "overlays").glob("*.png")}
    cache = workspace.run_folder / "training/images/clinic"
    names = list(read_table(cache / "index.tsv", schema="image_index")["slice"])
    images, masks = (np.load(cache / SHARD / f"{name}.npy") for name in ("segmented", "masks"))
    with np.load(folder / "maps.npz", allow_pickle=False) as saved:
        maps = dict(zip(saved["slices"], saved["maps"], strict=True))
    for one in pictures:
        place, raw = names.index(one["slice"]), maps[one["slice"]]
        draw_overlays(workspace.folder, [one], images[[place]], masks[[place]] > 0, raw[None], [True])
        assert (folder / "overlays" / one["file"]).read_bytes() == (workspace.folder / one["file"]).read_bytes()
    layers = load_layers(folder / "layers.npz")
    sure = read_json(folder / "summary.json")["by_confidence"]["pictures"]
    assert set(layers.slices) == {one["slice"] for one in [*pictures, *sure]} and sure
    rows = [names.index(name) for name in layers.slices]
    lesions = np.load(cache / SHARD / "lesions.npy")
    for saved, cached in zip((layers.images, layers.lungs, layers.lesions), (images, masks, lesions), strict=True):
        np.testing.assert_array_equal(saved, cached[rows])
    np.testing.assert_array_equal(layers.maps, [maps[name] for name in layers.slices])
    assert layers.sided.all()
    means = draw_mean_maps(load_mean_maps(folder / "mean_maps.npz"))
    assert (folder / "mean_maps.png").read_bytes() == means


def test_explain(finished: Workspace) -> None:
    """Every model's summary and pictures; with a picture gone, nothing but it is made again."""
    pictures = list(finished.run_folder.glob("explain/*/*/mean_maps.png"))
    assert len(pictures) == 4
    planned = finished.snakemake("-n", "--allowed-rules", "explain", "--", "explain")
    assert planned.returncode == 0, planned.stdout
    summary = finished.run_folder / f"explain/{FINISHED_PIPELINES[0]}/stage1/summary.json"
    summary.unlink()
    finished.must_reach("explain", "summarise_maps")
    assert summary.is_file()
    pictures[0].unlink()
    again = finished.snakemake("-n", "--allowed-rules", "explain", "draw_overlays", "--", "explain")
    assert "rule draw_overlays" in again.stdout and "rule explain_stage" not in again.stdout


def test_a_model_with_another_preprocessing_is_refused(workspace: Workspace) -> None:
    path = workspace.run_folder / f"models/{PIPELINE}/stage2/provenance.json"
    write_json(path, read_json(path) | {"preprocessing": "x / 255"})
    done = workspace.run_rule("explain_stage", f"{OUTPUTS}/saliency.tsv")
    assert done.returncode != 0
    assert "its preprocessing is 'x / 255'" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (workspace.run_folder / OUTPUTS / "saliency.tsv").exists()


def test_saliency_table(finished: Workspace) -> None:
    finished.must_run("saliency_table", "report/saliency.tsv")
    run = finished.run_folder
    saliency = read_table(run / "report/saliency.tsv", schema="report_saliency")
    slices = read_table(run / f"explain/{FINISHED_PIPELINES[0]}/stage1/saliency.tsv", schema="saliency")
    row = saliency[(saliency["pipeline"] == FINISHED_PIPELINES[0]) & (saliency["stage"] == 1)].iloc[0]
    assert (row["outcome"], row["n"], row["n_empty"]) == ("all", len(slices), 1)
    assert row["enrichment"] == pytest.approx(slices["enrichment"].mean())
    summary = read_json(run / f"explain/{FINISHED_PIPELINES[0]}/stage1/summary.json")["methods"][0]["outcomes"][0]
    assert row["enrichment_lo"] == pytest.approx(summary["enrichment_lo"])
