"""Show the progress of a run while Snakemake works: one line now and then, with a forecast of the time left.

At a terminal these lines stand in place of Snakemake's own, which are in its log file (.snakemake/log) in any case.
Where the output goes to a file or to another program, both are there.
"""

import csv
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lungsight.forecast import Forecast, PlannedJob, kind_of
from lungsight.program import log

EVERY = 15.0  # seconds between two lines
SECONDS = Path(__file__).with_name("job_seconds.tsv")  # by kind, of the demonstrations
UNKNOWN = 1.0  # seconds of a job whose rule is not there
STREAM = "DefaultStreamHandler"  # Snakemake's name for what writes to the terminal


def seconds_by_kind(table: Path = SECONDS) -> dict[str, float]:
    """Read how many seconds a job of each kind took."""
    if not table.is_file():
        return {}
    with open(table, encoding="utf-8", newline="") as file:
        return {row["kind"]: float(row["seconds"]) for row in csv.DictReader(file, delimiter="\t")}


def seconds_of(kind: str, table: Mapping[str, float]) -> float:
    """Return how many seconds a job of a kind should take; with a network that is not there, the mean of its rule."""
    rule = kind.split()[0]
    alike = [table[kind]] if kind in table else [value for name, value in table.items() if name.split()[0] == rule]
    return sum(alike) / len(alike) if alike else UNKNOWN


def seconds_before(benchmark: Path | None) -> float | None:
    """Read how many seconds the same job took in an earlier run; None where there is no such record."""
    try:
        with open(str(benchmark), encoding="utf-8", newline="") as file:
            return float(next(csv.DictReader(file, delimiter="\t"))["s"])
    except (OSError, ValueError, LookupError, StopIteration):
        return None


class Reporter(logging.Handler):
    """Follow Snakemake's log records, and print the progress.

    Parameters
    ----------
    forecast
        Of the run.
    say
        Prints a line.
    """

    def __init__(self, forecast: Forecast, say: Callable[[str], None] = log) -> None:
        super().__init__()
        self.forecast, self.say = forecast, say
        self._over = threading.Event()
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Note a job that starts or ends."""
        event = getattr(getattr(record, "event", None), "value", "")
        with self._guard:
            if event == "job_info":
                self.forecast.begin(record.__dict__["jobid"], time.monotonic())
            elif event == "job_finished":
                self.forecast.end(record.__dict__["job_id"], time.monotonic())

    def line(self) -> str:
        """Write the progress as it is now."""
        with self._guard:
            return self.forecast.sentence(time.monotonic())

    def tick(self) -> None:
        """Print a line every few seconds until the run is over."""
        while not self._over.wait(EVERY):
            self.say(self.line())

    def start(self) -> None:
        """Begin to print."""
        threading.Thread(target=self.tick, daemon=True).start()

    def stop(self) -> None:
        """Print no more."""
        self._over.set()


def not_of_single_jobs(record: logging.LogRecord) -> bool:
    """Whether a record is more than news of single jobs: an error, a warning, a summary."""
    events = ("job_info", "job_started", "job_finished", "progress", "shellcmd", "resources_info")
    news = getattr(getattr(record, "event", None), "value", "") in events
    return record.levelno >= logging.WARNING or not news


def follow(logger: logging.Logger, jobs: Iterable[PlannedJob], cores: int) -> Reporter:
    """Show the progress of a run from now on.

    Parameters
    ----------
    logger
        Snakemake's.
    jobs
        That the run will do.
    cores
        That they share.
    """
    reporter = Reporter(Forecast(jobs, cores, time.monotonic()))
    if sys.stderr.isatty():
        for handler in logger.handlers:
            if handler.name == STREAM:
                handler.addFilter(not_of_single_jobs)
    logger.addHandler(reporter)
    reporter.start()
    return reporter


def planned(dag: Any, costs: Callable[[Any], float]) -> list[PlannedJob]:
    """Describe the jobs of Snakemake's graph that are due.

    Parameters
    ----------
    dag
        Snakemake's graph of jobs.
    costs
        Job → seconds of its work beyond its start; 0 where none are known.
    """
    due, table = list(dag.needrun_jobs()), seconds_by_kind()
    numbers = {job: dag.jobid(job) for job in due}
    found = []
    for job in due:
        before = seconds_before(job.benchmark)
        threads = job.threads if isinstance(job.threads, int) else 1
        kind = kind_of(job.rule.name, job.wildcards_dict)
        seconds = seconds_of(kind, table) + costs(job) / max(threads, 1) if before is None else before
        needs = frozenset(numbers[other] for other in dag.dependencies[job] if other in numbers)
        found.append(PlannedJob(numbers[job], kind, seconds, needs, threads, job.priority))
    return found
