"""Prediction in one process: equal to nnU-Net's own from files, whatever is stacked, cropped or resampled.

The network has random weights: its masks mean nothing, and differ wherever an input does.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from lungsight.errors import BadCase, UserError
from lungsight.files import read_json, write_json
from lungsight.segmentation import predict
from lungsight.segmentation.dataset import DATASET_JSON, derived_configuration
from lungsight.segmentation.model_folder import CHECKPOINT
from lungsight.segmentation.nnunet import CONFIGURATION
from lungsight.segmentation.predict import check_weights, load_predictor, predict_mask, predict_masks
from lungsight.segmentation.volumes import Image, read_image
from tests.factories.tables import made_slice, save_volume
from tests.factories.workspace import ROOT

SIZE, SPACING = 96, (2.0, 2.0, 5.0)


def planned_2d() -> dict:
    """The configuration 2d as nnU-Net 2.8.1 plans it for images of 96² at 2 mm."""
    stages = 5
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    network = {
        **{"n_stages": stages, "features_per_stage": [32, 64, 128, 256, 512]},
        **{"conv_op": "torch.nn.modules.conv.Conv2d", "kernel_sizes": [[3, 3]] * stages},
        **{"strides": [[1, 1]] + [[2, 2]] * (stages - 1), "n_conv_per_stage": [2] * stages},
        **{"n_conv_per_stage_decoder": [2] * (stages - 1), "conv_bias": True},
        **{"norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d", "norm_op_kwargs": {"eps": 1e-5, "affine": True}},
        **{"dropout_op": None, "dropout_op_kwargs": None},
        **{"nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}},
    }
    return {
        **{"data_identifier": "nnUNetPlans_2d", "preprocessor_name": "DefaultPreprocessor", "batch_size": 12},
        **{"patch_size": [SIZE, SIZE], "median_image_size_in_voxels": [96.0, 96.0], "spacing": [2.0, 2.0]},
        **{"normalization_schemes": ["NoNormalization"], "use_mask_for_norm": [False], "batch_dice": True},
        **{f"resampling_fn_{what}": "resample_data_or_seg_to_shape" for what in ("data", "seg", "probabilities")},
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities_kwargs": resampling | {"order": 1},
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": network,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }


def network_of(configuration: dict) -> torch.nn.Module:
    architecture = configuration["architecture"]
    return get_network_from_plans(
        architecture["network_class_name"], architecture["arch_kwargs"], architecture["_kw_requires_import"], 1, 2,
        deep_supervision=False,
    )  # fmt: skip


def write_fold(folder: Path, number: int, configuration: dict) -> None:
    torch.manual_seed(number + 5)  # both networks call about half of an image lung
    checkpoint = {
        "network_weights": network_of(configuration).state_dict(),
        "init_args": {"configuration": CONFIGURATION},
        **{"trainer_name": "nnUNetTrainer", "inference_allowed_mirroring_axes": (0, 1)},
    }
    path = folder / f"fold_{number}" / CHECKPOINT
    path.parent.mkdir()
    torch.save(checkpoint, path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights, patch 64², so that an image takes several tiles."""
    folder = tmp_path_factory.mktemp("model")
    planned = planned_2d()
    own = derived_configuration(planned, batch_size=4, patch_size=[64, 64], max_features=8)
    plans = {
        **{"dataset_name": "Dataset001_Lung", "plans_name": "nnUNetPlans", "image_reader_writer": "NibabelIO"},
        **{"transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "label_manager": "LabelManager"},
        "configurations": {"2d": planned, CONFIGURATION: own},
        "foreground_intensity_properties_per_channel": {"0": {}},
    }
    write_json(folder / "plans.json", plans)
    write_json(folder / "dataset.json", DATASET_JSON | {"numTraining": 1})
    write_fold(folder, 0, planned | own)
    return folder


@pytest.fixture(scope="module")
def two_folds(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(model, tmp_path_factory.mktemp("folds") / "model")
    configurations = read_json(folder / "plans.json")["configurations"]
    write_fold(folder, 1, configurations["2d"] | configurations[CONFIGURATION])
    return folder


def written_image(
    folder: Path,
    name: str,
    slices: int,
    seed: int,
    border: int = 0,
    size: int = SIZE,
    spacing: tuple[float, float, float] = SPACING,
) -> Image:
    rng = np.random.default_rng(seed)
    images = [made_slice(size, True, rng)[0] for _ in range(slices)]
    for image in images:
        image[:border] = image[:, :border] = 0
    path = folder / f"{name}_0000.nii.gz"
    save_volume(path, images, spacing)
    return read_image(path, name)


@pytest.mark.parametrize("patch_size", [None, [64, 64], [100, 128], [192, 32]])
@pytest.mark.parametrize("max_features", [None, 16])
def test_a_derived_configuration_makes_a_network(patch_size: list[int] | None, max_features: int | None) -> None:
    planned = planned_2d()
    configuration = planned | derived_configuration(planned, 7, patch_size, max_features)
    patch, network = configuration["patch_size"], configuration["architecture"]["arch_kwargs"]
    assert configuration["batch_size"] == 7
    assert all(edge >= wanted for edge, wanted in zip(patch, patch_size or [SIZE, SIZE], strict=True))
    assert max(network["features_per_stage"]) == (max_features or 512)
    strides = np.prod(network["strides"], axis=0)
    assert not (patch % strides).any()
    assert (patch // strides >= 4).all()
    if max_features:  # the wide ones take seconds
        with torch.inference_mode():
            assert network_of(configuration)(torch.zeros(1, 1, *patch)).shape == (1, 2, *patch)


def test_a_batch_size_of_none_is_the_planned_one() -> None:
    planned = planned_2d()
    assert (planned | derived_configuration(planned, None, None, None))["batch_size"] == planned["batch_size"]


@pytest.mark.parametrize("mirroring", [False, True])
@pytest.mark.parametrize("folder", ["model", "two_folds"])
def test_masks_equal_nnunets_own_from_files(
    folder: str, mirroring: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(folder)
    images = [
        written_image(tmp_path / "in", "volume", 3, seed=1),
        written_image(tmp_path / "in", "cropped", 1, seed=2, border=9),
        written_image(tmp_path / "in", "single", 1, seed=3),
        written_image(tmp_path / "in", "other", 1, seed=4),
        written_image(tmp_path / "in", "smaller", 2, seed=5, size=48),
        written_image(tmp_path / "in", "finer", 1, seed=6, spacing=(1.3, 1.5, 5.0)),
    ]
    (tmp_path / "out").mkdir()
    theirs = nnUNetPredictor(use_mirroring=mirroring, device=torch.device("cpu"), allow_tqdm=False)
    theirs.initialize_from_trained_model_folder(str(folder), use_folds=None)
    theirs.predict_from_files_sequential(str(tmp_path / "in"), str(tmp_path / "out"))
    masks = {image.case: mask for image, mask in predict_masks(load_predictor(folder, mirroring, threads=1), images)}
    assert len(masks) == len(images)
    for image in images:
        expected = np.asanyarray(nibabel.load(tmp_path / "out" / f"{image.case}.nii.gz").dataobj)
        np.testing.assert_array_equal(masks[image.case], expected)
        assert 0.1 < masks[image.case].mean() < 0.9


def test_folds_and_mirrored_inputs_each_change_the_mask(model: Path, two_folds: Path, tmp_path: Path) -> None:
    image = written_image(tmp_path, "image", 1, seed=7)
    masks = [
        predict_mask(load_predictor(folder, mirroring, threads=1), image.volume, SPACING)
        for folder in (model, two_folds)
        for mirroring in (False, True)
    ]
    assert len({mask.tobytes() for mask in masks}) == len(masks)


def test_masks_do_not_depend_on_the_number_of_threads(model: Path, tmp_path: Path) -> None:
    volume = written_image(tmp_path, "volume", 5, seed=9).volume
    masks = [predict_mask(load_predictor(model, False, threads), volume, SPACING) for threads in (1, 3)]
    np.testing.assert_array_equal(*masks)


def test_weights_of_another_network_are_refused(two_folds: Path, tmp_path: Path) -> None:
    assert check_weights(two_folds) == 2
    given = shutil.copytree(two_folds, tmp_path / "given")
    shutil.rmtree(given / "fold_1")
    write_fold(given, 1, planned_2d())
    with pytest.raises(UserError, match="its weights do not fit the network"):
        check_weights(given)


def test_an_answer_that_is_not_finite_is_a_bad_case(model: Path, tmp_path: Path) -> None:
    predictor = load_predictor(model, mirroring=False, threads=1)
    for weights in predictor.networks[0].decoder.seg_layers.parameters():
        weights.data *= 1e6  # beyond float16
    with pytest.raises(BadCase, match="not finite"):
        predict_mask(predictor, written_image(tmp_path, "image", 1, seed=8).volume, SPACING)


def test_prediction_waits_for_no_compiler() -> None:
    """torch._dynamo takes a second to import; a shard of few slices takes less to predict."""
    lines = "import sys, lungsight.segmentation.predict; sys.exit('torch._dynamo' in sys.modules)"
    subprocess.run([sys.executable, "-c", lines], cwd=ROOT / "workflow" / "scripts", check=True)


def test_slices_are_predicted_in_stacks(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = load_predictor(model, mirroring=False, threads=1)
    depths = []
    of_volume = predict.predict_logits
    monkeypatch.setattr(
        predict, "predict_logits", lambda predictor, data: depths.append(data.shape[1]) or of_volume(predictor, data)
    )
    borders = [0, 5, 0, 5, 0]
    images = [written_image(tmp_path, f"c{n}", 1, seed=n, border=border) for n, border in enumerate(borders)]
    masks = {image.case: mask for image, mask in predict_masks(predictor, images)}
    assert depths == [3, 2]
    for image in images:
        np.testing.assert_array_equal(masks[image.case], predict_mask(predictor, image.volume, image.spacing))


def test_image_without_spacing_shows_what_a_training_image_shows(model: Path, tmp_path: Path) -> None:
    predictor = load_predictor(model, mirroring=False, threads=1)
    image = written_image(tmp_path, "picture", 1, seed=6, size=192)
    np.testing.assert_array_equal(
        predict_mask(predictor, image.volume, None), predict_mask(predictor, image.volume, (1.0, 1.0, 1.0))
    )


def test_black_image_has_an_empty_mask(model: Path) -> None:
    predictor = load_predictor(model, mirroring=False, threads=1)
    black = Image("black", np.zeros((64, 48, 1), dtype=np.float32), np.eye(4), None)
    [(_, mask)] = predict_masks(predictor, [black])
    assert mask.shape == (64, 48, 1)
    assert not mask.any()
