"""Train a pipeline in every cell of the study from one start, and measure each on the same test patients."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lungsight.classes import PROBABILITY, with_probabilities
from lungsight.evaluation.aggregation import auc_of, mean_of_slices
from lungsight.evaluation.intervals import FloatArray
from lungsight.evaluation.metrics import Row
from lungsight.evaluation.transfer_study.choice import first_of_each_patient, order_of_patients, random_values
from lungsight.evaluation.transfer_study.entropy import lung_entropies
from lungsight.evaluation.transfer_study.settings import ALL, ENTROPY, Cell
from lungsight.files import read_json, write_json
from lungsight.program import log
from lungsight.qc.summary import accepted_masks
from lungsight.tables import read_table
from lungsight.training import backbones
from lungsight.training.bags import group_numbers
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.device import start_anew
from lungsight.training.frozen_blocks import frozen_blocks
from lungsight.training.image_cache import CachedImages
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.network import make_inference, run_in_batches
from lungsight.training.provenance import describe_training
from lungsight.training.stage_training import Start, TrainingCohort, in_float32, objective_of, plan_of, train

STAGE = 2


@dataclass(frozen=True)
class TransferStudy:
    """What the trainings from one start share.

    Attributes
    ----------
    cohort
        Split, images and index of the target cohort. The lung masks lie beside its images.
    manifest
        Which of these masks passed quality control.
    backbone
        Name of the network.
    start
        What each training starts from.
    labels
        The classes of the run, the positive one first.
    settings
        Of the training, as a stage has them.
    slices_per_patient
        Of a selection.
    seed
        Of the run. Draw 1 trains with it, each further one with the next.
    checkpoints
        Folder for finished cells and the unfinished one.
    code
        Digest of the code that both depend on.
    """

    cohort: TrainingCohort
    manifest: Path
    backbone: str
    start: Start
    labels: Sequence[str]
    settings: dict[str, Any]
    slices_per_patient: int
    seed: int
    checkpoints: Path
    code: str

    @cached_property
    def split(self) -> pd.DataFrame:
        """The split of the target cohort."""
        return read_table(self.cohort.split, "split")

    @cached_property
    def training_slices(self) -> pd.DataFrame:
        """Its training slices, in the order in which `TrainingCohort.subsets` reads them."""
        return self.split[self.split["split"] == "train"].reset_index(drop=True)

    @cached_property
    def images(self) -> CachedImages:
        """Its images."""
        return CachedImages.open(self.cohort.images, self.cohort.index)

    @cached_property
    def entropies(self) -> FloatArray:
        """The entropy in the lung of its training slices, (n,); NaN where there is no accepted mask."""
        masks = CachedImages.of(self.cohort.images.parent, "masks")
        names = self.training_slices["slice"]
        rows = masks.rows_of(names)
        accepted = names.isin(accepted_masks(read_table(self.manifest, schema="manifest"))).to_numpy(bool)
        return lung_entropies(self.images.pixels, masks.pixels, rows, accepted & masks.mask_exists(rows))

    @cached_property
    def shared(self) -> dict[str, Any]:
        """Describe all that every training depends on."""
        described = describe_training(self.backbone, backbones.load(self.backbone), self.settings, self.seed, self.code)
        return described | {
            "weights": self.start.describe(),
            "inputs": self.cohort.digests(),
            "labels": list(self.labels),
        }

    def positions(self, cell: Cell) -> np.ndarray:
        """Return the places of a cell's slices among the training slices, (n,) int."""
        patients = self.training_slices["patient"]
        chosen = order_of_patients(self.training_slices, self.seed, cell.draw)[: cell.patients]
        taken = patients.isin(chosen).to_numpy(bool)
        if cell.selection != ALL:
            values = self.entropies
            if cell.selection != ENTROPY:
                values = random_values(~np.isnan(values), self.seed, cell.draw)
            taken = taken & first_of_each_patient(patients, values, self.slices_per_patient)
        return np.flatnonzero(taken)

    def remove_checkpoints(self) -> None:
        """Remove the finished cells, once their table is written."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)


def capped(cells: Iterable[Cell], most: int) -> list[Cell]:
    """Replace numbers of patients above `most`, all that the split trains on, by it; equal cells count once."""
    cells = list(cells)
    if beyond := sorted({cell.patients for cell in cells if cell.patients > most}):
        log(f"The split has {most} training patients, so {', '.join(map(str, beyond))} become {most}.")
    return list(dict.fromkeys(cell._replace(patients=min(cell.patients, most)) for cell in cells))


def train_cells(study: TransferStudy, cells: Sequence[Cell]) -> list[Row]:
    """Train in every cell, one after the other. A cell that was finished before an interruption is not trained again.

    Returns
    -------
    For each cell its fields, the number of blocks, of slices and epochs, and the AUCs by patient, None where a class
    is missing: of the validation and of the test subset.
    """
    rows: list[Row] = []
    for number, cell in enumerate(cells, start=1):
        log(f"Training {number} of {len(cells)}: {cell.name}")
        positions = study.positions(cell)
        chosen = study.training_slices["slice"].iloc[positions].tolist()
        kept = Checkpoint.of(study.checkpoints / cell.name, study.shared | cell._asdict() | {"slices": chosen})
        finished = study.checkpoints / f"{kept.digest}.json"
        if not finished.is_file():
            write_json(finished, cell._asdict() | _train_cell(study, cell, positions, kept))
            kept.remove()
        rows.append(read_json(finished))
    return rows


def _train_cell(study: TransferStudy, cell: Cell, positions: np.ndarray, checkpoint: Checkpoint) -> Row:
    backbone = backbones.load(study.backbone)
    classes = study.cohort.classes(study.labels)
    about = {"blocks": backbone.blocks, "slices": len(positions)}
    if study.training_slices["label"].iloc[positions].nunique() < len(classes):
        log("A class has no slice here: no patient of it has an accepted lung mask. The cell stays empty.")
        return {**about, "epochs": 0, "val_roc_auc": None, "roc_auc": None}
    everything, validation = study.cohort.subsets(classes, study.settings["image_size"])
    training = _part_of(everything, study.training_slices, positions)
    seed = study.seed + cell.draw - 1
    start_anew(seed)  # a hundred networks would fill the memory, and none may depend on those before it
    model = study.start.build(study.backbone, backbone, study.settings, classes)
    plan = plan_of(study.settings, STAGE, seed, study.start.fine_tunes)
    objective = objective_of(study.settings, training, classes, study.labels)
    with frozen_blocks(model, cell.frozen_blocks):
        history = train(model, backbone, objective, training, validation, plan, checkpoint)
    network = in_float32(model, backbone, study.settings)
    inference = make_inference(network, backbone)

    def auc(subset: str) -> float | None:
        table = study.split[study.split["split"] == subset]
        outputs = run_in_batches(inference, study.images.pixels, study.images.rows_of(table["slice"]))
        return _auc_by_patient(table, outputs.astype(np.float64), study.labels, classes)

    return {**about, "epochs": len(history), "val_roc_auc": auc("val"), "roc_auc": auc("test")}


def _part_of(images: LabelledImages, slices: pd.DataFrame, positions: np.ndarray) -> LabelledImages:
    labels = images.labels[positions]
    patients = slices["patient"].iloc[positions].reset_index(drop=True)
    return LabelledImages(images.pixels, images.rows[positions], labels, group_numbers(patients, labels))


def _auc_by_patient(table: pd.DataFrame, outputs: np.ndarray, labels: Sequence[str], classes: Any) -> float | None:
    """Compute the AUC of the mean probability of each patient's slices; with more than two classes the macro AUC."""
    if classes.sigmoid:
        scored = table.assign(**{PROBABILITY: outputs[:, 0]})
    else:
        scored = with_probabilities(table, classes.spread(outputs, labels))
    value = auc_of(mean_of_slices(scored), labels[0], labels)
    return None if np.isnan(value) else value
