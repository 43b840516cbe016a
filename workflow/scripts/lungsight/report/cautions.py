"""What a reader should hold against the numbers: statements, each decided by the run's tables.

KINDS lists the kinds of findings, the most serious first, each with the reason for its place.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd

from lungsight.audit.pair_verdicts import verdicts_of
from lungsight.audit.rows import AUC_CHANCE, UNMODIFIED
from lungsight.audit.verdict import CONCLUSIONS, FEWEST_PATIENTS, SUFFICES, classes_by_background
from lungsight.evaluation.selection import INTAKE, SIGNIFICANT
from lungsight.intake.label_predictability import PREDICTS
from lungsight.report.class_cautions import classes_not_learned
from lungsight.report.components import Row, Statement, named_first
from lungsight.report.forensics import forensic_findings
from lungsight.report.making_cautions import depends_on_making
from lungsight.report.replicate_cautions import maps_by_chance, unstable_ranking
from lungsight.report.results import (
    BELOW,
    INTERVALS,
    NO_AUC,
    NO_INTERVAL,
    NOT_SHOWN,
    Model,
    RunResults,
    model_of,
    not_better,
)
from lungsight.run_description import cohort_of_stage, cohorts_of
from lungsight.splits.composition import single_class_sources, slices_per_patient
from lungsight.training.pipelines import ROLE_OF_STAGE
from lungsight.wording import STAND_IN_MARK, count, evaluation_note, listed, number, with_interval

# From this ratio of slices per patient between the classes on, numbers by patient follow the number of slices.
CONFOUNDED_RATIO = 2.0
FEW_TEST_PATIENTS = 30
# From this AUC on that leakage adds, it is named; with fewer test patients the ends of its interval say little.
LARGE_INFLATION, FEWEST_FOR_INFLATION = 0.05, 10
# Up to this loss of AUC, with its whole interval, a part of the slice counts as good as the whole.
SMALL_LOSS = 0.05
# Groups of metadata whose names need a word more.
CLASSIFIER_NAMES = {
    "histogram": "grey levels of the slice (with the lung)",
    "background histogram": "grey levels of the background",
    "all": "metadata and all grey levels",
    "all without pixels": "all metadata",
}
# Why a model is not better than chance on patients like those it learned from.
CAUSES = {
    BELOW: "They rank the patients of the classes the wrong way round.",
    NOT_SHOWN: "They did not learn with these settings, or there are too few test patients to show it.",
}

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


def other_networks(results: RunResults) -> list[Statement]:
    """Say which networks were trained in the place of those that pipelines are named after."""
    return [
        Statement(
            "warn",
            f"Pipelines of {backbone} were trained with another network, {network}. Their numbers and their speed are"
            f" not those of {backbone}.",
        )
        for backbone, network in results.other_networks.items()
    ]


def not_learned(results: RunResults) -> list[Statement]:
    """Name, by stage, the models that are not shown to be better than chance."""
    if results.metrics.empty:
        return []
    statements = []
    for stage, rows in results.metrics_on_training_cohort("patient").groupby("stage"):
        by_lack: dict[str, list[str]] = {}
        for _, row in rows.iterrows():
            auc = f" ({results.auc_in_words} {with_interval(row, 'roc_auc')})" if not_better(row) in CAUSES else ""
            by_lack.setdefault(not_better(row), []).append(f"{row['pipeline']}{auc}")
        for lack, cause in CAUSES.items():
            if weak := by_lack.get(lack, []):
                start = f"Stage {stage}: {len(weak)} of {count(len(rows), 'model')} {_is(weak)} {lack} by patient"
                sentence = f"{start} ({INTERVALS[lack]}): {listed(weak)}. {cause} Where they look says little."
                statements.append(Statement("warn", sentence))
        statements += [
            Statement("warn", f"Stage {stage}: {lack} for {listed(by_lack[lack])}.")
            for lack in (NO_INTERVAL, NO_AUC)
            if lack in by_lack
        ]
    return statements


def split_overlap(results: RunResults) -> list[Statement]:
    """Say what train, validation and test share, within a cohort and between cohorts; also where they share nothing."""
    found, overlap = [*leakage(results), *unknown_patients(results)], results.leakage
    statements = [*official_lists(results), *found]
    if not found and not overlap.empty and not overlap["patients_on_two_sides"].any():
        statements.append(
            Statement(
                "good",
                "No patient and no identical image lies in two subsets of a split, or in another cohort's training.",
            )
        )
    return statements


def leakage(results: RunResults) -> list[Statement]:
    """Name what train, validation and test share."""
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
    return statements


def official_lists(results: RunResults) -> list[Statement]:
    """Name the cohorts that are split as their data set says."""
    overlap = results.leakage
    official = [] if overlap.empty else list(dict.fromkeys(overlap.loc[overlap["unit"] == "official", "cohort"]))
    if not official:
        return []
    return [
        Statement("plain", f"{listed(official)}: train, validation and test are the official lists of the data set.")
    ]


def unknown_patients(results: RunResults) -> list[Statement]:
    """Name the cohorts whose patients are unknown."""
    overlap = results.leakage
    unknown = [] if overlap.empty else list(dict.fromkeys(overlap.loc[overlap["patients_known"] == 0, "cohort"]))
    if not unknown:
        return []
    return [
        Statement(
            "warn",
            f"{listed(unknown)}: patients are unknown, each image counts as its own patient; leakage cannot be"
            " excluded, and intervals are too narrow where a patient has several images.",
        )
    ]


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


def making_decides(results: RunResults) -> list[Statement]:
    """Name the cohorts in which how the images were made tells the label nearly without error."""
    return [found for found in forensic_findings(results.forensics) if found.tone == "bad"]


def making_tells(results: RunResults) -> list[Statement]:
    """Warn where how the images were made tells the label less well, or where patients are unknown."""
    return [found for found in forensic_findings(results.forensics) if found.tone == "warn"]


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
        Statement("warn", f"{count(len(models), 'model')}, {cause}: {named_first(models)}.")
        for cause, models in causes.items()
        if models
    ]


def selection(results: RunResults) -> list[Statement]:
    """Name the cohorts of which intake or quality control left out more of one class than of another."""
    table = results.selection
    if table.empty:
        return []
    tests = table[table["p_holm"] < SIGNIFICANT].groupby(["cohort", "excluded_by", "framework"], sort=False)
    return [Statement("bad", selection_sentence(rows)) for _, rows in tests]


def selection_sentence(rows: pd.DataFrame) -> str:
    """Say what of each class was left out. rows: those of one test of report/selection.tsv, below SIGNIFICANT."""
    first = rows.iloc[0]
    what = (
        f"{first['cohort']}: intake rejected"
        if first["excluded_by"] == INTAKE
        else f"{first['cohort']}, {first['framework']} slices: quality control left out"
    )
    shares = [
        f"{_percent(row['excluded'])} of {row['label']} ({_percent(row['excluded_lo'])} to"
        f" {_percent(row['excluded_hi'])}; {row['n'] - row['kept']} of {count(row['n'], row['unit'])})"
        for _, row in rows.iterrows()
    ]
    p = first["p_holm"]
    tested = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    alone = [row["label"] for _, row in rows.iterrows() if row["patients"] == 1]
    not_tested = f" {listed(alone)} {_has(alone)} one patient and took no part in the test." if alone else ""
    unit = "" if first["patients_known"] else " Each image counts as a patient."
    return f"{what} {listed(shares)}: what is left out depends on the class ({tested}).{not_tested}{unit}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def inflation(results: RunResults) -> list[Statement]:
    """Say what a split by slice would add to the AUC, where it is much and shown."""
    table = results.leakage_inflation
    if table.empty:
        return []
    true = table[table["labels"] == "true"]
    statements = []
    for (pipeline, cohort), rows in true.groupby(["pipeline", "cohort"], sort=False):
        by_unit = {row["unit"]: row for row in rows.to_dict("records")}
        by_slice, by_patient = by_unit["slice"], by_unit["patient"]
        large = by_slice["inflation"] >= LARGE_INFLATION and by_slice["inflation_lo"] > 0
        if large and by_patient["patients"] >= FEWEST_FOR_INFLATION:
            statements.append(
                Statement(
                    "warn",
                    f"{cohort}: leakage alone adds {with_interval(by_slice, 'inflation')} to the AUC of {pipeline}:"
                    f" {number(by_slice['roc_auc'])} when slices are split, {number(by_patient['roc_auc'])} when"
                    " patients are. Numbers of papers that split slices are of the first kind.",
                )
            )
    return statements


def no_better_elsewhere(results: RunResults) -> list[Statement]:
    """Name, for each cohort that a stage was not trained on, the models that are not better than chance there."""
    if results.metrics.empty:
        return []
    rows = results.metrics[results.metrics["unit"] == "patient"]
    rows = rows[rows["cohort"].map(results.roles) != rows["stage"].map(ROLE_OF_STAGE)]
    statements = []
    for _, of_cohort in rows.groupby(["cohort", "stage"], sort=False):
        first = of_cohort.iloc[0]
        cohort, stage = str(first["cohort"]), int(first["stage"])
        lacks = pd.Series([not_better(row) for _, row in of_cohort.iterrows()], index=of_cohort.index)
        place = f"{cohort} ({evaluation_note(stage, results.roles[cohort])})"
        for verdict in (BELOW, NOT_SHOWN):
            if len(found := of_cohort[lacks == verdict]):
                names = named_first([_auc_of(results, row) for _, row in found.iterrows()])
                statements.append(
                    Statement(
                        "bad",
                        f"On {place} {len(found)} of {count(len(of_cohort), 'model')} {_is(found)} {verdict}, by"
                        f" patient: {names}.",
                    )
                )
    return statements


def _auc_of(results: RunResults, row: Row) -> str:
    return f"{results.model_name(model_of(row))} {results.auc_in_words} {with_interval(row, 'roc_auc')}"


def _has(found: Sequence[object]) -> str:
    return "has" if len(found) == 1 else "have"


def _is(found: Sequence[object] | pd.DataFrame) -> str:
    return "is" if len(found) == 1 else "are"


def looks_elsewhere(results: RunResults) -> list[Statement]:
    """Name the models whose verdict is that they look elsewhere."""
    if results.verdicts.empty:
        return []
    found = results.verdicts[results.verdicts["verdict"] == CONCLUSIONS["elsewhere"]]
    if found.empty:
        return []
    names = named_first(
        [
            f"{results.model_name(model_of(row))}{_by_background(results, model_of(row))} AUC"
            f" {with_interval(row, 'swap')} with the lung swapped,"
            f" {with_interval(row, 'background')} without it"
            for _, row in found.iterrows()
        ]
    )
    return [
        Statement(
            "bad",
            f"{len(found)} of {count(len(results.verdicts), 'model')} {'looks' if len(found) == 1 else 'look'}"
            f" elsewhere than at the lung: {names}.",
        )
    ]


def _by_background(results: RunResults, model: Model) -> str:
    """Name the classes that a model of more than two tells by the background, where it is not all of them."""
    if not results.many_classes:
        return ""
    pairs = results.of_classes["pairs"]
    named = classes_by_background(verdicts_of(pairs[(pairs["pipeline"] == model[0]) & (pairs["stage"] == model[1])]))
    return f" tells {named} by what is not lung," if named else ""


def edge_suffices(results: RunResults) -> list[Statement]:
    """Name the models that tell the classes by a frame along the edge, and those that lose little by it."""
    if results.audit.empty:
        return []
    losses = results.audit_by_model("intervention", "roc_auc_loss", "patient")
    as_good, by_edge = [], []
    for model, aucs in results.audit_by_model("intervention", "roc_auc", "patient").items():
        if not {"border_only", UNMODIFIED} <= set(aucs.index):
            continue
        by_variant = aucs.to_dict("index")
        edge, whole = by_variant["border_only"], by_variant[UNMODIFIED]["value"]
        if edge["n"] < FEWEST_PATIENTS or not edge["value_lo"] > AUC_CHANCE:
            continue
        name = f"{results.model_name(model)} AUC {with_interval(edge, 'value')}, of the whole slice {number(whole)}"
        lost = losses[model].to_dict("index")["border_only"]
        if lost["value_hi"] < SMALL_LOSS:
            as_good.append(f"{name}, loss {with_interval(lost, 'value')}")
        elif edge["value"] - AUC_CHANCE >= SUFFICES * (whole - AUC_CHANCE):
            by_edge.append(name)
    sentences = []
    if as_good:
        models = (
            f"{count(len(as_good), 'model')} {_is(as_good)} as good on a frame along the edge as on the whole slice"
        )
        sentences.append(f"{models} (less than {number(SMALL_LOSS)} of AUC is lost): {named_first(as_good)}.")
    if by_edge:
        models = f"{count(len(by_edge), 'model')} {'tells' if len(by_edge) == 1 else 'tell'} the classes"
        sentences.append(f"{models} by a frame along the edge alone: {named_first(by_edge)}.")
    return [Statement("bad", sentence) for sentence in sentences]


def classifiers(results: RunResults) -> list[Statement]:
    """Say from which metadata or grey levels a logistic regression tells the class of test patients."""
    if results.audit.empty:
        return []
    statements = []
    rows = results.audit.query("test == 'metadata' and unit == 'patient' and reason == ''")
    for (cohort, view), of_cohort in rows[rows["value_lo"] > AUC_CHANCE].groupby(["cohort", "framework"], sort=False):
        ordered = of_cohort.sort_values("value", ascending=False, kind="stable")
        names = [
            f"{CLASSIFIER_NAMES.get(row['variant'], row['variant'])} AUC {with_interval(row, 'value')}"
            for _, row in ordered.iterrows()
        ]
        statements.append(
            Statement("bad", f"{cohort}, {view} slices: no network is needed to tell the class: {named_first(names)}.")
        )
    return statements


def aspects(results: RunResults) -> list[Statement]:
    """Say which aspect of a scan alone tells the class, without a look at its pixels."""
    table = results.label_predictability
    if table.empty:
        return []
    statements = []
    for cohort, rows in table[table["balanced_accuracy"] >= PREDICTS].groupby("cohort", sort=False):
        ordered = rows.sort_values("balanced_accuracy", ascending=False, kind="stable")
        names = [
            f"{row['aspect']} {number(row['balanced_accuracy'])} ({count(row['patients'], 'patient')})"
            for _, row in ordered.iterrows()
        ]
        statements.append(
            Statement(
                "bad", f"{cohort}: one aspect of the scans tells the class (balanced accuracy): {named_first(names)}."
            )
        )
    return statements


def source_is_known(results: RunResults) -> list[Statement]:
    """Name the models whose features tell the source of a slice."""
    if results.audit.empty:
        return []
    rows = results.audit[results.audit["test"] == "source_from_features"]
    known = rows[rows["value_lo"] > rows["chance"]]
    if known.empty:
        return []
    names = named_first(
        [
            f"{results.model_name(model_of(row))} {with_interval(row, 'value')}, by chance {number(row['chance'])}"
            for _, row in known.iterrows()
        ]
    )
    return [Statement("warn", f"What {count(len(known), 'model')} learned tells the source of a new patient: {names}.")]


def masks_lost(results: RunResults) -> list[Statement]:
    """Count the test slices without an accepted mask, once for models of the same slices, and the verdicts withheld."""
    if results.verdicts.empty:
        return []
    rows = results.verdicts[results.verdicts["slices_left_out"] > 0]
    statements = [
        Statement(
            "warn",
            f"{cohort_of_stage(results.run, row['stage'])}, {listed(views)} slices: {row['slices_left_out']} of"
            f" {count(row['slices'], 'test slice')} have no accepted lung mask: {row['left_out_of_classes']}; by"
            f" patient the shares differ by {with_interval(row, 'lost_by_class')}. Maps and verdict use the others.",
        )
        for _, same in rows.groupby(["stage", "left_out_of_classes"], sort=False)
        for row, views in [(same.iloc[0], list(dict.fromkeys(same["framework"])))]
    ]
    withheld = rows[rows["verdict"] == CONCLUSIONS["withheld"]]
    if len(withheld):
        names = named_first([f"{results.model_name(model_of(row))}, {row['rule']}" for _, row in withheld.iterrows()])
        statements.append(Statement("warn", f"No verdict is given, since what is left is no fair sample: {names}."))
    return statements


class Kind(NamedTuple):
    """A kind of findings.

    Attributes
    ----------
    name
        In words.
    tone
        How serious: "bad", "warn" or "plain".
    find
        What of it a run shows.
    table
        Where the numbers are.
    reason
        Why it stands where it stands.
    about
        "data" or "models".
    """

    name: str
    tone: str
    find: Callable[[RunResults], list[Statement]]
    table: str
    reason: str
    about: str = "models"

    @property
    def file(self) -> str:
        """The table below the run's folder; the folder where there is one for each cohort."""
        folders = {"slices.tsv": "cohorts", "cases.tsv": "cohorts", "splits": "splits"}
        return folders.get(self.table, f"report/{self.table}")


# The most serious first. Bad: a number is not what it seems, or rests on what is no lung. Warn: it may be so, or
# something was not looked at. Plain: less is known than one may think.
KINDS = (
    Kind(
        "exclusion depends on the class",
        "bad",
        selection,
        "selection.tsv",
        "every number is of what is left",
        about="data",
    ),
    Kind("train and test share", "bad", leakage, "leakage.tsv", "the numbers are too good", about="data"),
    Kind("no better than chance elsewhere", "bad", no_better_elsewhere, "metrics.tsv", "the claim fails on other data"),
    Kind("looks elsewhere", "bad", looks_elsewhere, "verdicts.tsv", "the prediction rests on what is no lung"),
    Kind(
        "depends on the making",
        "bad",
        depends_on_making,
        "verdicts.tsv",
        "the prediction rests on what is no disease",
    ),
    Kind("the edge suffices", "bad", edge_suffices, "audit.tsv", "no disease shows along the edge"),
    Kind(
        "background or grey levels suffice",
        "bad",
        classifiers,
        "audit.tsv",
        "no network is needed to tell the class",
        about="data",
    ),
    Kind(
        "one aspect suffices", "bad", aspects, "intake_labels.tsv", "how a scan was made tells the class", about="data"
    ),
    Kind(
        "the making suffices",
        "bad",
        making_decides,
        "forensics.tsv",
        "how an image was made tells the class",
        about="data",
    ),
    Kind(
        "the making tells the class",
        "warn",
        making_tells,
        "forensics.tsv",
        "a shortcut by how an image was made",
        about="data",
    ),
    Kind("the source is known", "warn", source_is_known, "audit.tsv", "a step towards a shortcut"),
    Kind(
        "slices or sources differ", "warn", confounding, "slices.tsv", "a shortcut by number or by source", about="data"
    ),
    Kind(
        "masks lost",
        "warn",
        masks_lost,
        "verdicts.tsv",
        "maps, audit and verdict did not see these slices",
        about="data",
    ),
    Kind("leakage inflation", "warn", inflation, "leakage_inflation.tsv", "how much too good a split by slice is"),
    Kind(
        "the ranking is not stable", "warn", unstable_ranking, "replicates.tsv", "another seed has another best model"
    ),
    Kind("maps by chance", "warn", maps_by_chance, "replicates.tsv", "where these models look is unknown"),
    Kind("not learned", "warn", not_learned, "metrics.tsv", "where such a model looks says little"),
    Kind("classes not learned", "warn", classes_not_learned, "classes.tsv", "these cannot be found there"),
    Kind("patients unknown", "warn", unknown_patients, "leakage.tsv", "leakage cannot be excluded", about="data"),
    Kind("stand-in weights", "warn", stand_ins, "metrics.tsv", "another start than was asked for"),
    Kind("other networks", "warn", other_networks, "provenance.json", "the network is not the one of the name"),
    Kind("few test patients", "warn", few_patients, "splits", "the intervals are wide", about="data"),
    Kind("official lists", "plain", official_lists, "leakage.tsv", "the split is not this run's own", about="data"),
    Kind("cases rejected", "plain", rejected_cases, "cases.tsv", "who was not seen at all", about="data"),
    Kind("empty maps", "plain", empty_maps, "saliency.tsv", "where these models look is unknown"),
)


def cautions(results: RunResults) -> list[Statement]:
    """List everything to hold against the numbers, in the order of KINDS. Phantoms are named in the page's banner."""
    return [Statement(kind.tone, found.text, kind.file) for kind in KINDS for found in kind.find(results)]
