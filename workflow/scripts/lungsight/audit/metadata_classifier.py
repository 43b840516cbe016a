"""Tell the classes apart by metadata alone, without looking at the lung.

A logistic regression is fitted on the training patients, who all weigh the same, and tested on the held-out ones: once
for each group of metadata, and for all of them. Where it does well, a network could have learned the same instead of
the disease.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from lungsight.audit.pairs import PairScores, by_unit, scores_of_first, scores_of_pairs
from lungsight.audit.rows import auc_row, audit_row
from lungsight.classes import places_of
from lungsight.linear_classifier import fit_and_predict
from lungsight.rows import AuditRow
from lungsight.training.sharded_array import Rows

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
# The density of the lung is in these, and with it the disease.
HOLDS_LUNG = ("histogram", EVERYTHING)
# Lung masks are needed for these: slices whose mask did not pass quality control take no part.
NEEDS_MASK = ("background histogram", EVERYTHING)


def grey_histograms(images: Rows, masks: Rows, rows: np.ndarray) -> list[np.ndarray]:
    """Count grey levels in the slices, and in the part of them that is not lung, in the order of HISTOGRAMS.

    Parameters
    ----------
    images, masks
        (N, size, size) uint8, may be memory-mapped.
    rows
        (n,) int, which of them to count.

    Returns
    -------
    list
        Two arrays (n, BINS) float64. A row sums to 1, or to 0 where nothing is left to count.
    """
    counts = np.zeros((len(HISTOGRAMS), len(rows), BINS))
    for number, row in enumerate(rows):
        grey, outside = images[row] // (256 // BINS), masks[row] == 0
        counts[:, number] = [np.bincount(pixels, minlength=BINS) for pixels in (grey.ravel(), grey[outside])]
    return list(counts / np.maximum(counts.sum(axis=2, keepdims=True), 1))


def metadata_of_slices(split: pd.DataFrame, slices: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Look up the metadata of every slice of a split, in its order.

    Parameters
    ----------
    split, slices, cases
        The cohort's split, slices.tsv and cases.tsv.

    Returns
    -------
    pandas.DataFrame
        The columns of COLUMNS and `source`. height: z_index as a share of the case's slices.
    """
    table = split[["slice", "patient"]].merge(slices[["slice", "case", SOURCE, "z_index"]], on="slice", how="left")
    table = table.merge(cases.drop(columns=[SOURCE, "patient"]), on="case", how="left")
    columns = [*dict.fromkeys(name for names in COLUMNS.values() for name in names), SOURCE]
    return table.assign(
        height=table["z_index"] / np.maximum(table["n_slices"] - 1, 1),
        slices_of_patient=table.groupby("patient")["slice"].transform("size"),
    )[columns]


def feature_groups(metadata: pd.DataFrame, histograms: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Give the features (n, k) float64 of each group of metadata, and of their unions.

    Parameters
    ----------
    metadata
        As `metadata_of_slices` gives it.
    histograms
        As `grey_histograms` gives them, of the same slices.
    """
    groups = {name: metadata[columns].to_numpy(np.float64) for name, columns in COLUMNS.items()}
    groups[SOURCE] = pd.get_dummies(metadata[SOURCE]).to_numpy(np.float64)
    union = np.hstack(list(groups.values()))
    return {
        **groups,
        WITHOUT_PIXELS: union,
        **dict(zip(HISTOGRAMS, histograms, strict=True)),
        EVERYTHING: np.hstack([union, *histograms]),
    }


def _informative(features: np.ndarray) -> np.ndarray:
    """Keep the columns that have at least two values. A missing value counts as a value."""
    present = ~np.isnan(features)
    filled = np.where(present, features, 0)
    varied = (filled != filled[:1]).any(axis=0) | (present != present[:1]).any(axis=0)
    return features[:, varied & present.any(axis=0)]


def metadata_rows(
    split: pd.DataFrame,
    groups: dict[str, np.ndarray],
    accepted: np.ndarray,
    labels: Sequence[str],
    resamples: int,
    seed: int,
) -> list[AuditRow]:
    """Measure the ROC AUC of a classifier of each group on the test split, by patient and by slice.

    Parameters
    ----------
    split
        slice, patient, label, split.
    groups
        As `feature_groups` gives them, rows in the order of the split.
    accepted
        (n,) bool, whether the lung mask of a slice passed quality control. Only groups of NEEDS_MASK ask.
    labels
        The classes, the positive one first.
    resamples, seed
        Of the intervals.
    """
    all_slices = np.ones(len(split), dtype=bool)
    rows: list[AuditRow] = []
    for name, features in groups.items():
        kept = accepted if name in NEEDS_MASK else all_slices
        rows += _group_rows(split[kept].reset_index(drop=True), name, features[kept], labels, resamples, seed)
    return rows


def _group_rows(
    split: pd.DataFrame, name: str, features: np.ndarray, labels: Sequence[str], resamples: int, seed: int
) -> Iterator[AuditRow]:
    truth = places_of(split["label"], labels) if len(labels) > 2 else (split["label"] == labels[0]).to_numpy()
    train, test = ((split["split"] == subset).to_numpy() for subset in ("train", "test"))
    both = train | test
    usable = _informative(features[both])
    reason = _why_not(usable, truth[train])
    if reason:
        yield audit_row(TEST, name, "roc_auc", reason=reason)
        return
    weights = 1 / split.groupby("patient")["slice"].transform("size").to_numpy()
    probability = fit_and_predict(usable, truth[both], weights[both], train[both])[test[both]]
    for unit, scores in by_unit(_scores_of(split[test], probability, truth[train], labels)).items():
        yield auc_row(TEST, name, scores, resamples, seed, unit)


def _scores_of(test: pd.DataFrame, probability: np.ndarray, fitted: np.ndarray, labels: Sequence[str]) -> PairScores:
    """Make the scores of test slices. fitted: the classes of the training slices, which `probability` (n, k) is of."""
    if len(labels) == 2:
        return scores_of_first(test, probability[:, 1], labels[0])
    logarithms = np.log(np.maximum(probability, np.finfo(float).tiny))
    return scores_of_pairs(test, logarithms, [labels[int(place)] for place in np.unique(fitted)])


def _why_not(features: np.ndarray, truth: np.ndarray) -> str:
    """Say why no classifier can be fitted, or ""."""
    if features.shape[1] == 0:
        return "unknown, or the same for every slice"
    return "the training split has one class" if len(np.unique(truth)) == 1 else ""
