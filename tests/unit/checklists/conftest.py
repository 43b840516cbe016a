"""One made run for all tests of the checklists."""

from dataclasses import replace

import pandas as pd
import pytest

from lungsight.checklists.evidence import Evidence
from lungsight.checklists.patient_flow import flow_rows
from lungsight.checklists.risk import risk_rows
from lungsight.checklists.study import AIM
from lungsight.evaluation.sample_size import Assumptions, TestSet, power_rows
from lungsight.report.results import RunResults
from tests.factories.results import made_results

STUDY = {"title": "A <b>bold</b> title", "sampling": "consecutive", AIM: 0.5}


def flow_of(results: RunResults) -> pd.DataFrame:
    """flow.tsv of a made run."""
    rows = []
    for name, cases in results.cases.items():
        splits = {view: split for (cohort, view), split in results.splits.items() if cohort == name}
        tables = results.slices.get(name), results.manifests.get(name)
        rows += flow_rows(name, cases, *tables, splits, results.input_views)
    return pd.DataFrame(rows)


@pytest.fixture(scope="package")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Both stages of one pipeline, an external cohort, and every table that the checklists read."""
    results = made_results(
        tmp_path_factory.mktemp("run"),
        {"lungs": "segmentation", "open": "public", "clinic": "target", "elsewhere": "external"},
        pipelines={"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["scratch"]},
        explain={"overlays": 0},
    )
    power = power_rows(TestSet("clinic", 3, 3, 3.0), Assumptions([0.8], [0.8], 0.5, 100), seed=1)
    found = Evidence(
        results,
        settings={"intake": {"window": [-1250, 250], "png_size": 192}, "training": {"image_size": 88}},
        predictability=pd.DataFrame([{"cohort": "clinic", "aspect": "kvp", "patients": 24, "balanced_accuracy": 0.6}]),
        duplicates=pd.DataFrame({"kind": ["exact", "near"], "label_conflict": [1, 0]}),
        power=pd.DataFrame(list(power)),
        flow=flow_of(results),
        study=STUDY,
    )
    return replace(found, risk=pd.DataFrame(risk_rows(found)))
