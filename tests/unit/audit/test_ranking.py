"""The ranking of all pipelines, and what the page says of systems of the literature."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lungsight.audit.ranking import differences_to_first, printed_numbers, ranked
from lungsight.evaluation.performance_differences import holm, paired_rows
from lungsight.report.model_tables import display_name
from lungsight.report.ranking_page import ranking_table, section, system_table
from lungsight.report.results import RunResults
from lungsight.tables import read_table
from lungsight.training import published_models
from tests.factories.tables import NEGATIVE, POSITIVE
from tests.unit.report.test_page import PRINTED, made_results

CHOSEN = ["li2021", "pathak2020"]
MASKS = {"segmentation": {"method": "classical"}}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    pipelines = {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"], "systems": CHOSEN}
    folder: Path = tmp_path_factory.mktemp("ranking")
    return made_results(folder, {"open": "public", "clinic": "target"}, pipelines=pipelines, **MASKS)


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
    found = differences_to_first(list("abc"), predictions, POSITIVE, 100, 1)
    assert found.loc["a"].isna().all()
    for name in "bc":
        paired = paired_rows(predictions["a"], predictions[name], "patient", POSITIVE, 100, 1)
        expected = next(row for row in paired if row["metric"] == "roc_auc")
        assert found.loc[name, "difference"] == expected["difference"]
        assert found.loc[name, "p"] == expected["p"]
    np.testing.assert_array_equal(found["p_holm"], holm(found["p"].to_numpy()))


def test_what_papers_print_is_of_systems_that_exist_and_cites_their_paper() -> None:
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


def test_every_system_says_what_it_is_and_what_is_a_substitution() -> None:
    for name in published_models.names():
        system, (title, substituted) = published_models.load(name), published_models.description_of(name)
        assert system.paper and system.citation.startswith(system.paper.split()[0])
        assert title.endswith(".") and substituted.startswith("Substituted: ")


def test_the_page_ranks_systems_beside_other_pipelines_and_marks_their_papers(results: RunResults) -> None:
    table = ranking_table(results)
    by_stage = results.ranking.groupby("stage")["rank"]
    assert [row[0].text for row in table.rows] == [str(rank) for stage in (2, 1) for rank in by_stage.get_group(stage)]
    assert [row[2].text for row in table.rows] == ["stage 2 on clinic"] * 3 + ["stage 1 on open"] * 3
    by_name = {row[1].text: row for row in table.rows[:3]}
    pathak = by_name[display_name(results, "whole-pathak2020-imagenet")]
    assert pathak[1].note == "Pathak et al. 2020"
    assert (pathak[7].text, pathak[7].note) == ("0.971", "without a name")
    assert by_name["whole-small_cnn-scratch"][1].note == "" and by_name["whole-small_cnn-scratch"][7].text == "–"
    assert (pathak[11].text, pathak[12].text, pathak[12].note) == ("15", "0.1", "0.0 million")
    assert pathak[2].note.endswith("patients")


def test_the_page_lists_the_systems_of_the_run_alone(results: RunResults) -> None:
    table = system_table(results)
    assert [row[0].text for row in table.rows] == CHOSEN
    assert "CheXNet" in table.rows[0][2].text and "Knowledge-Based" in table.rows[0][3].text
    assert "other data" in section(results)["beside_papers"]


def test_a_run_without_systems_says_nothing_of_papers(tmp_path: Path) -> None:
    pipelines = {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]}
    plain = made_results(tmp_path, {"open": "public"}, pipelines=pipelines, **MASKS)
    assert section(plain)["beside_papers"] == "" and not system_table(plain).rows
    assert len(ranking_table(plain).rows) == 1
