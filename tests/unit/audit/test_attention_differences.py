"""Pairs of models: which are compared, and differences against numbers written out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lungsight.audit.attention_differences import attention_pairs, comparison_rows, patients_of
from lungsight.tables import check_table
from tests.factories.tables import NEGATIVE, POSITIVE

WHOLE, SEGMENTED = "whole-resnet50-scratch", "segmented-resnet50-scratch"
NAMES = [WHOLE, "whole-resnet50-imagenet", SEGMENTED, "segmented-resnet50-imagenet"]


def test_pairs_differ_in_one_thing_and_share_a_stage() -> None:
    models = [(name, stage) for name in NAMES for stage in (1, 2)]
    pairs = list(attention_pairs(models))
    assert len(pairs) == 8
    assert ("framework", 2, WHOLE, SEGMENTED) in pairs
    assert ("weights", 1, WHOLE, "whole-resnet50-imagenet") in pairs
    assert list(attention_pairs([(WHOLE, 1), (SEGMENTED, 2)])) == []
    starts = [(WHOLE.replace("scratch", word), 1) for word in ("scratch", "imagenet", "simsiam")]
    assert [(pair.first, pair.second) for pair in attention_pairs(starts)] == [
        (starts[one][0], starts[other][0]) for one, other in ((0, 1), (0, 2), (1, 2))
    ]


def patients(numbers: list[int], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = [POSITIVE if number % 2 else NEGATIVE for number in numbers]
    return pd.DataFrame(
        {"patient": [f"p{number}" for number in numbers], "label": label}
        | {"swap": rng.random(len(numbers)), "enrichment": rng.uniform(0.5, 2, len(numbers))}
    )


def test_differences_are_second_less_first_on_the_patients_in_both() -> None:
    first, second = patients(list(range(20)), 1), patients(list(range(4, 24)), 2)
    second.loc[0, "enrichment"] = np.nan
    rows = pd.DataFrame(comparison_rows({(WHOLE, 2): first, (SEGMENTED, 2): second}, POSITIVE, 100, 1))
    check_table(rows, "comparisons", "comparisons")
    by_measure = rows.set_index("measure")
    assert by_measure["patients"].to_dict() == {"swap": 16, "enrichment": 15}
    here, there = first[4:], second[:16]
    aucs = [roc_auc_score(part["label"] == POSITIVE, part["swap"]) for part in (here, there)]
    assert by_measure.loc["swap", ["first", "second"]].tolist() == pytest.approx(aucs)
    assert by_measure.loc["swap", "difference"] == pytest.approx(aucs[1] - aucs[0])
    gap = there["enrichment"][1:].mean() - here["enrichment"][1:].mean()
    assert by_measure.loc["enrichment", "difference"] == pytest.approx(gap)
    assert (by_measure["difference_lo"] < by_measure["difference"]).all() and (
        by_measure["difference"] < by_measure["difference_hi"]
    ).all()


def test_the_same_model_differs_by_nothing_in_any_resample() -> None:
    table = patients(list(range(20)), 1)
    rows = pd.DataFrame(comparison_rows({(WHOLE, 2): table, (SEGMENTED, 2): table}, POSITIVE, 50, 1))
    assert (rows[["difference", "difference_lo", "difference_hi"]] == 0).all(axis=None)


def test_no_patient_of_each_class_has_a_reason() -> None:
    rows = comparison_rows({(WHOLE, 2): patients([1, 3], 1), (SEGMENTED, 2): patients([1, 3], 2)}, POSITIVE, 9, 1)
    assert rows[0]["reason"] and np.isnan(rows[0]["difference"])
    apart = comparison_rows({(WHOLE, 2): patients([1, 2], 1), (SEGMENTED, 2): patients([3, 4], 2)}, POSITIVE, 9, 1)
    assert {row["patients"] for row in apart} == {0}


def test_a_patients_number_is_the_mean_of_its_slices() -> None:
    keys = {"patient": list("aab"), "label": POSITIVE}
    logits = pd.DataFrame(keys | {"background_only_other": [0.0, 100.0, -100.0]})
    saliency = pd.DataFrame(keys | {"enrichment": [1.0, 2.0, np.nan]})
    by_patient = patients_of(logits, saliency).set_index("patient")
    assert by_patient["swap"].tolist() == pytest.approx([0.75, 0.0])
    assert by_patient.loc["a", "enrichment"] == 1.5 and np.isnan(by_patient.loc["b", "enrichment"])
