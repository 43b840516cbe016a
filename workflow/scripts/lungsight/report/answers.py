"""One sentence for each question of the first screen, with its number, its interval and a mark.

Nothing is said that the tables do not hold. Where a number is missing, the sentence says so.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from lungsight.audit.verdict import FEWEST_PATIENTS, LEFT_OUT
from lungsight.report.cautions import KINDS, Kind
from lungsight.report.components import Statement
from lungsight.report.replicate_cautions import first_places
from lungsight.report.results import (
    BELOW,
    NO_AUC,
    NO_INTERVAL,
    NOT_SHOWN,
    RunResults,
    better_than_chance,
    last_stage,
    model_of,
    not_better,
)
from lungsight.report.words import PAGE_WORDS, verdict_in_words, verdicts_counted
from lungsight.wording import count, evaluation_note, number, with_interval

NO_MODEL = "No model was trained."
# From here on discrimination is called acceptable (Hosmer, Lemeshow & Sturdivant, Applied Logistic Regression, 2013,
# section 5.2.4). The whole interval must reach it.
ACCEPTABLE_AUC = 0.7
RULE_OF_AUC = (
    f"Good: the whole 95 % interval of the AUC is {ACCEPTABLE_AUC} or more, on at least {FEWEST_PATIENTS}"
    " patients. Caution: it lies above 0.5. Bad: it does not."
)
# What the model lacks → its mark; a number without an interval proves nothing either way.
MARK_OF_LACK = {BELOW: "bad", NOT_SHOWN: "bad", NO_INTERVAL: "warn", NO_AUC: "none"}


class Answer(NamedTuple):
    """An answer on the first screen.

    Attributes
    ----------
    mark
        "good", "warn", "bad", or "none" where nothing was computed.
    sentence
        With number and interval.
    more
        A second, quieter sentence; "" for none.
    rule
        What the mark means here.
    anchor
        Of the part of the page that says more.
    table
        Where the numbers are, below the run's folder; "" where there are none.
    """

    question: str
    mark: str
    sentence: str
    more: str
    rule: str
    anchor: str
    table: str


def answers(results: RunResults) -> list[Answer]:
    """Answer the questions of the first screen."""
    if not results.run["stages"]:
        unknown = [
            Answer(question, "none", NO_MODEL, "", "Nothing was computed.", "what-to-distrust", "")
            for question in list(QUESTIONS)[:3]
        ]
        return [*unknown, data_quality(results)]
    return [QUESTIONS[question](results) for question in QUESTIONS]


def performance(results: RunResults) -> Answer:
    """Say how well the model with the highest AUC by patient does on the test patients of its own cohort."""
    rows = last_stage(results.metrics_on_training_cohort("patient"))
    best = results.best_model()
    if best is None:
        sentence, more, mark = "No AUC could be computed.", "", "none"
    else:
        mark = _mark_of(best)
        sentence = (
            f"{results.auc_in_words} {with_interval(best, 'roc_auc')} on {count(best['n'], 'test patient')} of"
            f" {best['cohort']}"
            f"{_reserve(best)}."
        )
        more = (
            f"{results.model_name(model_of(best))}{_among(rows) if len(rows) > 1 else ''}."
            f"{_ranks(results, best)}{_all_classes(results, best)}"
        )
    return Answer("How well?", mark, sentence, more, RULE_OF_AUC, "classification", "report/metrics.tsv")


def new_patients(results: RunResults) -> Answer:
    """Say how well the same model does where it was not trained, or why that is not known."""
    question, anchor, table = "For new patients?", "classification", "report/metrics.tsv"
    if results.run["split_unit"] == "slice":
        sentence = "Not known: slices were split, so the test patients were trained on, and the AUC is too good."
        rule = "Bad: the test says nothing about new patients."
        return Answer(question, "bad", sentence, _inflation(results), rule, "data", "report/leakage.tsv")
    row = _elsewhere(results)
    best = results.best_model()
    if row is None:
        sentence = "Tested on patients of the same cohort alone: there is no other hospital in this run."
        rule = "Caution: nothing was tested elsewhere."
        return Answer(
            question, "warn" if best is not None else "none", sentence, _inflation(results), rule, anchor, table
        )
    note = evaluation_note(row["stage"], results.roles[row["cohort"]])
    sentence = (
        f"{results.auc_in_words} {with_interval(row, 'roc_auc')} on {count(row['n'], 'patient')} of {row['cohort']}"
        f" ({note}){_reserve(row)}."
    )
    home = _home_of(results, row)
    more = f"Where it was trained: {with_interval(home, 'roc_auc')} on {home['cohort']}." if home is not None else ""
    more = f"{more}{_all_classes(results, row)}".lstrip()
    return Answer(question, _mark_of(row), sentence, more, RULE_OF_AUC, anchor, table)


def attention(results: RunResults) -> Answer:
    """Give the verdict on the same model with its reason, the enrichment of its maps, and count the verdicts."""
    question, anchor, table = "Does it look at the lung?", "attention", "report/verdicts.tsv"
    verdicts, best = last_stage(results.verdicts), results.best_model()
    rule = "Good: on the lung. Bad: not on the lung. Caution: not shown, or not assessed."
    if best is None:
        return Answer(question, "none", "No model has an AUC, so none was chosen.", "", rule, anchor, table)
    row = verdicts[verdicts["pipeline"] == best["pipeline"]].iloc[0]
    reason = row["sentence"].partition(": ")[2].partition(LEFT_OUT)[0].rstrip(".")
    sentence = f"{verdict_in_words(row['verdict'])}. {reason[:1].upper()}{reason[1:]}."
    maps = f"Enrichment of its maps: {with_interval(row, 'enrichment')}."
    counted = verdicts_counted(list(verdicts["verdict"]))
    several = f" Of {count(len(verdicts), 'model')} of stage {row['stage']}, {counted}." if len(verdicts) > 1 else ""
    return Answer(question, PAGE_WORDS[row["verdict"]].tone, sentence, maps + several, rule, anchor, table)


def data_quality(results: RunResults) -> Answer:
    """Give the most serious finding about the data, and count the others."""
    question, anchor = "What is wrong with the data?", "what-to-distrust"
    rule = "Bad: a number is not what it seems. Caution: it may be so, or something was not looked at."
    found = [(kind, statement) for kind in KINDS if kind.about == "data" for statement in kind.find(results)]
    if not found or found[0][0].tone == "plain":
        sentence = _nothing_serious(results)
        more = _more(found)
        return Answer(question, "good", sentence, more, rule, anchor, "report/leakage.tsv" if results.splits else "")
    kind, first = found[0]
    return Answer(question, kind.tone, first.text, _more(found[1:]), rule, anchor, kind.file)


QUESTIONS: dict[str, Callable[[RunResults], Answer]] = {
    "How well?": performance,
    "For new patients?": new_patients,
    "Does it look at the lung?": attention,
    "What is wrong with the data?": data_quality,
}


def _mark_of(row: Any) -> str:
    lack = not_better(row)
    if lack:
        return MARK_OF_LACK[lack]
    enough = row["n"] >= FEWEST_PATIENTS and row["roc_auc_lo"] >= ACCEPTABLE_AUC
    return "good" if enough else "warn"


def _among(rows: pd.DataFrame) -> str:
    """Say what the best model was chosen from. rows: by patient, of all models of a stage."""
    better = sum(better_than_chance(row) is True for _, row in rows.iterrows())
    return (
        f", the highest of {count(len(rows), 'model')} (the lowest: {number(rows['roc_auc'].min())}); {better} of them"
        f" {'is' if better == 1 else 'are'} shown to be better than chance"
    )


def _ranks(results: RunResults, best: Any) -> str:
    """Say that another seed has another best model, where that is so."""
    unstable = [place for place in first_places(results) if place.stage == best["stage"] and not place.stable]
    return "".join(
        f" The ranking is not stable: with other seeds its rank is up to {place.worst}." for place in unstable
    )


def _all_classes(results: RunResults, row: Any) -> str:
    """Say how well all classes are separated, with more than two. row: of report/metrics.tsv."""
    if not results.many_classes:
        return ""
    numbers = (
        f"balanced accuracy {with_interval(row, 'balanced_accuracy')}, macro AUC {with_interval(row, 'macro_auc')}"
    )
    return f" All classes: {numbers}."


def _reserve(row: Any) -> str:
    """Say that the interval is missing, or that patients are too few for one, where that is so."""
    if not_better(row) == NO_INTERVAL:
        return "; no interval could be computed"
    return "; too few to say more" if row["n"] < FEWEST_PATIENTS else ""


def _elsewhere(results: RunResults) -> "pd.Series | None":
    """Find the best model's row by patient on a cohort that it was not trained on: an external one, else the target.

    The target is one before adaptation alone: the row is then that of the pipeline's stage 1.
    """
    best = results.best_model()
    if best is None:
        return None
    rows = results.metrics[(results.metrics["unit"] == "patient") & (results.metrics["pipeline"] == best["pipeline"])]
    roles = rows["cohort"].map(results.roles)
    external = rows[(roles == "external") & (rows["stage"] == best["stage"])]
    before = rows[(roles == "target") & (rows["stage"] == 1)]
    for chosen in (external, before):
        if len(chosen):
            return chosen.iloc[0]
    return None


def _home_of(results: RunResults, row: Any) -> "pd.Series | None":
    """Find the row of the same model on the cohort that its stage is trained on."""
    rows = results.metrics_on_training_cohort("patient")
    own = rows[(rows["pipeline"] == row["pipeline"]) & (rows["stage"] == row["stage"])]
    return own.iloc[0] if len(own) else None


def _inflation(results: RunResults) -> str:
    """Say what leakage was measured to add, where it was."""
    table = results.leakage_inflation
    if table.empty:
        return ""
    by_slice = table[(table["labels"] == "true") & (table["unit"] == "slice") & table["inflation"].notna()]
    if by_slice.empty:
        return ""
    row = by_slice.iloc[0]
    return f"A split by slice adds {with_interval(row, 'inflation')} to the AUC of {row['pipeline']}."


def _nothing_serious(results: RunResults) -> str:
    cases = sum(len(table) for table in results.cases.values())
    rejected = sum(int((table["status"] == "rejected").sum()) for table in results.cases.values())
    shared = "" if results.leakage.empty else " No patient lies in two subsets of a split."
    return f"Nothing serious was found: {rejected} of {count(cases, 'case')} rejected.{shared}"


def _more(found: list[tuple[Kind, Statement]]) -> str:
    """Count further findings, in the order of their gravity."""
    if not found:
        return ""
    serious = sum(kind.tone == "bad" for kind, _ in found)
    if len(found) == 1:
        return f"There is one more finding about the data; it is {'serious' if serious else 'not serious'}."
    words = {0: "none of them is serious", 1: "one of them is serious", len(found): "all of them are serious"}
    gravity = words.get(serious, f"{serious} of them are serious")
    return f"There are {len(found)} more findings about the data; {gravity}."
