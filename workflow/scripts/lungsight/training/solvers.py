"""How a network gets its weights.

A solver of the config is an entry of SOLVERS and a word under `training.solver` in the config's schema. It takes what
`fit` takes, trains the network in place and returns the history, a row per epoch.
"""

from collections.abc import Callable

from lungsight.training.extreme_learning import solve_machines
from lungsight.training.fit import fit

SOLVERS: dict[str, Callable[..., list[dict]]] = {"gradient": fit, "closed_form": solve_machines}
