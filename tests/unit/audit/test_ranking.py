"""The ranking of all pipelines."""

import numpy as np
import pandas as pd

from lungsight.audit.ranking import differences_to_first, printed_numbers, ranked
from lungsight.evaluation.performance_differences import holm, paired_rows
from lungsight.tables import read_table
from lungsight.training import published_models
from tests.factories.results import PRINTED
from tests.factories.tables import NEGATIVE, POSITIVE


def test_the_highest_auc_is_first_an_undefined_one_last_and_equals_share_a_rank() -> None:
    aucs = [0.6, np.nan, 0.9, 0.6]
    metrics = pd.DataFrame({"pipeline": list("abcd"), "roc_auc": aucs, "stage": 2, "cohort": "x", "unit": "patient"})
    rows = ranked(pd.concat([metrics, metrics.assign(unit="slice")]), 2, "x")
    assert rows["pipeline"].tolist() == list("cadb")
    assert rows["rank"].tolist() == [1, 2, 2, 4]


def test_every_pipeline_is_compared_with_the_first_on_the_same_patients() -> None:
    rng = np.random.default_rng(0)
    names = [f"{number:016x}" for number in range(12)]
    table = pd.DataFrame({"slice": names, "patient": names, "label": [POSITIVE, NEGATIVE] * 6, "split": "test"})
    predictions = {name: table.assign(probability=rng.random(12)) for name in "abc"}
    differences = differences_to_first(list("abc"), predictions, POSITIVE, 100, 1)
    assert differences.loc["a"].isna().all()
    for name in "bc":
        paired = paired_rows(predictions["a"], predictions[name], "patient", POSITIVE, 100, 1)
        expected = next(row for row in paired if row["metric"] == "roc_auc")
        assert differences.loc[name, "difference"] == expected["difference"]
        assert differences.loc[name, "p"] == expected["p"]
    np.testing.assert_array_equal(differences["p_holm"], holm(differences["p"].to_numpy()))


def test_what_papers_print_is_of_published_models_that_exist() -> None:
    printed = read_table(PRINTED, "printed")
    assert set(printed["system"]) <= set(published_models.names())
    numbers = printed_numbers(printed)
    assert numbers["printed_note"].loc[["bai2020", "ko2020_resnet50", "li2021"]].tolist() == [
        "by patient; against pneumonia of other origin; printed as sensitivity",
        "three classes",
        "",
    ]
    assert numbers.loc["wang2021", ["printed_accuracy", "printed_recall"]].tolist() == [0.895, 0.88]
    assert numbers.loc["pathak2020", "printed_unnamed"] == 0.9705 and np.isnan(numbers.loc["li2021", "printed_recall"])


def test_every_published_model_describes_itself_and_its_substitution() -> None:
    for name in published_models.names():
        model, (title, substituted) = published_models.load(name), published_models.description_of(name)
        assert model.paper and model.citation.startswith(model.paper.split()[0])
        assert title.endswith(".") and substituted.startswith("Substituted: ")
