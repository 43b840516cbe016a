"""Check the config's `evaluation` section while the workflow is parsed. It imports the standard library alone."""

from typing import Any


def evaluation_problems(config: dict[str, Any]) -> list[str]:
    """List what a schema cannot find wrong with `evaluation`, one sentence each."""
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
