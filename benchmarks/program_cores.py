"""Measure whether programs use the cores that their rules reserve: two processes against one, on a run's own files.

    python benchmarks/program_cores.py RUN COHORT [--rounds 3]

The programs of quality control run as their rules run them, on all slices of a cohort, with one and with two threads,
taking turns. Their outputs go to a folder that is deleted. Other work on the machine takes cores from both alike, so
the ratio is then one of what was left.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path[:0] = [str(ROOT), str(SCRIPTS)]

from benchmarks.growth import defaults  # noqa: E402


def commands(run: Path, cohort: str, out: Path) -> dict[str, list[str]]:
    """Give the command line of each program, without its threads."""
    rules = defaults()["qc"]["rules"]
    levels = json.dumps({name: rules[name] for name in ("soft_level", "air_level")})
    inputs = ["--cohort", str(run / "cohorts" / cohort), "--masks", str(run / "segmentation/masks" / cohort)]
    scores = ["--scores", str(run / "qc" / cohort / "scores.tsv")]
    pages = ["--page", str(out / "index.html"), "--images", str(out / "images")]
    return {
        "qc_scores": [*inputs, "--levels", levels, "--scores", str(out / "scores.tsv")],
        "qc_page": [*inputs, *scores, "--rules", json.dumps(rules), *pages],
    }


def seconds(program: str, arguments: list[str], threads: int) -> float:
    """Time a program."""
    command = [sys.executable, str(SCRIPTS / f"{program}.py"), *arguments, "--threads", str(threads)]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("cohort")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with TemporaryDirectory() as out:
        for program, arguments in commands(args.run, args.cohort, Path(out)).items():
            rounds = [[seconds(program, arguments, threads) for threads in (1, 2)] for _ in range(args.rounds)]
            one, two = (median(times) for times in zip(*rounds, strict=True))
            print(f"{program}: one thread {one:.1f} s, two {two:.1f} s, ratio {one / two:.2f}", flush=True)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
