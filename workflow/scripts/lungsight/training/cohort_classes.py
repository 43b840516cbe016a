"""Say, while the workflow is parsed, what becomes of classes that the cohorts of the two stages do not share.

It imports no TensorFlow.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lungsight.classes import present
from lungsight.config import cohorts_with_role
from lungsight.intake.cohort_table import TableRow
from lungsight.training.pipelines import ROLE_OF_STAGE
from lungsight.wording import listed


def class_notices(config: dict[str, Any], rows: Mapping[str, Sequence[TableRow]]) -> list[str]:
    """List in sentences which classes stage 2 learns anew, or forgets, in a run of more than two classes.

    Parameters
    ----------
    config
        Complete config.
    rows
        Cohort → the rows of its table.
    """
    labels = list(config["labels"])
    trained_on = [name for role in ROLE_OF_STAGE.values() for name in cohorts_with_role(config, role)[:1]]
    if len(labels) == 2 or len(trained_on) < len(ROLE_OF_STAGE):
        return []
    first, second = (present(labels, (row.label for row in rows[name] if not row.skip)) for name in trained_on)
    if first == second:
        return []
    new, lost = ([name for name in one if name not in other] for one, other in ((second, first), (first, second)))
    kept = [name for name in second if name in first]
    changes = [
        f"stage 1 ({trained_on[0]}) never sees {listed(new)}" if new else "",
        f"stage 2 ({trained_on[1]}) has no {listed(lost)}" if lost else "",
    ]
    what = " and ".join(filter(None, changes))
    return [
        f"The stages are trained on different classes: {what}. Stage 2 therefore gets a new head for {listed(second)};"
        f" the weights of {listed(kept) or 'no class'} are kept. provenance.json says so."
    ]
