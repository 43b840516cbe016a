"""What a reader should hold against the numbers: statements, each decided by the run's tables."""

from lungsight.report.components import Statement
from lungsight.report.forensics import forensic_findings
from lungsight.report.results import RunResults, better_than_chance
from lungsight.run_description import cohorts_of
from lungsight.splits.composition import single_class_sources, slices_per_patient
from lungsight.wording import STAND_IN_MARK, count, listed, number, with_interval

# From this ratio of slices per patient between the classes on, numbers by patient follow the number of slices.
CONFOUNDED_RATIO = 2.0
FEW_TEST_PATIENTS = 30

# Columns of report/leakage.tsv that should be 0: what is counted, and what it shares.
SHARED = {
    "identical_images_on_two_sides": ("slice", "with pixels that also occur in another subset of the split"),
    "test_images_in_other_cohorts": ("test slice", "with pixels that another cohort trains or validates on"),
    "test_slices_of_patients_in_other_cohorts": (
        "test slice",
        "of patients whom another cohort trains or validates on",
    ),
    "near_duplicates_on_two_sides": (
        "slice",
        "with a near duplicate from another patient in another subset; the unit patient+duplicates keeps them together",
    ),
}


def phantoms(results: RunResults) -> list[Statement]:
    """Name the cohorts that are generated."""
    generated = [cohort["name"] for cohort in results.run["cohorts"] if cohort["phantom"]]
    if not generated:
        return []
    everything = len(generated) == len(results.run["cohorts"])
    start = "All cohorts are generated phantoms" if everything else f"{listed(generated)}: generated phantoms"
    return [
        Statement(
            "warn",
            f"{start}, not patients. Their numbers show that the workflow runs and what its report looks like. They say"
            " nothing about medicine.",
        )
    ]


def stand_ins(results: RunResults) -> list[Statement]:
    """Name the pipelines that started from stand-ins for ImageNet weights."""
    names = results.stand_in_pipelines
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
    """Name, by stage, the models that are not shown to be better than chance."""
    if results.metrics.empty:
        return []
    statements = []
    for stage, rows in results.metrics_on_training_cohort("patient").groupby("stage"):
        weak = [
            f"{row['pipeline']} (AUC {with_interval(row, 'roc_auc')})"
            for _, row in rows.iterrows()
            if better_than_chance(row) is False
        ]
        unknown = [row["pipeline"] for _, row in rows.iterrows() if better_than_chance(row) is None]
        if weak:
            statements.append(
                Statement(
                    "warn",
                    f"Stage {stage}: {len(weak)} of {len(rows)} models are not shown to be better than chance by"
                    f" patient (the interval of the AUC reaches 0.5): {listed(weak)}. They did not learn with these"
                    " settings, or there are too few test patients to show it. Where they look says little.",
                )
            )
        if unknown:
            statements.append(Statement("warn", f"Stage {stage}: no interval could be computed for {listed(unknown)}."))
    return statements


def split_overlap(results: RunResults) -> list[Statement]:
    """Say what train, validation and test share, within a cohort and between cohorts."""
    statements = []
    if results.run["stages"] and results.run["split_unit"] == "slice":
        statements.append(
            Statement(
                "warn",
                "Slices, not patients, were split: slices of one patient lie in training and in test, so the numbers"
                " are too good. They do not say how a new patient would be classified.",
            )
        )
    overlap = results.leakage
    if overlap.empty:
        return statements
    official = list(dict.fromkeys(overlap.loc[overlap["unit"] == "official", "cohort"]))
    if official:
        statements.append(
            Statement(
                "plain", f"{listed(official)}: train, validation and test are the official lists of the data set."
            )
        )
    unknown = list(dict.fromkeys(overlap.loc[overlap["patients_known"] == 0, "cohort"]))
    if unknown:
        statements.append(
            Statement(
                "warn",
                f"{listed(unknown)}: patients are unknown, each image counts as its own patient; leakage cannot be"
                " excluded.",
            )
        )
    for column, (counted, shared) in SHARED.items():
        statements += [
            Statement("warn", f"{row['cohort']}, {row['framework']}: {count(row[column], counted)} {shared}.")
            for _, row in overlap[overlap[column] > 0].iterrows()
        ]
    divided = overlap[(overlap["unit"] == "official") & (overlap["patients_on_two_sides"] > 0)]
    statements += [
        Statement(
            "warn",
            f"{row['cohort']}, {row['framework']}: the official lists put"
            f" {count(row['patients_on_two_sides'], 'patient')} into two subsets.",
        )
        for _, row in divided.iterrows()
    ]
    if all(found.tone == "plain" for found in statements) and not overlap["patients_on_two_sides"].any():
        statements.append(
            Statement(
                "good",
                "No patient and no identical image lies in two subsets of a split, or in another cohort's training.",
            )
        )
    return statements


def confounding(results: RunResults) -> list[Statement]:
    """Warn where something besides the lung gives the label away: slices per patient, or the source."""
    statements = []
    for cohort in dict.fromkeys(name for name, _ in results.splits):
        means = slices_per_patient(results.splits[cohort, results.input_views[0]])
        if len(means) > 1 and means.max() / means.min() >= CONFOUNDED_RATIO:
            shown = listed([f"{number(mean, 1)} a patient in {label}" for label, mean in means.items()])
            statements.append(
                Statement(
                    "warn",
                    f"{cohort}: slices per patient differ by class ({shown}); numbers by patient are confounded with"
                    " the label.",
                )
            )
        single = single_class_sources(results.slices[cohort])
        if single:
            statements.append(
                Statement(
                    "warn",
                    f"{cohort}: {listed(single)} {'holds' if len(single) == 1 else 'hold'} one class only; a model can"
                    " tell the classes by the source.",
                )
            )
    return statements


def image_making(results: RunResults) -> list[Statement]:
    """Warn where how the images were made tells the label: format, compression, borders, marks."""
    return forensic_findings(results.forensics)


def few_patients(results: RunResults) -> list[Statement]:
    """Name the cohorts with few test patients."""
    small = [
        f"{patients} in {cohort}"
        for cohort in cohorts_of(results.run, "public", "target", "external")
        if (split := results.splits.get((cohort, results.input_views[0]))) is not None
        and (patients := split.loc[split["split"] == "test", "patient"].nunique()) < FEW_TEST_PATIENTS
    ]
    if not small:
        return []
    return [Statement("warn", f"Few test patients ({listed(small)}): the intervals are wide, and rough at that size.")]


def rejected_cases(results: RunResults) -> list[Statement]:
    """Count the cases that could not be used."""
    statements = []
    for cohort, cases in results.cases.items():
        rejected = int((cases["status"] == "rejected").sum())
        if rejected:
            sentence = f"{cohort}: {rejected} of {count(len(cases), 'case')} rejected; the reasons are below."
            statements.append(Statement("plain", sentence))
    return statements


def empty_maps(results: RunResults) -> list[Statement]:
    """Name the models whose Grad-CAM is zero everywhere, for all or for some test slices."""
    primary = {model: summary["methods"][0] for model, summary in results.summaries.items()}
    names = {model: f"{results.display_name(model[0])}, stage {model[1]}" for model in primary}
    all_empty = [names[model] for model, method in primary.items() if method["n_empty"] == method["n"]]
    some_empty = [
        f"{names[model]} ({method['n_empty']} of {method['n']})"
        for model, method in primary.items()
        if 0 < method["n_empty"] < method["n"]
    ]
    causes = {
        "every map is zero everywhere, so where it looks is unknown": all_empty,
        "the map is zero everywhere for some test slices, which no mean counts": some_empty,
    }
    return [
        Statement("warn", f"{count(len(models), 'model')}, {cause}: {'; '.join(models)}.")
        for cause, models in causes.items()
        if models
    ]


def cautions(results: RunResults) -> list[Statement]:
    """List everything to hold against the numbers, the gravest first. Phantoms are named in the page's banner."""
    statements = [
        *stand_ins(results),
        *split_overlap(results),
        *confounding(results),
        *image_making(results),
        *not_learned(results),
        *few_patients(results),
        *rejected_cases(results),
        *empty_maps(results),
    ]
    return [statement for statement in statements if statement.tone != "good"]
