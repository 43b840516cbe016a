"""Rules of the report room by themselves, on a made run."""

import pandas as pd
import pytest

from tests.factories.run import FINISHED_PIPELINES as PIPELINES
from tests.factories.run import REPORT_RULES, made_finished_run
from tests.factories.workspace import Workspace


@pytest.fixture
def finished(tmp_path) -> Workspace:
    return made_finished_run(tmp_path)


def test_write_report(finished: Workspace) -> None:
    rules = [rule for rule in REPORT_RULES if rule != "report"]
    finished.must_reach(f"{finished.results}/report/index.html", *rules)
    page = (finished.run_folder / "report/index.html").read_text(encoding="utf-8")
    assert "<h1>A made run <" in page
    for name in PIPELINES:
        assert name in page
    assert str(finished.folder) not in page


def test_report(finished: Workspace) -> None:
    """The page with its tables; one that someone deleted is made again."""
    finished.must_reach("report", *REPORT_RULES)
    again = finished.snakemake("-n", "--allowed-rules", *REPORT_RULES, "--", "report")
    assert "Nothing to be done" in again.stdout, again.stdout
    table = finished.run_folder / "report/subgroups.tsv"
    before = table.read_bytes()
    table.unlink()
    finished.must_reach("report", *REPORT_RULES)
    assert table.read_bytes() == before


def test_a_table_that_does_not_fit_is_named(finished: Workspace) -> None:
    path = finished.run_folder / f"explain/{PIPELINES[0]}/stage1/saliency.tsv"
    table = pd.read_csv(path, sep="\t").drop(columns="enrichment")
    table.to_csv(path, sep="\t", index=False)
    done = finished.run_rule("saliency_table", "report/saliency.tsv")
    assert done.returncode != 0
    assert "saliency.tsv: column enrichment is missing" in done.stdout
    assert "Traceback" not in done.stdout
