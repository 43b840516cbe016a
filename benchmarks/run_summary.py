"""Print time and peak memory per rule, from the benchmark files of a run.

python benchmarks/run_summary.py results/demo
python benchmarks/run_summary.py results/demo --log .snakemake/log/DATE.snakemake.log

With Snakemake's log of the run, a second table compares the threads that rules reserved with the cores they kept busy.
Where other programs want the same cores, a job waits for them: read a low share as a question, not as an answer.
"""

import argparse
import re
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.benchmark_files import rule_of
from lungsight.run_summary import costs_by_rule

AIM = 0.7  # share of the reserved threads that a rule keeps busy
SHORTEST = 5.0  # seconds: Snakemake samples processor time, and sees too little of a shorter job
_JOB = re.compile(r"^(?:local)?rule \S+:\n((?: +.*\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^ +(benchmark|threads): (.+)$", re.MULTILINE)


def threads_of_jobs(snakemake_log: str) -> dict[str, int]:
    """Read the threads that jobs reserved, by benchmark file: Snakemake writes them where they are more than one."""
    jobs = (dict(_ENTRY.findall(job)) for job in _JOB.findall(snakemake_log))
    return {job["benchmark"]: int(job.get("threads", 1)) for job in jobs if "benchmark" in job}


def busy_cores(run: Path, snakemake_log: str) -> pd.DataFrame:
    """Compare the threads that the rules of a run reserved with the cores that they kept busy.

    Jobs below SHORTEST do not count.

    Parameters
    ----------
    run
        Its folder, as the log names it.
    snakemake_log
        The text of Snakemake's log.

    Returns
    -------
    DataFrame
        A row for each rule, the lowest share first: `jobs`; `threads`, the mean of what they reserved, weighted by
        their time; `cores`, processor time over time; `share`, cores over threads; `below`, whether it misses AIM.
    """
    columns = {"rule": "str", "s": float, "cpu_time": float, "reserved": float}
    jobs = [pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})]
    for name, threads in threads_of_jobs(snakemake_log).items():
        file = Path(name)
        if file.is_relative_to(run / "benchmarks") and file.is_file():
            measured = pd.read_csv(file, sep="\t", usecols=["s", "cpu_time"], na_values="NA")
            rule = rule_of(file, run / "benchmarks")
            jobs.append(measured.assign(rule=rule, reserved=measured["s"] * threads))
    table = pd.concat(jobs, ignore_index=True)
    grouped = table[(table["s"] >= SHORTEST) & table["cpu_time"].notna()].groupby("rule")
    seconds, share = grouped["s"].sum(), grouped["cpu_time"].sum() / grouped["reserved"].sum()
    return pd.DataFrame(
        {
            "jobs": grouped.size(),
            "threads": (grouped["reserved"].sum() / seconds).round(2),
            "cores": (grouped["cpu_time"].sum() / seconds).round(2),
            "share": share.round(2),
            "below": share < AIM,
        }
    ).sort_values("share")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--log", type=Path, help="Snakemake's log of the run")
    args = parser.parse_args()
    print(costs_by_rule(args.run).to_string())
    if args.log:
        print(f"\nreserved threads and busy cores, jobs of {SHORTEST:.0f} s and more; aim {AIM:.0%}\n")
        print(busy_cores(args.run, args.log.read_text(encoding="utf-8")).to_string())


if __name__ == "__main__":
    main()
