"""Train the lung segmentation with nnU-Net, from wherever an interrupted training stopped."""

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
    """What a training depends on, as a short digest: every preprocessed file, the settings, trainers and versions.

    A half-done training goes on only under the same digest.
    """
    files = {str(path.relative_to(preprocessed)): sha256_of(path) for path in preprocessed.rglob("*") if path.is_file()}
    trainers = {path.name: sha256_of(path) for path in TRAINERS.glob("*.py")}
    known = json.dumps([files, trainers, versions(), settings], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def train(preprocessed: Path, results: Path, settings: dict, threads: int) -> nnUNetTrainer:
    """Train until the last epoch, starting from the last checkpoint below `results` if there is one.

    settings: trainer (thesis or nnunet), learning_rate, epochs, iterations, validation_iterations, seed.
    Returns the finished trainer.
    """
    device = device_of_this_machine()
    torch.set_num_threads(threads)
    # On a CPU the network is the bottleneck, and augmentation in the same process draws the same numbers every time.
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
    """One row per epoch: losses, Dice of the validation patches taken together, learning rate, seconds."""
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
    """Write the model folder that nnU-Net predicts from, and training.json with how it was trained.

    It works wherever nnU-Net is installed: it names nnU-Net's own trainer, whose network ours trained.
    """
    source = Path(trainer.output_folder_base)
    names = ("plans.json", "dataset.json", "dataset_fingerprint.json")
    descriptions = {name: read_json(source / name) for name in names}
    checkpoint = load_checkpoint(Path(trainer.output_folder) / CHECKPOINT)
    write_model_folder(model, descriptions, [checkpoint], settings | {"configuration": CONFIGURATION})
