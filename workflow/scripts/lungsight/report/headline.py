"""The five answers at the top of the page, for somebody who reads nothing else."""

from collections import Counter

import pandas as pd

from lungsight.audit.verdict import KINDS
from lungsight.report.model_tables import display_name
from lungsight.report.results import RunResults
from lungsight.report.statements import learned, training_cohort_rows
from lungsight.run_description import cohorts_of, input_views_of
from lungsight.training.pipelines import ROLE_OF_STAGE
from lungsight.wording import count, listed, number, with_interval

_KINDS = {
    "lung": "look at the lung",
    "chance": "do so no more than chance would",
    "elsewhere": "look elsewhere",
    "unknown": "cannot be judged",
}


def what_was_asked(results: RunResults) -> list[str]:
    positive, negative = results.facts["labels"]
    question = (
        f"Can a network tell {positive} from {negative} on a single chest CT slice, and does it look at the lung when"
        " it does?"
    )
    pipelines, stages = results.facts["pipelines"], results.facts["stages"]
    if not stages:
        return [question, "This run stops before any network is trained: the config has no cohort to train one on."]
    frameworks, backbones, weights = (list(dict.fromkeys(parts)) for parts in zip(*pipelines, strict=True))
    trained = {
        stage: f"stage {stage} on {listed(cohorts_of(results.facts, role))}"
        for stage, role in ROLE_OF_STAGE.items()
        if stage in stages
    }
    return [
        question,
        f"{count(len(pipelines), 'pipeline')} ({' or '.join(frameworks)} slices, {' or '.join(backbones)}, weights from"
        f" {' or '.join(weights)}), {listed(list(trained.values()))}: {count(len(pipelines) * len(stages), 'model')}.",
    ]


def on_whom(results: RunResults) -> list[str]:
    sentences = []
    for cohort in results.facts["cohorts"]:
        usable = results.cases[cohort["name"]].query("status == 'ok'")
        people = count(usable["patient"].nunique(), "patient") if cohort["patients_known"] else "patients unknown"
        made = ", generated phantoms" if cohort["phantom"] else ""
        sentence = (
            f"{cohort['name']} ({cohort['role']}{made}): {people}, {count(len(usable), 'scan')},"
            f" {count(int(usable['n_slices'].sum()), 'slice')}"
        )
        split = results.splits.get((cohort["name"], input_views_of(results.facts)[0]))
        if split is not None:
            test = split[split["split"] == "test"]
            by_class = [
                f"{test.loc[test['label'] == label, 'patient'].nunique()} {label}" for label in results.facts["labels"]
            ]
            unit = "patients" if cohort["patients_known"] else "images"
            sentence += f"; tested on {count(len(test), 'slice')} of {listed(by_class)} {unit}"
        sentences.append(sentence + ".")
    return sentences


def _last_stage(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["stage"] == table["stage"].max()]


def how_well(results: RunResults) -> list[str]:
    if not results.facts["stages"]:
        return ["No model was trained."]
    rows = _last_stage(training_cohort_rows(results, "patient"))
    good = sum(learned(row) is True for _, row in rows.iterrows())
    sentences = [
        f"{good} of {count(len(rows), 'model')} of stage {rows['stage'].iloc[0]} tell the patients of"
        f" {rows['cohort'].iloc[0]} apart better than chance (the whole 95 % interval of the AUC lies above 0.5)."
    ]
    if rows["roc_auc"].notna().any():
        best = best_model(results)
        lowest, highest = number(rows["roc_auc"].min()), number(rows["roc_auc"].max())
        sentences.append(
            f"AUC by patient runs from {lowest} to {highest}; highest: {display_name(results, best['pipeline'])},"
            f" {with_interval(best, 'roc_auc')}, accuracy {with_interval(best, 'accuracy')}, on"
            f" {count(best['n'], 'test patient')}."
        )
    return sentences


def best_model(results: RunResults) -> pd.Series | None:
    """The last stage's row by patient with the highest AUC, the first in the config's order among equals."""
    rows = _last_stage(training_cohort_rows(results, "patient"))
    return None if rows["roc_auc"].isna().all() else rows.loc[rows["roc_auc"].idxmax()]


def where_it_looks(results: RunResults) -> list[str]:
    if not results.facts["stages"]:
        return ["No model was trained."]
    verdicts = _last_stage(results.verdicts)
    kinds = Counter(verdicts["verdict"])
    found = listed([f"{kinds[KINDS[kind]]} {phrase}" for kind, phrase in _KINDS.items() if kinds[KINDS[kind]]])
    sentences = [
        f"Of {count(len(verdicts), 'model')} of stage {verdicts['stage'].iloc[0]}, {found}: judged by which part of the"
        " slice the answers follow, and by the maps."
    ]
    rows = _last_stage(results.saliency[results.saliency["outcome"] == "all"])
    empty, total = int(rows["n_empty"].sum()), int(rows["n"].sum())
    if empty:
        sentences.append(f"{empty} of {total} maps are zero everywhere and were not measured.")
    return sentences
