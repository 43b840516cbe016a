"""What is said when a run ends: what ran, for how long and in how much memory, what was rejected, what to open first.

Everything is read from what the run left: benchmark files, tables of cases, and Snakemake's own log.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lungsight.tables import read_table

MOST_REASONS = 3
MOST_RULES = 12


def rule_of(path: Path, folder: Path) -> str:
    """The rule that wrote a benchmark file: the first step of its path below the benchmarks folder."""
    return path.relative_to(folder).parts[0].removesuffix(".tsv")


def costs_by_rule(run: Path, since: float = 0.0) -> pd.DataFrame:
    """One row per rule: jobs, seconds in all and of the longest job, CPU seconds, peak resident memory in GB.

    since: jobs whose benchmark file is older, in seconds since the epoch, do not count.
    """
    folder = run / "benchmarks"
    files = sorted(path for path in folder.rglob("*.tsv") if path.stat().st_mtime >= since)
    columns = {"rule": "str", "s": float, "cpu_time": float, "max_rss": float}
    jobs = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    if files:
        jobs = pd.concat([pd.read_csv(file, sep="\t").assign(rule=rule_of(file, folder)) for file in files])
    measured = ["s", "cpu_time", "max_rss"]
    jobs[measured] = jobs[measured].apply(pd.to_numeric, errors="coerce")  # Snakemake writes NA for the shortest jobs
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
    """Hours, minutes and seconds, as 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def cost_lines(costs: pd.DataFrame) -> list[str]:
    """The rules that took longest, one line each."""
    lines = [f"  {'rule':<22} {'jobs':>5} {'time':>9} {'longest':>9} {'peak GB':>8}"]
    for rule, row in costs.head(MOST_RULES).iterrows():
        memory = f"{row['peak_gb']:.1f}" if pd.notna(row["peak_gb"]) else "–"
        lines.append(
            f"  {rule:<22} {row['jobs']:>5.0f} {clock(row['seconds']):>9} {clock(row['longest']):>9} {memory:>8}"
        )
    if len(costs) > MOST_RULES:
        rest = costs.iloc[MOST_RULES:]
        lines.append(f"  {len(rest)} other rules {rest['jobs'].sum():>9.0f} {clock(rest['seconds'].sum()):>9}")
    return lines


def case_lines(run: Path, cohorts: list[str]) -> list[str]:
    """How many rows of each cohort were taken and left out, with the most frequent reasons."""
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


def to_look_at(run: Path, cohorts: list[str]) -> list[str]:
    """Files for a person, the most telling first."""
    reviews = [run / "qc" / cohort / "index.html" for cohort in cohorts]
    pages = [run / "report" / "index.html", run / "index.html", *reviews]
    tables = [run / "cohorts" / cohort / "cases.tsv" for cohort in cohorts]
    return [f"  {path}" for path in [path for path in pages if path.is_file()] or tables if path.is_file()]


def success_text(run: Path, cohorts: list[str], since: float) -> str:
    """What a run that succeeded says last. since: when it began, in seconds since the epoch."""
    costs = costs_by_rule(run, since)
    parts = [
        (f"What ran: {costs['jobs'].sum():.0f} jobs", cost_lines(costs) if len(costs) else []),
        ("Cases", case_lines(run, cohorts)),
        ("Look at first", to_look_at(run, cohorts)),
    ]
    return "\n".join("\n".join([f"{heading}:", *lines]) for heading, lines in parts if lines)


@dataclass(frozen=True)
class Failure:
    """A job that failed for good: its rule, the number Snakemake gave it, and its log, if the rule has one."""

    rule: str
    job: str
    log: str


def failures_of(snakemake_log: str) -> list[Failure]:
    """Jobs that failed and did not succeed at a later try, in order, from the text of Snakemake's log."""
    found: dict[str, Failure] = {}
    for match in re.finditer(r"^Error in rule (\w+):\n((?:[ \t]+.*\n?)*)", snakemake_log, flags=re.MULTILINE):
        job = re.search(r"^\s+jobid: (\d+)", match[2], flags=re.MULTILINE)
        log = re.search(r"^\s+log: (\S+)", match[2], flags=re.MULTILINE)
        number = job[1] if job else ""
        found.setdefault(number, Failure(match[1], number, log[1] if log else ""))
    finished = set(re.findall(r"^Finished jobid: (\d+)", snakemake_log, flags=re.MULTILINE))
    return [failure for number, failure in found.items() if number not in finished]


def last_line(path: Path) -> str:
    """The last line of a log that says anything; traceback frames are above it."""
    if not path.is_file():
        return ""
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")


def failure_text(snakemake_logs: list[Path]) -> str:
    """What a run that failed says last: which job, its own last words, and the one log to open.

    snakemake_logs: Snakemake's own, which it names to its hooks; paths in them start from the current folder.
    """
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in snakemake_logs if path.is_file())
    failures = failures_of(text)
    if not failures:
        return "\n".join(["The run stopped.", *(f"Open first: {path}" for path in snakemake_logs[:1])])
    first, others = failures[0], len(failures) - 1
    more = f" ({others} more failed)" if others else ""
    words = last_line(Path(first.log)) if first.log else ""
    lines = [f"The run stopped: {first.rule} failed{more}.", *([f"  {words}"] if words else [])]
    log = first.log or snakemake_logs[0]
    return "\n".join([*lines, f"Open first: {log}", "When it is mended, the same command goes on from there."])
