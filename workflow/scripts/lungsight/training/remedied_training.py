"""Train with a remedy: gather what it needs, and choose its strength where the config leaves that to validation.

References
----------
Breiman, L. et al. (1984). Classification and regression trees. (The rule of one standard error.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lungsight.classes import Classes
from lungsight.files import sha256_of
from lungsight.layout import SLICES
from lungsight.program import log
from lungsight.qc.summary import accepted_masks
from lungsight.tables import read_table
from lungsight.training import remedies
from lungsight.training.backbones import Backbone
from lungsight.training.generated import ARRAY, TABLE, read_generated
from lungsight.training.image_cache import CachedImages, digest_of_images
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.stage_training import TrainingCohort
from lungsight.training.treatment import Material, Treatment

MANIFEST = "manifest.tsv"
History = list[dict[str, Any]]


@dataclass(frozen=True)
class RemedyFiles:
    """The tables that a remedy needs beyond a training's own files; None where it needs them not.

    Attributes
    ----------
    manifest
        Which lung masks passed quality control. With it the masks of the image cache are read.
    slices
        Where slices come from.
    companion
        Another cohort, whose training images are seen too.
    generated
        Labels of generated slices. With it their array is read, which lies beside it.
    """

    manifest: Path | None = None
    slices: Path | None = None
    companion: TrainingCohort | None = None
    generated: Path | None = None

    @classmethod
    def of(cls, files: Sequence[Path]) -> "RemedyFiles":
        """Tell files apart by the names that they have in a run; the others are split, images and index of a cohort."""
        by_name = {path.name: path for path in files}
        companion = [path for path in files if path.name not in (MANIFEST, SLICES, TABLE)]
        other = TrainingCohort(*companion) if companion else None
        return cls(by_name.get(MANIFEST), by_name.get(SLICES), other, by_name.get(TABLE))

    def digests(self, cohort: TrainingCohort) -> dict[str, str]:
        """Compute the SHA-256 of each file, the masks among them."""
        masks = {"masks": digest_of_images(_masks_of(cohort), cohort.index)} if self.manifest else {}
        drawn = (
            {"generated": self.generated.with_name(ARRAY), "generated_labels": self.generated} if self.generated else {}
        )
        files = {**drawn, "manifest": self.manifest, "slices": self.slices}
        of_companion = self.companion.digests() if self.companion else {}
        of_files = {name: sha256_of(path) for name, path in files.items() if path}
        return masks | of_files | {f"companion_{name}": digest for name, digest in of_companion.items()}


def _masks_of(cohort: TrainingCohort) -> Path:
    return cohort.images.with_name("masks.npy")


def treatment_of(
    settings: dict[str, Any],
    cohort: TrainingCohort,
    training: LabelledImages,
    backbone: Backbone,
    classes: Classes,
    files: RemedyFiles,
) -> Treatment:
    """Make the treatment of a training.

    Parameters
    ----------
    settings
        As `training.settings.settings_of_stage` returns them.
    cohort
        That is trained on.
    training
        Its training images.
    backbone
        Of the network.
    classes
        That the network tells apart.
    files
        That the remedy needs. One that needs another cohort, and has none, changes nothing.

    Raises
    ------
    UserError
        The remedy cannot be had with these images.
    """
    remedy = remedies.load(settings["remedy"]["name"]) if "remedy" in settings else remedies.PLAIN
    make, alone = remedy.treatment, remedies.COMPANION in remedy.needs and files.companion is None
    if make is None or alone:
        return Treatment()
    split = read_table(cohort.split, "split")
    names = split.loc[split["split"] == "train", "slice"]
    lungs, of_lungs = None, {}
    if files.manifest:
        cached = CachedImages.open(_masks_of(cohort), cohort.index)
        lungs = cached.pixels
        accepted = names.isin(accepted_masks(read_table(files.manifest, schema="manifest"))).to_numpy(bool)
        of_lungs = {"accepted": accepted & cached.mask_exists(cached.rows_of(names))}
    if files.slices:
        sources = read_table(files.slices, schema="slices").set_index("slice")["source"]
        of_lungs["sources"] = names.map(sources).fillna("").to_numpy(str)
    material = Material(
        settings["remedy"],
        backbone,
        training.pixels,
        training.rows,
        training.labels,
        training.groups(),
        lungs,
        **of_lungs,
        companion=files.companion.training_images(classes) if files.companion else None,
        augmentation=settings["augmentation"],
        bag_size=settings["bag_size"],
        generated=read_generated(files.generated, classes) if files.generated else None,
    )
    return make(material)


def strengths_of(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """List the settings of the trainings among which validation chooses; one where there is nothing to choose."""
    remedy = settings.get("remedy", {})
    if remedy.get("strength", 1) is not None:
        return [settings]
    return [settings | {"remedy": remedy | {"strength": each}} for each in sorted(remedy["candidates"])]


def strongest_within_one_error(accuracies: Sequence[float], patients: int) -> int:
    """Return the place of the last accuracy that is at most one standard error √(a (1 − a) / n) below the best, a.

    Parameters
    ----------
    accuracies
        Of the candidates on the validation images, from the weakest to the strongest.
    patients
        Number n of validation patients. Slices of a patient are not independent.
    """
    best = max(accuracies)
    error = np.sqrt(best * (1 - best) / patients)
    return max(place for place, accuracy in enumerate(accuracies) if accuracy >= best - error)


def train_the_chosen(
    model: keras.Model,
    candidates: Sequence[dict[str, Any]],
    patients: int,
    train_one: Callable[[dict[str, Any]], History],
) -> tuple[History, dict[str, Any]]:
    """Train every candidate from the same start, and leave the model with the weights of the chosen one.

    Parameters
    ----------
    model
        The network at its start.
    candidates
        Settings, from the weakest remedy to the strongest.
    patients
        Number of validation patients.
    train_one
        Trains the model in place with some settings, and returns the history.

    Returns
    -------
    The history of the chosen training, and what was chosen, for provenance.json; nothing where one candidate is given.
    """
    if len(candidates) == 1:
        return train_one(candidates[0]), {}
    start, trained = model.get_weights(), []
    for settings in candidates:
        log(f"Training with strength {settings['remedy']['strength']:g}")
        model.set_weights(start)
        trained.append((train_one(settings), model.get_weights()))
    accuracies = [next(row["val_accuracy"] for row in history if row["kept"]) for history, _ in trained]
    place = strongest_within_one_error(accuracies, patients)
    history, weights = trained[place]
    model.set_weights(weights)
    strengths = [settings["remedy"]["strength"] for settings in candidates]
    log(f"Chosen on validation: strength {strengths[place]:g}")
    return history, {
        "strength": strengths[place],
        "val_accuracy": dict(zip(map(str, strengths), accuracies, strict=True)),
    }
