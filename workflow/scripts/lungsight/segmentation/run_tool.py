"""Run a lung segmentation tool of others on one image and read its mask. See `lung_tools` for the tools."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lungsight.errors import BadCase, UserError
from lungsight.intake.geometry import same_grid
from lungsight.segmentation.lung_tools import TOOLS, LungTool, missing
from lungsight.segmentation.volumes import read_mask, write_volume

# What Python's libraries write where a download fails.
_NO_NETWORK = re.compile(
    r"URLError|HTTPError|ConnectionError|ConnectTimeout|Max retries exceeded|Name or service not known"
)
_UNKNOWN_OPTION = re.compile(r"error: (unrecognized arguments|argument .*: invalid choice)")
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_USAGE = 2  # argparse ends so where it does not know an argument


def tool_mask(image: Path, grid: np.ndarray, settings: dict[str, Any], program: str, threads: int) -> np.ndarray:
    """Segment the lungs of one image with a tool.

    Parameters
    ----------
    image : Path
        A NIfTI in HU.
    grid : (4, 4) array
        Its affine.
    settings : dict
        As `lung_tools.tool_settings` returns them.
    program : str
        The tool's command.
    threads : int
        Cores that it may use.

    Returns
    -------
    (i, j, k) bool

    Raises
    ------
    UserError
        If the program is absent, does not know its options, or cannot get its weights: no other image would do better.
    BadCase
        If it leaves no mask on the grid of the image.
    RuntimeError
        If it fails otherwise, with what it wrote.
    """
    tool = TOOLS[settings["tool"]]
    with TemporaryDirectory(prefix="lungsight-") as folder:
        output, own = Path(folder, "output"), Path(folder, "own")
        output.mkdir()
        own.mkdir()
        command = [program, *tool.arguments(image, output, settings)]
        _call(tool, command, {"OMP_NUM_THREADS": str(threads), **tool.environment(own)})
        masks = [_on_grid(output / name, grid) for name in tool.masks]
    return np.logical_or.reduce(masks)


def _on_grid(path: Path, grid: np.ndarray) -> np.ndarray:
    if not path.is_file():
        raise BadCase(f"the tool left no file {path.name}")
    mask, affine = read_mask(path)
    if not same_grid(affine, grid):
        raise BadCase("the mask of the tool does not lie on the image's grid")
    return mask


def write_test_image(path: Path) -> np.ndarray:
    """Write a small chest in HU, of boxes, in which a tool may find lungs or not. Returns its affine, (4, 4)."""
    volume = np.full((64, 64, 20), -1000, np.int16)
    volume[8:56, 16:50] = 20
    for lung in (slice(14, 28), slice(36, 50)):
        volume[lung, 24:42, 2:18] = -850
    affine = np.diag([6.0, 6.0, 8.0, 1.0])
    write_volume(path, volume, affine)
    return affine


def version_of_tool(program: str) -> str:
    """Ask a tool for its version; "" where it does not say."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, errors="replace", check=False)
    found = _VERSION.findall(done.stdout)
    return found[-1] if found and not done.returncode else ""


def _call(tool: LungTool, command: list[str], environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            preexec_fn=_end_with_this_process if sys.platform == "linux" else None,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise UserError(missing(tool)) from error
    if done.returncode == 0:
        return
    if _NO_NETWORK.search(done.stdout):
        raise UserError(
            f"{tool.program} could not download its weights: this machine has no network, or the server does not"
            f" answer. On a machine without a network: {tool.weights}."
        )
    if done.returncode == _USAGE and _UNKNOWN_OPTION.search(done.stdout):
        raise UserError(
            f"{tool.program} does not know the options that it is called with: its version is another one than that of"
            f" envs/{tool.method}.yaml. Install that version."
        )
    raise RuntimeError(f"{tool.program} ended with {done.returncode}:\n{done.stdout}")


def _end_with_this_process() -> None:
    """Make the tool end when this program does, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
