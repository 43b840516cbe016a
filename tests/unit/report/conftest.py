"""One made run for all tests of the page."""

import pytest

from lungsight.report.page import render_page
from lungsight.report.results import RunResults
from tests.factories.results import made_results


@pytest.fixture(scope="package")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    """Both stages of two pipelines, one of them from stand-in weights."""
    return made_results(
        tmp_path_factory.mktemp("run"),
        {"lungs": "segmentation", "open": "public", "clinic": "target"},
        pipelines={"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["scratch", "imagenet"]},
        explain={"overlays": 1},
    )


@pytest.fixture(scope="package")
def page(results: RunResults) -> str:
    return render_page(results)
