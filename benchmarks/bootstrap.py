"""Compare the bootstrap by patient sums with one that weights every row, in time and peak memory.

git worktree add --detach /tmp/before 6dc5ca3
python benchmarks/bootstrap.py /tmp/before [--slices 75000] [--patients 500] [--resamples 2000]

The peer is the code of another checkout. Each step runs in a process of its own, on the same generated predictions:
processor seconds of the step, and how much the peak memory of the process grew by it. It prints whether the numbers are
the same to the last bit.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
CHILD = """
import json, resource, sys, time
import numpy as np, pandas as pd
from lungsight.evaluation.metrics import metrics_row
from lungsight.evaluation.performance_differences import paired_rows
from lungsight.evaluation.subgroups import subgroup_rows

step, slices, patients, resamples = sys.argv[1], *map(int, sys.argv[2:])

def predictions(seed):
    people, noise = np.arange(slices) * patients // slices, np.random.default_rng(seed).normal(size=slices)
    label = np.where(people % 2, "Covid-19", "Non Covid")
    names = {"slice": [f"s{row}" for row in range(slices)], "patient": [f"p{number}" for number in people]}
    score = 1 / (1 + np.exp(-people % 2 - noise))
    return pd.DataFrame(names | {"label": label, "split": "test", "probability": score})

first, second = predictions(0), predictions(1)
groups = pd.DataFrame({"source": [f"{number}" for number in np.arange(slices) % 3]}, index=first["slice"])
steps = {
    "metrics": lambda how: metrics_row(first, "Covid-19", how, 1),
    "differences": lambda how: paired_rows(first, second, "slice", "Covid-19", how, 1),
    "subgroups": lambda how: subgroup_rows(first, groups, "Covid-19", how, 1),
}
steps[step](2)  # libraries are loaded
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
found = steps[step](resamples)
seconds = time.process_time() - start
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
print(json.dumps({"seconds": seconds, "mb": grown, "found": repr(found)}))
"""
STEPS = {
    "metrics": "`evaluate_model`, nine metrics",
    "differences": "`performance_differences`, one pair",
    "subgroups": "`evaluate_subgroups`, three sources",
}


def measure(checkout: Path, step: str, *sizes: int) -> dict:
    """Run a step with the library of a checkout."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, step, *map(str, sizes)],
        env={"PYTHONPATH": str(checkout / "workflow" / "scripts"), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="another checkout of the repository")
    parser.add_argument("--slices", type=int, default=75_000)
    parser.add_argument("--patients", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=2000)
    args = parser.parse_args()
    print("| step | before, s | now, s | before / now | before, MB | now, MB | the same to the last bit |")
    print("|---|---|---|---|---|---|---|")
    for step, words in STEPS.items():
        before, now = (
            measure(place, step, args.slices, args.patients, args.resamples) for place in (args.before, HERE)
        )
        same = "yes" if before["found"] == now["found"] else "no"
        print(
            f"| {words} | {before['seconds']:.1f} | {now['seconds']:.1f} | {before['seconds'] / now['seconds']:.1f}"
            f" | {before['mb']:.0f} | {now['mb']:.0f} | {same} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
