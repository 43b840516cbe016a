"""Know the classes of a run: their names in the order of the config's `labels`, and how networks and tables hold them.

Every table and picture keeps the order of `labels`. The first class is the positive one: wherever one binary number is
shown, it is that of the first class against the rest.

With two classes a network has one logit and a sigmoid, and a table has the column `probability`, that of the first
class. With more, a network has a logit per class and a softmax, and a table has the columns p_1, p_2, … as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from lungsight.errors import UserError

SUM_TOLERANCE = 1e-6  # of the probabilities of all classes
PROBABILITY = "probability"  # column of tables: the probability of the first class
PREDICTED = "predicted"  # column of tables of more than two classes: the most probable one


def class_columns(number: int, prefix: str = "p") -> list[str]:
    """Name the columns p_1 … p_n."""
    return [f"{prefix}_{place}" for place in range(1, number + 1)]


@dataclass(frozen=True)
class Classes:
    """The classes that a network tells apart.

    Attributes
    ----------
    names
        In the order of the config's `labels`.
    sigmoid
        Whether one logit with a sigmoid tells them apart: in a run of two classes. Else there is a logit for each.
    """

    names: tuple[str, ...]
    sigmoid: bool

    @classmethod
    def of(cls, labels: Iterable[str]) -> "Classes":
        """Make the classes of a run from the config's `labels`."""
        names = tuple(labels)
        return cls(names, sigmoid=len(names) == 2)

    @property
    def positive(self) -> str:
        """The first class."""
        return self.names[0]

    @property
    def outputs(self) -> int:
        """Number of the network's logits."""
        return 1 if self.sigmoid else len(self.names)

    def __len__(self) -> int:
        """Count the classes."""
        return len(self.names)

    def among(self, labels: Iterable[str]) -> "Classes":
        """Keep the classes that occur among `labels`, in order. A run of two classes always keeps both."""
        if self.sigmoid:
            return self
        return Classes(tuple(present(self.names, labels)), self.sigmoid)

    def numbers_of(self, labels: "pd.Series[str]") -> np.ndarray:
        """Return the number of each label as a network learns it, (n,) int.

        With a sigmoid, the first class is 1 and the other 0. Else a class has its place in `names`, from 0.
        """
        if self.sigmoid:
            return (labels == self.positive).to_numpy(int)
        return places_of(labels, self.names)

    def spread(self, outputs: np.ndarray, labels: Sequence[str]) -> np.ndarray:
        """Give the probabilities (n, len(labels)) float64 of all classes of the run; 0 for one that the network lacks.

        Parameters
        ----------
        outputs
            (n, len(self)), after the softmax. Rounding of float32 is undone: rows sum to 1.
        labels
            All classes of the run.
        """
        spread = np.zeros((len(outputs), len(labels)))
        spread[:, [labels.index(name) for name in self.names]] = outputs
        return spread / spread.sum(axis=1, keepdims=True)


def classes_of_network(provenance: Mapping[str, Any]) -> Classes:
    """Read the classes that a trained network tells apart from its provenance.json."""
    if "classes" in provenance:
        return Classes(tuple(provenance["classes"]), sigmoid=False)
    return Classes.of(provenance["labels"])


def margins_of(logits: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Give the margin of one class in each row, (n,): the logit of its probability.

    With a sigmoid that is the logit, with a minus for the other class. With a softmax it is the logit of the class
    minus the logsumexp of the others.

    Parameters
    ----------
    logits
        (n, outputs).
    numbers
        (n,), the class, as a network learns it (`Classes.numbers_of`).
    """
    if logits.shape[1] == 1:
        return np.where(numbers == 1, 1.0, -1.0) * logits[:, 0]
    own = numbers[:, None] == np.arange(logits.shape[1])
    return logits[own] - logsumexp(np.where(own, -np.inf, logits), axis=1)


def present(names: Sequence[str], labels: Iterable[str]) -> list[str]:
    """List the names that occur among `labels`, in their order."""
    found = set(labels)
    return [name for name in names if name in found]


def places_of(labels: "pd.Series[str]", names: Sequence[str]) -> np.ndarray:
    """Return the place of each label in `names`, from 0, (n,) int. Raises KeyError for a label that is none of them."""
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[label] for label in labels], dtype=int)


def probabilities_of(table: pd.DataFrame, labels: Sequence[str], prefix: str = "p") -> np.ndarray:
    """Read the probability of every class from a table of predictions, (n, len(labels)) float64.

    A table of two classes holds that of the first class alone; the other's is what is missing to 1.
    """
    if len(labels) > 2:
        return table[class_columns(len(labels), prefix)].to_numpy(np.float64)
    first = table[PROBABILITY].to_numpy(np.float64)
    return np.stack([first, 1 - first], axis=1)


def check_probabilities(table: pd.DataFrame, labels: Sequence[str], where: str) -> None:
    """Raise UserError unless a table of predictions of more than two classes has one in 0 to 1 for each, of sum 1."""
    if len(labels) == 2:
        return
    columns = class_columns(len(labels))
    if missing := [name for name in columns if name not in table.columns]:
        raise UserError(f"{where}: column {', '.join(missing)} is missing; labels has {len(labels)} classes.")
    probabilities = table[columns].to_numpy(np.float64)
    sums = probabilities.sum(axis=1)
    apart = np.flatnonzero(~(np.abs(sums - 1) <= SUM_TOLERANCE))
    if len(apart):
        row = apart[0]
        raise UserError(f"{where}: row {row + 1}: {columns[0]} … {columns[-1]} sum to {sums[row]:.7g}, not to 1.")
    outside = np.argwhere((probabilities < 0) | (probabilities > 1))
    if len(outside):
        row, column = outside[0]
        value = f"{probabilities[row, column]:.7g}"
        raise UserError(f"{where}: row {row + 1}: {columns[column]} is {value}; a probability lies in 0 to 1.")
    apart = np.flatnonzero(table[columns[0]].to_numpy() != table[PROBABILITY].to_numpy())
    if len(apart):
        raise UserError(f"{where}: row {apart[0] + 1}: {PROBABILITY} is not p_1, that of the first class.")


def with_probabilities(table: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    """Write the probabilities (n, k) of all classes into a table: `probability`, and p_1 … p_k for k > 2."""
    columns = {PROBABILITY: probabilities[:, 0]}
    if probabilities.shape[1] > 2:
        columns |= dict(zip(class_columns(probabilities.shape[1]), probabilities.T, strict=True))
    return table.assign(**columns)
