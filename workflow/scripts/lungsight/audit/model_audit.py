"""The audit of one trained model: the shortcut battery on all test slices, the sanity checks on a sample of them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lungsight.audit.interventions import Extents, InterventionBatch, donors_of
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.occlusion_tests import intervention_logits, occlusion_rows
from lungsight.audit.rows import UNMODIFIED, audit_row
from lungsight.audit.sanity_checks import deletion_insertion_rows, randomisation_rows
from lungsight.audit.source_classifier import source_row
from lungsight.errors import UserError
from lungsight.explain.explanation import SliceImages

NO_LUNG = "no test slice has a lung in its mask"
IDENTITY = ["slice", "patient", "label"]


@dataclass(frozen=True)
class AuditSettings:
    """extents: of the interventions. sample: slices for the sanity checks. draws: re-initialisations of the model.

    steps: of deletion and insertion.
    """

    extents: Extents
    sample: int
    draws: int
    steps: int

    @classmethod
    def of(cls, settings: dict) -> "AuditSettings":
        """From the config's `audit`."""
        extents = Extents(*(settings[name] for name in ("margin", "border", "crop", "low_pass", "blur")))
        return cls(extents, settings["sample"], settings["randomisations"], settings["steps"])


@dataclass(frozen=True)
class Audit:
    """logits: slice, patient, label and a column for each intervention. shortcuts, sanity: audit rows."""

    logits: pd.DataFrame
    shortcuts: list[dict]
    sanity: list[dict]


def with_lung(slices: SliceImages) -> SliceImages:
    """The slices that have a lung in their mask: without one there is nothing to replace."""
    kept = slices.masks.any(axis=(1, 2))
    return SliceImages(slices.table[kept].reset_index(drop=True), slices.images[kept], slices.masks[kept])


def spread_sample(n: int, count: int) -> np.ndarray:
    """Rows of at most `count` of n slices, evenly spread over the table and with it over the patients."""
    return np.unique(np.linspace(0, n - 1, min(n, count)).round().astype(int))


def batch_of(slices: SliceImages, extents: Extents) -> InterventionBatch:
    """The slices as a scene; donors by table order."""
    return InterventionBatch(slices.images, slices.masks, donors_of(slices.table), extents)


def audit(
    probe: ModelOutputs,
    slices: SliceImages,
    sources: pd.Series,
    positive: str,
    settings: AuditSettings,
    resamples: int,
    seed: int,
) -> Audit:
    """Everything that the audit measures of one model on its test slices.

    sources: by slice name. Slices without a lung are left out. Raises UserError where the model gives no number.
    """
    usable = with_lung(slices)
    if usable.table.empty:
        nothing = audit_row("intervention", UNMODIFIED, "roc_auc", reason=NO_LUNG)
        return Audit(usable.table[IDENTITY].assign(**{UNMODIFIED: []}), [nothing], [])
    scene = batch_of(usable, settings.extents)
    intact = probe(scene.images)
    if not np.isfinite(intact.logit).all():
        raise UserError("The model's answer is not a number for some test slices: its training has diverged.")
    logits = intervention_logits(probe, scene, intact)
    shortcuts = occlusion_rows(usable.table, logits, positive, resamples, seed)
    of_slices = usable.table["slice"].map(sources)
    shortcuts.append(source_row(intact.features, of_slices, usable.table["patient"], resamples, seed))
    return Audit(
        pd.concat([usable.table[IDENTITY], logits], axis=1),
        shortcuts,
        _sanity(probe, usable, settings, resamples, seed),
    )


def _sanity(probe: ModelOutputs, slices: SliceImages, settings: AuditSettings, resamples: int, seed: int) -> list[dict]:
    chosen = spread_sample(len(slices.table), settings.sample)
    sampled = SliceImages(slices.table.iloc[chosen].reset_index(drop=True), slices.images[chosen], slices.masks[chosen])
    scene, patients = batch_of(sampled, settings.extents), sampled.table["patient"]
    return [
        *randomisation_rows(probe, scene, patients, settings.draws, resamples, seed),
        *deletion_insertion_rows(probe, scene, patients, settings.steps, resamples, seed),
    ]
