"""Measure how well one aspect of a case predicts its label without a look at the lung: report/intake_labels.tsv."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from lungsight.intake.aspects import NUMBERS, WORDS, with_aspects
from lungsight.tables import columns_of

PREDICTS = 0.75  # from this balanced accuracy on, readers are told


def predictability_of_cohorts(cases: Mapping[str, pd.DataFrame], positive: str) -> pd.DataFrame:
    """Make the table `intake_labels` of the labelled cohorts.

    Parameters
    ----------
    cases : mapping
        Cohort → its table `cases`.
    positive : str
        Name of the first class.
    """
    tables = [label_predictability(name, table, positive) for name, table in cases.items()]
    return pd.concat(tables) if tables else pd.DataFrame(columns=columns_of("intake_labels"))


def label_predictability(cohort: str, cases: pd.DataFrame, positive: str) -> pd.DataFrame:
    """Make the rows of `intake_labels` for one cohort. A patient counts once for each value of an aspect."""
    taken = with_aspects(cases[cases["status"] == "ok"])
    taken = taken.assign(slices=taken.groupby(["patient", "label"])["n_slices"].transform("sum"))
    rows = list(_predictability_of_aspects(taken, positive))
    return pd.DataFrame(rows, columns=["aspect", "patients", "balanced_accuracy"]).assign(cohort=cohort)[
        ["cohort", "aspect", "patients", "balanced_accuracy"]
    ]


def _predictability_of_aspects(taken: pd.DataFrame, positive: str) -> Iterator[tuple[str, int, float]]:
    for measure, aspects in ((accuracy_from_words, WORDS), (accuracy_from_numbers, NUMBERS)):
        for column, aspect in aspects.items():
            stated = taken[taken[column].notna() & (taken[column] != "")]
            stated = stated[["patient", "label", column]].drop_duplicates()
            if len(stated):
                accuracy = measure(stated[column].to_numpy(), (stated["label"] == positive).to_numpy())
                yield aspect, stated["patient"].nunique(), accuracy


def accuracy_from_words(values: np.ndarray, positive: np.ndarray) -> float:
    """Compute the leave-one-out balanced accuracy of predicting the class from a word.

    A row is predicted to belong to the class in which its value is more frequent, counted over all other rows. A value
    that occurs once predicts neither class. Results below 0.5 are an artefact of leaving one out: without the row
    itself, a value that both classes share equally always predicts the wrong class. They are returned as 0.5.

    Parameters
    ----------
    values : (n,) words
    positive : (n,) bool

    Returns
    -------
    float
        0.5 … 1; NaN if a class has fewer than two rows.
    """
    totals = np.array([(~positive).sum(), positive.sum()])
    if totals.min() < 2:
        return float("nan")
    word = pd.factorize(values)[0]
    row_itself = np.eye(2)[positive.astype(int)]
    frequency = np.stack([np.bincount(word, weights=row_itself[:, label]) for label in (0, 1)], axis=1)
    shares = (frequency[word] - row_itself) / (totals - row_itself)
    predicted = np.sign(shares[:, 1] - shares[:, 0])  # 1: positive, -1: negative, 0: neither
    right = np.where(positive, predicted + 1, 1 - predicted) / 2
    return max(0.5, float((right[positive].mean() + right[~positive].mean()) / 2))


def accuracy_from_numbers(values: np.ndarray, positive: np.ndarray) -> float:
    """Compute the area A under the ROC curve of a number for the class; return the larger of A and 1 − A.

    Parameters
    ----------
    values : (n,) numbers
    positive : (n,) bool

    Returns
    -------
    float
        0.5 … 1; NaN if a class has no row.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    area = (rankdata(values)[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    return float(max(area, 1 - area))
