"""One made run, whole, for all tests of the package."""

import os
from pathlib import Path

import pytest

from lungsight.package.archive import write_archive
from lungsight.package.package import PackageSettings, package_contents
from lungsight.report.results import RunResults
from tests.factories.package import ROLES, SETTINGS, complete_run, made_counts, package_settings, record_job
from tests.factories.results import made_results
from tests.factories.workspace import ROOT

COHORTS = {
    name: {"role": role, "format": "dicom", "root": f"data/Doe_{name}", "table": f"Doe_{name}.tsv"}
    for name, role in ROLES.items()
}


@pytest.fixture(scope="package")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    folder = tmp_path_factory.mktemp("package") / "results/made"
    made = made_results(folder, ROLES, **SETTINGS)
    made_counts(folder, made.run)
    complete_run(folder, made.run)
    return made


@pytest.fixture(scope="package")
def settings(results: RunResults) -> PackageSettings:
    """The package's settings, of a run whose folder is named from the working folder, as in a config."""
    config = SETTINGS | {
        "cohorts": COHORTS,
        "package": {"licence": "https://example.org/licence", "authors": ["A. Author"]},
    }
    return package_settings(os.path.relpath(results.folder), config)


@pytest.fixture(scope="package")
def metadata(results: RunResults, settings: PackageSettings) -> Path:
    """What Snakemake would have kept of two jobs."""
    folder, model = results.folder.parents[1] / ".snakemake/metadata", "models/whole-small_cnn-scratch/stage1"
    log = f"{settings.results}/logs/train_stage/whole-small_cnn-scratch/stage1.log"
    benchmark = results.folder / "benchmarks/train_stage/whole-small_cnn-scratch/stage1.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\th:m:s\tmax_rss\tcpu_time\n60.4\t0:01:00\t512.5\t55.25\n", encoding="utf-8")
    used = [f"{settings.results}/splits/open/whole.tsv", "/home/somebody/else.tsv"]
    for name in ("history.tsv", "provenance.json", "model.keras"):
        record_job(folder, settings.results, f"{model}/{name}", input=used, log=[log])
    later = {"starttime": 1_700_000_100, "endtime": 1_700_000_101}
    record_job(folder, settings.results, "report/metrics.tsv", rule="metrics_table", **later)
    record_job(folder, "results/other", "report/metrics.tsv", rule="metrics_table")
    return folder


@pytest.fixture(scope="package")
def package(settings: PackageSettings, metadata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crate") / "made.crate.zip"
    write_archive(path, package_contents(settings, ROOT, metadata))
    return path
