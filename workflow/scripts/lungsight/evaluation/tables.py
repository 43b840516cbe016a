"""Join the metrics of all models in report/metrics.tsv, beside the numbers that the thesis prints."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from lungsight.evaluation.metrics import Row
from lungsight.tables import columns_in
from lungsight.training.pipelines import ROLE_OF_STAGE, model_columns

# What the thesis prints as precision is the Covid row of its confusion matrix, the recall, and the other way round.
THESIS_COLUMNS = {
    "accuracy": "thesis_accuracy",
    "recall_printed": "thesis_precision",
    "precision_printed": "thesis_recall",
    "f1_printed": "thesis_f1",
}


def thesis_numbers(thesis: pd.DataFrame) -> pd.DataFrame:
    """Return the thesis's numbers under their right names: pipeline, stage and the columns of THESIS_COLUMNS.

    Parameters
    ----------
    thesis
        config/thesis.tsv.
    """
    names = thesis["framework"] + "-" + thesis["backbone"] + "-" + thesis["weights"]
    return thesis[["stage", *THESIS_COLUMNS]].rename(columns=THESIS_COLUMNS).assign(pipeline=names)


def metrics_table(
    models: Iterable[tuple[str, int, Sequence[Row]]],
    thesis: pd.DataFrame,
    roles: Mapping[str, str],
    origins: Mapping[str, str],
) -> pd.DataFrame:
    """Compute report/metrics.tsv: the `rows` of every metrics.json, with the thesis's numbers beside them.

    The thesis evaluates slices, stage 1 on its public cohort and stage 2 on its target cohort: other rows have none.

    Parameters
    ----------
    models
        (pipeline, stage, `rows` of its metrics.json), in the order of the table.
    thesis
        config/thesis.tsv.
    roles
        Cohort → role.
    origins
        Pipeline → what its stage 1 started from.
    """
    rows = [model_columns(pipeline, stage) | row for pipeline, stage, metrics in models for row in metrics]
    columns = columns_in("metrics", rows)
    measured = [name for name in columns if not name.startswith("thesis_") and name != "weights_origin"]
    table = pd.DataFrame(rows, columns=measured)
    table = table.merge(thesis_numbers(thesis), on=["pipeline", "stage"], how="left", sort=False)
    comparable = (table["unit"] == "slice") & (table["cohort"].map(roles) == table["stage"].map(ROLE_OF_STAGE))
    table.loc[~comparable, list(THESIS_COLUMNS.values())] = np.nan
    return table.assign(weights_origin=table["pipeline"].map(origins))[columns]
