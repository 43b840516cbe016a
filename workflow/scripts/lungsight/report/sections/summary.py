"""The answers at the top of the page, for somebody who reads nothing else."""

from collections import Counter
from typing import Any

from lungsight.audit.verdict import CONCLUSIONS
from lungsight.report.results import RunResults, better_than_chance, last_stage
from lungsight.run_description import CohortDescription, cohorts_of
from lungsight.splits.composition import class_counts
from lungsight.training.pipelines import ROLE_OF_STAGE
from lungsight.wording import count, listed, number, with_interval

NO_MODEL = "No model was trained."
# Key of a verdict → what that many models do.
CONCLUSION_PHRASES = {
    "lung": "look at the lung",
    "chance": "show no preference for the lung",
    "elsewhere": "look elsewhere",
    "unknown": "cannot be judged",
    "withheld": "not assessed, for want of accepted lung masks",
}


def section(results: RunResults) -> dict[str, Any]:
    """Give questions with their answers."""
    return {
        "questions": [
            ("Question", study_question(results)),
            ("Patients", study_patients(results)),
            ("How well?", performance_sentences(results)),
            ("Does it look at the lung?", attention_sentences(results)),
        ],
    }


def study_question(results: RunResults) -> list[str]:
    """Say what the run asks, and with which models."""
    first, *others = results.run["labels"]
    apart = f"{listed([first, *others])} apart" if results.many_classes else f"{first} from {others[0]}"
    question = f"Can a network tell {apart} on a single chest CT slice, and does it look at the lung when it does?"
    pipelines, stages = results.run["pipelines"], results.run["stages"]
    if not stages:
        return [question, "This run stops before any network is trained: the config has no cohort to train one on."]
    input_views, architectures, weights = (list(dict.fromkeys(words)) for words in zip(*pipelines, strict=True))
    trained = [
        f"stage {stage} on {listed(cohorts_of(results.run, role))}"
        for stage, role in ROLE_OF_STAGE.items()
        if stage in stages
    ]
    return [
        question,
        f"{count(len(pipelines), 'pipeline')} ({' or '.join(input_views)} slices, {' or '.join(architectures)}, weights"
        f" from {' or '.join(weights)}), {listed(trained)}: {count(len(pipelines) * len(stages), 'model')}.",
    ]


def study_patients(results: RunResults) -> list[str]:
    """Describe each cohort in a sentence."""
    return [_cohort_sentence(results, cohort) for cohort in results.run["cohorts"]]


def _cohort_sentence(results: RunResults, cohort: CohortDescription) -> str:
    name, cases = cohort["name"], results.cases[cohort["name"]]
    usable = cases[cases["status"] == "ok"]
    people = count(usable["patient"].nunique(), "patient") if cohort["patients_known"] else "patients unknown"
    generated = ", generated phantoms" if cohort["phantom"] else ""
    sentence = (
        f"{name} ({cohort['role']}{generated}): {people}, {count(len(usable), 'scan')},"
        f" {count(int(usable['n_slices'].sum()), 'slice')}"
    )
    split = results.splits.get((name, results.input_views[0])) if results.splits else None
    if split is None:
        return f"{sentence}."
    tested = int((split["split"] == "test").sum())
    by_class = [f"{class_counts(split, label)['test_patients']} {label}" for label in results.run["labels"]]
    unit = "patients" if cohort["patients_known"] else "images"
    return f"{sentence}; tested on {count(tested, 'slice')} of {listed(by_class)} {unit}."


def performance_sentences(results: RunResults) -> list[str]:
    """Count the models of the last stage that beat chance, and name the best."""
    if not results.run["stages"]:
        return [NO_MODEL]
    rows = last_stage(results.metrics_on_training_cohort("patient"))
    good = sum(better_than_chance(row) is True for _, row in rows.iterrows())
    sentences = [
        f"{good} of {count(len(rows), 'model')} of stage {rows['stage'].iloc[0]} tell the patients of"
        f" {rows['cohort'].iloc[0]} apart better than chance (the whole 95 % interval of the AUC lies above 0.5)."
    ]
    best = results.best_model()
    if best is not None:
        lowest, highest = number(rows["roc_auc"].min()), number(rows["roc_auc"].max())
        sentences.append(
            f"AUC by patient runs from {lowest} to {highest}. Highest: {results.display_name(best['pipeline'])},"
            f" {with_interval(best, 'roc_auc')}, accuracy {with_interval(best, 'accuracy')}, on"
            f" {count(best['n'], 'test patient')}."
        )
    return sentences


def attention_sentences(results: RunResults) -> list[str]:
    """Count the verdicts on the models of the last stage."""
    if not results.run["stages"]:
        return [NO_MODEL]
    verdicts = last_stage(results.verdicts)
    by_verdict = Counter(verdicts["verdict"])
    counted = [
        f"{by_verdict[CONCLUSIONS[key]]} {phrase}"
        for key, phrase in CONCLUSION_PHRASES.items()
        if by_verdict[CONCLUSIONS[key]]
    ]
    sentences = [
        f"Of {count(len(verdicts), 'model')} of stage {verdicts['stage'].iloc[0]}, {listed(counted)}. A verdict"
        " rests on which part of the slice the predictions follow, and on the maps."
    ]
    overall = last_stage(results.saliency[results.saliency["outcome"] == "all"])
    empty, total = int(overall["n_empty"].sum()), int(overall["n"].sum())
    if empty:
        sentences.append(f"{empty} of {total} maps are zero everywhere and were not measured.")
    return sentences
