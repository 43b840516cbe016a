"""The progress of a run, from log records as Snakemake 9 makes them."""

import logging
import time
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from lungsight import run_progress
from lungsight.forecast import Forecast, PlannedJob
from lungsight.run_progress import Reporter, follow, not_of_single_jobs, planned
from tools.progress import PROGRESS_LINE


def record(event: LogEvent | None, level: int = logging.INFO, **values: object) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", level, __file__, 1, "news", None, None)
    made.__dict__.update(values | ({"event": event} if event else {}))
    return made


def reporter(**options) -> Reporter:
    jobs = [PlannedJob(4, "convert", 10), PlannedJob(5, "train_stage", 90, frozenset({4}))]
    return Reporter(Forecast(jobs, 2, time.monotonic()), **options)


def test_jobs_begin_and_end_as_snakemake_says():
    mine = reporter()
    mine.handle(record(LogEvent.JOB_INFO, jobid=4, rule_name="convert"))
    assert set(mine.forecast.running) == {4}
    mine.handle(record(LogEvent.SHELLCMD, cmd="python"))
    mine.handle(record(LogEvent.JOB_FINISHED, job_id=4))
    assert (set(mine.forecast.running), set(mine.forecast.finished)) == (set(), {4})
    mine.handle(record(LogEvent.JOB_INFO, jobid=0, rule_name="all"))  # a target is no job of the forecast
    assert set(mine.forecast.running) == set()
    mine.handle(record(None))


def test_lines_come_now_and_then_until_the_run_is_over(monkeypatch):
    monkeypatch.setattr(run_progress, "EVERY", 0.01)
    lines: list[str] = []
    mine = reporter(say=lines.append)
    mine.start()
    while len(lines) < 2:
        time.sleep(0.01)
    mine.stop()
    assert lines[0].startswith("0:00 ·   0% · 0 of 2 jobs · too early to say how long")
    assert all(PROGRESS_LINE.match(line) for line in lines), "make demo shows these lines, and no others"


@pytest.mark.parametrize(
    ("event", "level", "stays"),
    [
        (LogEvent.JOB_INFO, logging.INFO, False),
        (LogEvent.JOB_FINISHED, logging.INFO, False),
        (LogEvent.PROGRESS, logging.INFO, False),
        (LogEvent.JOB_ERROR, logging.ERROR, True),
        (LogEvent.RUN_INFO, logging.INFO, True),
        (None, logging.INFO, True),
        (None, logging.WARNING, True),
    ],
)
def test_at_a_terminal_single_jobs_are_no_news_and_errors_are(event, level, stays):
    assert not_of_single_jobs(record(event, level)) is stays


@pytest.mark.parametrize("terminal", [True, False])
def test_snakemakes_own_lines_stay_where_nobody_watches(monkeypatch, terminal):
    logger, stream = logging.Logger("run"), logging.StreamHandler()
    stream.name = run_progress.STREAM
    logger.addHandler(stream)
    monkeypatch.setattr(run_progress.sys, "stderr", SimpleNamespace(isatty=lambda: terminal, write=len, flush=int))
    mine = follow(logger, [], cores=2)
    mine.stop()
    assert mine in logger.handlers
    assert bool(stream.filter(record(LogEvent.JOB_INFO))) is not terminal
    assert stream.filter(record(LogEvent.JOB_ERROR, logging.ERROR))


def test_planned_jobs_take_what_they_took_before_else_the_table_and_their_work(tmp_path, monkeypatch):
    monkeypatch.setattr(run_progress, "seconds_by_kind", lambda: {"train_stage": 20.0})
    benchmark = tmp_path / "b.tsv"
    benchmark.write_text("s\n7.5\n", encoding="utf-8")

    first, second, third = FakeJob("convert", 1, benchmark), FakeJob("train_stage", 4), FakeJob("unheard_of", 1)
    done = FakeJob("done", 1)
    dag = SimpleNamespace(
        needrun_jobs=lambda: iter([first, second, third]),
        jobid=[first, second, third].index,
        dependencies={first: [], second: [first, done], third: []},
    )
    found = planned(dag, lambda job: 400.0 if job is second else 0.0)
    assert [(job.kind, job.seconds, job.cores) for job in found] == [
        ("convert", 7.5, 1),
        ("train_stage", 20 + 400 / 4, 4),
        ("unheard_of", run_progress.UNKNOWN, 1),
    ]
    assert found[1].needs == {0}, "what is done already is not waited for"


class FakeJob:
    """A job as Snakemake's graph holds it."""

    def __init__(self, rule, threads, benchmark=None):
        self.rule, self.threads = SimpleNamespace(name=rule), threads
        self.benchmark, self.priority, self.wildcards_dict = benchmark, 10, {}
