"""Join the saliency of all models in report/saliency.tsv: how much of their maps lies in the lung."""

from collections.abc import Iterable, Mapping

import pandas as pd

from lungsight.explain.summary import summarise
from lungsight.tables import columns_of
from lungsight.training.pipelines import model_columns


def saliency_table(
    explained: Iterable[tuple[str, int, pd.DataFrame]], origins: Mapping[str, str], resamples: int, seed: int
) -> pd.DataFrame:
    """Compute report/saliency.tsv: means of every model's saliency.tsv by outcome, with patient-clustered intervals.

    Parameters
    ----------
    explained
        (pipeline, stage, its saliency.tsv), in the order of the table.
    origins
        Pipeline → what its stage 1 started from.
    resamples, seed
        Of the intervals.
    """
    rows = [
        model_columns(pipeline, stage) | {"weights_origin": origins[pipeline]} | row
        for pipeline, stage, table in explained
        for row in summarise(table, resamples, seed)
    ]
    return pd.DataFrame(rows, columns=columns_of("report_saliency"))
