"""Train the lung segmentation with nnU-Net, and go on where an interrupted training stopped."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import torch
from nnunetv2.run.run_training import get_trainer_from_args, maybe_load_checkpoint
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from lungsight.files import read_json, sha256_of
from lungsight.segmentation.model import load_checkpoint, versions, write_model_folder
from lungsight.segmentation.model_folder import CHECKPOINT
from lungsight.segmentation.nnunet import (
    CONFIGURATION,
    DATASET,
    PLANS,
    TRAINERS,
    device_of_this_machine,
    nnunet_environment,
)

TRAINER_CLASSES = {"thesis": "ThesisTrainer", "nnunet": "LungsightTrainer"}
FOLD = 0


def training_digest(preprocessed: Path, settings: dict) -> str:
    """Return a short digest of what a training depends on: preprocessed files, settings, trainers and versions.

    An interrupted training goes on only under the same digest.
    """
    files = {str(path.relative_to(preprocessed)): sha256_of(path) for path in preprocessed.rglob("*") if path.is_file()}
    trainers = {path.name: sha256_of(path) for path in TRAINERS.glob("*.py")}
    dependencies = json.dumps([files, trainers, versions(), settings], sort_keys=True)
    return hashlib.sha256(dependencies.encode()).hexdigest()[:16]


def train(preprocessed: Path, results: Path, settings: dict, threads: int) -> nnUNetTrainer:
    """Train until the last epoch, from the last checkpoint below `results` if there is one.

    Parameters
    ----------
    settings
        trainer (thesis or nnunet), learning_rate, epochs, iterations, validation_iterations, seed.

    Returns
    -------
    nnUNetTrainer
        The finished trainer.
    """
    device = device_of_this_machine()
    torch.set_num_threads(threads)
    # On a CPU the network is the bottleneck. Augmentation in the same process draws the same numbers every time.
    workers = threads if device.type == "cuda" else 0
    resumed = any(results.rglob("checkpoint_*.pth"))
    variables = {name: value for name, value in settings.items() if name != "trainer"}
    with nnunet_environment(
        preprocessed=preprocessed, results=results, augmentation_workers=workers, save_every=1, **variables
    ):
        trainer = get_trainer_from_args(
            DATASET,
            CONFIGURATION,
            FOLD,
            TRAINER_CLASSES[settings["trainer"]],
            PLANS,
            continue_training=resumed,
            device=device,
        )
        maybe_load_checkpoint(trainer, continue_training=resumed, validation_only=False)
        trainer.run_training()
    return trainer


def training_table(trainer: nnUNetTrainer) -> pd.DataFrame:
    """Return one row per epoch: losses, Dice of all validation patches together, learning rate, seconds."""
    log = {name: trainer.logger.get_value(name, step=None) for name in trainer.logger.local_logger.my_fantastic_logging}
    table = pd.DataFrame(
        {
            "train_loss": log["train_losses"],
            "val_loss": log["val_losses"],
            "dice": log["mean_fg_dice"],
            "learning_rate": log["lrs"],
            "seconds": pd.Series(log["epoch_end_timestamps"]) - pd.Series(log["epoch_start_timestamps"]),
        },
        dtype=float,
    )
    table.insert(0, "epoch", range(1, len(table) + 1))
    return table


def publish_model(trainer: nnUNetTrainer, model: Path, settings: dict) -> None:
    """Write the model folder that nnU-Net can predict from, and training.json with how it was trained.

    The folder names nnU-Net's own trainer, whose network ours trained, so it works wherever nnU-Net is installed.
    """
    assert trainer.output_folder_base is not None and trainer.output_folder is not None, "a trainer of a dataset"
    source = Path(trainer.output_folder_base)
    names = ("plans.json", "dataset.json", "dataset_fingerprint.json")
    descriptions = {name: read_json(source / name) for name in names}
    checkpoint = load_checkpoint(Path(trainer.output_folder) / CHECKPOINT)
    write_model_folder(model, descriptions, [checkpoint], settings | {"configuration": CONFIGURATION})
