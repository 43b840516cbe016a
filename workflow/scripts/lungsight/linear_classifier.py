"""Logistic regressions: what metadata tell about the class, what features tell about the source or the cohort."""

# scikit-learn has no type stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDS = 5


def _regression(*before: SimpleImputer) -> Pipeline:
    """Make a logistic regression of standardised columns, in which all classes weigh the same."""
    return make_pipeline(*before, StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))


def fit_and_predict(features: np.ndarray, truth: np.ndarray, weights: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Fit on the rows `train`, and predict the probability of every class for every row.

    Parameters
    ----------
    features
        (n, k) float64, NaN where unknown. That a value is missing is a feature of its own.
    truth
        (n,), the class of each row, two or more.
    weights
        (n,), of the rows in the fit.
    train
        (n,) bool.

    Returns
    -------
    numpy.ndarray
        (n, classes) float64, the classes sorted.
    """
    model = _regression(SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True))
    model.fit(features[train], truth[train], logisticregression__sample_weight=weights[train])
    return model.predict_proba(features)


def cross_validated(features: np.ndarray, truth: np.ndarray, groups: np.ndarray, folds: int) -> np.ndarray:
    """Predict the class of every row with a model that was fitted on other groups.

    Parameters
    ----------
    features
        (n, k) float64.
    truth
        (n,), the class of each row.
    groups
        (n,). All rows of a group lie in one fold.
    folds
        Number of folds; each has about the same share of every class.
    """
    splitter = StratifiedGroupKFold(n_splits=folds)
    return np.asarray(cross_val_predict(_regression(), features, truth, groups=groups, cv=splitter))


def probe_accuracy(features: np.ndarray, classes: np.ndarray, patients: np.ndarray) -> float:
    """Cross-validate a logistic regression that predicts the class from features (n, c); returns balanced accuracy.

    The images of a patient are in one fold. Where a class has fewer patients than FOLDS there are fewer folds; with one
    patient of a class, or one class, the result is not a number.
    """
    known = np.unique(classes)
    folds = min(FOLDS, *(len(np.unique(patients[classes == each])) for each in known))
    if folds < 2 or len(known) < 2:
        return float("nan")
    right = cross_validated(features, classes, patients, folds) == classes
    return float(np.mean([right[classes == each].mean() for each in known]))
