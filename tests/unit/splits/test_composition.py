"""The composition of a split, written out."""

import pandas as pd

from lungsight.splits.composition import class_counts, single_class_sources, slices_per_patient, subset_counts

SPLIT = pd.DataFrame(
    {
        "slice": [f"s{number}" for number in range(6)],
        "patient": list("aabcde"),
        "label": list("++++--"),
        "split": ["train", "train", "val", "test", "train", "test"],
    }
)
SLICES = pd.DataFrame({"slice": SPLIT["slice"], "source": list("XXXYXX"), "label": SPLIT["label"]})


def test_patients_and_slices_are_counted_by_subset_class_and_source() -> None:
    rows = subset_counts(SPLIT, SLICES)
    assert rows.columns.tolist() == [
        *("label", "source", "train_patients", "train_slices", "val_patients", "val_slices"),
        *("test_patients", "test_slices"),
    ]
    assert rows.to_numpy().tolist() == [
        ["+", "X", 1, 2, 1, 1, 0, 0],
        ["+", "Y", 0, 0, 0, 0, 1, 1],
        ["-", "X", 1, 1, 0, 0, 1, 1],
    ]


def test_one_class_is_counted_by_subset_with_its_test_patients() -> None:
    assert class_counts(SPLIT, "+") == {"train": 2, "val": 1, "test": 1, "test_patients": 1}
    assert class_counts(SPLIT, "absent") == {"train": 0, "val": 0, "test": 0, "test_patients": 0}


def test_slices_per_patient_are_a_mean_by_class() -> None:
    assert slices_per_patient(SPLIT).to_dict() == {"+": 4 / 3, "-": 1.0}


def test_a_source_with_one_class_is_named_only_where_there_are_several_sources() -> None:
    assert single_class_sources(SLICES) == ["Y"]
    assert single_class_sources(SLICES.assign(source="X", label="+")) == []
