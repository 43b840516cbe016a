"""The message at the end of a run: what ran, in what time and memory, what was rejected, and what to open first.

Everything is read from files of the run: benchmarks, tables of cases, and Snakemake's log.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lungsight.benchmark_files import measured_jobs
from lungsight.tables import read_table
from lungsight.wording import MISSING

MOST_REASONS = 3
MOST_RULES = 12
# What Snakemake writes when the user stops it: by Ctrl-C, and by a signal to end.
INTERRUPTED = ("Terminating processes on user request", "Will exit after finishing currently running jobs")


def costs_by_rule(run: Path, since: float = 0.0) -> pd.DataFrame:
    """Sum the benchmark files of a run by rule.

    Parameters
    ----------
    since
        Seconds since the epoch. Jobs whose benchmark file is older do not count.

    Returns
    -------
    DataFrame
        One row per rule: `jobs`, `seconds` of all jobs and of the `longest` one, `cpu_seconds`, and the peak of the
        resident memory, `peak_gb`.
    """
    jobs = measured_jobs(run, since)
    grouped = jobs.groupby("rule")
    return pd.DataFrame(
        {
            "jobs": grouped.size(),
            "seconds": grouped["s"].sum().round(1),
            "longest": grouped["s"].max().round(1),
            "cpu_seconds": grouped["cpu_time"].sum().round(1),
            "peak_gb": (grouped["max_rss"].max() / 1000).round(2),
        }
    ).sort_values("seconds", ascending=False)


def clock(seconds: float) -> str:
    """Format hours, minutes and seconds: 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def cost_lines(costs: pd.DataFrame) -> list[str]:
    """List the rules that took longest, one line each."""
    lines = [f"  {'rule':<22} {'jobs':>5} {'time':>9} {'longest':>9} {'peak GB':>8}"]
    for rule, row in costs.head(MOST_RULES).iterrows():
        memory = f"{row['peak_gb']:.1f}" if pd.notna(row["peak_gb"]) else MISSING
        lines.append(
            f"  {rule:<22} {row['jobs']:>5.0f} {clock(row['seconds']):>9} {clock(row['longest']):>9} {memory:>8}"
        )
    if len(costs) > MOST_RULES:
        rest = costs.iloc[MOST_RULES:]
        lines.append(f"  {len(rest)} other rules {rest['jobs'].sum():>9.0f} {clock(rest['seconds'].sum()):>9}")
    return lines


def case_lines(run: Path, cohorts: list[str]) -> list[str]:
    """Count for each cohort the rows that were taken and left out, with the most frequent reasons."""
    lines = []
    for cohort in cohorts:
        path = run / "cohorts" / cohort / "cases.tsv"
        if not path.is_file():
            continue
        cases = read_table(path, "cases")
        counts = cases["status"].value_counts()
        left_out = ", ".join(f"{counts[status]} {status}" for status in ("rejected", "skipped") if status in counts)
        lines.append(
            f"  {cohort}: {counts.get('ok', 0)} of {len(cases)} taken" + (f", {left_out}:" if left_out else "")
        )
        reasons = cases.loc[cases["status"] != "ok", "reason"].value_counts()
        lines += [f"    {count} × {reason}" for reason, count in reasons.head(MOST_REASONS).items()]
        if len(reasons) > MOST_REASONS:
            lines.append(f"    … and {len(reasons) - MOST_REASONS} other reasons: {path}")
    return lines


def files_to_open(run: Path, cohorts: list[str]) -> list[str]:
    """List the pages of a run, the most important first; a run without a page lists its tables of cases."""
    reviews = [run / "qc" / cohort / "index.html" for cohort in cohorts]
    pages = [run / "report" / "index.html", run / "index.html", run / "report" / "intake.html", *reviews]
    tables = [run / "cohorts" / cohort / "cases.tsv" for cohort in cohorts]
    return [f"  {path}" for path in [path for path in pages if path.is_file()] or tables if path.is_file()]


def success_text(run: Path, cohorts: list[str], since: float) -> str:
    """Write the last message of a run that succeeded. since: its start, in seconds since the epoch."""
    costs = costs_by_rule(run, since)
    parts = [
        (f"What ran: {costs['jobs'].sum():.0f} jobs", cost_lines(costs) if len(costs) else []),
        ("Cases", case_lines(run, cohorts)),
        ("Look at first", files_to_open(run, cohorts)),
    ]
    return "\n".join("\n".join([f"{heading}:", *lines]) for heading, lines in parts if lines)


@dataclass(frozen=True)
class Failure:
    """A job that failed and was not repeated with success: its rule, its number in Snakemake's log, and its own log."""

    rule: str
    job: str
    log: str


def failures_of(snakemake_log: str) -> list[Failure]:
    """List the jobs that failed and did not succeed at a later try, from the text of Snakemake's log."""
    failures: dict[str, Failure] = {}
    for match in re.finditer(r"^Error in rule (\w+):\n((?:[ \t]+.*\n?)*)", snakemake_log, flags=re.MULTILINE):
        job = re.search(r"^\s+jobid: (\d+)", match[2], flags=re.MULTILINE)
        log = re.search(r"^\s+log: (\S+)", match[2], flags=re.MULTILINE)
        number = job[1] if job else ""
        failures.setdefault(number, Failure(match[1], number, log[1] if log else ""))
    finished = set(re.findall(r"^Finished jobid: (\d+)", snakemake_log, flags=re.MULTILINE))
    return [failure for number, failure in failures.items() if number not in finished]


def last_line(path: Path) -> str:
    """Return the last line of a log that is not empty: it holds the error, below the frames of a traceback."""
    if not path.is_file():
        return ""
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")


def failure_text(snakemake_logs: list[Path]) -> str:
    """Write the last message of a run that failed: the job, the last line of its log, and the log to open.

    Parameters
    ----------
    snakemake_logs
        Logs of Snakemake itself, which names them to its hooks. Paths in them start from the current folder.
    """
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in snakemake_logs if path.is_file())
    if any(words in text for words in INTERRUPTED):
        return (
            "The run was interrupted. What was finished is kept, of a training its last whole epoch. Give the same"
            " command to go on."
        )
    failures = failures_of(text)
    if not failures:
        return "\n".join(["The run stopped.", *(f"Open first: {path}" for path in snakemake_logs[:1])])
    first, others = failures[0], len(failures) - 1
    more = f" ({others} more failed)" if others else ""
    error = last_line(Path(first.log)) if first.log else ""
    lines = [f"The run stopped: {first.rule} failed{more}.", *([f"  {error}"] if error else [])]
    log = first.log or snakemake_logs[0]
    return "\n".join([*lines, f"Open first: {log}", "Correct it and give the same command: it goes on from there."])
