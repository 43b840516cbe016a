"""The section that ranks all pipelines."""

from pathlib import Path

import pytest

from lungsight.report.results import RunResults
from lungsight.report.sections.ranking import published_model_table, ranking_table, section
from tests.factories.results import made_results

CHOSEN = ["li2021", "pathak2020"]
MASKS = {"segmentation": {"method": "classical"}}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    pipelines = {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"], "systems": CHOSEN}
    folder: Path = tmp_path_factory.mktemp("ranking")
    return made_results(folder, {"open": "public", "clinic": "target"}, pipelines=pipelines, **MASKS)


def test_published_models_are_ranked_beside_other_pipelines_with_their_papers(results: RunResults) -> None:
    table = ranking_table(results)
    by_stage = results.ranking.groupby("stage")["rank"]
    assert [row[1].text for row in table.rows] == [str(rank) for stage in (2, 1) for rank in by_stage.get_group(stage)]
    assert [row[2].text for row in table.rows] == ["stage 2 on clinic"] * 3 + ["stage 1 on open"] * 3
    by_name = {row[0].text: row for row in table.rows[:3]}
    pathak = by_name[results.display_name("whole-pathak2020-imagenet")]
    assert pathak[0].note == "Pathak et al. 2020"
    assert (pathak[7].text, pathak[7].note) == ("0.971", "without a name")
    assert by_name["whole-small_cnn-scratch"][0].note == "" and by_name["whole-small_cnn-scratch"][7].text == "–"
    assert (pathak[11].text, pathak[12].text, pathak[12].note) == ("15", "0.1", "0.0 million")
    assert pathak[2].note.endswith("patients")


def test_the_published_models_of_the_run_alone_are_listed(results: RunResults) -> None:
    table = published_model_table(results)
    assert [row[0].text for row in table.rows] == CHOSEN
    assert "CheXNet" in table.rows[0][2].text and "Knowledge-Based" in table.rows[0][3].text
    assert "other data" in section(results)["beside_papers"]


def test_a_run_without_published_models_is_silent_on_papers(tmp_path: Path) -> None:
    pipelines = {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]}
    plain = made_results(tmp_path, {"open": "public"}, pipelines=pipelines, **MASKS)
    assert section(plain)["beside_papers"] == "" and not published_model_table(plain).rows
    assert len(ranking_table(plain).rows) == 1
