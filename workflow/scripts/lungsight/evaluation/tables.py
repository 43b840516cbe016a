"""Join the metrics of every model in report/metrics.tsv, beside the numbers that the thesis prints."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from lungsight.tables import columns_of
from lungsight.training.pipelines import ROLE_OF_STAGE, Pipeline

# What the thesis prints as precision is the Covid row of its confusion matrix, the recall, and the other way round.
THESIS_COLUMNS = {
    "accuracy": "thesis_accuracy",
    "recall_printed": "thesis_precision",
    "precision_printed": "thesis_recall",
    "f1_printed": "thesis_f1",
}


def thesis_numbers(thesis: pd.DataFrame) -> pd.DataFrame:
    """The thesis's numbers under their right names.

    thesis: as config/thesis.tsv. Returns pipeline, stage and the columns of THESIS_COLUMNS.
    """
    names = thesis["framework"] + "-" + thesis["backbone"] + "-" + thesis["weights"]
    return thesis[["stage", *THESIS_COLUMNS]].rename(columns=THESIS_COLUMNS).assign(pipeline=names)


def metrics_table(
    evaluated: Iterable[tuple[str, int, list[dict]]],
    thesis: pd.DataFrame,
    roles: Mapping[str, str],
    origins: Mapping[str, str],
) -> pd.DataFrame:
    """report/metrics.tsv: the rows of every metrics.json, with the thesis's numbers on the slice rows that it has.

    evaluated: (pipeline, stage, rows of its metrics.json), in the order that the table shall have. thesis: as
    config/thesis.tsv. roles: cohort → role; the thesis has stage 1 on the public, stage 2 on the target cohort.
    origins: pipeline → what its stage 1 started from.
    """
    rows = [
        {"pipeline": name, **Pipeline.parse(name).columns, "stage": stage} | row
        for name, stage, found in evaluated
        for row in found
    ]
    columns = columns_of("metrics")
    measured = [name for name in columns if not name.startswith("thesis_") and name != "weights_origin"]
    table = pd.DataFrame(rows, columns=measured)
    table = table.merge(thesis_numbers(thesis), on=["pipeline", "stage"], how="left", sort=False)
    comparable = (table["unit"] == "slice") & (table["cohort"].map(roles) == table["stage"].map(ROLE_OF_STAGE))
    table.loc[~comparable, list(THESIS_COLUMNS.values())] = np.nan
    return table.assign(weights_origin=table["pipeline"].map(origins))[columns]
