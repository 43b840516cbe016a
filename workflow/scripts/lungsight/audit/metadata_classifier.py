"""What can be told about the class without looking at the lung: a classifier of metadata alone.

A logistic regression on groups of facts about a slice, fitted on the training patients (each counting alike), tested
on the held-out ones. Where it does well, a network could have learned the same instead of the disease.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lungsight.audit.rows import auc_row, audit_row, by_unit

TEST = "metadata"
BINS = 16
COLUMNS = {
    "image size": ["rows", "columns"],
    "spacing": ["spacing_row", "spacing_column", "spacing_slice", "slice_thickness"],
    "exposure": ["kvp", "contrast"],
    "position": ["z_index", "height"],
    "number of slices": ["n_slices", "slices_of_patient"],
}
SOURCE = "source"
HISTOGRAMS = {"histogram": "of the slice", "background histogram": "of what is not lung"}
WITHOUT_PIXELS, EVERYTHING = "all without pixels", "all"
HOLDS_LUNG = ("histogram", EVERYTHING)  # the density of the lung is in these, and with it the disease


def grey_histograms(images: np.ndarray, masks: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Histograms of the slices and of what is not lung in them, in the order of HISTOGRAMS: each (n, BINS) float64.

    images, masks: (N, size, size) uint8, may be memory-mapped; rows: (n,) int, which of them. A row sums to 1, or to 0
    where nothing is left to count.
    """
    counts = np.zeros((len(HISTOGRAMS), len(rows), BINS))
    for number, row in enumerate(rows):
        grey, outside = images[row] // (256 // BINS), masks[row] == 0
        counts[:, number] = [np.bincount(pixels, minlength=BINS) for pixels in (grey.ravel(), grey[outside])]
    return list(counts / np.maximum(counts.sum(axis=2, keepdims=True), 1))


def metadata_of_slices(split: pd.DataFrame, slices: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Metadata of every slice of a split, in its order: the columns of COLUMNS and `source`.

    slices, cases: the cohort's slices.tsv and cases.tsv. height: z_index as a share of the case's slices.
    """
    known = split[["slice", "patient"]].merge(slices[["slice", "case", SOURCE, "z_index"]], on="slice", how="left")
    known = known.merge(cases.drop(columns=[SOURCE, "patient"]), on="case", how="left")
    return known.assign(
        height=known["z_index"] / np.maximum(known["n_slices"] - 1, 1),
        slices_of_patient=known.groupby("patient")["slice"].transform("size"),
    )[[*dict.fromkeys(name for names in COLUMNS.values() for name in names), SOURCE]]


def feature_groups(facts: pd.DataFrame, histograms: list[np.ndarray]) -> dict[str, np.ndarray]:
    """(n, k) float64 for every group and union. facts: as `facts_of_slices`. histograms: as `grey_histograms`."""
    groups = {name: facts[columns].to_numpy(np.float64) for name, columns in COLUMNS.items()}
    groups[SOURCE] = pd.get_dummies(facts[SOURCE]).to_numpy(np.float64)
    union = np.hstack(list(groups.values()))
    return {
        **groups,
        WITHOUT_PIXELS: union,
        **dict(zip(HISTOGRAMS, histograms, strict=True)),
        EVERYTHING: np.hstack([union, *histograms]),
    }


def _informative(features: np.ndarray) -> np.ndarray:
    """The columns that have two values or more, a missing one among them."""
    known = ~np.isnan(features)
    filled = np.where(known, features, 0)
    varied = (filled != filled[:1]).any(axis=0) | (known != known[:1]).any(axis=0)
    return features[:, varied & known.any(axis=0)]


def predict_from(features: np.ndarray, truth: np.ndarray, weights: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Probability (n,) of the positive class for every row, from a model fitted on the rows `train`.

    features: (n, k), NaN where unknown. truth, train: (n,) bool. weights: (n,).
    """
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    model = make_pipeline(imputer, StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    model.fit(features[train], truth[train], logisticregression__sample_weight=weights[train])
    return model.predict_proba(features)[:, 1]


def metadata_rows(
    split: pd.DataFrame, groups: dict[str, np.ndarray], positive: str, resamples: int, seed: int
) -> list[dict]:
    """ROC AUC on the test split of a classifier of each group, by patient and by slice."""
    return [
        row
        for name, features in groups.items()
        for row in _group_rows(split, name, features, positive, resamples, seed)
    ]


def _group_rows(
    split: pd.DataFrame, name: str, features: np.ndarray, positive: str, resamples: int, seed: int
) -> Iterator[dict]:
    truth = (split["label"] == positive).to_numpy()
    train, test = ((split["split"] == side).to_numpy() for side in ("train", "test"))
    both = train | test
    usable = _informative(features[both])
    reason = _why_not(usable, truth[train])
    if reason:
        yield audit_row(TEST, name, "roc_auc", reason=reason)
        return
    weights = 1 / split.groupby("patient")["slice"].transform("size").to_numpy()
    probability = predict_from(usable, truth[both], weights[both], train[both])[test[both]]
    for unit, answers in by_unit(split[test], probability).items():
        yield auc_row(TEST, name, answers, positive, resamples, seed, unit)


def _why_not(features: np.ndarray, truth: np.ndarray) -> str:
    if features.shape[1] == 0:
        return "unknown, or the same for every slice"
    return "the training split has one class" if truth.all() or not truth.any() else ""
