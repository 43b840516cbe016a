"""The section on ensembles shows rank, members and the difference to the best pipeline."""

from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.report.rendering import render_part
from lungsight.report.results import RunResults
from lungsight.report.sections.ensembles import section
from lungsight.report.templates import section_template

ROW = {
    **{"ensemble": "both", "members": "whole-a-scratch whole-b-scratch", "member_weights": "0.7000 0.3000"},
    **{"note": "", "stage": 2, "cohort": "clinic", "rank": 1.0, "ranked": 3.0, "compared_with": "whole-a-scratch"},
    **{"roc_auc": 0.91, "roc_auc_lo": 0.8, "roc_auc_hi": 0.97, "accuracy": 0.8, "accuracy_lo": 0.7},
    **{"accuracy_hi": 0.9, "ece": 0.05, "difference": 0.02, "difference_lo": -0.01, "difference_hi": 0.05},
    "p_holm": 0.3,
}


def test_an_ensemble_has_rank_members_and_difference() -> None:
    table = pd.DataFrame([ROW | {"rank": np.nan, "cohort": "elsewhere"}, ROW, ROW | {"stage": 1, "rank": 2.0}])
    values = section(RunResults(Path(), {}, ensembles=table))
    first, second = [[cell.text for cell in row] for row in values["ensembles"].rows]
    assert first[:5] == ["both", "whole-a-scratch 0.70, whole-b-scratch 0.30", "stage 2 on clinic", "1 of 3", "0.91"]
    assert second[2:4] == ["stage 1 on clinic", "2 of 3"]
    assert values["ensembles"].rows[0][5].note == "−0.01 to +0.05, to whole-a-scratch"
    assert "no verdict" in render_part(section_template("ensembles"), values)


def test_a_run_without_ensembles_has_no_section() -> None:
    assert section(RunResults(Path(), {})) is None
