"""From cases with masks to an nnU-Net dataset that is planned, preprocessed and ready to train on."""

import os
import shutil
from copy import deepcopy
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props
from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprint_dataset, preprocess_dataset

from lungsight.errors import UserError
from lungsight.files import read_json, write_json
from lungsight.segmentation.nnunet import CONFIGURATION, DATASET, DATASET_ID, LUNG, PLANS, nnunet_environment
from lungsight.segmentation.volumes import read_mask

ENDING = ".nii.gz"
SHORTEST_EDGE = 4  # of the deepest feature map; this and the widest stage are nnU-Net's own for two dimensions
MOST_FEATURES = 512
# Intake has windowed to [0, 1]: nnU-Net must not normalise again. Its NIfTI reader of that name keeps axes as they are.
DATASET_JSON = {
    "channel_names": {"0": "noNorm"},
    "labels": {"background": 0, "lung": LUNG},
    "file_ending": ENDING,
    "overwrite_image_reader_writer": "NibabelIO",
}


def training_names(cases: pd.DataFrame) -> list[str]:
    """Names inside nnU-Net, which samples in their order: by table row (and slice), so that no key has a say."""
    names = [f"row_{row:06d}" for row in cases["row"]]
    if "z_index" not in cases:
        return names
    return [f"{name}__{z_index:04d}" for name, z_index in zip(names, cases["z_index"], strict=True)]


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def write_raw_dataset(raw: Path, cases: pd.DataFrame, images: Path, masks: Path) -> None:
    """Write `raw`/Dataset001_Lung as nnU-Net wants it.

    cases: case, row, shard of train and val, and z_index where every row is a slice, to be a case of its own. images,
    masks: folders that hold <shard>/<case>.nii.gz.
    """
    folder = raw / DATASET
    for kind, source, ending in (("imagesTr", images, f"_0000{ENDING}"), ("labelsTr", masks, ENDING)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for (shard, case), rows in cases.groupby(["shard", "case"], sort=False):
            targets = [folder / kind / f"{name}{ending}" for name in training_names(rows)]
            if "z_index" in cases:
                _write_slices(source / shard / f"{case}{ENDING}", rows["z_index"], targets)
            else:
                _link_or_copy(source / shard / f"{case}{ENDING}", targets[0])
    write_json(folder / "dataset.json", DATASET_JSON | {"numTraining": len(cases)})


def _write_slices(source: Path, z_indices: pd.Series, targets: list[Path]) -> None:
    """Write slices of a volume as volumes of one slice, at their place in space."""
    image = nibabel.load(source)
    values = np.asanyarray(image.dataobj)
    values = values if values.dtype == np.uint8 else values.astype(np.float32)
    for k, target in zip(z_indices, targets, strict=True):
        affine = image.slicer[:, :, k : k + 1].affine
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values[:, :, k : k + 1]), affine), target)


def check_masks(cases: pd.DataFrame, masks: Path) -> None:
    """Raise UserError unless at least one mask of train holds lung: nothing can be learnt from empty ones."""
    train = cases[cases["split"] == "train"]
    if not any(_holds_lung(place, rows, masks) for place, rows in train.groupby(["shard", "case"], sort=False)):
        rows = ", ".join(map(str, train["row"].unique()))
        raise UserError(f"No training mask of the segmentation cohort holds any lung (table rows {rows}).")


def _holds_lung(place: tuple[str, str], rows: pd.DataFrame, masks: Path) -> bool:
    shard, case = place
    mask, _ = read_mask(masks / shard / f"{case}{ENDING}")
    return bool(mask[:, :, rows["z_index"]].any() if "z_index" in rows else mask.any())


def own_configuration(
    plan: dict, batch_size: int | None, patch_size: list[int] | None, max_features: int | None
) -> dict:
    """Our batch, patch and width as a configuration that inherits from nnU-Net's 2d plan.

    plan: the configuration 2d. patch_size: (rows, columns), rounded up to what the pooling divides; strides, kernels
    and number of stages follow by nnU-Net's own rule. max_features: cap on the channels of a stage. None: as planned.
    """
    own = {"inherits_from": "2d"} | ({} if batch_size is None else {"batch_size": batch_size})
    if patch_size is None and max_features is None:
        return own
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
        own["patch_size"] = [int(edge) for edge in patch]
    if max_features is not None:
        network["features_per_stage"] = [min(max_features, width) for width in network["features_per_stage"]]
    return own | {"architecture": architecture}


def plan_and_preprocess(
    folder: Path, batch_size: int | None, patch_size: list[int] | None, max_features: int | None, workers: int
) -> None:
    """Plan the dataset below `folder`/raw and preprocess it for training into `folder`/preprocessed.

    workers: processes that read and resample cases.
    """
    with nnunet_environment(raw=folder / "raw", preprocessed=folder / "preprocessed"):
        extract_fingerprint_dataset(DATASET_ID, num_processes=workers, verbose=False)
        # nnU-Net would lay its slices across the axis of the largest spacing, which need not be the axial one.
        plans = ExperimentPlanner(DATASET_ID, suppress_transpose=True, plans_name=PLANS).plan_experiment()
        own = own_configuration(plans["configurations"]["2d"], batch_size, patch_size, max_features)
        path = folder / "preprocessed" / DATASET / f"{PLANS}.json"
        write_json(
            path, read_json(path) | {"configurations": {"2d": plans["configurations"]["2d"], CONFIGURATION: own}}
        )
        preprocess_dataset(DATASET_ID, PLANS, ["2d"], [workers])


def write_split(folder: Path, cases: pd.DataFrame) -> None:
    """Write splits_final.json, whose only fold is ours, so that nnU-Net does not draw its own. cases: row, split."""
    names = {side: training_names(cases[cases["split"] == side]) for side in ("train", "val")}
    write_json(folder / "preprocessed" / DATASET / "splits_final.json", [names])
