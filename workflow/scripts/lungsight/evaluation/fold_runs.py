"""Check the runs that `pool_folds` is to join, while the workflow is parsed. Standard library alone."""

import os
from pathlib import Path
from typing import Any, cast

from lungsight.errors import UserError
from lungsight.paths import checked_path, did_you_mean


def runs_to_pool(written: Any) -> list[str]:
    """Return the results folders of `--config folds_of=[DIR,…]`.

    Parameters
    ----------
    written
        What Snakemake read: a list, one path, or nothing.

    Raises
    ------
    UserError
        If none is named, or one is no folder or named twice.
    """
    if written in (None, "", []):
        raise UserError(
            "folds_of must name the results folder of every fold: pool_folds --config folds_of='[results/fold1,"
            " results/fold2]'"
        )
    named = cast("list[Any]", written) if isinstance(written, list) else [written]
    runs = [checked_path("folds_of", run) for run in named]
    if wrong := [problem for run in runs if (problem := _problem_of(Path(run)))]:
        raise UserError("\n".join(wrong))
    places = [os.path.realpath(run) for run in runs]
    if twice := [run for number, run in enumerate(runs) if places[number] in places[:number]]:
        raise UserError(f"folds_of: {twice[0]} is named twice; every fold is a run of its own.")
    return runs


def _problem_of(run: Path) -> str:
    """Say why a path is not the results folder of a run; "" if it may be."""
    if run.is_dir():
        return ""
    if run.exists():
        return f"folds_of: {run} is a file; name the results folder of a run."
    return f"folds_of: the folder {run} does not exist{did_you_mean(run)}"
