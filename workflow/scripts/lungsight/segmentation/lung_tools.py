"""Describe the lung segmentation tools of others that a run can call: programs, command lines, what they leave.

It is imported while the workflow is parsed: standard library alone.

References
----------
lungmask 0.2.22: Hofmanninger et al., Eur Radiol Exp 4:50 (2020), https://github.com/JoHof/lungmask.
TotalSegmentator 2.18.0: Wasserthal et al., Radiol Artif Intell 5:e230024 (2023),
https://github.com/wasserth/TotalSegmentator.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow

LOBES = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)
PICTURES = "png"  # format of a cohort whose images have no HU


@dataclass(frozen=True)
class LungTool:
    """A tool.

    Attributes
    ----------
    method : str
        Its word in `segmentation.method`, and the name of its section and its environment file.
    program : str
        Its command.
    package : str
        What pip installs.
    arguments : function
        (image, output folder, the tool's settings in the config) → arguments of the command.
    masks : tuple of str
        Files that it leaves in the output folder. Lung is where any of them is above 0.
    environment : function
        A folder for files of this call → environment variables of the command.
    weights : str
        How its weights come onto a machine without a network; ends a sentence.
    """

    method: str
    program: str
    package: str
    arguments: Callable[[Path, Path, Mapping[str, Any]], list[str]]
    masks: tuple[str, ...]
    environment: Callable[[Path], dict[str, str]]
    weights: str


def _lungmask(image: Path, output: Path, settings: Mapping[str, Any]) -> list[str]:
    mask = output / LUNGMASK.masks[0]
    return [str(image), str(mask), "--modelname", settings["model"], "--removemetadata", "--noprogress"]


def _totalsegmentator(image: Path, output: Path, settings: Mapping[str, Any]) -> list[str]:
    fast = ["--fast"] if settings["fast"] else []
    return ["-i", str(image), "-o", str(output), "--task", "total", "--roi_subset", *LOBES, *fast]


def _as_it_is(folder: Path) -> dict[str, str]:
    return {}


def _without_statistics(folder: Path) -> dict[str, str]:
    """Keep TotalSegmentator from sending usage statistics, and leave its weights where they are.

    It reads the wish from its home folder alone, and calls that run at once would write the same file there.
    """
    home = Path(os.environ.get("TOTALSEG_HOME_DIR") or Path.home() / ".totalsegmentator")
    settings = {"totalseg_id": "", "send_usage_stats": False, "prediction_counter": 0}
    text = json.dumps(settings | {"statistics_disclaimer_shown": True})
    (folder / "config.json").write_text(text, encoding="utf-8")
    weights = os.environ.get("TOTALSEG_WEIGHTS_PATH") or str(home / "nnunet" / "results")
    return {"TOTALSEG_HOME_DIR": str(folder), "TOTALSEG_WEIGHTS_PATH": weights}


LUNGMASK = LungTool(
    "lungmask",
    "lungmask",
    "lungmask",
    _lungmask,
    ("mask.nii.gz",),
    _as_it_is,
    "call lungmask once on any scan where there is one, and copy ~/.cache/torch/hub/checkpoints from there",
)
TOTALSEGMENTATOR = LungTool(
    "totalsegmentator",
    "TotalSegmentator",
    "TotalSegmentator",
    _totalsegmentator,
    tuple(f"{lobe}.nii.gz" for lobe in LOBES),
    _without_statistics,
    "call TotalSegmentator once on any scan where there is one, and copy ~/.totalsegmentator/nnunet/results from there",
)
TOOLS = {tool.method: tool for tool in (LUNGMASK, TOTALSEGMENTATOR)}


def tool_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides a tool's masks: its name and its own section of a complete config."""
    method = config["segmentation"]["method"]
    return {"tool": method, **config["segmentation"][method]}


def program_of(config: Mapping[str, Any]) -> str:
    """Return the command of the config's tool: the one that the user names, else its usual name."""
    return config["segmentation"]["executable"] or TOOLS[config["segmentation"]["method"]].program


def method_of_cohort(config: Mapping[str, Any], cohort: str) -> str:
    """Return how the cases of a cohort are segmented: as the config says, but for pictures, which have no HU."""
    method = config["segmentation"]["method"]
    pictures = config["cohorts"][cohort]["format"] == PICTURES
    return config["segmentation"]["pictures"] if method in TOOLS and pictures else method


def rows_to_segment(rows: Sequence[TableRow]) -> list[TableRow]:
    """Choose the rows that are segmented: those without a mask of the user's."""
    return [row for row in rows if not row.lungs and not row.skip]


def check_tool_inputs(config: Mapping[str, Any], rows: Mapping[str, Sequence[TableRow]]) -> None:
    """Raise UserError if a tool, which reads HU, would have to segment pictures or values that are none."""
    method = config["segmentation"]["method"]
    if method not in TOOLS:
        return
    pictures = [name for name, table in rows.items() if rows_to_segment(table) and _are_refused(config, name)]
    if pictures:
        raise UserError(
            f"segmentation.method: {method} reads HU, and pictures (format: png) have none: cohort"
            f" {', '.join(pictures)}. Set segmentation.pictures: classical, name a mask for every row (column"
            " lungs), or choose another method."
        )
    formats = {config["cohorts"][name]["format"] for name in rows}
    if "nifti" in formats and config["intake"]["nifti_values"] == "unit":
        raise UserError(
            f"segmentation.method: {method} reads HU, and intake.nifti_values: unit says that the volumes hold [0, 1]."
            " Give volumes in HU, or choose another method."
        )


def _are_refused(config: Mapping[str, Any], cohort: str) -> bool:
    return method_of_cohort(config, cohort) == "refuse"


def check_installed(config: Mapping[str, Any]) -> None:
    """Raise UserError if the program of the config's tool is not there."""
    tool, program = TOOLS[config["segmentation"]["method"]], program_of(config)
    if shutil.which(program):
        return
    if config["segmentation"]["executable"]:
        raise UserError(f"segmentation.executable: {program} is no program that can be run here.")
    raise UserError(missing(tool))


def missing(tool: LungTool) -> str:
    """Say that the program of a tool is not there, and what to do."""
    return (
        f"segmentation.method: {tool.method} needs the program {tool.program}, and there is none on the PATH. Install"
        f" {tool.package} (pip install {tool.package}, best in an environment of its own), and put it on the PATH or"
        f" name it with segmentation.executable; or run with --use-conda, which makes envs/{tool.method}.yaml."
    )
