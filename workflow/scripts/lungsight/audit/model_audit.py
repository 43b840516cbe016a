"""The audit of one trained model: occlusion tests on all test slices, sanity checks of the maps on a sample of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lungsight.audit.interventions import Extents, InterventionBatch, donors_of
from lungsight.audit.occlusion_tests import intervention_logits, occlusion_rows
from lungsight.audit.rows import UNMODIFIED, audit_row
from lungsight.audit.sanity_checks import RandomisableModel, deletion_insertion_rows, randomisation_rows
from lungsight.audit.source_classifier import source_row
from lungsight.errors import UserError
from lungsight.explain.explanation import SliceImages
from lungsight.rows import AuditRow

NO_LUNG = "no test slice has a lung in its mask"
IDENTITY = ["slice", "patient", "label"]


@dataclass(frozen=True)
class AuditSettings:
    """Settings of the audit.

    Attributes
    ----------
    extents
        Of the interventions.
    sample
        How many slices the sanity checks use at most.
    draws
        How often the model is re-initialised.
    steps
        Of deletion and insertion.
    """

    extents: Extents
    sample: int
    draws: int
    steps: int

    @classmethod
    def of(cls, settings: dict[str, Any]) -> "AuditSettings":
        """Take the settings from the config's section `audit`."""
        extents = Extents(*(settings[name] for name in ("margin", "border", "crop", "low_pass", "blur")))
        return cls(extents, settings["sample"], settings["randomisations"], settings["steps"])


@dataclass(frozen=True)
class Audit:
    """What the audit measured of one model.

    Attributes
    ----------
    logits
        The table `intervention_logits`: slice, patient, label, and a column for each intervention.
    shortcuts, sanity
        The rows of the two tables of that name.
    """

    logits: pd.DataFrame
    shortcuts: list[AuditRow]
    sanity: list[AuditRow]


def with_lung(slices: SliceImages) -> SliceImages:
    """Keep the slices that have a lung in their mask. In the others there is nothing to replace."""
    kept = np.flatnonzero(slices.masks.any(axis=(1, 2)))
    return SliceImages(slices.table.iloc[kept].reset_index(drop=True), slices.images[kept], slices.masks[kept])


def spread_sample(n: int, at_most: int) -> np.ndarray:
    """Choose rows evenly spread over a table of n slices, and so over its patients."""
    return np.unique(np.linspace(0, n - 1, min(n, at_most)).round().astype(int))


def batch_of(slices: SliceImages, extents: Extents) -> InterventionBatch:
    """Prepare slices for interventions, with donors by table order."""
    return InterventionBatch(slices.images, slices.masks, donors_of(slices.table), extents)


def audit(
    outputs: RandomisableModel,
    slices: SliceImages,
    sources: "pd.Series[str]",
    positive: str,
    settings: AuditSettings,
    resamples: int,
    seed: int,
) -> Audit:
    """Measure everything that the audit measures of one model on its test slices.

    Parameters
    ----------
    outputs
        The model.
    slices
        Its test slices. Those without a lung are left out.
    sources
        Source by slice name.
    positive
        Label of the positive class.
    resamples, seed
        Of the intervals over patients.

    Raises
    ------
    UserError
        Where the model's prediction is not a number.
    """
    usable = with_lung(slices)
    if usable.table.empty:
        nothing = audit_row("intervention", UNMODIFIED, "roc_auc", reason=NO_LUNG)
        return Audit(usable.table[IDENTITY].assign(**{UNMODIFIED: np.empty(0)}), [nothing], [])
    batch = batch_of(usable, settings.extents)
    unmodified = outputs(batch.images)
    if not np.isfinite(unmodified.logit).all():
        raise UserError("The model's prediction is not a number for some test slices: its training has diverged.")
    logits = intervention_logits(outputs, batch, unmodified)
    shortcuts = occlusion_rows(usable.table, logits, positive, resamples, seed)
    of_slices = usable.table["slice"].map(sources)
    shortcuts.append(source_row(unmodified.features, of_slices, usable.table["patient"], resamples, seed))
    return Audit(
        pd.concat([usable.table[IDENTITY], logits], axis=1),
        shortcuts,
        _sanity(outputs, usable, settings, resamples, seed),
    )


def _sanity(
    outputs: RandomisableModel, slices: SliceImages, settings: AuditSettings, resamples: int, seed: int
) -> list[AuditRow]:
    chosen = spread_sample(len(slices.table), settings.sample)
    sampled = SliceImages(slices.table.iloc[chosen].reset_index(drop=True), slices.images[chosen], slices.masks[chosen])
    batch, patients = batch_of(sampled, settings.extents), sampled.table["patient"]
    return [
        *randomisation_rows(outputs, batch, patients, settings.draws, resamples, seed),
        *deletion_insertion_rows(outputs, batch, patients, settings.steps, resamples, seed),
    ]
