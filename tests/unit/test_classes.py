"""Classes of a config, and the probabilities of all of them in a table."""

import numpy as np
import pandas as pd
import pytest
import yaml

from lungsight.classes import check_probabilities, places_of, probabilities_of, with_probabilities
from lungsight.config_check import complete_config
from lungsight.demo import cohort as demo
from lungsight.errors import UserError
from tests.factories.workspace import ROOT

LABELS = ["Covid-19", "CAP", "Normal"]


def completed(labels: dict, **more: object) -> dict:
    cohorts = {"a": {"role": "target", "format": "png", "root": "data", "table": "t.tsv"}}
    return complete_config({"results": "results/x", "cohorts": cohorts, "labels": labels, **more})


def words(n: int) -> dict[str, list[str]]:
    return {f"class {k}": [f"word {k}"] for k in range(n)}


@pytest.mark.parametrize("n", [2, 3, 20])
def test_two_to_twenty_classes_keep_their_order(n: int) -> None:
    labels = dict(reversed(words(n).items()))
    assert list(completed(labels)["labels"]) == list(labels)


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        (words(1), {}, "labels: 1 is written here; write at least 2."),
        (words(21), {}, "labels: 21 are written here; write at most 20."),
        (words(3) | {"class 1": ["word 0"]}, {}, "the word 'word 0' means several classes (class 0, class 1)."),
        ({"CAP": ["x"], "cap": ["y"], "Normal": ["z"]}, {}, "the classes 'CAP' and 'cap' differ only in case"),
        (
            words(3),
            {"training": {"class_costs": [1, 2]}},
            "training.class_costs: 2 costs for 3 classes; write 3 numbers.",
        ),
        (words(2), {"training": {"class_costs": [1, 2, 3]}}, "3 costs for 2 classes; write 2 numbers."),
        (words(2), {"training": {"class_costs": [[0, 1], [1, 0]]}}, "labels has 2 classes; write 2 numbers."),
        (words(3), {"training": {"class_costs": [[0, 1, 1], 2, 3]}}, "write 3 rows of 3 numbers, or 3 numbers."),
        (words(3), {"training": {"class_costs": [[0, 1, 1], [0, 0, 0], [1, 1, 0]]}}, "row 2 costs nothing"),
        (words(3), {"training": {"class_costs": [1, 0, 1]}}, "training.class_costs.1"),
        (words(3), {"evaluation": {"costs": [[0, 1], [1, 0]]}}, "labels has 3 classes; write 3 rows of 3 numbers."),
        (words(2), {"evaluation": {"costs": [[0, 1], [1, 2]]}}, "row 2 has 2 for its own class"),
        (words(2), {"evaluation": {"costs": [[0, 0], [0, 0]]}}, "all costs are 0; leave the key out."),
        (words(2), {"evaluation": {"costs": [[0, -1], [1, 0]]}}, "evaluation.costs.0.1"),
    ],
)
def test_what_is_wrong_with_classes_is_a_sentence(labels: dict, more: dict, message: str) -> None:
    with pytest.raises(UserError) as caught:
        completed(labels, **more)
    assert message in str(caught.value)


def test_costs_that_fit_are_taken() -> None:
    costs = [[0, 10, 10], [1, 0, 1], [1, 1, 0]]
    config = completed(words(3), evaluation={"costs": costs}, training={"class_costs": costs})
    assert config["evaluation"]["costs"] == config["training"]["class_costs"] == costs
    assert completed(words(2))["evaluation"]["costs"] is None


def test_tables_hold_the_probabilities_of_all_classes() -> None:
    p = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    table = with_probabilities(pd.DataFrame({"label": ["Normal", "CAP"]}), p)
    assert list(table.columns) == ["label", "probability", "p_1", "p_2", "p_3"]
    np.testing.assert_array_equal(probabilities_of(table, LABELS), p)
    assert places_of(table["label"], LABELS).tolist() == [2, 1]
    two = with_probabilities(pd.DataFrame(index=[0]), np.array([[0.2, 0.8]]))
    assert list(two.columns) == ["probability"]
    np.testing.assert_allclose(probabilities_of(two, ["a", "b"]), [[0.2, 0.8]])


def test_probabilities_that_do_not_fit_are_refused() -> None:
    table = with_probabilities(pd.DataFrame(index=range(3)), np.full((3, 3), 1 / 3))
    check_probabilities(table, LABELS, "here")
    check_probabilities(table.drop(columns="p_3"), LABELS[:2], "here")
    with pytest.raises(UserError, match="here: column p_3 is missing; labels has 3 classes"):
        check_probabilities(table.drop(columns="p_3"), LABELS, "here")
    with pytest.raises(UserError, match=r"row 2: p_1 … p_3 sum to 1\.00001, not to 1"):
        check_probabilities(table.assign(p_2=[1 / 3, 1 / 3 + 1e-5, 1 / 3]), LABELS, "here")
    check_probabilities(table.assign(p_2=[1 / 3, 1 / 3 + 5e-7, 1 / 3]), LABELS, "here")
    with pytest.raises(UserError, match="row 3: probability is not p_1"):
        check_probabilities(table.assign(probability=[1 / 3, 1 / 3, 0.3]), LABELS, "here")
    with pytest.raises(UserError, match="row 1: p_1 … p_3 sum to nan"):
        check_probabilities(table.assign(p_2=[np.nan, 1 / 3, 1 / 3]), LABELS, "here")
    outside = with_probabilities(pd.DataFrame(index=[0, 1]), np.array([[0.2, 0.3, 0.5], [-0.2, 0.95, 0.25]]))
    with pytest.raises(UserError, match=r"row 2: p_1 is -0\.2; a probability lies in 0 to 1"):
        check_probabilities(outside, LABELS, "here")


def test_the_config_of_three_classes_has_its_tables() -> None:
    config = complete_config(yaml.safe_load((ROOT / "config" / "three-classes.yaml").read_text(encoding="utf-8")))
    for name, cohort in config["cohorts"].items():
        copy = cohort | {"table": str(ROOT / cohort["table"])}
        demo.check_table_fits(name, copy, config["labels"])
        with open(copy["table"], encoding="utf-8") as table:
            assert len(table.readlines()) == 1 + len(demo.cohort_table(name, cohort)), "run tools/demo_tables.py"
