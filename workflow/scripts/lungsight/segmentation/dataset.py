"""Turn cases with masks into an nnU-Net dataset that is planned and preprocessed."""

import os
import shutil
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props
from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprint_dataset, preprocess_dataset

from lungsight.errors import UserError
from lungsight.files import read_json, write_json
from lungsight.segmentation.lesion_augmentation import with_lesions
from lungsight.segmentation.nnunet import CONFIGURATION, DATASET, DATASET_ID, LUNG, PLANS, nnunet_environment
from lungsight.segmentation.volumes import affine_of, load_nifti_image, read_mask

ENDING = ".nii.gz"
WITH_LESIONS = "__lesions"  # ends the name of a training case that was made diseased
# The shortest edge of the deepest feature map, and the most channels of a stage: nnU-Net's values in two dimensions.
SHORTEST_EDGE = 4
MOST_FEATURES = 512
# Intake has windowed to [0, 1], so nnU-Net must not normalise again. Its reader NibabelIO keeps the axes as they are.
DATASET_JSON = {
    "channel_names": {"0": "noNorm"},
    "labels": {"background": 0, "lung": LUNG},
    "file_ending": ENDING,
    "overwrite_image_reader_writer": "NibabelIO",
}


def training_names(cases: pd.DataFrame) -> list[str]:
    """Name cases for nnU-Net by table row (and slice). nnU-Net samples in this order, which no key changes."""
    names = [f"row_{row:06d}" for row in cases["row"]]
    if "z_index" not in cases:
        return names
    return [f"{name}__{z_index:04d}" for name, z_index in zip(names, cases["z_index"], strict=True)]


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # the target is on another file system, or on one without links
        shutil.copyfile(source, target)


def write_raw_dataset(raw: Path, cases: pd.DataFrame, images: Path, masks: Path) -> None:
    """Write `raw`/Dataset001_Lung in nnU-Net's format.

    Parameters
    ----------
    cases
        The columns `case row shard` of train and val. With a column `z_index`, every row is a slice, which becomes a
        case of its own.
    images, masks
        Folders with a file <shard>/<case>.nii.gz for each case.
    """
    folder = raw / DATASET
    for part, source, ending in (("imagesTr", images, f"_0000{ENDING}"), ("labelsTr", masks, ENDING)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for _, rows in cases.groupby(["shard", "case"], sort=False):
            targets = [folder / part / f"{name}{ending}" for name in training_names(rows)]
            if "z_index" in cases:
                _write_slices(source / _file_of(rows), rows["z_index"], targets)
            else:
                _link_or_copy(source / _file_of(rows), targets[0])
    write_json(folder / "dataset.json", DATASET_JSON | {"numTraining": len(cases)})


def add_lesions(raw: Path, cases: pd.DataFrame, seed: int) -> list[str]:
    """Write every training case a second time, with synthetic lesions in its lungs and the same truth.

    raw, cases: as for `write_raw_dataset`, which comes before. Returns the names of the new cases.
    """
    folder = raw / DATASET
    names = training_names(cases[cases["split"] == "train"])
    for number, name in enumerate(names):
        image = load_nifti_image(folder / "imagesTr" / f"{name}_0000{ENDING}")
        truth = folder / "labelsTr" / f"{name}{ENDING}"
        lung, _ = read_mask(truth)
        i, j, k = map(float, image.header.get_zooms())
        volume = np.asanyarray(image.dataobj).astype(np.float32)
        diseased = with_lesions(volume, lung, (i, j, k), np.random.default_rng([seed, number]))
        target = folder / "imagesTr" / f"{name}{WITH_LESIONS}_0000{ENDING}"
        nibabel.save(nibabel.Nifti1Image(diseased, affine_of(image)), target)
        _link_or_copy(truth, folder / "labelsTr" / f"{name}{WITH_LESIONS}{ENDING}")
    write_json(folder / "dataset.json", DATASET_JSON | {"numTraining": len(cases) + len(names)})
    return [f"{name}{WITH_LESIONS}" for name in names]


def _file_of(rows: pd.DataFrame) -> Path:
    """Return where the file of a case lies below a folder of volumes. rows: of this case alone."""
    return Path(rows["shard"].iloc[0]) / f"{rows['case'].iloc[0]}{ENDING}"


def _write_slices(source: Path, z_indices: pd.Series, targets: list[Path]) -> None:
    """Write slices of a volume as volumes of one slice, at the same place in space."""
    image = load_nifti_image(source)
    values = np.asanyarray(image.dataobj)
    values = values if values.dtype == np.uint8 else values.astype(np.float32)
    for k, target in zip(z_indices, targets, strict=True):
        affine = image.slicer[:, :, k : k + 1].affine
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values[:, :, k : k + 1]), affine), target)


def check_masks(cases: pd.DataFrame, masks: Path) -> None:
    """Raise UserError unless at least one mask of train holds lung: a network learns nothing from empty masks."""
    train = cases[cases["split"] == "train"]
    if not any(_holds_lung(rows, masks) for _, rows in train.groupby(["shard", "case"], sort=False)):
        rows = ", ".join(map(str, train["row"].unique()))
        raise UserError(f"No training mask of the segmentation cohort holds any lung (table rows {rows}).")


def _holds_lung(rows: pd.DataFrame, masks: Path) -> bool:
    mask, _ = read_mask(masks / _file_of(rows))
    return bool(mask[:, :, rows["z_index"]].any() if "z_index" in rows else mask.any())


def derived_configuration(
    plan: dict, batch_size: int | None, patch_size: list[int] | None, max_features: int | None
) -> dict[str, Any]:
    """Make a configuration that inherits from nnU-Net's 2d plan. A setting of None stays as planned.

    Parameters
    ----------
    plan
        The configuration 2d.
    patch_size
        Rows and columns, rounded up to what the pooling divides. Strides, kernels and number of stages follow by
        nnU-Net's own rule.
    max_features
        The most channels of a stage.
    """
    configuration: dict[str, Any] = {"inherits_from": "2d"}
    if batch_size is not None:
        configuration["batch_size"] = batch_size
    if patch_size is None and max_features is None:
        return configuration
    architecture = deepcopy(plan["architecture"])
    network = architecture["arch_kwargs"]
    if patch_size is not None:
        _, strides, kernels, patch, _ = get_pool_and_conv_props(plan["spacing"], patch_size, SHORTEST_EDGE, 999999)
        stages = len(strides)
        network |= {
            "n_stages": stages,
            "strides": [list(stride) for stride in strides],
            "kernel_sizes": [list(kernel) for kernel in kernels],
            "features_per_stage": [min(MOST_FEATURES, network["features_per_stage"][0] << s) for s in range(stages)],
            "n_conv_per_stage": network["n_conv_per_stage"][:1] * stages,
            "n_conv_per_stage_decoder": network["n_conv_per_stage_decoder"][:1] * (stages - 1),
        }
        configuration["patch_size"] = [int(edge) for edge in patch]
    if max_features is not None:
        network["features_per_stage"] = [min(max_features, width) for width in network["features_per_stage"]]
    return configuration | {"architecture": architecture}


def plan_and_preprocess(
    folder: Path, batch_size: int | None, patch_size: list[int] | None, max_features: int | None, workers: int
) -> None:
    """Plan the dataset below `folder`/raw and preprocess it for training into `folder`/preprocessed.

    batch_size, patch_size, max_features: as for `derived_configuration`. workers: processes that read and resample
    cases.
    """
    with nnunet_environment(raw=folder / "raw", preprocessed=folder / "preprocessed"):
        extract_fingerprint_dataset(DATASET_ID, num_processes=workers, verbose=False)
        # nnU-Net would cut slices across the axis of the largest spacing, which need not be the axial one.
        plans = ExperimentPlanner(DATASET_ID, suppress_transpose=True, plans_name=PLANS).plan_experiment()
        planned = plans["configurations"]["2d"]
        derived = derived_configuration(planned, batch_size, patch_size, max_features)
        path = folder / "preprocessed" / DATASET / f"{PLANS}.json"
        write_json(path, read_json(path) | {"configurations": {"2d": planned, CONFIGURATION: derived}})
        preprocess_dataset(DATASET_ID, PLANS, ["2d"], [workers])


def write_split(folder: Path, cases: pd.DataFrame, more: Sequence[str] = ()) -> None:
    """Write splits_final.json with our split as its only fold, so that nnU-Net draws none.

    cases: the columns `row split`, and `z_index` if slices are split. more: names of further cases to train on.
    """
    names = {subset: training_names(cases[cases["split"] == subset]) for subset in ("train", "val")}
    names["train"] += more
    write_json(folder / "preprocessed" / DATASET / "splits_final.json", [names])
