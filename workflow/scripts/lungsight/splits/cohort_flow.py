"""Follow a cohort from the rows of its table to the images that each input view trains and tests on.

The steps of a flow diagram: what is left at each, and what was left out before it and why, by class.

References
----------
Schulz, Altman & Moher, CONSORT 2010 statement, BMJ 340:c332, 2010.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from lungsight.qc.rules import NO_MASK, in_brief
from lungsight.subsets import SUBSETS

AFTER_INTAKE = "Slices of usable rows"
INPUT_VIEW_NAMES = {"whole": "Whole slices", "segmented": "Slice × lung mask"}


class Step(NamedTuple):
    """What is left of a cohort at one point.

    Attributes
    ----------
    name
        Of what is left.
    counts
        By class.
    left_out
        What was left out after the step before: reason → count.
    subsets
        Where it went: subset → count. Empty where nothing was split.
    """

    name: str
    counts: dict[str, int]
    left_out: dict[str, int]
    subsets: dict[str, int]


def cohort_flow(
    cases: pd.DataFrame,
    slices: pd.DataFrame,
    manifest: pd.DataFrame | None,
    splits: Mapping[str, pd.DataFrame],
    input_views: Sequence[str],
    classes: Sequence[str],
) -> list[Step]:
    """List the steps of one labelled cohort: rows, usable slices, and what each input view keeps of the step before.

    Parameters
    ----------
    cases, slices
        The cohort's cases.tsv and slices.tsv.
    manifest
        Its manifest.tsv; None where quality control did not run.
    splits
        Input view → split, where there is one.
    """
    out = Counter(cases["status"].map({"rejected": "rows unusable", "skipped": "rows left out by a rule"}).dropna())
    steps = [
        Step("Rows of the table", _by_class(cases["label"], classes), {}, {}),
        Step(AFTER_INTAKE, _by_class(slices["label"], classes), dict(out), {}),
    ]
    if manifest is None:
        return steps
    labelled = manifest.merge(slices[["slice", "label"]], on="slice", validate="one_to_one")
    before = labelled
    for view in input_views:
        kept = labelled[labelled[f"{view}_keep"] == 1]
        lost = before[~before["slice"].isin(kept["slice"])]
        split = splits.get(view)
        subsets = {} if split is None else {subset: int((split["split"] == subset).sum()) for subset in SUBSETS}
        steps.append(Step(INPUT_VIEW_NAMES[view], _by_class(kept["label"], classes), _reasons(lost), subsets))
        before = kept
    return steps


def _by_class(labels: pd.Series, classes: Sequence[str]) -> dict[str, int]:
    counts = Counter(labels)
    return {name: counts[name] for name in classes}


def _reasons(lost: pd.DataFrame) -> dict[str, int]:
    """Count the reasons, marked where a person gave them. A slice without a mask was left out by nobody."""
    by_person = lost["decided_by"].map({"person": "a person: ", "auto": ""}).where(lost["reason"] != NO_MASK, "")
    return dict(Counter(by_person + lost["reason"].map(in_brief)))
