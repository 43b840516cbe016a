"""The summary at the top of the page counts models and verdicts."""

from lungsight.report.results import RunResults
from lungsight.report.sections.summary import attention_sentences, performance_sentences
from tests.factories.results import changed, metrics_where


def test_models_of_the_last_stage_that_beat_chance_are_counted(results: RunResults) -> None:
    weak = metrics_where(results, roc_auc=0.7, roc_auc_lo=0.45, roc_auc_hi=0.9)
    assert performance_sentences(weak)[0].startswith("0 of 2 models of stage 2")
    assert performance_sentences(metrics_where(results, roc_auc_lo=0.51))[0].startswith("2 of 2 models of stage 2")


def test_verdicts_of_the_last_stage_are_counted(results: RunResults) -> None:
    verdicts = results.verdicts.assign(verdict="looks at the lung")
    first = (verdicts["stage"] == 2) & (verdicts["pipeline"] == "whole-resnet50-scratch")
    verdicts.loc[first, "verdict"] = "looks elsewhere"
    sentence = attention_sentences(changed(results, verdicts=verdicts))[0]
    assert sentence.startswith("Of 2 models of stage 2, 1 look at the lung and 1 look elsewhere. ")
