"""Run the whole workflow on the built-in phantom cohorts, print its progress, and print the report's path last.

Snakemake's own output goes to a log beside the results. `--record` keeps the seconds of its jobs for later forecasts.
"""

import argparse
import sys
from pathlib import Path

from progress import ROOT, record, run

DEMO, QUICK = "demo", "demo-quick"


def main() -> None:
    """Run the demonstration."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--cores", type=int, default=2)
    arguments.add_argument("--quick", action="store_true", help="one pipeline with a small network")
    arguments.add_argument("--record", action="store_true", help="write job_seconds.tsv from the last run")
    options = arguments.parse_args()
    name = QUICK if options.quick else DEMO
    if options.record:
        return record([Path("results") / name])
    code = run([f"config/{name}.yaml"], options.cores, Path(f"results/{name}.log"), f"make {name}")
    if not code:
        print(ROOT / "results" / name / "report" / "index.html")
    sys.exit(code)


if __name__ == "__main__":
    main()
