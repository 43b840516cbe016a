"""Write the model folder of the run, with a network that was trained here or adopted from a folder of the user."""

from importlib.metadata import version
from pathlib import Path

import torch

from lungsight.errors import UserError
from lungsight.files import atomic_path, sha256_of, write_json
from lungsight.segmentation.model_folder import CHECKPOINT, check_configuration, folds_of, read_descriptions

TRAINER = "nnUNetTrainer"
KEPT_OF_CHECKPOINT = ("network_weights", "inference_allowed_mirroring_axes")
KEPT_OF_DATASET = ("channel_names", "modality", "labels", "file_ending", "overwrite_image_reader_writer", "numTraining")


def versions() -> dict[str, str]:
    """Return the versions of the packages that decide what a network learns and predicts."""
    return {name: version(name) for name in ("nnunetv2", "torch")}


def load_checkpoint(path: Path) -> dict:
    """Read a checkpoint of nnU-Net. It is a pickle and can run code: read none from a source that is not trusted."""
    return torch.load(path, map_location="cpu", weights_only=False)


def write_model_folder(model: Path, descriptions: dict[str, dict], checkpoints: list[dict], origin: dict) -> None:
    """Write a model folder that nnU-Net can predict from, atomically.

    Parameters
    ----------
    descriptions
        File name → content of the JSON files.
    checkpoints
        One for each fold. What prediction does not need is left out: optimizer state, times, paths.
    origin
        How the model was made, for training.json.
    """
    with atomic_path(model) as folder:
        folder.mkdir()
        for name, content in descriptions.items():
            write_json(folder / name, content)
        for number, checkpoint in enumerate(checkpoints):
            kept = {name: checkpoint.get(name) for name in KEPT_OF_CHECKPOINT}
            kept["init_args"] = {"configuration": checkpoint["init_args"]["configuration"]}
            # The trainer of another model may not be installed. `check_weights` checks that its network is nnU-Net's.
            (folder / f"fold_{number}").mkdir()
            torch.save(kept | {"trainer_name": TRAINER}, folder / f"fold_{number}" / CHECKPOINT)
        write_json(folder / "training.json", origin | versions())


def adopt_model(source: Path, model: Path) -> None:
    """Check an nnU-Net model folder of the user and copy what prediction needs into the model folder of the run.

    Raises
    ------
    UserError
        If this workflow cannot use the weights.
    """
    plans, dataset = read_descriptions(source)
    folds = [fold / CHECKPOINT for fold in folds_of(source)]
    try:
        checkpoints = [load_checkpoint(path) for path in folds]
        configurations = {checkpoint["init_args"]["configuration"] for checkpoint in checkpoints}
    except Exception as error:
        raise UserError(f"segmentation.model: {folds[0].name} cannot be read as nnU-Net weights ({error}).") from error
    if len(configurations) > 1:
        raise UserError(f"segmentation.model: its folds are of different configurations, {sorted(configurations)}.")
    [configuration] = configurations
    check_configuration(source, plans, dataset, configuration)
    descriptions = {
        "plans.json": plans,
        "dataset.json": {name: dataset[name] for name in KEPT_OF_DATASET if name in dataset},
    }
    origin = {"trained": "elsewhere", "configuration": configuration, "sha256": [sha256_of(path) for path in folds]}
    write_model_folder(model, descriptions, checkpoints, origin)
