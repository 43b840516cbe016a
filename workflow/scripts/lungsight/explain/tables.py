"""Join the saliency of every model in report/saliency.tsv: how much it looks at the lung."""

from collections.abc import Iterable, Mapping

import pandas as pd

from lungsight.explain.summary import summarise
from lungsight.tables import columns_of
from lungsight.training.pipelines import Pipeline


def saliency_table(
    explained: Iterable[tuple[str, int, pd.DataFrame]], origins: Mapping[str, str], resamples: int, seed: int
) -> pd.DataFrame:
    """report/saliency.tsv: means of every model's saliency.tsv by outcome, with patient-clustered intervals.

    explained: (pipeline, stage, its saliency.tsv), in the order that the table shall have. origins: pipeline → what
    its stage 1 started from.
    """
    rows = [
        {"pipeline": name, **Pipeline.parse(name).columns, "stage": stage, "weights_origin": origins[name]} | row
        for name, stage, table in explained
        for row in summarise(table, resamples, seed)
    ]
    return pd.DataFrame(rows, columns=columns_of("report_saliency"))
