"""Call nnU-Net: pass folders and settings through environment variables, and remove paths from its messages."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

import torch

from lungsight.privacy import scrub

TRAINERS = Path(__file__).resolve().parents[3] / "nnunet_trainers"
DATASET_ID = 1
DATASET = f"Dataset{DATASET_ID:03d}_Lung"
PLANS = "nnUNetPlans"
CONFIGURATION = "2d_lungsight"
LUNG = 1


def device_of_this_machine() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class ScrubbedStream:
    """A text stream that passes whole lines on, without paths, dates and UIDs.

    Each state of a progress bar becomes a line.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.line = ""

    def write(self, text: str) -> int:
        """Take text and pass on the lines that are complete."""
        *lines, self.line = (self.line + text.replace("\r", "\n")).split("\n")
        self.stream.writelines(f"{scrub(line)}\n" for line in lines if line.strip())
        return len(text)

    def flush(self) -> None:
        """Flush the stream behind."""
        self.stream.flush()

    def isatty(self) -> bool:
        """Return False: a progress bar must not redraw its line."""
        return False

    def close_line(self) -> None:
        """Pass on a last line that has no line end yet."""
        if self.line:
            self.write("\n")


@contextmanager
def nnunet_environment(
    raw: Path | None = None,
    preprocessed: Path | None = None,
    results: Path | None = None,
    augmentation_workers: int = 1,
    **settings: object,
) -> Iterator[None]:
    """Set the environment in which nnU-Net is called. After the block, everything is as before.

    Parameters
    ----------
    raw, preprocessed, results
        nnU-Net's folders.
    augmentation_workers
        Processes that augment beside the training. nnU-Net's planning needs at least 1, though it does not use it.
    settings
        Each becomes a variable LUNGSIGHT_…, which our trainers read.
    """
    folders = {"nnUNet_raw": raw, "nnUNet_preprocessed": preprocessed, "nnUNet_results": results}
    variables = {name: str(folder) for name, folder in folders.items() if folder is not None}
    variables |= {
        "nnUNet_extTrainer": str(TRAINERS),
        "nnUNet_n_proc_DA": str(augmentation_workers),
        "nnUNet_compile": "false",
        "nnUNet_wandb_enabled": "0",
    }
    variables |= {f"LUNGSIGHT_{name.upper()}": str(value) for name, value in settings.items()}
    before = {name: os.environ.get(name) for name in variables}
    stream = ScrubbedStream(sys.stderr)
    os.environ.update(variables)
    try:
        with redirect_stdout(stream), redirect_stderr(stream):
            yield
    finally:
        stream.close_line()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
