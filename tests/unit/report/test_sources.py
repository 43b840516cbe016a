"""Every table of the page says where it is from, and the columns that it names are there."""

import re

import pytest

from lungsight.report.results import RunResults
from lungsight.report.sources import SOURCES, Source
from lungsight.tables import columns_of
from tests.factories.workspace import ROOT

SCHEMAS = {
    "report/audit.tsv": "report_audit",
    "report/saliency.tsv": "report_saliency",
    "report/forensics.tsv": "report_forensics",
    "segmentation/metrics.tsv": "segmentation_metrics",
    "splits/<cohort>/<input view>.tsv": "split",
    "training/simsiam/<input view>/<backbone>.probe.tsv": "linear_probe",
}


def schema_of(file: str) -> str:
    return SCHEMAS.get(file) or file.rpartition("/")[2].removesuffix(".tsv")


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.columns])
def test_columns_are_those_of_the_table(name: str) -> None:
    source = SOURCES[name]
    assert set(source.columns) <= set(columns_of(schema_of(source.file)))


def test_every_table_of_the_page_links_to_its_file(page: str, results: RunResults) -> None:
    tables = re.findall(r'<table id="([a-z-]+)-table"', page)
    assert len(tables) > 20 and set(tables) <= set(SOURCES)
    assert page.count('<p class="from">From <a href="../') == len(tables)
    for link in set(re.findall(r'href="\.\./([^"]+)"', page)):
        if link != "run.json":
            assert (results.folder / link).exists(), link


def test_tables_that_few_runs_have_name_their_file_too() -> None:
    modules = (ROOT / "workflow/scripts/lungsight/report/sections").glob("*.py")
    named = {name for module in modules for name in re.findall(r'PageTable\("([^"]+)"', module.read_text("utf-8"))}
    assert {"classes", "all-classes", "pairs", "own-lungs-refused"} < named <= set(SOURCES)


def test_a_link_to_several_files_leads_to_their_folder() -> None:
    assert Source("report/metrics.tsv").link == "../report/metrics.tsv"
    assert Source("cohorts/<cohort>/cases.tsv").link == "../cohorts/"
    assert Source("explain/<pipeline>/stage<k>/summary.json").link == "../explain/"
