"""The last message of a run, from files as Snakemake and the programs leave them."""

import os

import pandas as pd
import pytest

from benchmarks.run_summary import busy_cores, threads_of_jobs
from lungsight.run_summary import (
    Failure,
    case_lines,
    clock,
    costs_by_rule,
    failure_text,
    failures_of,
    success_text,
)
from tests.factories.tables import made_cohort

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"

# As Snakemake 9.27 writes it: job 1 fails for good, job 2 succeeds at its second try.
LOG = """\
[Tue Nov 24 10:38:06 2026]
Error in rule convert:
    message: None
    jobid: 1
    input: hospital.tsv
    log: {log} (check log file(s) for error details)
    shell:
        python convert.py > {log} 2>&1
        (command exited with non-zero exit code)
[Tue Nov 24 10:38:06 2026]
Error in rule infer_cohort:
    message: None
    jobid: 2
    log: other.log (check log file(s) for error details)
Trying to restart job 2.
[Tue Nov 24 10:38:07 2026]
Finished jobid: 2 (Rule: classify)
[Tue Nov 24 10:38:07 2026]
Error in rule convert:
    message: None
    jobid: 1
    log: {log} (check log file(s) for error details)
"""


def benchmark(path, seconds, megabytes, written=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEADER}{seconds}\t0:00:01\t{megabytes}\t1\t1\t1\t0\t0\t1\t{seconds / 2}\n", encoding="utf-8")
    if written is not None:
        os.utime(path, (written, written))


@pytest.fixture
def run(tmp_path):
    benchmark(tmp_path / "benchmarks" / "convert" / "hospital" / "000.tsv", 10.0, 500.0)
    benchmark(tmp_path / "benchmarks" / "convert" / "hospital" / "001.tsv", 30.0, 1500.0)
    benchmark(tmp_path / "benchmarks" / "leakage.tsv", 2.0, "NA")
    return tmp_path


def test_costs_by_rule(run):
    costs = costs_by_rule(run)
    assert list(costs.index) == ["convert", "leakage"]
    assert list(costs.loc["convert"]) == [2, 40.0, 30.0, 20.0, 1.5]
    assert pd.isna(costs.loc["leakage", "peak_gb"])


def test_jobs_of_an_earlier_run_do_not_count(run):
    benchmark(run / "benchmarks" / "convert" / "hospital" / "000.tsv", 10.0, 500.0, written=1000)
    assert costs_by_rule(run, since=2000).loc["convert", "jobs"] == 1
    assert len(costs_by_rule(run, since=1e12)) == 0


def test_benchmark_files_that_cannot_be_read_are_named_and_do_not_count(tmp_path, capsys):
    """Nor do rows without seconds; an endless peak is as good as none."""
    folder = tmp_path / "benchmarks"
    (folder / "convert").mkdir(parents=True)
    for number, (seconds, megabytes) in enumerate([(60.0, 700.0), ("inf", 700.0), ("NA", 700.0), (70.0, "inf")]):
        text = f"s\tmax_rss\tcpu_time\n{seconds}\t{megabytes}\t1\n"
        (folder / "convert" / f"{number:03d}.tsv").write_text(text, encoding="utf-8")
    (folder / "empty.tsv").touch()
    (folder / "old.tsv").write_text("s\tmax_rss\n1.0\t90.0\n", encoding="utf-8")
    costs = costs_by_rule(tmp_path)
    said = capsys.readouterr().err
    assert "empty.tsv is no benchmark file" in said and "old.tsv is no benchmark file" in said
    assert list(costs.index) == ["convert"]
    assert list(costs.loc["convert"]) == [2, 130.0, 70.0, 2.0, 0.7]


def test_rejected_cases_are_counted_with_their_reasons(run):
    made_cohort(run, "hospital", patients=4)
    path = run / "cohorts" / "hospital" / "cases.tsv"
    cases = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    cases.loc[[0, 2], "status"], cases.loc[[0, 2], "reason"] = "rejected", "a slice is missing"
    cases.to_csv(path, sep="\t", index=False)
    assert case_lines(run, ["hospital", "absent"]) == [
        "  hospital: 2 of 4 taken, 2 rejected:",
        "    2 × a slice is missing",
    ]


def test_a_success_names_the_report_first(run):
    (run / "report").mkdir()
    (run / "report" / "index.html").touch()
    made_cohort(run, "hospital", patients=4)
    text = success_text(run, ["hospital"], since=0)
    assert "What ran: 3 jobs:" in text
    assert "hospital: 4 of 4 taken" in text
    assert text.endswith(f"Look at first:\n  {run / 'report' / 'index.html'}")


def test_without_a_page_the_tables_of_cases_are_named(run):
    made_cohort(run, "hospital", patients=4)
    assert success_text(run, ["hospital"], since=0).endswith(f"{run / 'cohorts' / 'hospital' / 'cases.tsv'}")


def test_a_job_that_succeeded_later_did_not_fail():
    assert failures_of(LOG.format(log="a.log")) == [Failure("convert", "1", "a.log")]


def test_a_failure_names_one_log_and_its_last_line(tmp_path):
    log = tmp_path / "000.log"
    log.write_text("12 of 14 cases\nerror: the table has no row 3.\n\n", encoding="utf-8")
    (tmp_path / "snakemake.log").write_text(LOG.format(log=log), encoding="utf-8")
    lines = failure_text([tmp_path / "snakemake.log"]).splitlines()
    assert lines[0] == "The run stopped: convert failed."
    assert lines[1].strip() == "error: the table has no row 3."
    assert [line for line in lines if line.startswith("Open first")] == [f"Open first: {log}"]


def test_a_failure_without_a_job_names_snakemakes_log(tmp_path):
    (tmp_path / "snakemake.log").write_text("Exiting\n", encoding="utf-8")
    assert failure_text([tmp_path / "snakemake.log"]).endswith(f"Open first: {tmp_path / 'snakemake.log'}")
    assert failure_text([]) == "The run stopped."


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (75, "1:15"), (3723, "1:02:03")])
def test_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    "said",
    [
        "Terminating processes on user request, this might take some time.\n",
        "Will exit after finishing currently running jobs (scheduler).\n",
    ],
)
def test_an_interrupted_run_is_no_failed_one(tmp_path, said):
    """An interrupted program ends with an error, which is none of the user's."""
    log = tmp_path / "snakemake.log"
    log.write_text(said + "Error in rule train_stage:\n    jobid: 5\n    log: train.log\n", encoding="utf-8")
    text = failure_text([log])
    assert text.startswith("The run was interrupted.") and "train.log" not in text


STARTED = """\
[Sun Nov 29 19:05:12 2026]
localrule phantom_cohort:
    output: phantoms
    jobid: 7
    benchmark: {run}/benchmarks/phantom_cohort.tsv
    threads: 4

[Sun Nov 29 19:05:13 2026]
rule convert:
    jobid: 8
    benchmark: {run}/benchmarks/convert/hospital/000.tsv
    wildcards: cohort=hospital
    threads: 2
    resources: mem_mb=1000
[Sun Nov 29 19:05:14 2026]
rule convert:
    benchmark: {run}/benchmarks/convert/hospital/001.tsv
[Sun Nov 29 19:05:14 2026]
rule leakage:
    benchmark: {run}/benchmarks/leakage.tsv
    threads: 2
[Sun Nov 29 19:05:14 2026]
rule all:
    threads: 8
"""


def test_threads_are_read_from_the_log_one_where_it_names_none():
    found = threads_of_jobs(STARTED.format(run="r"))
    assert list(found.values()) == [4, 2, 1, 2] and list(found)[1] == "r/benchmarks/convert/hospital/000.tsv"


def test_busy_cores_are_those_of_long_jobs_over_what_they_reserved(run):
    """Half a core is busy in every job; one of 10 s has two threads, one of 30 s one; the others ended or are short."""
    table = busy_cores(run, STARTED.format(run=run))
    assert list(table.index) == ["convert"]
    assert table.loc["convert", ["jobs", "threads", "cores", "share"]].tolist() == [2, 1.25, 0.5, 0.4]
    assert bool(table.loc["convert", "below"])


def test_no_log_no_rule(run):
    assert busy_cores(run, "").empty
