"""Run the whole workflow on the built-in phantom cohorts, print its progress, and print the report's path last.

Snakemake's own output goes to a log beside the results. `--record` keeps what jobs took: mean seconds by kind, for
later forecasts, and when each job of the demonstration began and ended, for the test of the forecast.
"""

import argparse
import sys
from pathlib import Path

from progress import ROOT, record, run
from recorded_run import write_recorded_run

DEMO, QUICK = "demo", "demo-quick"
RECORDED_RUN = ROOT / "tests" / "unit" / "recorded_run.tsv"


def main() -> None:
    """Run the demonstration."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--cores", type=int, default=2)
    arguments.add_argument("--quick", action="store_true", help="one pipeline with a small network")
    arguments.add_argument("--record", action="store_true", help="keep what the jobs of both demonstrations took")
    options = arguments.parse_args()
    name = QUICK if options.quick else DEMO
    if options.record:
        record([Path("results") / each for each in (DEMO, QUICK)])
        write_recorded_run(ROOT / "results" / f"{DEMO}.log", RECORDED_RUN)
        return
    code = run([f"config/{name}.yaml"], options.cores, Path(f"results/{name}.log"), f"make {name}")
    if not code:
        print(ROOT / "results" / name / "report" / "index.html")
    sys.exit(code)


if __name__ == "__main__":
    main()
