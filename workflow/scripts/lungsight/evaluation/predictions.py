"""Read tables of predictions, and make sure that they hold a probability of every class."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lungsight.classes import check_probabilities
from lungsight.tables import read_table


def read_predictions(path: Path, labels: Sequence[str]) -> pd.DataFrame:
    """Read a table of predictions.

    Parameters
    ----------
    path
        The table `predictions` of one model for one cohort.
    labels
        All classes of the run, in order.

    Raises
    ------
    UserError
        A row does not fit the schema, or with more than two classes a column is missing or a sum is not 1.
    """
    table = read_table(path, "predictions")
    check_probabilities(table, labels, where=str(path))
    return table
