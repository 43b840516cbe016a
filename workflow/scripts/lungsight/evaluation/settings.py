"""Check what the config says of evaluation while the workflow is parsed. It imports the standard library alone."""

from collections.abc import Iterator
from typing import Any

from lungsight.training.pipelines import pipelines_of


def evaluation_problems(config: dict[str, Any]) -> list[str]:
    """List what a schema cannot find wrong with `evaluation` and `pipelines.ensembles`, one sentence each."""
    return [*_ensemble_problems(config), *_cost_problems(config)]


def _ensemble_problems(config: dict[str, Any]) -> Iterator[str]:
    ensembles: dict[str, list[str]] = config["pipelines"]["ensembles"]
    known = [pipeline.name for pipeline in pipelines_of(config)] if ensembles else []
    for name, members in ensembles.items():
        where = f"pipelines.ensembles.{name}"
        if len(members) < 2:
            yield f"{where}: an ensemble needs two pipelines or more, and this has {len(members)}."
        for member in members:
            if member not in known:
                yield f"{where}: {member} is no pipeline of this run; it trains {', '.join(known) or 'none'}."


def _cost_problems(config: dict[str, Any]) -> list[str]:
    costs: list[list[float]] | None = config["evaluation"]["costs"]
    n = len(config["labels"])
    if costs is None:
        return []
    if len(costs) != n or any(len(row) != n for row in costs):
        return [f"evaluation.costs: labels has {n} classes; write {n} rows of {n} numbers."]
    wrong = [
        f"evaluation.costs: row {place} has {row[place - 1]:g} for its own class; a right prediction costs 0."
        for place, row in enumerate(costs, start=1)
        if row[place - 1]
    ]
    return wrong or ([] if any(map(any, costs)) else ["evaluation.costs: all costs are 0; leave the key out."])
