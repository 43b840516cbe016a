"""Decide which slices are kept: the automatic decisions, overruled by a person's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lungsight.qc.decisions import (
    AUTO,
    check_known,
    overrule,
    read_decisions,
    refuse_without_mask,
    require_decisions,
)
from lungsight.qc.rules import decide
from lungsight.tables import read_table


def read_all_decisions(files: Sequence[Path]) -> pd.DataFrame | None:
    """Read all tables of a person's decisions; None where there is none."""
    return pd.concat([read_decisions(path) for path in files]) if files else None


def decided(scores: pd.DataFrame, rules: dict[str, Any], decisions: pd.DataFrame | None) -> pd.DataFrame:
    """Give the scores of every slice with the decision on it, and who decided: columns of the table `manifest`."""
    manifest = scores.join(decide(scores, rules).drop(columns="suspicion")).assign(decided_by=AUTO)
    return manifest if decisions is None else refuse_without_mask(overrule(manifest, decisions))


def checked_decisions(
    cohort: str,
    scores: pd.DataFrame,
    files: Sequence[Path],
    slices: Sequence[Path],
    settings: dict[str, Any],
    page: str,
) -> pd.DataFrame | None:
    """Read a person's decisions, and check that they are there where they are required, and on slices that exist.

    Parameters
    ----------
    cohort, scores
        The cohort's name, for messages, and its table `scores`.
    files
        Tables of decisions.
    slices
        Tables of all slices that one may decide on. Where one is not made yet, nobody can say that a decision is about
        no slice; the check is repeated once it is there.
    settings
        The config's qc section.
    page
        Where the review page is, for the message.

    Raises
    ------
    UserError
        Where decisions are missing or on no slice.
    """
    decisions = read_all_decisions(files)
    if settings["review"] == "required":
        require_decisions(cohort, decisions, set(scores["slice"]), page, settings["decisions"])
    if decisions is not None and all(path.is_file() for path in slices):
        check_known(decisions, set(pd.concat([read_table(path, schema="slices")["slice"] for path in slices])))
    return decisions


def overruled(scores: pd.DataFrame, rules: dict[str, Any], files: Sequence[Path], input_view: str) -> list[list[Any]]:
    """List the slices on which a person decided otherwise than the limits, for one input view: [slice, keep], sorted.

    Imported while the workflow is parsed, and only where there are decisions.
    """
    keep = f"{input_view}_keep"
    final, automatic = decided(scores, rules, read_all_decisions(files)), decided(scores, rules, None)
    other = final[keep].to_numpy() != automatic[keep].to_numpy()
    return sorted([str(name), int(kept)] for name, kept in zip(final["slice"][other], final[keep][other], strict=True))
