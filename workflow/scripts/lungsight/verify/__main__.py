"""Check a package: python -m lungsight.verify CRATE.

Status 0: every number that was computed again follows. 1: some do not, or files changed since they were packaged. 2:
the package cannot be checked, for instance because a prediction table is missing.
"""

import argparse
import sys
import warnings
from pathlib import Path

from lungsight.verify.compare import Outcome, compare
from lungsight.verify.crate import Crate, NotChecked, changed_files
from lungsight.verify.recompute import RECOMPUTED, Run, split_problems

FOLLOWS, DOES_NOT_FOLLOW, NOT_CHECKED = 0, 1, 2
MOST = 20  # lines of one table, unless all are asked for


def outcomes_of(crate: Crate) -> list[Outcome]:
    """Check everything: the files against the manifest, predictions against splits, tables against predictions."""
    run = Run(crate)
    if len(run.classes) != 2:
        raise NotChecked(f"This package has {len(run.classes)} classes; this check computes numbers of two.")
    if absent := run.absent():
        raise NotChecked("Prediction tables are missing, so their numbers cannot be checked:\n  " + "\n  ".join(absent))
    files = Outcome("files", compared=len(crate.files), problems=changed_files(crate))
    rows = Outcome("predictions", compared=sum(map(len, run.predictions.values())), problems=list(split_problems(run)))
    tables = [
        compare(crate, table, rows_of(run), complete)
        for table, (rows_of, complete) in RECOMPUTED.items()
        if table in crate.files or _is_due(crate, table)
    ]
    return [files, rows, *tables]


def _is_due(crate: Crate, table: str) -> bool:
    """Tell whether a package must have a table: all models have metrics, the leakage experiment is optional."""
    return table != "report/leakage_inflation.tsv" or bool(crate.names("leakage_inflation/", ".tsv"))


def not_computed_again(crate: Crate) -> list[str]:
    """List the report's tables that no prediction table gives."""
    return [name for name in crate.names("report/", ".tsv") if name not in RECOMPUTED]


def summary(crate: Crate, outcomes: list[Outcome], most: int) -> str:
    """Say what was checked, what does not follow, and what was not checked."""
    lines = []
    for outcome in outcomes:
        state = f"{len(outcome.problems)} do not follow" if outcome.problems else "all follow"
        lines.append(f"{outcome.table}: {outcome.compared} compared, {state}")
        lines += [f"  {problem}" for problem in outcome.problems[:most]]
        if len(outcome.problems) > most:
            lines.append(f"  … and {len(outcome.problems) - most} more (--all)")
    lines.append("Not computed again, since no prediction table gives it: " + ", ".join(not_computed_again(crate)))
    wrong = sum(len(outcome.problems) for outcome in outcomes)
    lines.append(f"{wrong} do not follow." if wrong else "Every number that was computed again follows.")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Check the package that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m lungsight.verify", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("crate", type=Path, help="the package: its zip file, or the folder that it was unpacked into")
    parser.add_argument("--all", action="store_true", help="print every number that does not follow")
    args = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="sklearn")  # a metric without a denominator is NaN, and is compared so
    try:
        crate = Crate(args.crate)
        outcomes = outcomes_of(crate)
    except NotChecked as error:
        print(f"Not checked: {error}", file=sys.stderr)
        return NOT_CHECKED
    print(summary(crate, outcomes, most=sys.maxsize if args.all else MOST))
    return DOES_NOT_FOLLOW if any(outcome.problems for outcome in outcomes) else FOLLOWS


if __name__ == "__main__":
    sys.exit(main())
