"""Run the whole workflow on the built-in phantom cohorts, print its progress, and print the report's path last.

Snakemake's own output goes to results/demo.log. `--record` writes tools/demo_seconds.tsv after a run.
"""

import argparse
import sys
from pathlib import Path

from progress import ROOT, record, run

SECONDS = ROOT / "tools" / "demo_seconds.tsv"
RESULTS = Path("results/demo")


def main() -> None:
    """Run the demonstration."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--cores", type=int, default=2)
    arguments.add_argument("--record", action="store_true", help="write tools/demo_seconds.tsv from the last run")
    options = arguments.parse_args()
    if options.record:
        return record([RESULTS], SECONDS)
    code = run(["config/demo.yaml"], options.cores, Path("results/demo.log"), SECONDS, "make demo")
    if not code:
        print(ROOT / RESULTS / "report" / "index.html")
    sys.exit(code)


if __name__ == "__main__":
    main()
