"""Name the replicates of a run's pipelines, and what each of them has of its own: its seed, and where asked its split.

It imports no TensorFlow. Replicate 1 is the run's own model: its seed and its split are the config's. Replicate k is
the same training from the seed `seed` + k − 1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lungsight.config import cohorts_with_role
from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.intake.settings import has_official_split
from lungsight.splits.settings import split_unit_of
from lungsight.training.pipelines import Pipeline, pipelines_of

SEEDS = 1 << 32  # seeds are below


def names_of_replicates(pipeline: str, replicates: int) -> list[str]:
    """Name all replicates of a pipeline, itself first."""
    return [Pipeline.parse(pipeline)._replace(replicate=number).name for number in range(1, replicates + 1)]


def further_replicates(config: dict[str, Any]) -> list[str]:
    """Name the replicates of all pipelines but the first of each; none where every pipeline is trained once."""
    replicates: int = config["training"]["replicates"]
    return [name for pipeline in pipelines_of(config) for name in names_of_replicates(pipeline.name, replicates)[1:]]


def seed_of_replicate(config: dict[str, Any], replicate: int) -> int:
    """Return the seed of a replicate, from 1 on."""
    return (int(config["seed"]) + replicate - 1) % SEEDS


def replicate_of_split(config: dict[str, Any], replicate: int, cohort: str) -> int:
    """Return which split of a cohort a replicate uses: its own under `splits.repeats`, else the first.

    An external cohort has one split: all of it is test.
    """
    trained_on = cohort in cohorts_with_role(config, "public", "target")
    return replicate if config["splits"]["repeats"] and trained_on else 1


def replicate_problems(config: dict[str, Any]) -> list[str]:
    """List what is wrong with `training.replicates` and `splits.repeats`, a sentence each."""
    splits, replicates = config["splits"], config["training"]["replicates"]
    wrong: list[str] = []
    if replicates > 1 and splits["folds"]:
        wrong.append(
            f"training.replicates: {replicates} replicates of a fold of a cross-validation are not supported: the folds"
            " repeat the training already. Leave out splits.folds, or set training.replicates to 1."
        )
    if splits["repeats"]:
        if replicates == 1:
            wrong.append(
                "splits.repeats: with one replicate nothing is repeated; set training.replicates to 2 or more."
            )
        wrong += [f"splits.repeats: {reason}" for reason in _fixed_splits(config)]
    return wrong


def _fixed_splits(config: dict[str, Any]) -> list[str]:
    """List why the splits of cohorts that are trained on would be the same for every replicate."""
    reasons = ["splits.previous fixes the split; leave out one of the two."] if config["splits"]["previous"] else []
    for cohort in cohorts_with_role(config, "public", "target"):
        if has_official_split(config, cohort):
            reasons.append(f"the split of {cohort} is that of its official lists and cannot be drawn again.")
        elif split_unit_of(config, cohort) == "source":
            reasons.append(f"{cohort} is split by source, by a rule that no seed changes.")
    return reasons


def check_repeats(config: dict[str, Any], rows: Mapping[str, Sequence[TableRow]]) -> None:
    """Raise UserError where replicates are to have splits of their own, and a table names the subset of every row.

    Parameters
    ----------
    config
        Complete config.
    rows
        The rows of every cohort's table.
    """
    if not config["splits"]["repeats"]:
        return
    for cohort in cohorts_with_role(config, "public", "target"):
        if rows[cohort] and all(row.split for row in rows[cohort]):
            raise UserError(
                f"splits.repeats: the table of {cohort} names the subset of every row, so its split cannot be drawn"
                " again. Leave out the column split, or splits.repeats."
            )
