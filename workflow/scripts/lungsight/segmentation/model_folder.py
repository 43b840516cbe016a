"""Check from its JSON files whether an nnU-Net model folder of the user segments lungs on images like ours.

It is imported while the workflow is parsed: standard library alone.

References
----------
The folder that nnUNetv2_train leaves: https://github.com/MIC-DKFZ/nnUNet, documentation/how_to_use_nnunet.md.
"""

import json
import re
from pathlib import Path
from typing import Any

from lungsight.errors import UserError
from lungsight.paths import did_you_mean

CHECKPOINT = "checkpoint_final.pth"
DESCRIPTIONS = ("plans.json", "dataset.json")
# A label is lung if its name has a lung word, and no other words than these: lung, left_lung, lung_upper_lobe_left.
LUNG_WORDS = {"lung", "lungs"}
SIDE_WORDS = {"left", "right", "l", "r", "lt", "rt", "both", "total", "upper", "middle", "lower", "lobe"}
# These normalisations bring any image to [0, 1], or leave it there.
HARMLESS_NORMALISATIONS = {"NoNormalization", "RescaleTo01Normalization"}
ROUNDING = 1e-3


def folds_of(folder: Path) -> list[Path]:
    """List the finished folds of a model folder as nnU-Net chooses them: the numbered ones, else fold_all."""
    folds = sorted(path.parent for path in Path(folder).glob(f"fold_*/{CHECKPOINT}"))
    return [fold for fold in folds if fold.name != "fold_all"] or folds


def files_of_model(folder: Path) -> list[Path]:
    """List every file of a model folder that a prediction depends on."""
    return [Path(folder) / name for name in DESCRIPTIONS] + [fold / CHECKPOINT for fold in folds_of(folder)]


def configuration_of(plans: dict, name: str) -> dict:
    """Return a configuration of plans.json with what it inherits; empty if there is none of that name."""
    configuration = plans.get("configurations", {}).get(name, {})
    parent = configuration.get("inherits_from")
    return (configuration_of(plans, parent) if parent and parent != name else {}) | configuration


def lung_labels(dataset: dict) -> list[int]:
    """Return the values of the labels in dataset.json that are lung."""

    def is_lung(name: str) -> bool:
        words = set(re.findall(r"[a-z]+", name.lower()))
        return bool(words & LUNG_WORDS) and words <= LUNG_WORDS | SIDE_WORDS

    labels = dataset.get("labels", {})
    return [value for name, value in labels.items() if is_lung(name) and isinstance(value, int) and value > 0]


def read_descriptions(folder: Path) -> tuple[dict, dict]:
    """Read plans.json and dataset.json. Raise UserError if the folder is not a finished nnU-Net model."""
    folder = Path(folder)
    if not folder.is_dir():
        if folder.exists():
            raise UserError(f"segmentation.model: {folder} is a file; name the model folder.")
        raise UserError(f"segmentation.model: the folder {folder} does not exist{did_you_mean(folder)}")
    if not all((folder / name).is_file() for name in DESCRIPTIONS):
        inside = sorted(path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/plans.json"))
        around = [folder.parent] if (folder.parent / "plans.json").is_file() else []
        hint = f" Did you mean {(inside + around)[0]}?" if inside or around else ""
        raise UserError(
            f"segmentation.model: {folder} is not an nnU-Net model folder, which holds {' and '.join(DESCRIPTIONS)}"
            f" and fold_0/{CHECKPOINT}.{hint}"
        )
    if not folds_of(folder):
        raise UserError(
            f"segmentation.model: {folder} holds no fold_*/{CHECKPOINT}: the training is not finished, or the folder "
            "was copied without its weights."
        )
    plans, dataset = (_read_object(folder / name) for name in DESCRIPTIONS)
    return plans, dataset


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"segmentation.model: {path} is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise UserError(f"segmentation.model: {path} does not hold a JSON object.")
    return content


def _channel_problem(dataset: dict) -> str | None:
    channels = dataset.get("channel_names", dataset.get("modality", {}))
    if len(channels) == 1:
        return None
    named = f"{len(channels)} channels ({', '.join(map(str, channels.values()))})"
    return f"it needs images of {named}; CT has one."


def _label_problem(dataset: dict) -> str | None:
    if lung_labels(dataset):
        return None
    names = ", ".join(map(str, dataset.get("labels", {}))) or "none"
    return (
        f"none of its labels is lung: they are {names}. A lung model has a label lung, or left_lung and right_lung,"
        " with one value each."
    )


def _intensity_problem(plans: dict, schemes: list[str]) -> str | None:
    """Name a range of the training images that is not [0, 1], to which images are windowed here."""
    intensities = plans.get("foreground_intensity_properties_per_channel", {}).get("0", {})
    low, high = intensities.get("min"), intensities.get("max")
    if low is None or high is None:
        if set(schemes) <= HARMLESS_NORMALISATIONS:
            return None
        return f"its normalisation is {', '.join(schemes) or 'unknown'}, and its plans do not say on what intensities."
    if low < -ROUNDING or high > 1 + ROUNDING:
        return (
            f"it was trained on intensities from {low:g} to {high:g}; images come windowed to [0, 1] (intake.window). "
            "Train on such images, with the channel named noNorm."
        )
    return None


def _slice_problem(plans: dict, configurations: dict[str, dict]) -> str | None:
    """Name why a model cannot segment axial slices one by one: single images have no neighbours."""
    if not any(len(configuration.get("patch_size", [])) == 2 for configuration in configurations.values()):
        return f"none of its configurations is two-dimensional ({', '.join(configurations) or 'none'})."
    if plans.get("transpose_forward", [0])[0] != 0:
        return "its slices are not axial (transpose_forward in its plans)."
    return None


def check_configuration(folder: Path, plans: dict, dataset: dict, name: str | None = None) -> None:
    """Raise UserError unless the model segments lung on axial slices of one channel in [0, 1].

    name: the configuration that the weights were trained with; None if the weights were not read.
    """
    names = [name] if name is not None else list(plans.get("configurations", {}))
    configurations = {each: configuration_of(plans, each) for each in names}
    schemes = [scheme for each in configurations.values() for scheme in each.get("normalization_schemes", [])]
    problem = (
        _channel_problem(dataset)
        or _label_problem(dataset)
        or _slice_problem(plans, configurations)
        or _intensity_problem(plans, schemes)
    )
    if problem:
        raise UserError(f"segmentation.model: {folder} is not a lung model for this workflow: {problem}")


def check_given_model(config: dict) -> None:
    """Raise UserError if the config names a model folder that cannot segment lungs here."""
    folder = config["segmentation"]["model"]
    if folder:
        check_configuration(Path(folder), *read_descriptions(Path(folder)))
