"""report/saliency.tsv: means by model and outcome."""

import numpy as np
import pandas as pd
import pytest

from lungsight.explain.reasons import EMPTY
from lungsight.explain.saliency_metrics import METRICS
from lungsight.explain.tables import saliency_table
from lungsight.tables import check_table

ORIGINS = {"whole-resnet50-imagenet": "stand-in"}


def test_saliency_rows_by_model_and_outcome() -> None:
    rows = pd.DataFrame({"patient": list("aabb"), "outcome": ["TP", "TP", "FN", "TP"], "empty": [0, 0, 1, 0]})
    rows["reason"] = ["", "", EMPTY, ""]
    rows = rows.assign(**{name: [1.0, 2.0, np.nan, 3.0] for name in METRICS})
    table = saliency_table([("whole-resnet50-imagenet", 2, rows)], ORIGINS, resamples=50, seed=1)
    check_table(table, "report_saliency", "saliency")
    assert table["outcome"].tolist() == ["all", "TP", "FN"]
    assert table.loc[0, "enrichment"] == pytest.approx(2)
    assert table.loc[2, ["n", "n_empty"]].tolist() == [1, 1]
    assert np.isnan(table.loc[2, "enrichment"])
    assert table.columns[-1] == "weights_origin" and set(table["weights_origin"]) == {"stand-in"}
