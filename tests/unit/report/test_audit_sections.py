"""The sections of the audit: statements follow the intervals, tables hold what was measured."""

import copy
from pathlib import Path

import pandas as pd
import pytest

from lungsight.audit.rows import DIFFERENCE
from lungsight.report.results import RunResults
from lungsight.report.sections import occlusion_tests, sanity_checks
from lungsight.report.sections.attention_differences import attention_difference_table
from lungsight.report.sections.metadata import metadata_statements, metadata_table
from lungsight.report.sections.occlusion_tests import occlusion_statements, occlusion_table, source_statements
from lungsight.report.sections.sanity_checks import deletion_insertion_table, failed_models, randomisation_table
from lungsight.report.sections.verdicts import verdict_table
from lungsight.report.words import verdict_in_words
from tests.factories.results import changed, made_results, texts


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    return made_results(
        tmp_path_factory.mktemp("run"),
        {"lungs": "segmentation", "open": "public", "clinic": "target"},
        pipelines={"frameworks": ["whole", "segmented"], "backbones": ["resnet50"], "weights": ["scratch"]},
        explain={"overlays": 0},
    )


def audit_where(results: RunResults, chosen: pd.Series, **columns: object) -> RunResults:
    audit = copy.deepcopy(results.audit)
    audit.loc[chosen, list(columns)] = list(columns.values())
    return changed(results, audit=audit)


def test_models_that_learned_are_counted_by_what_is_left(results: RunResults) -> None:
    audit = results.audit
    aucs = (audit["test"] == "intervention") & (audit["measure"] == "roc_auc") & (audit["unit"] == "patient")
    strong = audit_where(results, aucs, value=0.9, value_lo=0.8, value_hi=1.0)
    weak = audit_where(strong, aucs & (audit["variant"] == "border_only"), value_lo=0.3)
    tones = {sentence.text: sentence.tone for sentence in occlusion_statements(weak)}
    assert tones["0 of the 4 models that learned still tell the patients apart by a frame along the edge."] == "good"
    outline = next(text for text in tones if "the outline of the lung" in text)
    assert outline.startswith("4 of the 4 models") and tones[outline] == "warn"
    first = aucs & (audit["variant"] == "silhouette") & (audit["stage"] == 1)
    some = texts(occlusion_statements(audit_where(strong, first, value_lo=0.3)))
    assert "2 of the 4 models that learned still tell the patients apart by the outline of the lung: whole-" in some
    assert "scratch stage 2 and segmented-resnet50-scratch stage 2." in some
    nobody = audit_where(results, aucs, value_lo=0.4)
    assert "No model is shown to beat chance" in texts(occlusion_statements(nobody))


def test_sources_are_named_or_the_reason(results: RunResults) -> None:
    assert texts(source_statements(results)).endswith("the test slices come from one source.")
    rows = results.audit["test"] == "source_from_features"
    known = audit_where(results, rows, value=0.9, value_lo=0.7, value_hi=1.0, chance=0.5, reason="")
    assert texts(source_statements(known)).startswith("In 4 of 4 models with several sources")
    assert source_statements(audit_where(known, rows, value_lo=0.4))[0].tone == "good"


def test_metadata_that_predict_the_class_are_named_but_not_the_density_of_the_lung(results: RunResults) -> None:
    rows = results.audit["test"] == "metadata"
    quiet = audit_where(results, rows, value_lo=0.3)
    assert metadata_statements(quiet)[0].tone == "good"
    size = audit_where(quiet, rows & (results.audit["variant"] == "position"), value=0.9, value_lo=0.8, value_hi=1.0)
    assert "by position in open, whole (AUC 0.90 (0.80–1.00))" in texts(metadata_statements(size))
    lung = size.audit.assign(variant=size.audit["variant"].replace("position", "histogram"))
    assert metadata_statements(changed(size, audit=lung))[0].tone == "good"


def test_maps_that_fail_are_named(results: RunResults) -> None:
    assert failed_models(results) == []
    verdicts = results.verdicts.assign(maps_pass=[1, 0, 1, 1])
    failed = changed(results, verdicts=verdicts)
    assert failed_models(failed) == ["whole-resnet50-scratch, stage 2"]
    cells = [row[2].text for row in randomisation_table(failed).rows]
    assert cells == ["passes", "not passed", "passes", "passes"]


def test_tables_show_the_measured_numbers(results: RunResults) -> None:
    verdicts = verdict_table(results)
    assert [row[2].text for row in verdicts.rows] == [*map(verdict_in_words, results.verdicts["verdict"])]
    assert {verdict_in_words("cannot tell"): "warn"} == {row[2].text: row[2].tone for row in verdicts.rows}
    titles = [title for title, _ in verdicts.headings]
    swaps = [row[titles.index("Lung swapped")].sort for row in verdicts.rows]
    assert swaps == pytest.approx(results.verdicts["swap"].tolist())
    occlusion = occlusion_table(results)
    column = [title for title, _ in occlusion.headings].index("Lung swapped")
    assert [row[column].sort for row in occlusion.rows] == pytest.approx(swaps)
    similarity = verdicts.rows[0][titles.index("Similarity")]
    low, high = results.verdicts.loc[0, ["similarity_lo", "similarity_hi"]]
    assert (similarity.text, similarity.note) == ("0.10", f"{low:.2f}–{high:.2f}") and low < 0.1 < high
    deletion = deletion_insertion_table(results).rows[0][4]
    rows = results.audit[(results.audit["test"] == "deletion") & (results.audit["variant"] == DIFFERENCE)]
    ends = " to ".join(f"{rows[name].iloc[0]:.2f}" for name in ("value_lo", "value_hi")).replace("-", "−")
    assert (deletion.text, deletion.note) == ("−0.20", ends) and (rows["value_hi"] < 0).all()
    assert len(attention_difference_table(results).rows) == len(results.comparisons) == 4
    same = [row for row in metadata_table(results).rows if row[2].text == "image size"]
    assert {row[3].text for row in same} == {"unknown, or the same for every slice"}


def test_a_model_without_any_lung_has_a_page(tmp_path: Path, results: RunResults) -> None:
    """One row with the reason is all that the audit leaves where no test slice has a lung."""
    first = (results.audit["pipeline"] == "whole-resnet50-scratch") & (results.audit["stage"] == 1)
    empty = results.audit[first].head(1).assign(value=float("nan"), reason="no test slice has a lung in its mask")
    without = changed(results, audit=pd.concat([results.audit[~first], empty]))
    assert len(occlusion_tests.section(without)["aucs"].rows) == 4
    assert len(sanity_checks.section(without)["randomisation"].rows) == 3
