"""Say which job made which file of a run, when, in what time and memory.

Snakemake keeps the times in `.snakemake/metadata`, the rules in their benchmark files. Where the first is gone, a job
has no times. No host, user or command is read.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

COLUMNS = ("rule", "job", "start", "end", "seconds", "cpu_seconds", "peak_mb", "outputs")


@dataclass
class Job:
    """One job of a run.

    Attributes
    ----------
    rule
        Its rule.
    outputs, inputs
        Files and folders of the run, relative to its folder. Those outside it do not count.
    start, end
        Seconds since the epoch; None where unknown.
    seconds, cpu_seconds, peak_mb
        From its benchmark: elapsed time, processor time, the peak of the resident memory. None where there is none.
    """

    rule: str
    outputs: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    start: float | None = None
    end: float | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_mb: float | None = None


def utc(seconds: float) -> str:
    """Write a time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _records(metadata: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each output that Snakemake knows, as a path from the working folder, with what it recorded of its job."""
    for path in sorted(path for path in metadata.rglob("*") if path.is_file()):
        # A long name is spread over folders, whose names begin with @.
        name = "".join(part.removeprefix("@") for part in path.relative_to(metadata).parts)
        try:
            output, record = base64.urlsafe_b64decode(name).decode(), json.loads(path.read_text(encoding="utf-8"))
        except (binascii.Error, UnicodeDecodeError, ValueError):
            continue
        if isinstance(record, dict) and isinstance(record.get("rule"), str):
            yield output, record


def _within(results: str, paths: list[str]) -> list[str]:
    return sorted({path.removeprefix(f"{results}/") for path in paths if path.startswith(f"{results}/")})


def _benchmark(results: Path, logs: list[str]) -> dict[str, float]:
    """Read the benchmark beside a log: logs/<rule>/….log has benchmarks/<rule>/….tsv."""
    log = next((Path(log) for log in logs if log.startswith("logs/")), None)
    path = results / "benchmarks" / log.relative_to("logs").with_suffix(".tsv") if log else results / "none"
    columns = {"seconds": "s", "cpu_seconds": "cpu_time", "peak_mb": "max_rss"}
    try:
        measured = pd.read_csv(path, sep="\t", na_values=["NA", "-"]).iloc[0]
        return {name: float(measured[column]) for name, column in columns.items() if pd.notna(measured[column])}
    except (OSError, LookupError, ValueError):  # none, or cut short: the job ran all the same
        return {}


def jobs_of(results: str, metadata: Path) -> list[Job]:
    """List the jobs of a run, in the order in which they began.

    Parameters
    ----------
    results
        The run's folder, as the config names it.
    metadata
        Snakemake's folder of this name.
    """
    jobs: dict[tuple[str, ...], Job] = {}
    for output, record in _records(metadata):
        if not (output.startswith(f"{results}/") and Path(output).exists()):
            continue
        logs = _within(results, record.get("log") or [])
        # Outputs of one job have one log; a rule without a log has one output.
        key = (record["rule"], *(logs or [output]))
        if key not in jobs:
            job = Job(record["rule"], inputs=_within(results, record.get("input") or []))
            job.start, job.end = record.get("starttime"), record.get("endtime")
            for name, value in _benchmark(Path(results), logs).items():
                setattr(job, name, value)
            jobs[key] = job
        jobs[key].outputs += _within(results, [output])
    return sorted(jobs.values(), key=lambda job: (job.start or 0, job.rule, job.outputs))


def job_table(jobs: list[Job]) -> pd.DataFrame:
    """Write jobs as a table: a row for each, with COLUMNS."""
    rows = [
        {
            **{"rule": job.rule, "job": number, "outputs": " ".join(job.outputs)},
            **{name: utc(value) if (value := getattr(job, name)) else "" for name in ("start", "end")},
            **{name: getattr(job, name) for name in ("seconds", "cpu_seconds", "peak_mb")},
        }
        for number, job in enumerate(jobs, start=1)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
