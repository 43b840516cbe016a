"""Check a package: python -m lungsight.verify CRATE.

Status 0: every number that was computed again follows. 1: some do not, or files changed since they were packaged. 2:
the package cannot be checked, for instance because a prediction table is missing or is no table any more.
"""

import argparse
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from lungsight.verify.compare import Outcome, compare
from lungsight.verify.crate import Crate, NotChecked, changed_files
from lungsight.verify.ensembles import ensemble_problems
from lungsight.verify.predictions import impossible_probabilities, prediction_problems
from lungsight.verify.run import Run
from lungsight.verify.tables import PREPARED, RECOMPUTED, computed_again, not_computed_again, recomputed

FOLLOWS, DOES_NOT_FOLLOW, NOT_CHECKED = 0, 1, 2
MOST = 20  # lines of one table, unless all are asked for


def outcomes_of(crate: Crate) -> Iterator[Outcome]:
    """Check the files against the manifest, predictions against splits, and tables against predictions, in this order.

    So the files that changed are known even where one of them can no longer be read.
    """
    yield Outcome("files", compared=len(crate.files), problems=changed_files(crate))
    run = _checkable(crate)
    rows = sum(map(len, run.predictions.values()))
    impossible = list(impossible_probabilities(run))
    problems = [*impossible, *prediction_problems(run)]
    yield Outcome("predictions", compared=rows, problems=problems if impossible else problems + ensemble_problems(run))
    if not impossible:
        for table in computed_again(run):
            packaged = crate.table(table)
            yield compare(table, PREPARED.get(table, lambda same: same)(packaged), recomputed(run)[table](run))


def _checkable(crate: Crate) -> Run:
    """Read a package's run, if the check can be made of it."""
    run = Run(crate)
    if absent := run.absent():
        raise NotChecked("Prediction tables are missing, so their numbers cannot be checked:\n  " + "\n  ".join(absent))
    return run


def in_words(outcome: Outcome, most: int) -> str:
    """Say what of one table was compared, and what does not follow."""
    state = f"{len(outcome.problems)} do not follow" if outcome.problems else "all follow"
    lines = [f"{outcome.table}: {outcome.compared} compared, {state}"]
    lines += [f"  {problem}" for problem in outcome.problems[:most]]
    if len(outcome.problems) > most:
        lines.append(f"  … and {len(outcome.problems) - most} more (--all)")
    return "\n".join(lines)


def summary(crate: Crate, outcomes: list[Outcome]) -> str:
    """Say what was not checked, and what came of the rest."""
    done = [outcome.table for outcome in outcomes]
    wrong = sum(len(outcome.problems) for outcome in outcomes)
    if not set(done) & set(RECOMPUTED):
        return f"No number was computed again: these are no probabilities.\n{wrong} do not follow."
    ends = f"{wrong} do not follow." if wrong else "Every number that was computed again follows."
    return "\n".join([*not_computed_again(Run(crate), done), ends])


def main(arguments: list[str] | None = None) -> int:
    """Check the package that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m lungsight.verify", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("crate", type=Path, help="the package: its zip file, or the folder that it was unpacked into")
    parser.add_argument("--all", action="store_true", help="print every number that does not follow")
    args = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="sklearn")  # a metric without a denominator is NaN, and is compared so
    outcomes = []
    try:
        crate = Crate(args.crate)
        for outcome in outcomes_of(crate):
            print(in_words(outcome, most=sys.maxsize if args.all else MOST))
            outcomes.append(outcome)
        print(summary(crate, outcomes))
    except NotChecked as error:
        print(f"Not checked: {error}", file=sys.stderr)
        return NOT_CHECKED
    except Exception:
        # An edit that no sentence foresees must not end with Python's status 1, that of numbers that do not follow.
        traceback.print_exc()
        print("Not checked: the package holds what this check does not expect, see above.", file=sys.stderr)
        return NOT_CHECKED
    return DOES_NOT_FOLLOW if any(outcome.problems for outcome in outcomes) else FOLLOWS


if __name__ == "__main__":
    sys.exit(main())
