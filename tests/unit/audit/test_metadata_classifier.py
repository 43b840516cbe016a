"""The classifiers of metadata and of sources, on data whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from lungsight.audit.metadata_classifier import (
    BINS,
    COLUMNS,
    feature_groups,
    grey_histograms,
    metadata_of_slices,
    metadata_rows,
)
from lungsight.audit.source_classifier import balanced_accuracy, predict_sources, source_row
from lungsight.linear_classifier import fit_and_predict
from lungsight.tables import check_table, read_table
from tests.factories.tables import NEGATIVE, POSITIVE, made_cohort, made_split

LABELS = [POSITIVE, NEGATIVE]


def all_of(split: pd.DataFrame) -> np.ndarray:
    """Every mask passed quality control."""
    return np.ones(len(split), dtype=bool)


def split_of(patients: int = 40, each: int = 2) -> pd.DataFrame:
    """Patients alternate by class; the first half trains, the second tests."""
    number = np.repeat(np.arange(patients), each)
    return pd.DataFrame(
        {
            "slice": [f"s{k}" for k in range(len(number))],
            "patient": [f"p{k}" for k in number],
            "label": np.where(number % 2 == 0, POSITIVE, NEGATIVE),
            "split": np.where(number < patients // 2, "train", "test"),
        }
    )


def test_histograms_count_grey_levels_of_the_slice_and_of_the_background() -> None:
    images = np.array([[[0, 15], [16, 255]], [[255, 255], [255, 255]]], np.uint8)
    masks = np.array([[[1, 0], [0, 0]], [[1, 1], [1, 1]]], np.uint8)
    whole, background = grey_histograms(images, masks, np.array([1, 0]))
    assert whole.shape == (2, BINS)
    assert whole[0].tolist() == [0] * 15 + [1]
    assert whole[1, [0, 1, 15]].tolist() == [0.5, 0.25, 0.25]
    assert background[0].sum() == 0
    assert background[1, [0, 1, 15]] == pytest.approx([1 / 3] * 3)


def test_metadata_stand_in_the_splits_order(tmp_path) -> None:
    slices = made_cohort(tmp_path, "clinic", patients=8, slices=3)
    split = made_split(tmp_path, "clinic", "whole", slices).sample(frac=1, random_state=0).reset_index(drop=True)
    cases = read_table(tmp_path / "cohorts/clinic/cases.tsv", schema="cases")
    metadata = metadata_of_slices(split, slices, cases)
    z_index = slices.set_index("slice")["z_index"]
    assert metadata["z_index"].tolist() == split["slice"].map(z_index).tolist()
    assert metadata["height"].tolist() == (metadata["z_index"] / 2).tolist()
    assert set(metadata["slices_of_patient"]) == {3} and set(metadata["source"]) == {"clinic"}
    groups = feature_groups(metadata, [np.zeros((len(metadata), BINS))] * 2)
    assert list(groups)[: len(COLUMNS)] == list(COLUMNS)
    assert groups["all"].shape[1] == groups["all without pixels"].shape[1] + 2 * BINS


def test_metadata_that_give_the_class_away_are_found_and_noise_is_not() -> None:
    split, rng = split_of(), np.random.default_rng(0)
    positive = (split["label"] == POSITIVE).to_numpy()
    groups = {
        "size": np.where(positive, 512.0, 511.0)[:, None],
        "noise": rng.normal(size=(len(split), 3)),
        "same": np.full((len(split), 2), 7.0),
        "unknown": np.full((len(split), 1), np.nan),
        "missing": np.where(positive, np.nan, 120.0)[:, None],
    }
    rows = pd.DataFrame(metadata_rows(split, groups, all_of(split), LABELS, 200, 1))
    check_table(rows, "audit", "metadata")
    by_variant = rows[rows["unit"] == "patient"].set_index("variant")
    assert by_variant.loc["size", "value"] == 1 and by_variant.loc["size", "n"] == 20
    assert by_variant.loc["noise", "value_lo"] < 0.5 < by_variant.loc["noise", "value_hi"]
    assert by_variant.loc["missing", "value"] == 1  # that a value is missing is information
    for name in ("same", "unknown"):
        assert by_variant.loc[name, "reason"] == "unknown, or the same for every slice"


def test_groups_that_need_a_mask_use_slices_whose_mask_was_accepted() -> None:
    """What wrong masks give away counts for nothing, and what needs no mask keeps all slices."""
    split = split_of()
    positive = (split["label"] == POSITIVE).to_numpy()
    rejected = np.arange(len(split)) % 3 == 0
    telling = np.where(rejected, np.where(positive, 1.0, 0.0), np.arange(len(split)) // 4 % 2)[:, None]
    groups = dict.fromkeys(("background histogram", "all", "histogram", "position"), telling)
    rows = pd.DataFrame(metadata_rows(split, groups, ~rejected, LABELS, 0, 1))
    by_slice = rows[rows["unit"] == "slice"].set_index("variant")
    kept = split[~rejected].reset_index(drop=True)
    alone = metadata_rows(kept, {"all": telling[~rejected]}, all_of(kept), LABELS, 0, 1)[1]
    test = split["split"] == "test"
    assert by_slice["n"].to_dict() == {
        **dict.fromkeys(("background histogram", "all"), int((test & ~rejected).sum())),
        **dict.fromkeys(("histogram", "position"), int(test.sum())),
    }
    assert by_slice.loc["all", "value"] == by_slice.loc["background histogram", "value"] == alone["value"]
    assert by_slice.loc["histogram", "value"] != by_slice.loc["all", "value"]


def test_test_patients_are_not_learned_from() -> None:
    """Metadata that give the class away on the test patients alone do not help."""
    split = split_of()
    test, positive = split["split"] == "test", split["label"] == POSITIVE
    number = np.where(test, np.where(positive, 1.0, 0.0), np.arange(len(split)) // 4 % 2)[:, None]
    rows = metadata_rows(split, {"number": number}, all_of(split), LABELS, 0, 1)
    train = (~test).to_numpy()
    alone = fit_and_predict(number[train], positive[train].to_numpy(), np.ones(train.sum()), np.ones(train.sum(), bool))
    both = fit_and_predict(number, positive.to_numpy(), np.ones(len(split)), train)
    np.testing.assert_allclose(both[train], alone)
    assert rows[0]["n"] == 20


def test_a_patient_with_many_slices_weighs_no_more() -> None:
    split = split_of(each=1)
    many = pd.concat([split] + [split.head(1)] * 50, ignore_index=True)
    number = np.r_[np.random.default_rng(0).normal(size=len(split)), np.full(50, 9.0)]
    number[0] = 9.0
    once = metadata_rows(split, {"number": number[: len(split), None]}, all_of(split), LABELS, 0, 1)[0]
    often = metadata_rows(many, {"number": number[:, None]}, all_of(many), LABELS, 0, 1)[0]
    assert once["value"] == pytest.approx(often["value"], abs=0.1)


def test_one_class_in_training_has_a_reason() -> None:
    split = split_of()
    split = split[(split["split"] == "test") | (split["label"] == POSITIVE)].reset_index(drop=True)
    rows = metadata_rows(split, {"number": np.arange(len(split), dtype=float)[:, None]}, all_of(split), LABELS, 9, 1)
    assert [row["reason"] for row in rows] == ["the training split has one class"]


def test_balanced_accuracy_weighs_classes_alike() -> None:
    truth, right = np.array(list("aaab")), np.array([True, True, False, False])
    assert balanced_accuracy(truth, right)(np.ones((1, 4)))[0] == pytest.approx((2 / 3 + 0) / 2)


def sources_and_features(informative: bool) -> tuple[np.ndarray, pd.Series, pd.Series]:
    rng = np.random.default_rng(0)
    patients = pd.Series(np.repeat([f"p{k}" for k in range(30)], 3))
    sources = pd.Series(np.repeat(np.arange(30) % 3, 3)).map({0: "north", 1: "south", 2: "west"})
    # A patient's slices are alike: what is learned of one patient tells nothing of another.
    features = rng.normal(size=(30, 4)).repeat(3, axis=0) + 0.1 * rng.normal(size=(90, 4))
    if informative:
        features[:, 0] = sources.map({"north": -3.0, "south": 0.0, "west": 3.0}) + 0.1 * rng.normal(size=90)
    return features, sources, patients


def row_of_sources(features: np.ndarray, sources: pd.Series, patients: pd.Series) -> dict:
    """Predict, and measure."""
    predicted = predict_sources(features, sources, patients)
    return source_row(pd.DataFrame({"patient": patients, "source": sources, "predicted": predicted}), 100, 1)


def test_a_source_in_the_features_is_found() -> None:
    row = row_of_sources(*sources_and_features(True))
    assert row["value"] > 0.9 and row["chance"] == pytest.approx(1 / 3) and row["value_lo"] > row["chance"]


def test_patients_are_held_out_so_that_the_person_is_no_source() -> None:
    row = row_of_sources(*sources_and_features(False))
    assert row["value_lo"] < row["chance"] < row["value_hi"]


def test_one_source_or_too_few_patients_have_a_reason() -> None:
    features, sources, patients = sources_and_features(True)
    one = row_of_sources(features, pd.Series("north", index=sources.index), patients)
    assert one["reason"] == "the test slices come from one source" and np.isnan(one["value"])
    lonely = pd.Series(np.where(patients == "p1", "south", "north"))
    assert row_of_sources(features, lonely, patients)["reason"] == "fewer than two sources have two patients"


def test_a_source_with_one_patient_is_left_out() -> None:
    """Its slices have no prediction, and the others are classified as if it were not there."""
    features, sources, patients = sources_and_features(True)
    alone = (patients == "p2").to_numpy()
    sources = sources.mask(alone, "far away")
    predicted = predict_sources(features, sources, patients)
    assert set(predicted[alone]) == {""} and set(predicted[~alone]) == {"north", "south", "west"}
    row, without = (
        row_of_sources(features[kept], sources[kept].reset_index(drop=True), patients[kept].reset_index(drop=True))
        for kept in (np.ones(90, bool), ~alone)
    )
    assert row == without and row["n"] == 87
