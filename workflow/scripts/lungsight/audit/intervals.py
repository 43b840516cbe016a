"""The rows of shortcuts.tsv and sanity.tsv: what was measured of every slice becomes numbers with intervals.

Imports no TensorFlow. The measurements take minutes; with other intervals they stay as they are.
"""

import numpy as np
import pandas as pd

from lungsight.audit.occlusion_tests import occlusion_rows, scores_of_interventions
from lungsight.audit.rows import DIFFERENCE, UNMODIFIED, audit_row
from lungsight.audit.source_classifier import source_row
from lungsight.evaluation.intervals import mean_with_interval
from lungsight.rows import AuditRow

NO_LUNG = "no test slice has a lung in a mask that passed quality control"
# A measure of maps that tell nothing. The area of a map has none: only its difference to that of a random map.
CHANCE = {"rank_correlation": 0.0, "enrichment": 1.0}


def shortcut_rows(
    logits: pd.DataFrame,
    sources: pd.DataFrame,
    positive: str,
    resamples: int,
    seed: int,
    swaps: pd.DataFrame | None = None,
) -> list[AuditRow]:
    """Make shortcuts.tsv.

    Parameters
    ----------
    logits
        intervention_logits.tsv.
    sources
        source_predictions.tsv.
    positive
        Label of the positive class.
    resamples, seed
        Of the intervals.
    swaps
        swap_logits.tsv; None with two classes.
    """
    if logits.empty:
        return [audit_row("intervention", UNMODIFIED, "roc_auc", reason=NO_LUNG)]
    rows = occlusion_rows(*scores_of_interventions(logits, swaps, positive), resamples, seed)
    return [*rows, source_row(sources, resamples, seed)]


def sanity_rows(values: pd.DataFrame, resamples: int, seed: int) -> list[AuditRow]:
    """Make sanity.tsv: a row for each test, variant and measure, of the mean over the slices that have a value.

    Parameters
    ----------
    values
        sanity_values.tsv.
    resamples, seed
        Of the intervals.
    """
    measured = values.groupby(["test", "variant", "measure"], sort=False)
    return [
        _mean_row(str(test), str(variant), str(measure), of_slices, resamples, seed)
        for (test, variant, measure), of_slices in measured
    ]


def _mean_row(test: str, variant: str, measure: str, values: pd.DataFrame, resamples: int, seed: int) -> AuditRow:
    of_slices = values["value"].to_numpy(np.float64)
    mean, low, high = mean_with_interval(of_slices[:, None], values["patient"], resamples, seed)
    n = int((~np.isnan(of_slices)).sum())
    return audit_row(
        test,
        variant,
        measure,
        float(mean[0]),
        (float(low[0]), float(high[0])),
        unit="slice",
        n=n,
        chance=0.0 if variant == DIFFERENCE else CHANCE.get(measure, np.nan),
        reason="" if n else "no map could be compared",
    )
