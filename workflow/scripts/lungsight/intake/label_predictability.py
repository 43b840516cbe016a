"""Measure how well one aspect of a case predicts its label without a look at the lung: report/intake_labels.tsv.

With more than two classes, each class is predicted against the rest. The class that the aspect tells best is shown: a
shortcut for one class alone is a shortcut.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from lungsight.intake.aspects import NUMBERS, WORDS, with_aspects

REQUIRED = ["cohort", "aspect", "patients", "balanced_accuracy"]
OF_CLASS = "class"  # column, with more than two classes alone

PREDICTS = 0.75  # from this balanced accuracy on, a finding is stated


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
    table = pd.concat(tables) if tables else pd.DataFrame(columns=REQUIRED)
    return table.fillna({OF_CLASS: ""}) if OF_CLASS in table else table


def label_predictability(cohort: str, cases: pd.DataFrame, positive: str) -> pd.DataFrame:
    """Make the rows of `intake_labels` for one cohort. A patient counts once for each value of an aspect."""
    taken = with_aspects(cases[cases["status"] == "ok"])
    taken = taken.assign(slices=taken.groupby(["patient", "label"])["n_slices"].transform("sum"))
    classes = list(taken["label"].unique())
    if len(classes) <= 2:
        return _table_of(cohort, _predictability_of_aspects(taken, positive))
    tables = [_table_of(cohort, _predictability_of_aspects(taken, name)).assign(**{OF_CLASS: name}) for name in classes]
    return best_of_classes(pd.concat(tables, ignore_index=True))


def best_of_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Keep for each aspect the class with the highest balanced accuracy; of equal ones the first.

    Parameters
    ----------
    table
        Rows of `intake_labels` with the column `class`.
    """
    ranked = table.sort_values("balanced_accuracy", ascending=False, kind="stable", na_position="last")
    best = ranked.drop_duplicates("aspect").set_index("aspect")
    return best.loc[table["aspect"].unique()].reset_index()[[*REQUIRED, OF_CLASS]]


def _table_of(cohort: str, rows: Iterable[tuple[str, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=REQUIRED[1:]).assign(cohort=cohort)[REQUIRED]


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
    from scipy.stats import rankdata  # SciPy's statistics take long to load

    area = (rankdata(values)[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    return float(max(area, 1 - area))
