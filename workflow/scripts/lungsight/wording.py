"""Write numbers, counts and names for people."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

MISSING = "–"
STAND_IN_MARK = "†"


def number(value: float | None, digits: int = 2) -> str:
    """Format a number with fixed decimals; a missing one is a dash."""
    return MISSING if value is None or math.isnan(value) else f"{value:.{digits}f}"


def interval(row: Any, metric: str, digits: int = 2) -> str:
    """Format the interval of a metric from a row's metric_lo and metric_hi: `0.85–0.96`; without one, nothing."""
    low, high = row[f"{metric}_lo"], row[f"{metric}_hi"]
    return "" if pd.isna(low) or pd.isna(high) else f"{number(low, digits)}–{number(high, digits)}"


def with_interval(row: Any, metric: str, digits: int = 2) -> str:
    """Format a metric with its interval: `0.91 (0.85–0.96)`; without one, the number alone."""
    between = interval(row, metric, digits)
    return number(row[metric], digits) + (f" ({between})" if between else "")


def count(n: int, singular: str, plural: str | None = None) -> str:
    """Format a count with its noun: `1 patient`, `3 patients`."""
    return f"{n} {singular if n == 1 else plural or singular + 's'}"


def listed(words: Sequence[str]) -> str:
    """Join words: `a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def tally(words: Iterable[str]) -> str:
    """Count equal words, the most frequent first: `no lung visible (12), ragged outline (3)`."""
    counts = pd.Series(list(words), dtype=str).value_counts()
    return ", ".join(f"{word} ({times})" for word, times in counts.items())


def evaluation_name(stage: int, cohort: str) -> str:
    """Name the evaluation of a stage's model on a cohort."""
    return f"stage {stage} on {cohort}"


def evaluation_note(stage: int, role: str) -> str:
    """Say whether a cohort is the target before or after adaptation, or external; nothing for any other."""
    adaptation = {1: "before adaptation", 2: "after adaptation"}
    return adaptation[stage] if role == "target" else "external" if role == "external" else ""
