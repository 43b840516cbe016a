"""What replicates say against the numbers: a ranking that another seed changes, maps that it does not find again."""

from typing import NamedTuple

import pandas as pd

from lungsight.audit.replicate_table import ABOVE_RANDOM, RANK
from lungsight.report.components import Row, Statement
from lungsight.report.results import RunResults
from lungsight.wording import count, listed

# What differs between replicates, whether or not each has a split of its own.
OTHER = {False: "another seed", True: "another seed and split"}


class FirstPlace(NamedTuple):
    """The pipeline that is first in a stage, and its ranks over the replicates.

    Attributes
    ----------
    pipelines
        How many are ranked.
    keep
        How many of them have the same rank in every replicate.
    """

    stage: int
    pipeline: str
    worst: int
    pipelines: int
    keep: int
    replicates: int

    @property
    def stable(self) -> bool:
        """Whether it is first in every replicate."""
        return self.worst == 1


def first_places(results: RunResults) -> list[FirstPlace]:
    """Find who is first in each stage with two pipelines or more, by stage; none where nothing was repeated."""
    if results.replicates.empty:
        return []
    found: list[FirstPlace] = []
    ranks = results.replicates[results.replicates["metric"] == RANK]
    for stage in sorted(set(ranks["stage"])):
        rows: list[Row] = ranks[ranks["stage"] == stage].to_dict("records")
        first = min(rows, key=lambda row: row["value"])
        keep = sum(row["min"] == row["max"] for row in rows)
        if len(rows) > 1:
            numbers = int(first["max"]), len(rows), keep, int(first["replicates"])
            found.append(FirstPlace(int(stage), str(first["pipeline"]), *numbers))
    return found


def in_words(results: RunResults, place: FirstPlace) -> str:
    """Say whether the first of a stage stays first."""
    name, times = results.display_name(place.pipeline), count(place.replicates, "replicate")
    kept = f"{place.keep} of {count(place.pipelines, 'pipeline')} keep their rank"
    if place.stable:
        return f"Stage {place.stage}: {name} is first in each of {times}; {kept}."
    return (
        f"Stage {place.stage}: the ranking is not stable. {name} is first in this run, and has ranks 1 to {place.worst}"
        f" over {times}; {kept}. Which model is first depends on the seed."
    )


def unstable_ranking(results: RunResults) -> list[Statement]:
    """Name the stages whose first pipeline is not first in every replicate."""
    places = [place for place in first_places(results) if not place.stable]
    return [Statement("warn", in_words(results, place)) for place in places]


def not_repeatable(results: RunResults) -> pd.DataFrame:
    """Give the rows of the models whose maps are not shown to be more alike than those of random networks."""
    if results.replicates.empty:
        return results.replicates
    rows = results.replicates[results.replicates["metric"] == ABOVE_RANDOM]
    return rows[rows["value"].notna() & ~(rows["value_lo"] > 0)]


def maps_by_chance(results: RunResults) -> list[Statement]:
    """Name, by stage, the models whose maps say nothing."""
    rows = not_repeatable(results)
    if rows.empty:
        return []
    other = OTHER[results.run["splits_repeat"]]
    statements = []
    for stage, of_stage in rows.groupby("stage"):
        names = listed([results.display_name(name) for name in of_stage["pipeline"]])
        sentence = (
            f"Stage {stage}: maps of {names} are no more alike with {other} than those of networks with random weights."
            " What such a map shows is chance."
        )
        statements.append(Statement("warn", sentence))
    return statements
