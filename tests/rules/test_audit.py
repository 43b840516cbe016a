"""audit_stage and metadata_classifier by themselves, on a small network with random weights and a made image cache."""

import keras
import numpy as np
import pytest

from lungsight.files import write_json
from lungsight.tables import columns_of, read_table, write_table
from lungsight.training import backbones
from lungsight.training.network import build_classifier, to_input
from tests.factories.run import made_workspace
from tests.factories.tables import POSITIVE, made_cohort, made_slice, made_split
from tests.factories.workspace import Workspace

SIZE = 48
PIPELINE = "whole-small_cnn-scratch"
MODEL, OUTPUTS = f"models/{PIPELINE}/stage2", f"explain/{PIPELINE}/stage2"
HEAD = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.9}


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """A run up to the predictions of stage 2. The first test slice has no lung."""
    workspace = made_workspace(
        tmp_path,
        {"annotated": "segmentation", "open": "public", "clinic": "target"},
        pipelines={"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]},
        **{"training": {"image_size": SIZE}, "report": {"bootstrap": 50}, "explain": {"threads": 1}},
        audit={"sample": 4, "randomisations": 2, "steps": 3},
    )
    run = workspace.run_folder
    slices = made_cohort(run, "clinic", patients=16, slices=2)
    split = made_split(run, "clinic", "whole", slices)
    rng = np.random.default_rng(0)
    drawn = [made_slice(SIZE, label == POSITIVE, rng) for label in slices["label"]]
    images, masks = (np.stack(arrays).astype(np.uint8) for arrays in zip(*drawn, strict=True))
    test = split["split"] == "test"
    masks[test.idxmax()] = 0
    cache = run / "training/images/clinic"
    cache.mkdir(parents=True)
    np.save(cache / "whole.npy", images)
    np.save(cache / "masks.npy", masks)
    write_table(cache / "index.tsv", slices[["slice"]], schema="image_index")

    keras.utils.set_random_seed(1)
    backbone = backbones.load("small_cnn")
    model = build_classifier(backbone, HEAD)
    (run / MODEL).mkdir(parents=True)
    model.save(run / MODEL / "model.keras")
    made = {"backbone": "small_cnn", "preprocessing": backbone.preprocessing, "image_size": SIZE}
    write_json(run / MODEL / "provenance.json", made)
    probability = model.predict(to_input(backbone, images), verbose=0)[:, 0]
    write_table(run / MODEL / "predictions/clinic.tsv", split.assign(probability=probability), schema="predictions")
    return workspace


def test_audit_stage(workspace: Workspace) -> None:
    workspace.must_run("audit_stage", f"{OUTPUTS}/shortcuts.tsv")
    run, folder = workspace.run_folder, workspace.run_folder / OUTPUTS
    predictions = read_table(run / MODEL / "predictions/clinic.tsv", schema="predictions")
    test = predictions[predictions["split"] == "test"].iloc[1:]
    logits = read_table(folder / "intervention_logits.tsv", schema="intervention_logits")
    assert list(logits.columns) == columns_of("intervention_logits")
    assert list(logits["slice"]) == list(test["slice"])
    np.testing.assert_allclose(1 / (1 + np.exp(-logits["intact"])), test["probability"], rtol=1e-4)

    shortcuts = read_table(folder / "shortcuts.tsv", schema="audit")
    intact = shortcuts[(shortcuts["variant"] == "intact") & (shortcuts["unit"] == "slice")].iloc[0]
    positive = logits["label"] == POSITIVE
    pairs = np.sign(logits["intact"][positive].to_numpy()[:, None] - logits["intact"][~positive].to_numpy())
    assert intact["value"] == pytest.approx((pairs.mean() + 1) / 2)
    assert (intact["n"], intact["chance"]) == (len(test), 0.5)
    assert shortcuts["test"].iloc[-1] == "source_from_features"
    assert shortcuts["reason"].iloc[-1] == "the test slices come from one source"

    sanity = read_table(folder / "sanity.tsv", schema="audit")
    blocks = sanity.loc[sanity["measure"] == "rank_correlation", "variant"]
    assert list(blocks) == ["head", "stride 8", "stride 4", "stride 2", "stride 1", "all"]
    assert set(sanity["test"]) == {"randomisation", "deletion", "insertion"}
    log = (run / f"logs/audit_stage/{PIPELINE}/stage2.log").read_text(encoding="utf-8")
    assert "interventions in" in log and str(workspace.folder) not in log


def test_metadata_classifier(workspace: Workspace) -> None:
    run = workspace.run_folder
    path = run / "cohorts/clinic/cases.tsv"
    cases = read_table(path, schema="cases")
    kvp = np.where(cases["label"] == POSITIVE, 100.0, 120.0)
    write_table(path, cases.assign(kvp=kvp, contrast=np.nan), schema="cases")
    workspace.must_run("metadata_classifier", "explain/metadata/clinic/whole.tsv")
    table = read_table(run / "explain/metadata/clinic/whole.tsv", schema="audit")
    by_patient = table[table["unit"] == "patient"].set_index("variant")
    assert by_patient.loc["exposure", "value"] == 1
    assert by_patient.loc["image size", "reason"] == "unknown, or the same for every slice"
    assert by_patient.loc["source", "reason"] == "unknown, or the same for every slice"
    assert by_patient.loc["all", "value"] == 1
