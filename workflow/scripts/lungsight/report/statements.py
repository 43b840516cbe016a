"""Sentences about a run, each decided by its numbers."""

from typing import NamedTuple

import pandas as pd

from lungsight.report.results import RunResults
from lungsight.run_description import cohorts_of, input_views_of
from lungsight.training.pipelines import ROLE_OF_STAGE
from lungsight.wording import STAND_IN_MARK, count, listed, number, with_interval

# From this ratio of slices per patient between the classes on, numbers by patient follow the number of slices.
CONFOUNDED_RATIO = 2.0

# Counts of report/leakage.tsv that should be 0: what is counted, and what it shares.
SHARED = {
    "identical_images_on_two_sides": ("slice", "with pixels that also occur on another side of the split"),
    "test_images_in_other_cohorts": ("test slice", "with pixels that another cohort trains or validates on"),
    "test_slices_of_patients_in_other_cohorts": (
        "test slice",
        "of patients whom another cohort trains or validates on",
    ),
    "near_duplicates_on_two_sides": (
        "slice",
        "that a patient on another side has as well, or nearly so; the unit patient+duplicates keeps them together",
    ),
}


class Statement(NamedTuple):
    """tone: "good", "bad", "warn" or "plain"."""

    tone: str
    text: str


def stand_in_pipelines(results: RunResults) -> list[str]:
    """Pipelines that started from stand-ins for ImageNet weights."""
    metrics = results.metrics
    return [] if metrics.empty else list(metrics.loc[metrics["weights_origin"] == "stand-in", "pipeline"].unique())


def training_cohort_rows(results: RunResults, unit: str) -> pd.DataFrame:
    """Rows of report/metrics.tsv on the cohort that a stage was trained on."""
    metrics = results.metrics
    return training_cohort(results, metrics[metrics["unit"] == unit])


def training_cohort(results: RunResults, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table with stage and cohort on the cohort that the stage was trained on."""
    roles = {cohort["name"]: cohort["role"] for cohort in results.facts["cohorts"]}
    return table[table["cohort"].map(roles) == table["stage"].map(ROLE_OF_STAGE)]


def learned(row: pd.Series) -> bool | None:
    """Whether a model ranks test patients better than chance; None where there is no interval to tell by."""
    return None if pd.isna(row["roc_auc_lo"]) else bool(row["roc_auc_lo"] > 0.5)


def phantoms(results: RunResults) -> list[Statement]:
    made = [cohort["name"] for cohort in results.facts["cohorts"] if cohort["phantom"]]
    if not made:
        return []
    everything = len(made) == len(results.facts["cohorts"])
    which = "All cohorts are" if everything else f"{listed(made)}: generated"
    return [
        Statement(
            "warn",
            f"{which} {'generated phantoms' if everything else 'phantoms'}, not patients. Their numbers show that the"
            " workflow runs and what it would say; they say nothing about medicine.",
        )
    ]


def stand_ins(results: RunResults) -> list[Statement]:
    names = stand_in_pipelines(results)
    if not names:
        return []
    return [
        Statement(
            "warn",
            f"ImageNet weights were not used: {listed(names)} started from stand-ins, pre-trained for a short time on"
            f" generated textures (marked {STAND_IN_MARK}). Do not read them as transfer from ImageNet.",
        )
    ]


def not_learned(results: RunResults) -> list[Statement]:
    if results.metrics.empty:
        return []
    statements = []
    for stage, rows in training_cohort_rows(results, "patient").groupby("stage"):
        weak = [
            f"{row['pipeline']} (AUC {with_interval(row, 'roc_auc')})"
            for _, row in rows.iterrows()
            if learned(row) is False
        ]
        unknown = [row["pipeline"] for _, row in rows.iterrows() if learned(row) is None]
        if weak:
            statements.append(
                Statement(
                    "warn",
                    f"Stage {stage}: {len(weak)} of {len(rows)} models are not shown to be better than chance by"
                    f" patient (the interval of the AUC reaches 0.5): {listed(weak)}. They did not learn in the given"
                    " budget, or there are too few test patients to show it; where they look says little.",
                )
            )
        if unknown:
            statements.append(Statement("warn", f"Stage {stage}: no interval could be computed for {listed(unknown)}."))
    return statements


def leakage_statements(results: RunResults) -> list[Statement]:
    statements = []
    if results.facts["stages"] and results.facts["split_unit"] == "slice":
        statements.append(
            Statement(
                "warn",
                "Slices, not patients, were split: slices of one patient lie in training and in test, so the numbers"
                " are too good. They do not say how a new patient would be classified.",
            )
        )
    leaks = results.leakage
    if len(leaks):
        unknown = list(dict.fromkeys(leaks.loc[leaks["patients_known"] == 0, "cohort"]))
        if unknown:
            statements.append(
                Statement(
                    "warn",
                    f"{listed(unknown)}: patients are unknown, each image counts as its own patient; leakage cannot be"
                    " excluded.",
                )
            )
        for column, (what, shared) in SHARED.items():
            statements += [
                Statement("warn", f"{row['cohort']}, {row['framework']}: {count(row[column], what)} {shared}.")
                for _, row in leaks[leaks[column] > 0].iterrows()
            ]
        if not statements and not leaks["patients_on_two_sides"].any():
            statements.append(
                Statement(
                    "good",
                    "No patient and no identical image lies on two sides of a split, or in another cohort's training.",
                )
            )
    return statements


def slices_per_patient(results: RunResults, cohort: str) -> pd.Series:
    """Kept slices per patient by label, of the first framework."""
    split = results.splits[cohort, input_views_of(results.facts)[0]]
    grouped = split.groupby("label", sort=False)
    return grouped["slice"].count() / grouped["patient"].nunique()


def confounding(results: RunResults) -> list[Statement]:
    """Warn where something besides the lung gives the label away: slices per patient, or the source."""
    statements = []
    for cohort in dict.fromkeys(name for name, _ in results.splits):
        means = slices_per_patient(results, cohort)
        if len(means) > 1 and means.max() / means.min() >= CONFOUNDED_RATIO:
            shown = listed([f"{number(mean, 1)} a patient in {label}" for label, mean in means.items()])
            statements.append(
                Statement(
                    "warn",
                    f"{cohort}: slices per patient differ by class ({shown}); numbers by patient are confounded with"
                    " the label.",
                )
            )
        classes = results.slices[cohort].groupby("source")["label"].nunique()
        single = list(classes.index[classes == 1])
        if len(classes) > 1 and single:
            statements.append(
                Statement(
                    "warn",
                    f"{cohort}: {listed(single)} {'holds' if len(single) == 1 else 'hold'} one class only; a model can"
                    " tell the classes by the source.",
                )
            )
    return statements


def adaptation_statements(results: RunResults) -> list[Statement]:
    """How many pipelines gained on the target cohort by training on it, by the AUC over the same patients."""
    table = results.evaluation["differences"]
    roles = {cohort["name"]: cohort["role"] for cohort in results.facts["cohorts"]}
    by_patient = (table["unit"] == "patient") & (table["metric"] == "roc_auc")
    pairs = table[by_patient & (table["comparison"] == "adaptation") & (table["cohort"].map(roles) == "target")]
    if pairs.empty:
        return []
    gain = pairs["difference"]
    return [
        Statement(
            "plain",
            f"By patient, the AUC on the target cohort rose in {(gain > 0).sum()} of {count(len(gain), 'pipeline')}, by"
            f" {number(gain.median())} in the median; in {(pairs['difference_lo'] > 0).sum()} the whole interval of the"
            f" paired difference lies above 0, and in {((pairs['p_holm'] < 0.05) & (gain > 0)).sum()} the gain stands"
            " at the 5 % level after correction for their number.",
        )
    ]


def rejected_cases(results: RunResults) -> list[Statement]:
    statements = []
    for cohort, cases in results.cases.items():
        bad = int((cases["status"] == "rejected").sum())
        if bad:
            statements.append(
                Statement("plain", f"{cohort}: {bad} of {count(len(cases), 'case')} rejected; the reasons are below.")
            )
    return statements


def what_to_distrust(results: RunResults) -> list[Statement]:
    """What a reader should hold against the numbers, beside that they may come from phantoms; the gravest first."""
    small = [
        f"{len(patients)} in {cohort}"
        for (cohort, framework), split in results.splits.items()
        if framework == input_views_of(results.facts)[0]
        and cohort in cohorts_of(results.facts, "public", "target", "external")
        and len(patients := split.loc[split["split"] == "test", "patient"].unique()) < 30
    ]
    few = [Statement("warn", f"Few test patients ({listed(small)}): the intervals are wide, and rough at that size.")]
    found = [
        *stand_ins(results),
        *leakage_statements(results),
        *confounding(results),
        *not_learned(results),
        *(few if small else []),
        *rejected_cases(results),
    ]
    return [statement for statement in found if statement.tone != "good"]
