"""One made run for all tests of the page."""

import pandas as pd
import pytest

from lungsight.report.page import render_page
from lungsight.report.results import RunResults
from lungsight.tables import write_table
from tests.factories.results import changed, made_results


@pytest.fixture(scope="package")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    """Both stages of two pipelines, one of them from stand-in weights, an ensemble, and masks that tables name."""
    made = made_results(
        tmp_path_factory.mktemp("run"),
        {"lungs": "segmentation", "open": "public", "clinic": "target"},
        pipelines={
            **{"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["scratch", "imagenet"]},
            "ensembles": {"both": ["whole-resnet50-scratch", "whole-resnet50-imagenet"]},
        },
        explain={"overlays": 1},
    )
    taken = {"cohort": "clinic", "row": 1, "case": "a" * 16, "status": "taken", "classical_dice": 0.97, "reason": ""}
    write_table(made.folder / "report/lungs.tsv", [taken], schema="lungs")
    return changed(made, lungs=pd.DataFrame([taken]))


@pytest.fixture(scope="package")
def page(results: RunResults) -> str:
    return render_page(results)
