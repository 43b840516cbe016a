"""The study: what was asked, of whom, with which models."""

from typing import Any

from lungsight.report.results import RunResults
from lungsight.run_description import CohortDescription, cohorts_of
from lungsight.splits.composition import class_counts
from lungsight.training.pipelines import ROLE_OF_STAGE
from lungsight.wording import count, listed


def section(results: RunResults) -> dict[str, Any]:
    """Give questions with their answers."""
    return {
        "questions": [
            ("Question", study_question(results)),
            ("Patients", study_patients(results)),
        ],
    }


def study_question(results: RunResults) -> list[str]:
    """Say what the run asks, and with which models."""
    first, *others = results.run["labels"]
    apart = f"{listed([first, *others])} apart" if len(others) > 1 else f"{first} from {others[0]}"
    question = f"Can a network tell {apart} on a single chest CT slice, and does it look at the lung when it does?"
    pipelines, stages = results.run["pipelines"], results.run["stages"]
    if not stages:
        return [question, "This run stops before any network is trained: the config has no cohort to train one on."]
    input_views, architectures, weights = (
        list(dict.fromkeys(pipeline[place] for pipeline in pipelines)) for place in range(3)
    )
    taken = list(dict.fromkeys(pipeline[3] for pipeline in pipelines if len(pipeline) > 3))
    remedies = f", without a remedy or with {' or '.join(taken)}" if taken else ""
    trained = [
        f"stage {stage} on {listed(cohorts_of(results.run, role))}"
        for stage, role in ROLE_OF_STAGE.items()
        if stage in stages
    ]
    return [
        question,
        f"{count(len(pipelines), 'pipeline')} ({' or '.join(input_views)} slices, {' or '.join(architectures)}, weights"
        f" from {' or '.join(weights)}{remedies}), {listed(trained)}: {count(len(pipelines) * len(stages), 'model')}.",
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
