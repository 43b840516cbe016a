"""Choose the slices that are drawn: by a rule, not by hand. Name the rule of those that all methods explain."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

SAMPLE_RULE = "evenly spaced in table order through the test slices whose lung mask passed quality control"
SAMPLING_RULE = (
    "per outcome, the slices whose enrichment is the median (typical), the lowest (worst) and the highest, then those"
    " half-way between"
)
SAMPLING_RULE_OF_CLASSES = f"of each class, {SAMPLING_RULE}"
# With more than two classes, the pictures are of each true class, and say which class the map explains.
OF_CLASSES = ("explained", "explained_probability")
CONFIDENCE_RULE = (
    "of the right and of the wrong predictions each the slice with the highest and with the lowest probability of the"
    " class that was predicted"
)
RIGHT = ("TP", "TN", "right")  # outcomes; the last with more than two classes
PICTURE_COLUMNS = ("slice", "label", "outcome", "position", "probability", "enrichment", "lung_mass")
_NAMES = {0.5: "median", 0.0: "lowest", 1.0: "highest"}


def _quantiles() -> Iterator[float]:
    """Yield 0.5, 0 and 1, then ever finer steps: 0.25, 0.75, 0.125, 0.375 and so on."""
    yield from (0.5, 0.0, 1.0)
    step = 4
    while True:
        yield from (odd / step for odd in range(1, step, 2))
        step *= 2


def sampling_rule(table: pd.DataFrame) -> str:
    """Say by which rule `sample` chooses. table: as saliency.tsv."""
    return SAMPLING_RULE_OF_CLASSES if OF_CLASSES[0] in table else SAMPLING_RULE


def sample(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Choose the slices of saliency.tsv to draw: at most `count` of each outcome, by SAMPLING_RULE.

    With more than two classes, these are the outcomes of each true class.

    Only slices with an enrichment can be chosen. Ties keep the table's order.

    Returns
    -------
    pandas.DataFrame
        Rows of `table`, with its index, and a column `position`: median, lowest, highest, or "quantile 0.25" and so on.
    """
    chosen: dict[int, str] = {}
    keys = ["outcome", "label"] if OF_CLASSES[0] in table else ["outcome"]
    for _, group in table[table["enrichment"].notna()].groupby(keys, sort=False):
        ordered = group.sort_values("enrichment", kind="stable").index
        taken = 0
        for quantile in _quantiles():
            if taken == min(count, len(ordered)):
                break
            row = ordered[round(quantile * (len(ordered) - 1))]
            if row not in chosen:
                chosen[row] = _NAMES.get(quantile, f"quantile {quantile:g}")
                taken += 1
    return table.loc[list(chosen)].assign(position=list(chosen.values()))


def pictures_of(table: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    """List the pictures of a model: for each its file name, slice, outcome and numbers.

    Parameters
    ----------
    table
        As saliency.tsv.
    count
        Pictures of each outcome, at most.
    """
    return _described(sample(table, count))


def pictures_by_confidence(table: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    """List up to four slices of a model by CONFIDENCE_RULE, as `pictures_of` does; none where count is 0."""
    chosen = sample_by_confidence(table) if count else table.iloc[:0].assign(position="")
    return _described(chosen)


def sample_by_confidence(table: pd.DataFrame) -> pd.DataFrame:
    """Choose slices of saliency.tsv by CONFIDENCE_RULE; only those with an enrichment. Ties keep the table's order.

    Returns
    -------
    pandas.DataFrame
        Rows of `table`, with its index, and a column `position`: "surest" or "least sure". Right ones come first.
    """
    measured = table[table["enrichment"].notna()]
    if OF_CLASSES[1] in table:
        confidence = measured[OF_CLASSES[1]]
    else:
        confidence = measured["probability"].where(measured["probability"] >= 0.5, 1 - measured["probability"])
    right, chosen = measured["outcome"].isin(RIGHT), {}
    for group in (confidence[right], confidence[~right]):
        ordered = group.sort_values(ascending=False, kind="stable").index
        for row, position in zip([*ordered[:1], *ordered[:0:-1][:1]], ("surest", "least sure"), strict=False):
            chosen[row] = position
    return table.loc[list(chosen)].assign(position=list(chosen.values()))


def _described(chosen: pd.DataFrame) -> list[dict[str, Any]]:
    """Describe slices that were chosen. chosen: rows of saliency.tsv with their `position`."""
    return [
        {"file": f"{row['outcome']}-{row['position'].replace(' ', '-')}-{row['slice']}.png"}
        | {key: row[key] for key in (*PICTURE_COLUMNS, *OF_CLASSES) if key in row}
        for row in chosen.to_dict("records")
    ]
