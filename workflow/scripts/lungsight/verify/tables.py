"""Which tables of the report are computed again, and of the others why they are not."""

from collections.abc import Callable, Iterator

import pandas as pd

from lungsight.verify.compare import Expected
from lungsight.verify.flow import flow_rows, summed_reasons
from lungsight.verify.recompute import (
    Run,
    aggregation_rows,
    class_rows,
    confusion_rows,
    difference_rows,
    inflation_rows,
    metrics_rows,
    overlap_rows,
    reliability_rows,
    subgroup_rows,
    system_rows,
)
from lungsight.verify.several_classes import classes_of_several, confusion_of_several, metrics_of_several

RECOMPUTED: dict[str, Callable[[Run], Iterator[Expected]]] = {
    "report/metrics.tsv": metrics_rows,
    "report/aggregation.tsv": aggregation_rows,
    "report/reliability.tsv": reliability_rows,
    "report/classes.tsv": class_rows,
    "report/confusion.tsv": confusion_rows,
    "report/differences.tsv": difference_rows,
    "report/subgroups.tsv": subgroup_rows,
    "report/systems.tsv": system_rows,
    "report/leakage_inflation.tsv": inflation_rows,
    "report/leakage.tsv": overlap_rows,
    "report/flow.tsv": flow_rows,
}
# With more than two classes.
OF_SEVERAL: dict[str, Callable[[Run], Iterator[Expected]]] = {
    "report/metrics.tsv": metrics_of_several,
    "report/reliability.tsv": reliability_rows,
    "report/classes.tsv": classes_of_several,
    "report/confusion.tsv": confusion_of_several,
    "report/leakage.tsv": overlap_rows,
    "report/flow.tsv": flow_rows,
}
# A package of a run that did not make these lacks them.
OPTIONAL = {f"report/{name}.tsv" for name in ("leakage_inflation", "classes", "confusion", "flow")}
# Of some tables sums are compared: what to do with the packaged rows first.
SUMMED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {"report/flow.tsv": summed_reasons}

REASONS = {
    "they follow from images, maps and networks, which are not in the package": (
        *("audit", "comparisons", "lungs", "pairs", "replicates", "saliency", "verdicts"),
    ),
    "they follow from the scans, or from the tables of intake and quality control in a way that this check lacks": (
        *("forensics", "intake", "intake_labels", "selection"),
    ),
    "they follow from predictions in a way that this check lacks": (
        *("decision_curves", "ensembles", "leakage_repeats"),
    ),
    "they repeat metrics.tsv and the predictions in another form": ("class_curves", "renormalised"),
    "they judge or plan, by rules and by texts of the authors": ("checklists", "power", "risk"),
}
UNKNOWN = "this check does not know them"
# Columns of tables that are computed again, but for these.
PARTS_LEFT = {
    "report/classes.tsv": "its intervals, temperatures and calibrated errors",
    "report/flow.tsv": "which reason left a case out; the sums are",
    "report/leakage.tsv": "what images share",
    "report/systems.tsv": "what follows from maps",
}


def recomputed(run: Run) -> dict[str, Callable[[Run], Iterator[Expected]]]:
    """Say how each table is computed again, by the number of classes."""
    return OF_SEVERAL if len(run.classes) > 2 else RECOMPUTED


def computed_again(run: Run) -> list[str]:
    """List the tables that are computed again for a package: those that it must have, and those that it has."""
    names = [name for name in recomputed(run) if name in run.crate.files or _is_due(run, name)]
    # By the costs of errors, a class is predicted otherwise than by the highest probability.
    evaluation = run.config.get("evaluation")
    by_costs = isinstance(evaluation, dict) and evaluation.get("costs") is not None
    return [name for name in names if not (by_costs and name in ("report/classes.tsv", "report/confusion.tsv"))]


def _is_due(run: Run, table: str) -> bool:
    """Tell whether a package must have a table; that of the leakage experiment where it has its predictions."""
    if table == "report/leakage_inflation.tsv":
        return bool(run.crate.names("leakage_inflation/", ".tsv"))
    return table not in OPTIONAL


def not_computed_again(run: Run, done: list[str]) -> Iterator[str]:
    """Say which tables of the report were not computed again, in whole or in part, a line for each reason."""
    left = [name for name in run.crate.names("report/", ".tsv") if name not in done]
    known = {f"report/{name}.tsv": reason for reason, names in REASONS.items() for name in names}
    known |= dict.fromkeys(("report/classes.tsv", "report/confusion.tsv"), "the run decides by evaluation.costs")
    known |= dict.fromkeys(set(RECOMPUTED) - set(recomputed(run)), "this check computes them of two classes")
    for reason in dict.fromkeys([*known.values(), UNKNOWN]):
        names = [name for name in left if known.get(name, UNKNOWN) == reason]
        if names:
            yield f"Not computed again, since {reason}: {', '.join(names)}"
    if absent := sorted(OPTIONAL - set(run.crate.files)):
        yield f"Not in the package: {', '.join(absent)}"
    parts = PARTS_LEFT | ({"report/metrics.tsv": "its intervals"} if len(run.classes) > 2 else {})
    yield from (f"Not computed again in {name}: {part}" for name, part in parts.items() if name in done)
