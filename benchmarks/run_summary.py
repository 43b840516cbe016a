"""Print time and peak memory per rule, from the benchmark files of a run.

python benchmarks/run_summary.py results/demo
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.run_summary import costs_by_rule


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    print(costs_by_rule(parser.parse_args().run).to_string())


if __name__ == "__main__":
    main()
