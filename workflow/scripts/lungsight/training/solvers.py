"""Choose how a network gets its weights.

To add a solver, add an entry to SOLVERS, and its word under `training.solver` in the config's schema. A solver takes
what `fit` takes, trains the network in place, and returns the history, a row per epoch.
"""

from collections.abc import Callable

from lungsight.training.extreme_learning import solve_machines
from lungsight.training.fit import fit

CLOSED_FORM = "closed_form"  # takes no step that a remedy could change
SOLVERS: dict[str, Callable[..., list[dict]]] = {"gradient": fit, CLOSED_FORM: solve_machines}
