"""The audit of one trained model: occlusion tests on all test slices, sanity checks of the maps on a sample of them.

It measures slices. `intervals` makes rows with intervals of the measurements.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lungsight.audit.interventions import Extents, InterventionBatch, donors_of
from lungsight.audit.occlusion_tests import intervention_logits, swap_logits
from lungsight.audit.sanity_checks import (
    RandomisableModel,
    SliceValues,
    deletion_insertion_values,
    randomisation_values,
)
from lungsight.audit.source_classifier import predict_sources
from lungsight.classes import Classes
from lungsight.errors import UserError
from lungsight.explain.explanation import SliceImages
from lungsight.tables import columns_of

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
    making_sample
        How many slices are made anew at most, to change traces of their making.
    """

    extents: Extents
    sample: int
    draws: int
    steps: int
    making_sample: int = 0

    @classmethod
    def of(cls, settings: dict[str, Any]) -> "AuditSettings":
        """Take the settings from the config's section `audit`."""
        extents = Extents(*(settings[name] for name in ("margin", "border", "crop", "low_pass", "blur")))
        numbers = (settings[name] for name in ("sample", "randomisations", "steps", "making_sample"))
        return cls(extents, *numbers)


@dataclass(frozen=True)
class Audit:
    """What the audit measured of one model. No table has a row where no test slice is left.

    Attributes
    ----------
    logits
        The table `intervention_logits`: of each slice, and a column for each intervention.
    sources
        The table `source_predictions`: the source of each slice, and what its features tell of it.
    sanity
        The table `sanity_values`: what the sanity checks measured of each slice of a sample.
    swaps
        The table `swap_logits`: each slice with a part of every other class. None with two classes.
    """

    logits: pd.DataFrame
    sources: pd.DataFrame
    sanity: pd.DataFrame
    swaps: pd.DataFrame | None = None

    @classmethod
    def without_slices(cls, classes: Classes) -> "Audit":
        """Return the tables without rows."""
        names = ("intervention_logits", "source_predictions", "sanity_values", "swap_logits")
        logits, sources, sanity, swaps = (pd.DataFrame(columns=columns_of(name)) for name in names)
        if classes.sigmoid:
            return cls(logits.drop(columns="class"), sources, sanity)
        return cls(logits, sources, sanity, swaps)


def with_lung(slices: SliceImages) -> SliceImages:
    """Keep the slices that have a lung in a mask that passed quality control.

    In a slice without a lung there is nothing to replace; in one with a wrong mask, the wrong part would be replaced.
    """
    kept = np.flatnonzero(slices.usable)
    return SliceImages(slices.table.iloc[kept].reset_index(drop=True), slices.images[kept], slices.masks[kept])


def spread_sample(n: int, at_most: int) -> np.ndarray:
    """Choose rows evenly spread over a table of n slices, and so over its patients."""
    return np.unique(np.linspace(0, n - 1, min(n, at_most)).round().astype(int))


def batch_of(slices: SliceImages, extents: Extents, labels: Sequence[str]) -> InterventionBatch:
    """Prepare slices for interventions, with donors by table order. labels: the classes in their order."""
    return InterventionBatch(slices.images, slices.masks, donors_of(slices.table, labels), extents)


def audit(
    outputs: RandomisableModel,
    slices: SliceImages,
    sources: "pd.Series[str]",
    classes: Classes,
    settings: AuditSettings,
    seed: int,
) -> Audit:
    """Measure everything that the audit measures of one model on its test slices.

    Parameters
    ----------
    outputs
        The model.
    slices
        Its test slices. Those without a lung in an accepted mask are left out.
    sources
        Source by slice name.
    classes
        That the model tells apart.
    settings
        Of the audit.
    seed
        Of the sanity checks.

    Raises
    ------
    UserError
        Where the model's prediction is not a number.
    """
    usable = with_lung(slices)
    if usable.table.empty:
        return Audit.without_slices(classes)
    batch = batch_of(usable, settings.extents, classes.names)
    unmodified = outputs(batch.images)
    if not np.isfinite(unmodified.logits).all():
        raise UserError("The model's prediction is not a number for some test slices: its training has diverged.")
    identity = usable.table[IDENTITY]
    logits = intervention_logits(outputs, batch, unmodified, identity, classes)
    swaps = None if classes.sigmoid else swap_logits(outputs, batch, identity, classes)
    of_slices = usable.table["slice"].map(sources)
    predicted = predict_sources(unmodified.features, of_slices, usable.table["patient"])
    return Audit(
        logits,
        usable.table[["slice", "patient"]].assign(source=of_slices, predicted=predicted),
        _sanity(outputs, usable, classes, settings, seed),
        swaps,
    )


def _sanity(
    outputs: RandomisableModel, slices: SliceImages, classes: Classes, settings: AuditSettings, seed: int
) -> pd.DataFrame:
    chosen = spread_sample(len(slices.table), settings.sample)
    sampled = SliceImages(slices.table.iloc[chosen].reset_index(drop=True), slices.images[chosen], slices.masks[chosen])
    batch = batch_of(sampled, settings.extents, classes.names)
    measured = [
        *randomisation_values(outputs, batch, settings.draws, seed),
        *deletion_insertion_values(outputs, batch, settings.steps, seed),
    ]
    return table_of_values(sampled.table, measured)


def table_of_values(slices: pd.DataFrame, measured: Iterable[SliceValues]) -> pd.DataFrame:
    """Make the table `sanity_values`: a row for each slice and variant of a test. slices: slice, patient."""
    parts = [
        slices[["slice", "patient"]].assign(
            test=each.test, variant=each.variant, measure=each.measure, value=each.values
        )
        for each in measured
    ]
    return pd.concat(parts, ignore_index=True)
