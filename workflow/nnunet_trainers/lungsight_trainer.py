"""Trainers of the lung segmentation, found by nnU-Net through nnUNet_extTrainer.

nnU-Net imports every module of this folder, also where only nnU-Net is installed: this one stands alone. nnU-Net fixes
the constructor's signature, so the settings come through environment variables: LUNGSIGHT_EPOCHS, LUNGSIGHT_ITERATIONS,
LUNGSIGHT_VALIDATION_ITERATIONS, LUNGSIGHT_LEARNING_RATE, LUNGSIGHT_SAVE_EVERY (epochs between two checkpoints) and
LUNGSIGHT_SEED. One that is not set leaves nnU-Net's own value.
"""

import os
import random

import numpy as np
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class LungsightTrainer(nnUNetTrainer):
    """nnU-Net's trainer (SGD with Nesterov momentum, polynomial decay) with settings, seeds and whole checkpoints."""

    def __init__(self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device):
        super().__init__(plans, configuration, fold, dataset_json, device)
        # nnU-Net would draw a large picture after every epoch; the workflow draws one, from the table.
        self.logger.plot_progress_png = lambda output_folder: None
        self.seed = int(os.environ.get("LUNGSIGHT_SEED", 0))
        self.initial_lr = float(os.environ.get("LUNGSIGHT_LEARNING_RATE", self.initial_lr))
        self.num_epochs = int(os.environ.get("LUNGSIGHT_EPOCHS", self.num_epochs))
        self.num_iterations_per_epoch = int(os.environ.get("LUNGSIGHT_ITERATIONS", self.num_iterations_per_epoch))
        self.num_val_iterations_per_epoch = int(
            os.environ.get("LUNGSIGHT_VALIDATION_ITERATIONS", self.num_val_iterations_per_epoch)
        )
        self.save_every = int(os.environ.get("LUNGSIGHT_SAVE_EVERY", self.save_every))

    def _draw_from(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def initialize(self) -> None:
        self._draw_from(self.seed)
        super().initialize()

    def on_epoch_start(self) -> None:
        # Every epoch has its own seed, so that a training that was resumed draws what an unbroken one draws.
        self._draw_from(self.seed + 1 + self.current_epoch)
        super().on_epoch_start()

    def on_epoch_end(self) -> None:
        super().on_epoch_end()
        starts, ends = (self.logger.get_value(f"epoch_{side}_timestamps", step=None) for side in ("start", "end"))
        seconds = np.median(np.subtract(ends, starts)) * (self.num_epochs - self.current_epoch)
        print(f"epoch {self.current_epoch} of {self.num_epochs} done, about {seconds:.0f} s to go", flush=True)

    def save_checkpoint(self, filename: str) -> None:
        # A training that is killed while it writes keeps the checkpoint before.
        super().save_checkpoint(f"{filename}.partial")
        os.replace(f"{filename}.partial", filename)

    def print_to_log_file(self, *args, also_print_to_console: bool = True, add_timestamp: bool = True) -> None:
        # The workflow keeps one log, without the times and paths that nnU-Net's own would hold.
        if also_print_to_console:
            print(*args, flush=True)

    def _save_debug_information(self) -> None:
        """Write nothing: nnU-Net's debug.json holds the host's name and its paths."""

    def plot_network_architecture(self) -> None:
        """Draw nothing: nnU-Net needs a package for it that no longer works."""


class ThesisTrainer(LungsightTrainer):
    """As the thesis trained: Adam at a constant learning rate; Dice and cross-entropy are nnU-Net's own loss."""

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.initial_lr, weight_decay=self.weight_decay)
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs, exponent=0)
