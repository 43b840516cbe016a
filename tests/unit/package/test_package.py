"""A package holds what a run left, and nothing that its owner alone should know."""

import json
import re
import zipfile
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from lungsight.errors import UserError
from lungsight.package.archive import MANIFEST, write_archive
from lungsight.package.contents import SCHEMAS, missing_files, published_files, refusal, required_files
from lungsight.package.crate import is_link
from lungsight.package.croissant import rai_statements
from lungsight.package.jobs import job_table, jobs_of
from lungsight.package.package import package_contents
from lungsight.run_description import models_of
from tests.factories.workspace import ROOT
from tools.check_package import crate_problems, croissant_problems

PICTURES = (".png", ".npz", ".npy", ".gz", ".keras", ".html", ".log", ".h5")
# What the profile recommends and a package does not say: no address of lungsight or of its programs, no organisation.
NOT_SAID = {
    "The author SHOULD have a Contextual Entity which specifies the organizational `affiliation`.",
    "The author SHOULD have an organizational affiliation.",
    "The Application SHOULD have a url",
    "The SoftwareApplication id SHOULD be an absolute URI",
    "The `publisher` property of a `Root Data Entity` SHOULD be an `Organization`",
}


@pytest.fixture(scope="module")
def contents(package) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_holds_tables_and_predictions_of_every_model(contents, results):
    for name, stage in models_of(results.run):
        for cohort in ("clinic", "far", *(["open"] if stage == 1 else [])):
            table = f"models/{name}/stage{stage}/predictions/{cohort}.tsv"
            assert contents[table] == (results.folder / table).read_bytes()
    tables = {path.name for path in (results.folder / "report").glob("*.tsv")}
    assert {f"report/{name}" for name in tables} <= set(contents)
    assert {f"cohorts/{name}/slices.tsv" for name in ("lungs", "open", "clinic", "far")} <= set(contents)


def test_no_pictures_no_weights_no_logs(contents):
    assert [name for name in contents if name.endswith(PICTURES)] == []


def test_pages_are_in_it_only_where_the_config_says_so(settings, metadata):
    config = settings.config | {"package": settings.config["package"] | {"images": True}}
    names = package_contents(settings._replace(config=config), ROOT, metadata)
    assert "report/index.html" in names and not [name for name in names if name.endswith((".png", ".npz", ".keras"))]


def test_nothing_says_where_the_data_lie_or_who_ran_it(contents, results):
    secrets = ("Doe_", "somebody", "/home/", str(results.folder), results.folder.parts[1] + "/", ".private")
    own = {name: text for name, text in contents.items() if not name.startswith(("workflow/", "envs/", "Snakefile"))}
    found = [(name, secret) for name, text in own.items() for secret in secrets if secret.encode() in text]
    assert found == []


def test_the_config_keeps_every_setting_but_paths(contents):
    config = json.loads(contents["config.json"])
    assert config["training"]["image_size"] == 256 and config["seed"] == 2021
    assert config["cohorts"]["clinic"] == {"role": "target", "format": "dicom", **config["cohorts"]["clinic"]}
    assert not {"root", "table"} & set(config["cohorts"]["clinic"]) and "results" not in config
    assert "decisions" not in config["qc"] and config["labels"] == {
        "Covid-19": ["Covid-19"],
        "Non Covid": ["Non Covid"],
    }


def test_the_same_run_gives_the_same_bytes(package, settings, metadata, tmp_path):
    again = tmp_path / "again.zip"
    contents = package_contents(settings, ROOT, metadata)
    write_archive(again, dict(reversed(contents.items())))
    assert again.read_bytes() == package.read_bytes()
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        assert names == sorted(names) and {member.date_time[0] for member in archive.infolist()} == {1980}


def test_the_manifest_names_every_file(contents):
    assert set(json.loads(contents[MANIFEST])["files"]) == set(contents) - {MANIFEST}


def test_a_file_of_an_earlier_config_stays_out(results, settings, metadata):
    old = results.folder / "models/whole-vgg16-scratch/stage1/predictions/clinic.tsv"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    assert "models/whole-vgg16-scratch/stage1/predictions/clinic.tsv" not in package_contents(settings, ROOT, metadata)


def test_half_a_run_is_refused_with_what_is_missing(results, settings, metadata):
    table = results.folder / "models/whole-small_cnn-scratch/stage2/predictions/far.tsv"
    moved = table.rename(table.with_suffix(".away"))
    try:
        assert missing_files(results.folder, results.run) == [str(table.relative_to(results.folder))]
        with pytest.raises(
            UserError, match=r"is not finished(.|\n)*Missing in .*: 1(.|\n)*stage2/predictions/far\.tsv"
        ):
            package_contents(settings, ROOT, metadata)
    finally:
        moved.rename(table)


@pytest.mark.parametrize(
    "name",
    [
        "report/patients.tsv",
        "report/metrics (copy).tsv",
        "report/lungs.tsv",
        "cohorts/open/people.tsv",
        "report/._metrics.tsv",
        "splits/clinic/._whole.tsv",
        "models/whole-small_cnn-scratch/stage1/predictions/earlier.tsv",
    ],
)
def test_what_somebody_left_beside_a_run_is_not_published(results, name):
    path = results.folder / name
    before = published_files(results.folder, results.run, images=True)
    path.write_text("patient\nJane Doe\n", encoding="utf-8")
    try:
        assert published_files(results.folder, results.run, images=True) == before
    finally:
        path.unlink()


def test_every_table_of_a_report_has_a_schema_by_which_it_is_published():
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    tables = set(re.findall(r"report/(\w+)\.tsv", rules))
    assert len(tables) > 20 and {table for table in tables if not (SCHEMAS / f"{table}.table.yaml").is_file()} == set()


def test_a_long_list_of_missing_files_is_cut(results):
    missing = required_files(results.run)
    text = refusal("results/mine", missing)
    assert f"Missing in results/mine: {len(missing)}" in text and f"and {len(missing) - 12} more" in text


def test_jobs_have_their_times_and_costs_and_nothing_else(settings, metadata):
    train, table = jobs_of(settings.results, metadata)
    assert (train.rule, table.rule) == ("train_stage", "metrics_table")
    assert (train.seconds, train.cpu_seconds, train.peak_mb) == (60.4, 55.25, 512.5)
    assert train.inputs == ["splits/open/whole.tsv"] and len(train.outputs) == 3
    rows = job_table([train, table])
    assert list(rows["start"]) == ["2023-11-14T22:13:20+00:00", "2023-11-14T22:15:00+00:00"]
    assert pd.isna(rows["seconds"][1])


def test_a_benchmark_or_a_record_that_was_cut_short_costs_no_package(settings, metadata, results):
    benchmark = results.folder / "benchmarks/train_stage/whole-small_cnn-scratch/stage1.tsv"
    whole = benchmark.read_text(encoding="utf-8")
    record = metadata / urlsafe_b64encode(f"{settings.results}/report/leakage.tsv".encode()).decode()
    record.write_text("null", encoding="utf-8")
    try:
        for text in ("", "s\th:m:s\n", "s\nnothing\n"):
            benchmark.write_text(text, encoding="utf-8")
            train, table = jobs_of(settings.results, metadata)
            assert (train.rule, train.seconds, table.rule) == ("train_stage", None, "metrics_table")
    finally:
        benchmark.write_text(whole, encoding="utf-8")
        record.unlink()


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", True),
        ("https://creativecommons.org/licenses/by/4.0/ (CC BY)", False),
        ("https://example.org/<b>", False),
        ("CC BY 4.0", False),
    ],
)
def test_a_licence_identifies_something_where_it_is_a_link_alone(text, link):
    assert is_link(text) == link


def test_a_run_that_snakemake_forgot_is_packaged_without_times(settings, tmp_path):
    contents = package_contents(settings, ROOT, tmp_path / "none")
    assert contents["jobs.tsv"].decode().splitlines()[1:] == []
    assert "jobs with a known time | 0 of 0" in contents["README.md"].decode()
    day = datetime.fromtimestamp((Path(settings.results) / "run.json").stat().st_mtime, UTC).date().isoformat()
    graph = {entity["@id"]: entity for entity in json.loads(contents["ro-crate-metadata.json"])["@graph"]}
    assert graph["./"]["datePublished"] == json.loads(contents["croissant.json"])["datePublished"] == day
    assert b"1970-01-01" not in contents["croissant.json"] + contents["ro-crate-metadata.json"]


@pytest.mark.long  # every day on a real run: tests/e2e/test_tiny.py
def test_the_crate_is_valid_by_the_workflow_run_profile(package: Path):
    problems = [problem.split(" ", 1) for problem in crate_problems(package, "RECOMMENDED")]
    assert [problem for severity, problem in problems if severity == "REQUIRED"] == []
    assert {problem.partition(": ")[2] for _, problem in problems} == NOT_SAID


def test_each_job_is_an_action_of_its_program(contents):
    graph = {entity["@id"]: entity for entity in json.loads(contents["ro-crate-metadata.json"])["@graph"]}
    (training,) = [e for e in graph.values() if e.get("instrument") == {"@id": "workflow/scripts/train_stage.py"}]
    assert (training["startTime"], training["endTime"]) == ("2023-11-14T22:13:20+00:00", "2023-11-14T22:14:20+00:00")
    assert training["object"] == {"@id": "splits/open/whole.tsv"}
    assert graph[training["agent"]["@id"]] == {"@id": "#author-1", "@type": "Person", "name": "A. Author"}
    assert "60.4 seconds" in training["description"] and "512.5 MB" in training["description"]
    assert graph["./"]["datePublished"] == "2023-11-14"
    assert graph["./"]["license"] == {"@id": "https://example.org/licence"}
    assert {part["@id"] for part in graph["./"]["hasPart"]} == set(contents) - {MANIFEST, "ro-crate-metadata.json"}


def test_the_cohort_tables_are_valid_croissant(package: Path, tmp_path):
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    assert croissant_problems(tmp_path) == []


def test_croissant_says_the_numbers_of_the_tables(contents, results):
    described = json.loads(contents["croissant.json"])
    cases = results.cases["clinic"]
    assert f"clinic: {len(cases)} rows" in described["rai:dataCollection"]
    patients = len(pd.concat([table["patient"] for table in results.cases.values()]).unique())
    (personal,) = described["rai:personalSensitiveInformation"]
    assert personal.startswith(f"{patients} patients and ") and "source are as the owner wrote them" in personal
    records = {records["@id"]: records for records in described["recordSet"]}
    assert [field["name"] for field in records["clinic-cases"]["field"]] == list(cases.columns)
    words = {word for table in records.values() for field in table["field"] for word in field["name"].split("_")}
    assert not words & {"name", "date", "birth", "age", "sex", "path"}, "what the sentence says of the columns"


def test_a_person_of_two_cohorts_counts_once():
    cases = pd.DataFrame(
        {"patient": ["a", "b"], "status": "ok", "reason": "", "source": "x", "slice_thickness": [1.0, 1.0]}
    )
    tables = {f"cohorts/{name}/cases.tsv": cases for name in ("clinic", "far")}
    (personal,) = rai_statements(tables, [-1250, 250], "patient")["rai:personalSensitiveInformation"]
    assert personal.startswith("2 patients and 4 cases")
