"""Which tables of the report are computed again, and of the others why they are not."""

from collections.abc import Callable, Iterator

import pandas as pd

from lungsight.verify.aggregation import aggregation_rows
from lungsight.verify.attention import comparison_rows
from lungsight.verify.audit import audit_rows
from lungsight.verify.classes import (
    class_rows,
    confusion_rows,
    curve_rows,
    metrics_rows,
    reliability_rows,
    renormalised_rows,
    with_points,
)
from lungsight.verify.compare import Expected
from lungsight.verify.decision_curves import decision_rows
from lungsight.verify.differences import difference_rows, system_rows
from lungsight.verify.ensembles import ensemble_rows, stated_ensembles
from lungsight.verify.flow import flow_rows, summed_reasons
from lungsight.verify.leakage import inflation_rows, overlap_rows
from lungsight.verify.maps import saliency_rows
from lungsight.verify.run import Run
from lungsight.verify.selection import selection_rows
from lungsight.verify.subgroups import subgroup_rows
from lungsight.verify.verdicts import pair_rows, verdict_rows

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
    "report/decision_curves.tsv": decision_rows,
    "report/ensembles.tsv": ensemble_rows,
    "report/saliency.tsv": saliency_rows,
    "report/audit.tsv": audit_rows,
    "report/comparisons.tsv": comparison_rows,
    "report/verdicts.tsv": verdict_rows,
    "report/selection.tsv": selection_rows,
}
# With more than two classes alone.
OF_SEVERAL: dict[str, Callable[[Run], Iterator[Expected]]] = {
    "report/renormalised.tsv": renormalised_rows,
    "report/class_curves.tsv": curve_rows,
    "report/pairs.tsv": pair_rows,
}
# A package of a run that did not make these lacks them.
OPTIONAL = {f"report/{name}.tsv" for name in ("classes", "confusion", "flow", "selection")}
# What to do with the packaged rows of some tables before they are compared.
PREPARED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "report/flow.tsv": summed_reasons,
    "report/class_curves.tsv": with_points,
}

REASONS = {
    "they follow from masks and maps, which are not in the package": ("lungs", "remedies", "replicates"),
    "they follow from the scans, or from the tables of intake and quality control in a way that this check lacks": (
        *("forensics", "intake", "intake_labels"),
    ),
    "they follow from predictions in a way that this check lacks": ("leakage_repeats",),
    "they follow from trainings whose models are not kept": ("transfer_study", "transfer_summary"),
    "they judge or plan, by rules and by texts of the authors": ("checklists", "power", "risk"),
}
UNKNOWN = "this check does not know them"
# Columns of tables that are computed again, but for these.
PARTS_LEFT = {
    "report/flow.tsv": "which reason left a case out; the sums are",
    "report/leakage.tsv": "what images share",
    "report/systems.tsv": "what it repeats of other tables and of papers",
    "report/verdicts.tsv": "its sentences and the name of the trace",
    "report/audit.tsv": "what a classifier of metadata found, which explain/metadata holds as well",
}


def recomputed(run: Run) -> dict[str, Callable[[Run], Iterator[Expected]]]:
    """Say how each table is computed again, by the number of classes."""
    return RECOMPUTED | OF_SEVERAL if run.of_classes else RECOMPUTED


def computed_again(run: Run) -> list[str]:
    """List the tables that are computed again for a package: those that it must have, and those that it has."""
    return [name for name in recomputed(run) if name in run.crate.files or _is_due(run, name)]


def _is_due(run: Run, table: str) -> bool:
    """Tell whether a package must have a table: of the leakage experiment and ensembles, where the run made them."""
    if table == "report/leakage_inflation.tsv":
        return bool(run.crate.names("leakage_inflation/", ".tsv"))
    if table == "report/ensembles.tsv":
        return bool(stated_ensembles(run))
    return table not in OPTIONAL


def not_computed_again(run: Run, done: list[str]) -> Iterator[str]:
    """Say which tables of the report were not computed again, in whole or in part, a line for each reason."""
    left = [name for name in run.crate.names("report/", ".tsv") if name not in done]
    known = {f"report/{name}.tsv": reason for reason, names in REASONS.items() for name in names}
    for reason in dict.fromkeys([*known.values(), UNKNOWN]):
        names = [name for name in left if known.get(name, UNKNOWN) == reason]
        if names:
            yield f"Not computed again, since {reason}: {', '.join(names)}"
    if absent := sorted(set(recomputed(run)) - set(run.crate.files)):
        yield f"Not in the package: {', '.join(absent)}"
    yield from (f"Not computed again in {name}: {part}" for name, part in PARTS_LEFT.items() if name in done)
