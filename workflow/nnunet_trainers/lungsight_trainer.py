"""Trainers of the lung segmentation, which nnU-Net finds through nnUNet_extTrainer.

nnU-Net imports every module of this folder, even where nothing but nnU-Net is installed, so this module imports nothing
of lungsight. nnU-Net fixes the signature of the constructor, so the settings come through environment variables:
LUNGSIGHT_EPOCHS, LUNGSIGHT_ITERATIONS, LUNGSIGHT_VALIDATION_ITERATIONS, LUNGSIGHT_LEARNING_RATE, LUNGSIGHT_SAVE_EVERY
(epochs between two checkpoints) and LUNGSIGHT_SEED. Without a variable, nnU-Net's own value stays.
"""

import os
import random
from typing import cast

import numpy as np
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class LungsightTrainer(nnUNetTrainer):
    """nnU-Net's trainer (SGD with Nesterov momentum, polynomial decay) with settings, seeds and whole checkpoints."""

    def __init__(self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device):
        super().__init__(plans, configuration, fold, dataset_json, device)
        # nnU-Net would draw a large picture after every epoch. The workflow draws one picture from the table.
        self.logger.plot_progress_png = lambda output_folder: None
        self.seed = int(os.environ.get("LUNGSIGHT_SEED", 0))
        self.initial_lr = float(os.environ.get("LUNGSIGHT_LEARNING_RATE", self.initial_lr))
        self.num_epochs = int(os.environ.get("LUNGSIGHT_EPOCHS", self.num_epochs))
        self.num_iterations_per_epoch = int(os.environ.get("LUNGSIGHT_ITERATIONS", self.num_iterations_per_epoch))
        self.num_val_iterations_per_epoch = int(
            os.environ.get("LUNGSIGHT_VALIDATION_ITERATIONS", self.num_val_iterations_per_epoch)
        )
        self.save_every = int(os.environ.get("LUNGSIGHT_SAVE_EVERY", self.save_every))

    def _seed_everything(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def initialize(self) -> None:
        """Build network and optimizer with seeded weights."""
        self._seed_everything(self.seed)
        super().initialize()

    def on_epoch_start(self) -> None:
        """Seed the epoch. Each has its own seed, so that a resumed training draws the same numbers."""
        self._seed_everything(self.seed + 1 + self.current_epoch)
        super().on_epoch_start()

    def on_epoch_end(self) -> None:
        """Print how long the remaining epochs may take."""
        super().on_epoch_end()
        starts, ends = (self.logger.get_value(f"epoch_{edge}_timestamps", step=None) for edge in ("start", "end"))
        seconds = np.median(np.subtract(ends, starts)) * (self.num_epochs - self.current_epoch)
        print(f"epoch {self.current_epoch} of {self.num_epochs} done, about {seconds:.0f} s to go", flush=True)

    def save_checkpoint(self, filename: str) -> None:
        """Write a checkpoint atomically: a training that is killed meanwhile keeps the one before."""
        super().save_checkpoint(f"{filename}.partial")
        os.replace(f"{filename}.partial", filename)

    def print_to_log_file(self, *args, also_print_to_console: bool = True, add_timestamp: bool = True) -> None:
        """Print to the log of the workflow alone: nnU-Net's own would hold times and paths."""
        if also_print_to_console:
            print(*args, flush=True)

    def _save_debug_information(self) -> None:
        """Write nothing: nnU-Net's debug.json would hold the name and the paths of the machine."""

    def plot_network_architecture(self) -> None:
        """Draw nothing: nnU-Net would need a package that no longer works."""


class ThesisTrainer(LungsightTrainer):
    """The training of the thesis: Adam at a constant learning rate, with nnU-Net's loss of Dice and cross-entropy."""

    # nnU-Net's own method returns SGD; its training takes any optimizer.
    def configure_optimizers(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
    ) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        """Return Adam, with a schedule that keeps the learning rate constant."""
        network = cast("torch.nn.Module", self.network)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.initial_lr, weight_decay=self.weight_decay)
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs, exponent=0)
