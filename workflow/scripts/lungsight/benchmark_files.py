"""Read the benchmark files of a run: what each of its jobs took."""

import math
import sys
from pathlib import Path

import pandas as pd

MEASURED = ["s", "cpu_time", "max_rss"]


def rule_of(path: Path, folder: Path) -> str:
    """Name the rule that wrote a benchmark file: the first step of its path below the benchmarks folder."""
    return path.relative_to(folder).parts[0].removesuffix(".tsv")


def job_of(path: Path, folder: Path) -> str:
    """Name the job of a rule: the rest of that path, without its ending; "" where a rule has one job."""
    return "/".join(path.relative_to(folder).with_suffix("").parts[1:])


def measured_jobs(run: Path, since: float = 0.0) -> pd.DataFrame:
    """Read the benchmark files of a run; those that cannot be read are named on the standard error, and do not count.

    Parameters
    ----------
    since
        Seconds since the epoch. Older files do not count.

    Returns
    -------
    DataFrame
        A row per job: `rule`; `job`, its wildcards, joined by slashes; seconds `s` and `cpu_time`; `max_rss`, the peak
        of its resident memory in MiB. NaN where Snakemake writes NA: it samples no job that is over at once. Rows
        without seconds are left out.
    """
    folder = run / "benchmarks"
    columns = {"rule": "str", "job": "str", "s": float, "cpu_time": float, "max_rss": float}
    jobs = [pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})]
    for file in sorted(path for path in folder.rglob("*.tsv") if path.stat().st_mtime >= since):
        try:
            table = pd.read_csv(file, sep="\t", usecols=MEASURED)
        except (OSError, ValueError):
            print(f"{file} is no benchmark file of Snakemake and does not count.", file=sys.stderr, flush=True)
            continue
        jobs.append(table.assign(rule=rule_of(file, folder), job=job_of(file, folder)))
    table = pd.concat(jobs[1:] or jobs, ignore_index=True)
    table[MEASURED] = table[MEASURED].apply(pd.to_numeric, errors="coerce")
    return table.replace([math.inf, -math.inf], math.nan).dropna(subset="s", ignore_index=True)
