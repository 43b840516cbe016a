"""Model folders of the user: which are accepted, and why others are refused."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from lungsight.errors import UserError
from lungsight.segmentation.model_folder import (
    CHECKPOINT,
    check_configuration,
    configuration_of,
    files_of_model,
    folds_of,
    lung_labels,
    read_descriptions,
)

PLANS = {
    "configurations": {
        "2d": {"patch_size": [64, 64], "normalization_schemes": ["NoNormalization"], "batch_size": 12},
        "2d_small": {"inherits_from": "2d", "batch_size": 4},
        "3d_fullres": {"patch_size": [16, 64, 64], "normalization_schemes": ["NoNormalization"]},
    },
    "transpose_forward": [0, 1, 2],
    "foreground_intensity_properties_per_channel": {"0": {"min": 0.17, "max": 0.9}},
}
DATASET = {"channel_names": {"0": "noNorm"}, "labels": {"background": 0, "lung": 1}}


def changed(tree: dict, *path: str, to: object) -> dict:
    tree = deepcopy(tree)
    branch = tree
    for name in path[:-1]:
        branch = branch[name]
    branch[path[-1]] = to
    return tree


def write_folder(folder: Path, plans: dict = PLANS, dataset: dict = DATASET, folds: tuple[str, ...] = ("0",)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    for fold in folds:
        (folder / f"fold_{fold}").mkdir()
        (folder / f"fold_{fold}" / CHECKPOINT).touch()
    return folder


def problem(folder: Path, name: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        check_configuration(folder, *read_descriptions(folder), name)
    assert str(caught.value).startswith("segmentation.model: ")
    return str(caught.value)


@pytest.mark.parametrize("name", [None, "2d", "2d_small"])
def test_a_lung_model_is_accepted(tmp_path: Path, name: str | None) -> None:
    folder = write_folder(tmp_path / "model")
    check_configuration(folder, *read_descriptions(folder), name)


def test_a_configuration_inherits() -> None:
    assert configuration_of(PLANS, "2d_small") == PLANS["configurations"]["2d"] | PLANS["configurations"]["2d_small"]
    assert configuration_of(PLANS, "absent") == {}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"background": 0, "lung": 1}, [1]),
        ({"background": 0, "Left_Lung": 1, "right lung": 2, "heart": 3}, [1, 2]),
        ({"background": 0, "lung_upper_lobe_left": 4, "lung_lower_lobe_right": 5}, [4, 5]),
        ({"background": 0, "cancer": 1, "lung_nodule": 2, "lungvessels": 3}, []),
        ({"background": 0, "lung": [1, 2]}, []),  # a region
    ],
)
def test_lung_labels(labels: dict, expected: list[int]) -> None:
    assert lung_labels({"labels": labels}) == expected


@pytest.mark.parametrize(
    ("plans", "dataset", "reason"),
    [
        (PLANS, changed(DATASET, "channel_names", to={"0": "T1", "1": "T2"}), "it needs images of 2 channels (T1, T2)"),
        (
            PLANS,
            changed(DATASET, "labels", to={"background": 0, "liver": 1}),
            "none of its labels is lung: they are backgr",
        ),
        (
            changed(PLANS, "foreground_intensity_properties_per_channel", "0", to={"min": -1024.0, "max": 3071.0}),
            DATASET,
            "it was trained on intensities from -1024 to 3071",
        ),
        (
            changed(
                changed(PLANS, "configurations", "2d", "normalization_schemes", to=["CTNormalization"]),
                *("foreground_intensity_properties_per_channel",),
                to={},
            ),
            DATASET,
            "its normalisation is CTNormalization",
        ),
        (changed(PLANS, "configurations", to={}), DATASET, "none of its configurations is two-dimensional (none)"),
        (changed(PLANS, "transpose_forward", to=[2, 0, 1]), DATASET, "its slices are not axial"),
    ],
)
def test_a_model_of_another_task_is_refused(tmp_path: Path, plans: dict, dataset: dict, reason: str) -> None:
    message = problem(write_folder(tmp_path / "model", plans, dataset))
    assert reason in message
    assert "is not a lung model for this workflow" in message


def test_weights_of_a_configuration_in_three_dimensions_are_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    assert "none of its configurations is two-dimensional (3d_fullres)" in problem(folder, "3d_fullres")


def test_a_folder_that_is_not_a_model(tmp_path: Path) -> None:
    assert "does not exist" in problem(tmp_path / "absent")
    (tmp_path / "t.tsv").touch()
    assert "t.tsv is a file; name the model folder." in problem(tmp_path / "t.tsv")
    write_folder(tmp_path / "Dataset001" / "trainer__plans__2d")
    for nearby in (tmp_path, tmp_path / "Dataset001", tmp_path / "Dataset001" / "trainer__plans__2d" / "fold_0"):
        message = problem(nearby)
        assert "is not an nnU-Net model folder" in message
        assert message.endswith(f"Did you mean {tmp_path / 'Dataset001' / 'trainer__plans__2d'}?")
    (tmp_path / "empty").mkdir()
    assert "Did you mean" not in problem(tmp_path / "empty")


def test_a_folder_without_weights_and_a_damaged_one(tmp_path: Path) -> None:
    assert "the training is not finished" in problem(write_folder(tmp_path / "unfinished", folds=()))
    folder = write_folder(tmp_path / "torn")
    (folder / "plans.json").write_text('{"configurations": ')
    assert "plans.json is not JSON" in problem(folder)
    (folder / "plans.json").write_text("[]")
    assert "does not hold a JSON object" in problem(folder)


def test_numbered_folds_are_preferred_to_fold_all(tmp_path: Path) -> None:
    several = write_folder(tmp_path / "several", folds=("1", "0", "all"))
    assert [fold.name for fold in folds_of(several)] == ["fold_0", "fold_1"]
    assert [fold.name for fold in folds_of(write_folder(tmp_path / "one", folds=("all",)))] == ["fold_all"]
    names = [str(path.relative_to(several)) for path in files_of_model(several)]
    assert names == ["plans.json", "dataset.json", f"fold_0/{CHECKPOINT}", f"fold_1/{CHECKPOINT}"]
