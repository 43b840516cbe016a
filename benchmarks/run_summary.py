"""Time and peak memory per rule, from the benchmark files that a run left.

python benchmarks/run_summary.py results/demo
"""

import argparse
from pathlib import Path

import pandas as pd


def rule_of(path: Path, folder: Path) -> str:
    """The rule that wrote a benchmark file: the first step of its path below the benchmarks folder."""
    return path.relative_to(folder).parts[0].removesuffix(".tsv")


def summary(run: Path) -> pd.DataFrame:
    """One row per rule: jobs, seconds in all and of the longest job, CPU seconds, peak resident memory in GB."""
    folder = run / "benchmarks"
    files = sorted(folder.rglob("*.tsv"))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    print(summary(parser.parse_args().run).to_string())


if __name__ == "__main__":
    main()
