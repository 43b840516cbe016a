"""The first screen: each sentence has the tables' numbers, each mark follows its rule, and nothing is made up."""

import copy
from pathlib import Path

import pandas as pd
import pytest

from lungsight.report.answers import answers, attention, data_quality, new_patients, performance
from lungsight.report.results import RunResults
from lungsight.report.sections.answers import missing, section
from lungsight.wording import with_interval
from tests.factories.results import changed, made_results, metrics_where


def rows_of(results: RunResults, stage: int, cohort: str) -> pd.DataFrame:
    metrics = results.metrics
    return metrics[(metrics["stage"] == stage) & (metrics["cohort"] == cohort) & (metrics["unit"] == "patient")]


def test_how_well_is_the_highest_auc_of_the_last_stage_among_all(results: RunResults) -> None:
    answer, rows = performance(results), rows_of(results, 2, "clinic")
    best = rows.loc[rows["roc_auc"].idxmax()]
    assert answer.sentence.startswith(f"AUC {with_interval(best, 'roc_auc')} on 6 test patients of clinic")
    assert answer.more.startswith(
        f"{results.display_name(best['pipeline'])} stage 2, the highest of 2 models (the lowest"
    )
    assert f"(the lowest: {rows['roc_auc'].min():.2f})" in answer.more


@pytest.mark.parametrize(
    ("columns", "mark", "said"),
    [
        ({"roc_auc": 0.9, "roc_auc_lo": 0.71, "roc_auc_hi": 0.95}, "good", "0.90 (0.71–0.95)"),
        ({"roc_auc": 0.9, "roc_auc_lo": 0.69, "roc_auc_hi": 0.95}, "warn", "0.90 (0.69–0.95)"),
        ({"roc_auc": 0.9, "roc_auc_lo": 0.71, "roc_auc_hi": 0.95, "n": 9}, "warn", "too few to say more"),
        ({"roc_auc": 0.6, "roc_auc_lo": 0.45, "roc_auc_hi": 0.75}, "bad", "0.60 (0.45–0.75)"),
        ({"roc_auc": 0.3, "roc_auc_lo": 0.2, "roc_auc_hi": 0.4}, "bad", "0.30 (0.20–0.40)"),
        (
            {"roc_auc": 0.9, "roc_auc_lo": None, "roc_auc_hi": None},
            "warn",
            "0.90 on 40 test patients of clinic; no interval",
        ),
        ({"roc_auc": None}, "none", "No AUC could be computed."),
    ],
)
def test_the_mark_of_an_auc_follows_its_interval(
    results: RunResults, columns: dict[str, float | None], mark: str, said: str
) -> None:
    columns = {name: float("nan") if value is None else value for name, value in columns.items()}
    answer = performance(metrics_where(results, **({"n": 40} | columns)))
    assert answer.mark == mark
    assert said in answer.sentence


def test_counts_of_models_are_grammatical(results: RunResults) -> None:
    assert "1 of them is shown" in performance(_with_one_better(results)).more
    alone = changed(results, metrics=results.metrics[results.metrics["pipeline"] == "whole-resnet50-scratch"])
    assert performance(alone).more == "whole-resnet50-scratch stage 2."


def _with_one_better(results: RunResults) -> RunResults:
    first = results.metrics["pipeline"] == "whole-resnet50-scratch"
    return metrics_where(results, roc_auc_lo=first.map({True: 0.6, False: 0.4}), roc_auc_hi=0.9)


def test_new_patients_are_the_target_before_adaptation(results: RunResults) -> None:
    answer, best = new_patients(results), results.best_model()
    assert best is not None
    before, home = (
        rows_of(results, 1, cohort).set_index("pipeline").loc[best["pipeline"]] for cohort in ("clinic", "open")
    )
    assert answer.sentence.startswith(
        f"AUC {with_interval(before, 'roc_auc')} on 6 patients of clinic (before adaptation)"
    )
    assert answer.more == f"Where it was trained: {with_interval(home, 'roc_auc')} on open."


def test_an_external_cohort_comes_before_the_target(results: RunResults) -> None:
    run = copy.deepcopy(results.run)
    run["cohorts"].append({**run["cohorts"][-1], "name": "elsewhere", "role": "external"})
    moved = results.metrics[results.metrics["cohort"] == "clinic"].assign(cohort="elsewhere", roc_auc=0.61)
    answer = new_patients(changed(results, run=run, metrics=pd.concat([results.metrics, moved])))
    assert "of elsewhere (external)" in answer.sentence and answer.sentence.startswith("AUC 0.61")


def test_with_more_classes_the_auc_names_its_class_and_all_classes_are_named(results: RunResults) -> None:
    more = {"balanced_accuracy": 0.61, "macro_auc": 0.82}
    ends = {f"{name}{end}": value + by for name, value in more.items() for end, by in (("_lo", -0.1), ("_hi", 0.1))}
    three = results.run | {"labels": ["Covid-19", "CAP", "Non Covid"]}
    several = changed(metrics_where(results, **more, **ends), run=three, of_classes={"pairs": pd.DataFrame()})
    all_classes = "All classes: balanced accuracy 0.61 (0.51–0.71), macro AUC 0.82 (0.72–0.92)."
    for answer in (performance(several), new_patients(several)):
        assert answer.sentence.startswith("AUC of Covid-19 against the rest ")
        assert answer.more.endswith(f". {all_classes}")
    assert "All classes" not in performance(results).more


def test_a_split_by_slice_says_nothing_about_new_patients(results: RunResults) -> None:
    answer = new_patients(changed(results, run=results.run | {"split_unit": "slice"}))
    assert answer.mark == "bad" and answer.sentence.startswith("Not known: slices were split")


def test_where_nothing_was_tested_elsewhere_the_sentence_says_so(results: RunResults) -> None:
    own = results.metrics[results.metrics["stage"] == 2]
    answer = new_patients(changed(results, metrics=own))
    assert (answer.mark, answer.sentence) == (
        "warn",
        "Tested on patients of the same cohort alone: there is no other hospital in this run.",
    )


@pytest.mark.parametrize(
    ("verdict", "mark", "words"),
    [
        ("looks at the lung", "good", "Attention: on the lung. "),
        ("no better than chance", "warn", "Attention: no preference shown. "),
        ("looks elsewhere", "bad", "Attention: not on the lung. "),
        ("cannot tell", "warn", "Attention: cannot tell. "),
        ("not assessed", "warn", "Attention: not assessed. "),
    ],
)
def test_attention_is_the_verdict_on_the_same_model(results: RunResults, verdict: str, mark: str, words: str) -> None:
    answer = attention(changed(results, verdicts=results.verdicts.assign(verdict=verdict)))
    assert (answer.mark, answer.sentence[: len(words)]) == (mark, words)
    best = results.best_model()
    assert best is not None
    row = results.verdicts.query("stage == 2").set_index("pipeline").loc[best["pipeline"]]
    reason = answer.sentence[len(words) :].rstrip(".")
    assert len(reason) > 20 and row["sentence"].partition(": ")[2].lower().startswith(reason.lower())
    assert answer.more.startswith(
        f"Enrichment of its maps: {with_interval(row, 'enrichment')}. Of 2 models of stage 2, 2 "
    )


def test_verdicts_of_the_last_stage_are_counted(results: RunResults) -> None:
    verdicts = results.verdicts.assign(verdict="looks at the lung")
    first = (verdicts["stage"] == 2) & (verdicts["pipeline"] == "whole-resnet50-scratch")
    verdicts.loc[first, "verdict"] = "looks elsewhere"
    more = attention(changed(results, verdicts=verdicts)).more
    assert more.endswith(". Of 2 models of stage 2, 1 looks at the lung and 1 looks elsewhere.")


def test_the_most_serious_finding_about_the_data_is_named_and_the_others_counted(results: RunResults) -> None:
    few = data_quality(results)
    assert (few.mark, few.table) == ("warn", "splits") and few.sentence.startswith("Few test patients")
    aspects = results.label_predictability.assign(balanced_accuracy=0.9)
    serious = data_quality(changed(results, label_predictability=aspects))
    assert (serious.mark, serious.table) == ("bad", "report/intake_labels.tsv")
    assert serious.sentence.startswith("open: one aspect of the scans tells the class (balanced accuracy): kernel 0.90")
    assert serious.more == "There are 2 more findings about the data; one of them is serious."


def test_without_a_model_nothing_is_said_of_one(tmp_path: Path) -> None:
    none = answers(made_results(tmp_path, {"clinic": "target"}))
    assert [each.mark for each in none[:3]] == ["none"] * 3
    assert {each.sentence for each in none[:3]} == {"No model was trained."}


def test_the_overlays_are_those_of_the_summary(results: RunResults) -> None:
    best, values = results.best_model(), section(results)
    assert best is not None
    chosen = results.summaries[best["pipeline"], int(best["stage"])]["by_confidence"]["pictures"]
    assert len(values["overlays"]) == len(chosen) > 0
    for overlay, entry in zip(values["overlays"], chosen, strict=True):
        assert f"p = {entry['probability']:.2f}" in overlay.detail
        assert overlay.title.endswith(entry["position"]) and overlay.slice.lung.startswith("M")


def test_what_is_missing_among_the_overlays_is_said() -> None:
    right, wrong = {"outcome": "TN"}, {"outcome": "FP"}
    assert missing([right, wrong]) == "" == missing([])
    assert missing([right]) == "No test slice with a map was predicted wrongly."
    assert missing([wrong]) == "No test slice with a map was predicted rightly."
