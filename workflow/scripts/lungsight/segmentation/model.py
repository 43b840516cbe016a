"""The run's own model folder: of a network that was trained here, or adopted from a folder of the user's."""

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
    """The packages that decide what a network learns and predicts."""
    return {name: version(name) for name in ("nnunetv2", "torch")}


def load_checkpoint(path: Path) -> dict:
    """Read a checkpoint of nnU-Net's: a pickle, which can run code, so only from a source that is trusted."""
    return torch.load(path, map_location="cpu", weights_only=False)


def write_model_folder(model: Path, descriptions: dict[str, dict], checkpoints: list[dict], facts: dict) -> None:
    """Write a model folder that nnU-Net predicts from, atomically.

    descriptions: file name → content of the JSON files. checkpoints: of the folds; of each only what prediction needs
    is kept, so no optimizer state, times or paths. facts: how the model came about, for training.json.
    """
    with atomic_path(model) as folder:
        folder.mkdir()
        for name, content in descriptions.items():
            write_json(folder / name, content)
        for number, checkpoint in enumerate(checkpoints):
            kept = {name: checkpoint.get(name) for name in KEPT_OF_CHECKPOINT}
            kept["init_args"] = {"configuration": checkpoint["init_args"]["configuration"]}
            # A trainer of another name may be nowhere installed; what it changes beside the training is checked.
            (folder / f"fold_{number}").mkdir()
            torch.save(kept | {"trainer_name": TRAINER}, folder / f"fold_{number}" / CHECKPOINT)
        write_json(folder / "training.json", facts | versions())


def adopt_model(given: Path, model: Path) -> None:
    """Make a user's nnU-Net model folder the run's own: checked, its finished folds, what prediction needs of each.

    Raises UserError where the weights are of another kind of model than this workflow can use.
    """
    plans, dataset = read_descriptions(given)
    folds = [fold / CHECKPOINT for fold in folds_of(given)]
    try:
        checkpoints = [load_checkpoint(path) for path in folds]
        configurations = {checkpoint["init_args"]["configuration"] for checkpoint in checkpoints}
    except Exception as error:
        raise UserError(f"segmentation.model: {folds[0].name} cannot be read as nnU-Net weights ({error}).") from error
    if len(configurations) > 1:
        raise UserError(f"segmentation.model: its folds are of different configurations, {sorted(configurations)}.")
    [configuration] = configurations
    check_configuration(given, plans, dataset, configuration)
    descriptions = {
        "plans.json": plans,
        "dataset.json": {name: dataset[name] for name in KEPT_OF_DATASET if name in dataset},
    }
    facts = {"trained": "elsewhere", "configuration": configuration, "sha256": [sha256_of(path) for path in folds]}
    write_model_folder(model, descriptions, checkpoints, facts)
