"""What the page says, and that it says it only where the numbers do."""

import copy
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lungsight.audit.ranking import ranking_table
from lungsight.config_check import complete_config
from lungsight.evaluation.tables import metrics_table
from lungsight.explain.tables import saliency_table
from lungsight.files import read_json
from lungsight.report import charts, headline, statements
from lungsight.report.components import leakage_table, qc_table
from lungsight.report.evaluation_page import aggregation_table, difference_table, p_cell, subgroup_table
from lungsight.report.model_tables import adaptation_table, provenance_table, thesis_table
from lungsight.report.page import confusion_matrices, render_page
from lungsight.report.results import RunResults, read_results
from lungsight.run_description import describe_run, models_of
from lungsight.tables import read_table, write_table
from lungsight.training.provenance import origins_of
from lungsight.wording import count, interval, listed, number, tally, with_interval
from tests.factories.audit import made_audit_tables
from tests.factories.evaluation import made_evaluation_tables
from tests.factories.run import made_run
from tests.factories.workspace import ROOT

THESIS, PRINTED = ROOT / "config/thesis.tsv", ROOT / "config/table-2-2.tsv"


def made_results(run: Path, roles: dict[str, str], **settings: object) -> RunResults:
    cohorts = {
        name: {"role": role, "format": "dicom", "root": name, "table": "x", "phantom": {"seed": 1, "patients": 4}}
        for name, role in roles.items()
    }
    config = complete_config({"results": "x", "cohorts": cohorts, "report": {"bootstrap": 100}} | settings)
    made_run(run, config, patients=24)
    facts = describe_run(config)
    models = models_of(facts)
    metrics = [
        (name, stage, read_json(run / f"models/{name}/stage{stage}/metrics.json")["rows"]) for name, stage in models
    ]
    maps = [
        (name, stage, read_table(run / f"explain/{name}/stage{stage}/saliency.tsv", "saliency"))
        for name, stage in models
    ]
    if models:
        origins = origins_of(run, models)
        table = metrics_table(metrics, read_table(THESIS, "thesis"), roles, origins)
        write_table(run / "report/metrics.tsv", table, schema="metrics")
        saliency = saliency_table(maps, origins, facts["bootstrap"], 1)
        write_table(run / "report/saliency.tsv", saliency, schema="report_saliency")
        made_evaluation_tables(run, facts)
        made_audit_tables(run, facts)
        write_table(run / "report/systems.tsv", ranking_table(run, facts, read_table(PRINTED, "printed")), "systems")
    return read_results(run, facts, THESIS)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    """Both stages of two pipelines, one of them from stand-in weights."""
    return made_results(
        tmp_path_factory.mktemp("run"),
        {"lungs": "segmentation", "open": "public", "clinic": "target"},
        pipelines={"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["scratch", "imagenet"]},
        explain={"overlays": 1},
    )


@pytest.fixture(scope="module")
def page(results: RunResults) -> str:
    return render_page(results)


def changed(results: RunResults, **parts: object) -> RunResults:
    return RunResults(**vars(results) | parts)


def texts(found: list) -> str:
    return " ".join(statement.text for statement in found)


def test_the_page_stands_alone_and_is_small(page: str) -> None:
    assert not re.search(r"""(?:src|href)=["'](?:https?:|//|file:)""", page)
    assert not re.search(r"url\((?!#)", page.partition("<body>")[0])
    assert len(page) < 15_000_000
    assert page.count("<img") == len(re.findall(r'<img [^>]*alt="[^"]+"', page))


def test_every_metric_on_the_page_is_the_tables(page: str, results: RunResults) -> None:
    for _, row in results.metrics.iterrows():
        assert f">{row['accuracy']:.2f}<br><small>{row['accuracy_lo']:.2f}–{row['accuracy_hi']:.2f}</small>" in page


def test_phantoms_and_stand_ins_are_called_so(page: str, results: RunResults) -> None:
    assert "All cohorts are generated phantoms, not patients." in page
    assert statements.stand_in_pipelines(results) == ["whole-resnet50-imagenet"]
    assert "whole-resnet50-imagenet started from stand-ins" in page
    assert "whole-resnet50-imagenet †" in page
    assert "whole-resnet50-scratch †" not in page


def test_a_run_on_patients_with_imagenet_is_not_called_a_phantom(results: RunResults) -> None:
    facts = copy.deepcopy(results.facts)
    for cohort in facts["cohorts"]:
        cohort["phantom"] = False
    provenance = {
        model: found | {"weights": {"kind": "imagenet", "sha256": "0" * 64}}
        for model, found in results.provenance.items()
    }
    metrics = results.metrics.assign(weights_origin="imagenet")
    real = changed(results, facts=facts, provenance=provenance, metrics=metrics)
    rendered = render_page(real)
    assert "phantom" not in rendered.lower()
    assert "stand-in" not in rendered.lower()
    facts["cohorts"][1]["phantom"] = True
    assert "open: generated phantoms" in texts(statements.phantoms(real))


def test_the_models_table_says_what_stopped_a_training_and_which_epoch_was_kept(results: RunResults) -> None:
    histories = {
        model: history.assign(kept=[0, 0, 1, 0, 0, 0], stopped=[""] * 5 + ["validation loss no longer fell"])
        for model, history in results.histories.items()
    }
    table = provenance_table(changed(results, histories=histories))
    titles = [title for title, _ in table.headings]
    assert {row[titles.index("Epochs")].note for row in table.rows} == {"validation loss no longer fell, epoch 3 kept"}


def test_markup_in_a_name_is_text(results: RunResults) -> None:
    facts = copy.deepcopy(results.facts)
    facts["title"] = "<script>alert(1)</script>"
    cases = {name: table.assign(status="rejected", reason="<b>bold</b>") for name, table in results.cases.items()}
    rendered = render_page(changed(results, facts=facts, cases=cases))
    assert "<script>alert" not in rendered and "<b>bold" not in rendered
    assert "&lt;b&gt;bold" in rendered


def metrics_where(results: RunResults, **columns: object) -> RunResults:
    return changed(results, metrics=results.metrics.assign(**columns))


def test_models_that_did_not_learn_are_named(results: RunResults) -> None:
    weak = metrics_where(results, roc_auc=0.7, roc_auc_lo=0.45, roc_auc_hi=0.9)
    assert "Stage 2: 2 of 2 models are not shown to be better than chance" in texts(statements.not_learned(weak))
    assert "whole-resnet50-scratch (AUC 0.70 (0.45–0.90))" in texts(statements.not_learned(weak))
    assert headline.how_well(weak)[0].startswith("0 of 2 models of stage 2")
    strong = metrics_where(results, roc_auc_lo=0.51)
    assert statements.not_learned(strong) == []
    assert headline.how_well(strong)[0].startswith("2 of 2 models of stage 2")
    assert "no interval" in texts(statements.not_learned(metrics_where(results, roc_auc_lo=np.nan)))


def test_the_headline_counts_verdicts_of_the_last_stage(results: RunResults) -> None:
    verdicts = results.verdicts.assign(verdict="looks at the lung")
    first = (verdicts["stage"] == 2) & (verdicts["pipeline"] == "whole-resnet50-scratch")
    verdicts.loc[first, "verdict"] = "looks elsewhere"
    told = headline.where_it_looks(changed(results, verdicts=verdicts))[0]
    assert told.startswith("Of 2 models of stage 2, 1 look at the lung and 1 look elsewhere: ")


def leaks(results: RunResults, **columns: object) -> str:
    return texts(statements.leakage_statements(changed(results, leakage=results.leakage.assign(**columns))))


def test_leakage_is_said_in_words(results: RunResults) -> None:
    assert leaks(results) == (
        "No patient and no identical image lies on two sides of a split, or in another cohort's training."
    )
    assert "leakage cannot be excluded" in leaks(results, patients_known=0)
    assert "3 slices with pixels that also occur" in leaks(results, identical_images_on_two_sides=3)
    images = leaks(results, test_images_in_other_cohorts=[0, 4])
    assert images == "clinic, whole: 4 test slices with pixels that another cohort trains or validates on."
    patients = leaks(results, test_slices_of_patients_in_other_cohorts=[1, 0])
    assert patients == "open, whole: 1 test slice of patients whom another cohort trains or validates on."
    by_slice = changed(results, facts=results.facts | {"split_unit": "slice"})
    assert "Slices, not patients, were split" in texts(statements.leakage_statements(by_slice))
    assert "No patient" not in texts(statements.leakage_statements(by_slice))


def test_the_leakage_table_shows_what_other_cohorts_train_on(results: RunResults) -> None:
    shared = {"test_images_in_other_cohorts": [0, 4], "test_slices_of_patients_in_other_cohorts": [1, 0]}
    table = leakage_table(changed(results, leakage=results.leakage.assign(**shared)))
    titles = [title for title, _ in table.headings]
    assert titles[-2:] == ["Test images in other cohorts", "Test slices of patients in other cohorts"]
    assert [[(cell.text, cell.tone) for cell in row[-2:]] for row in table.rows] == [
        [("0", "good"), ("1", "bad")],
        [("4", "bad"), ("0", "good")],
    ]


def test_confounding_by_slices_per_patient_and_by_source(results: RunResults) -> None:
    assert statements.confounding(results) == []
    splits = dict(results.splits)
    split = splits["open", "whole"]
    negative = split["label"] == "Non Covid"
    splits["open", "whole"] = pd.concat([split[~negative], split[negative].drop_duplicates("patient")])
    told = texts(statements.confounding(changed(results, splits=splits)))
    assert "open: slices per patient differ by class (3.0 a patient in Covid-19 and 1.0 a patient in Non Covid)" in told

    slices = dict(results.slices)
    sources = np.where(slices["open"]["label"] == "Covid-19", "north", "south")
    slices["open"] = slices["open"].assign(source=sources)
    assert "north and south hold one class only" in texts(statements.confounding(changed(results, slices=slices)))


def test_confusion_rows_sum_to_one_and_are_the_tables_counts(results: RunResults) -> None:
    matrices = confusion_matrices(results)
    rows = results.metrics[results.metrics["unit"] == "slice"]
    assert len(matrices) == len(rows) == 6
    for matrix, row in zip(matrices, rows.itertuples(), strict=True):
        (tp, fn), (fp, tn) = [[n for n, _ in line] for line in matrix["lines"]]
        assert (tp, fn, fp, tn) == (row.tp, row.fn, row.fp, row.tn)
        for line in matrix["lines"]:
            assert sum(share for _, share in line) == pytest.approx(1)


def test_the_thesis_stands_beside_ours_under_its_right_names(results: RunResults) -> None:
    table = thesis_table(results)
    titles = [title for title, _ in table.headings]
    first = dict(zip(titles, table.rows[0], strict=True))
    assert first["Pipeline"].text == "whole-resnet50-scratch"
    assert (first["Precision, thesis"].text, first["Recall, thesis"].text) == ("0.679", "0.926")
    assert len(table.rows) == 4


@pytest.mark.parametrize(
    ("low", "high", "words", "tone"),
    [(0.7, 0.8, "covered", ""), (0.8, 0.9, "not covered", "warn"), (np.nan, np.nan, "no interval", "")],
)
def test_the_thesis_table_says_whether_our_interval_covers_its_number(
    results: RunResults, low: float, high: float, words: str, tone: str
) -> None:
    """The first row is whole-resnet50-scratch, stage 1: 0.73 in the thesis."""
    table = thesis_table(metrics_where(results, accuracy=0.75, accuracy_lo=low, accuracy_hi=high))
    titles = [title for title, _ in table.headings]
    cell = dict(zip(titles, table.rows[0], strict=True))["Accuracy, difference"]
    assert (cell.text, cell.note, cell.tone) == ("+0.02", words, tone)
    assert cell.sort == pytest.approx(0.02)


def test_adaptation_is_stage_two_minus_stage_one_on_the_target(results: RunResults) -> None:
    table = adaptation_table(results)
    clinic = results.metrics[(results.metrics["cohort"] == "clinic") & (results.metrics["unit"] == "slice")]
    before, after = clinic[clinic["pipeline"] == "whole-resnet50-scratch"].sort_values("stage")["roc_auc"]
    row = next(row for row in table.rows if row[1].text == "slice")
    gain = row[[title for title, _ in table.headings].index("Gain")]
    assert gain.sort == pytest.approx(after - before)
    differences = results.evaluation["differences"]
    pair = differences.query("comparison == 'adaptation' and metric == 'roc_auc' and unit == 'slice'").iloc[0]
    assert gain.note == f"{pair['difference_lo']:+.2f} to {pair['difference_hi']:+.2f}".replace("-", "−")
    stronger = differences.assign(difference=0.2, difference_lo=0.1, difference_hi=0.3, p_holm=0.001)
    told = texts(statements.adaptation_statements(changed(results, evaluation={"differences": stronger})))
    assert "rose in 2 of 2 pipelines, by 0.20 in the median; in 2 the whole interval" in told
    assert "in 2 the gain stands at the 5 % level" in told


def test_the_page_shows_pairs_other_answers_subgroups_and_calibration(page: str, results: RunResults) -> None:
    for name in ("differences", "aggregation"):
        assert f'<table id="{name}"' in page
    assert "The test slices of every cohort are alike in all of these." in page
    assert "Reliability diagrams of every model" in page
    pairs = difference_table(results)
    assert {row[0].text for row in pairs.rows} == {"weights", "adaptation"}
    row = next(row for row in pairs.rows if row[0].text == "adaptation")
    assert [cell.note for cell in row[1:3]] == ["stage 1", "stage 2"]
    answers = aggregation_table(results)
    assert any("mean of the" in row[2].text and "highest slices" in row[2].text for row in answers.rows)
    assert {row[3].note for row in answers.rows} == {"fixed", "chosen on validation"}
    parts = results.evaluation["subgroups"].iloc[0:0]
    one = {name: 0.5 for name in parts.columns} | {
        **{"pipeline": "whole-resnet50-scratch", "stage": 1, "cohort": "open", "grouping": "contrast"},
        **{"value": "with", "unit": "patient", "n": 4, "n_positive": 2},
    }
    table = subgroup_table(changed(results, evaluation={"subgroups": pd.DataFrame([one])}))
    assert [cell.text for cell in table.rows[0][2:6]] == ["contrast", "with", "4", "2"]


def test_p_values_are_marked_only_after_correction() -> None:
    assert [(p_cell(value, True).text, p_cell(value, True).tone) for value in (0.0004, 0.02, 0.2, np.nan)] == [
        ("< 0.001", "good"),
        ("0.020", "good"),
        ("0.200", ""),
        ("–", ""),
    ]
    assert p_cell(0.0004).tone == ""


def test_qc_table_counts_by_class_framework_and_side(results: RunResults) -> None:
    table = qc_table(results)
    titles = [title for title, _ in table.headings]
    first = dict(zip(titles, table.rows[0], strict=True))
    split = results.splits["open", "whole"]
    covid = split[split["label"] == "Covid-19"]
    assert (first["Cohort"].text, first["Class"].text, first["Framework"].text) == ("open", "Covid-19", "whole")
    assert first["Kept"].sort == len(covid)
    assert first["test"].sort == (covid["split"] == "test").sum()
    assert first["Test patients"].sort == covid.loc[covid["split"] == "test", "patient"].nunique()


@pytest.mark.parametrize("roles", [{"clinic": "target"}, {"lungs": "segmentation", "clinic": "target"}])
def test_a_run_without_models_has_a_page(tmp_path: Path, roles: dict[str, str]) -> None:
    page = render_page(made_results(tmp_path, roles))
    assert "No model was trained." in page
    assert 'id="performance"' not in page
    assert ('id="segmentation"' in page) == ("lungs" in roles)


def test_a_run_of_stage_one_alone_with_unknown_patients_has_a_page(tmp_path: Path) -> None:
    results = made_results(
        tmp_path,
        {"lungs": "segmentation", "open": "public"},
        pipelines={"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]},
        **{"explain": {"overlays": 0}, "report": {"bootstrap": 0}},
    )
    facts = copy.deepcopy(results.facts)
    facts["cohorts"][1]["patients_known"] = False
    page = render_page(changed(results, facts=facts, leakage=results.leakage.assign(patients_known=0)))
    assert "leakage cannot be excluded" in page
    assert "nothing was adapted" in page
    assert "no interval could be computed for whole-small_cnn-scratch" in page
    assert "6 test patients are too few; 10 are needed" in page
    assert "stage 2" not in page.partition("<h2>Words</h2>")[0]


def test_charts_are_the_same_twice_and_mark_the_side_of_chance() -> None:
    rows = [charts.ForestRow("a", 0.9, 0.8, 1.0), charts.ForestRow("b", np.nan, np.nan, np.nan)]
    first, second = (charts.forest_plot([("panel", rows)], 0.5, "AUC", (0, 1)) for _ in range(2))
    assert first == second
    assert first.startswith("<svg") and "no value" in first and charts.BLUE in first
    assert charts.ORANGE in charts.forest_plot([("panel", [charts.ForestRow("a", 0.2, 0.1, 0.3)])], 0.5, "AUC", None)


def test_words() -> None:
    row = {"f1": 0.914, "f1_lo": 0.85, "f1_hi": 0.961}
    assert with_interval(row, "f1") == "0.91 (0.85–0.96)"
    assert interval(row | {"f1_lo": np.nan}, "f1") == ""
    assert number(None) == number(np.nan) == "–"
    assert (count(1, "case"), count(2, "case")) == ("1 case", "2 cases")
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")
    assert tally(["x", "y", "y"]) == "y (2), x (1)"
