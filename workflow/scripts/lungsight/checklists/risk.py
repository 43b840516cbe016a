"""Judge the risk of bias of a run by stated rules: low, unclear or high, with the number that decided.

The domains are those of PROBAST+AI, named for images of patients. workflow/report/risk_rules.yaml lists the rules with
their limits, MEASURES what they measure. A rule keeps the worst number that it finds, and a domain is as bad as its
worst rule. What no file of a run can show, such as how the reference standard was found, is never low: without a text
of the study file it is not known, and with one a person must judge the text, which is quoted. The judgement helps a
reviewer, and replaces none.

References
----------
Moons et al., PROBAST+AI, BMJ 388:e082505, 2025: domains, and the worst one as the judgement. Collins, Ogundimu &
Altman, Statistics in Medicine 35:214–226, 2016: 100 patients with and 100 without the outcome to evaluate a model.
Peduzzi et al., Journal of Clinical Epidemiology 49:1373–1379, 1996: ten events per variable.
"""

import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lungsight.audit.forensics import LABEL, MAKING
from lungsight.checklists.evidence import Evidence
from lungsight.checklists.patient_flow import gaps
from lungsight.checklists.study import AIM, DEFAULT_AIM
from lungsight.evaluation.selection import NOT_TESTED
from lungsight.intake.cohort_summary import cohort_counts
from lungsight.own_yaml import read_own_yaml
from lungsight.report.components import SIGNIFICANT
from lungsight.report.forensics import TELLS
from lungsight.rows import RiskRow
from lungsight.splits.composition import single_class_sources, slices_per_patient
from lungsight.training.pipelines import ROLE_OF_STAGE, Pipeline
from lungsight.wording import MISSING, count, number

FILE = Path(__file__).resolve().parents[3] / "report" / "risk_rules.yaml"
LOW, UNCLEAR, HIGH = "low", "unclear", "high"
JUDGEMENTS = (LOW, UNCLEAR, HIGH)
DOMAINS = ("participants", "images", "reference standard", "analysis")
ENOUGH_TO_TEST = 100  # patients of the rarer class
LONGEST_QUOTE = 200  # letters of a text of the study file


class Found(NamedTuple):
    """What a rule found in one place: a number, and what it is."""

    where: str
    value: float
    note: str


Measure = Callable[[Evidence], list[Found]]


class Rule(NamedTuple):
    """One rule, as its file explains it. A limit of None never decides."""

    domain: str
    rule: str
    asks: str
    measure: str
    file: str
    column: str
    needs: str
    unclear_from: float | None = None
    high_from: float | None = None


# ---- participants


def unknown_patients(evidence: Evidence) -> list[Found]:
    """Find cohorts whose patients are unknown."""
    return [
        Found(
            row["cohort"], 1 - row["patients_known"], "patients known" if row["patients_known"] else "patients unknown"
        )
        for row in evidence.results.leakage.to_dict("records")
    ]


def rows_not_used(evidence: Evidence) -> list[Found]:
    """Measure the share of rows that were not used."""
    found = []
    for name, cases in evidence.results.cases.items():
        counts = cohort_counts(cases)
        lost = counts.rows - counts.usable
        found.append(Found(name, lost / max(counts.rows, 1), f"{lost} of {count(counts.rows, 'row')} not used"))
    return found


def left_out_by_class(evidence: Evidence) -> list[Found]:
    """Measure how the share that was left out differs between classes."""
    table, found = evidence.results.selection, []
    steps = table.groupby(["cohort", "excluded_by", "framework"], sort=False) if len(table) else ()
    for (name, by, view), rows in steps:
        text = ", ".join(f"{row['label']} {100 * row['excluded']:.0f} %" for row in rows.to_dict("records"))
        p = number(rows["p_holm"].iloc[0], 3)
        note = f"left out by {by}: {text}; {NOT_TESTED if p == MISSING else f'p {p} (Holm)'}"
        where = f"{name}, {view}" if view else str(name)
        found.append(Found(where, rows["excluded"].max() - rows["excluded"].min(), note))
    return found


def sums_with_gaps(evidence: Evidence) -> list[Found]:
    """Count sums of the flow that do not add up."""
    wrong = gaps(evidence.flow) if len(evidence.flow) else []
    where = wrong[0] if wrong else "all cohorts"
    return [Found(where, len(wrong), f"{len(wrong)} sums do not add up")] if len(evidence.flow) else []


def _not_said(*keys: str) -> Measure:
    def absent(evidence: Evidence) -> list[Found]:
        missing = [key for key in keys if key not in evidence.study]
        notes = [f"not said: {', '.join(missing)}"] if missing else []
        notes += [f"a person must judge {key}: “{_quoted(evidence.study[key])}”" for key in keys if key not in missing]
        return [Found("study file", len(missing), "; ".join(notes))]

    return absent


def _quoted(text: str) -> str:
    return textwrap.shorten(text, LONGEST_QUOTE, placeholder=" …")


# ---- images


def sources_of_one_class(evidence: Evidence) -> list[Found]:
    """Count sources that hold one class only."""
    return [
        Found(name, len(single), f"{count(len(single), 'source')} with one class only")
        for name, slices in evidence.results.slices.items()
        for single in [single_class_sources(slices)]
    ]


def label_predictability(evidence: Evidence) -> list[Found]:
    """Measure how well an aspect alone tells the class."""
    table = evidence.predictability
    known = table if table.empty else table[table["balanced_accuracy"].notna()]
    return [
        Found(row["cohort"], row["balanced_accuracy"], f"{number(row['balanced_accuracy'])} by {row['aspect']} alone")
        for row in known.to_dict("records")
    ]


def traces_of_making(evidence: Evidence) -> list[Found]:
    """Measure how well the traces of an image's making together tell the class, where that differs from chance.

    Where patients are unknown the AUC is too high: it counts as unclear, not as high.
    """
    table = evidence.results.forensics
    together = table[(table["trace"] == MAKING) & (table["tells"] == LABEL) & table["auc"].notna()]
    found = []
    for row in together.to_dict("records"):
        differs, auc, patients = row["p_holm"] < SIGNIFICANT, row["auc"], row["patients"]
        if row["patients_known"]:
            note = f"AUC {number(auc)}, p {number(row['p_holm'], 3)} (Holm), {count(patients, 'patient')}"
        else:
            note = f"AUC {number(auc)}, {count(patients, 'image')}; patients unknown, so the AUC may be too high"
        value = auc if row["patients_known"] else min(auc, TELLS)
        found.append(Found(row["cohort"], value if differs else 0.5, note))
    return found


def slices_by_class(evidence: Evidence) -> list[Found]:
    """Measure the ratio of slices per patient between classes."""
    found = []
    for (name, view), split in evidence.results.splits.items():
        means = slices_per_patient(split)
        if len(means) > 1:
            text = ", ".join(f"{label} {number(mean, 1)}" for label, mean in means.items())
            found.append(Found(f"{name}, {view}", means.max() / means.min(), f"slices per patient: {text}"))
    return found


def _models_with(*verdicts: str) -> Measure:
    def counted(evidence: Evidence) -> list[Found]:
        table = evidence.results.verdicts
        if table.empty:
            return []
        last = table[table["stage"] == table["stage"].max()]
        n = int(last["verdict"].isin(verdicts).sum())
        return [Found("last stage", n, f"{n} of {count(len(last), 'model')}: {' or '.join(verdicts)}")]

    return counted


# ---- reference standard


def label_conflicts(evidence: Evidence) -> list[Found]:
    """Count slices whose pixels have another label elsewhere."""
    table = evidence.duplicates
    if "label_conflict" not in table.columns:
        return []
    n = int(table["label_conflict"].sum())
    return [Found("all cohorts", n, f"{count(n, 'slice')} whose pixels have another label elsewhere")]


# ---- analysis


def _shared(column: str, what: str) -> Measure:
    def counted(evidence: Evidence) -> list[Found]:
        return [
            Found(f"{row['cohort']}, {row['framework']}", row[column], f"{row[column]} {what}")
            for row in evidence.results.leakage.to_dict("records")
        ]

    return counted


def models_compared(evidence: Evidence) -> list[Found]:
    """Count the models that were ranked on the same test patients."""
    table = evidence.last_models
    counts = table["cohort"].value_counts() if len(table) else pd.Series(dtype=int)
    return [Found(str(name), n, f"{count(n, 'model')} ranked on the same test patients") for name, n in counts.items()]


def _patients_of_rarest(split: pd.DataFrame, subset: str, labels: list[str]) -> int:
    """Count the patients of a subset in its rarest class; 0 where it lacks a class of the run."""
    members = split[split["split"] == subset].groupby("label")["patient"].nunique()
    return int(members.reindex(labels, fill_value=0).min())


def missing_to_test(evidence: Evidence) -> list[Found]:
    """Count the test patients of the rarer class that are missing to ENOUGH_TO_TEST."""
    found = []
    for (name, view), split in evidence.results.splits.items():
        fewest = _patients_of_rarest(split, "test", evidence.results.run["labels"])
        note = f"{count(fewest, 'test patient')} of the rarer class"
        found.append(Found(f"{name}, {view}", max(ENOUGH_TO_TEST - fewest, 0), note))
    return found


def width_above_aim(evidence: Evidence) -> list[Found]:
    """Measure how much wider than the aim the interval of the AUC is."""
    aim, found = evidence.study.get(AIM, DEFAULT_AIM), []
    for row in evidence.last_models.to_dict("records"):
        width = row["roc_auc_hi"] - row["roc_auc_lo"]
        if pd.notna(width):
            note = f"interval of the AUC {number(width)} wide, aim {aim}"
            found.append(Found(f"{row['pipeline']} stage {row['stage']}", width - aim, note))
    return found


def parameters_for_a_patient(evidence: Evidence) -> list[Found]:
    """Divide parameters by training patients of the rarer class: the inverse of events per variable."""
    cohort_of = {role: name for name, role in evidence.results.roles.items()}
    found = []
    for (pipeline, stage), provenance in evidence.results.provenance.items():
        split = evidence.results.splits[cohort_of[ROLE_OF_STAGE[stage]], Pipeline.parse(pipeline).input_view]
        events = _patients_of_rarest(split, "train", evidence.results.run["labels"])
        parameters = provenance["model"]["parameters"]
        ratio = f"{events / parameters:.1g} events per variable"
        note = f"{events} training patients of the rarer class, {parameters} parameters: {ratio}"
        found.append(Found(f"{pipeline} stage {stage}", parameters / max(events, 1), note))
    return found


def calibration_error(evidence: Evidence) -> list[Found]:
    """Measure the calibration error by patient."""
    return [
        Found(f"{row['pipeline']} stage {row['stage']}", row["ece"], f"calibration error {number(row['ece'])}")
        for row in evidence.last_models.to_dict("records")
        if pd.notna(row["ece"])
    ]


def no_external_test(evidence: Evidence) -> list[Found]:
    """Tell whether no cohort is external."""
    if evidence.results.metrics.empty:
        return []
    n = sum(role == "external" for role in evidence.results.roles.values())
    return [Found("all cohorts", int(n == 0), count(n, "external cohort"))]


MEASURES: dict[str, Measure] = {
    "unknown_patients": unknown_patients,
    "rows_not_used": rows_not_used,
    "left_out_by_class": left_out_by_class,
    "sums_with_gaps": sums_with_gaps,
    "criteria_not_said": _not_said("inclusion_criteria", "sampling"),
    "sources_of_one_class": sources_of_one_class,
    "label_predictability": label_predictability,
    "traces_of_making": traces_of_making,
    "slices_by_class": slices_by_class,
    "looking_elsewhere": _models_with("looks elsewhere", "depends on how the image was made"),
    "cannot_tell": _models_with("cannot tell"),
    "label_conflicts": label_conflicts,
    "standard_not_said": _not_said("reference_standard", "annotators", "blinding_reference"),
    "shared_patients": _shared("patients_on_two_sides", "patients in two subsets"),
    "shared_images": _shared("identical_images_on_two_sides", "slices with an identical image in another subset"),
    "near_duplicates": _shared("near_duplicates_on_two_sides", "slices with a near duplicate in another subset"),
    "images_of_other_cohorts": _shared("test_images_in_other_cohorts", "test slices in another cohort's training"),
    "patients_of_other_cohorts": _shared(
        "test_slices_of_patients_in_other_cohorts", "test slices of patients in another cohort's training"
    ),
    "models_compared": models_compared,
    "missing_to_test": missing_to_test,
    "width_above_aim": width_above_aim,
    "parameters_for_a_patient": parameters_for_a_patient,
    "calibration_error": calibration_error,
    "no_external_test": no_external_test,
}


def read_rules() -> list[Rule]:
    """Read the rules, in the order of their file."""
    return [Rule(**written) for written in read_own_yaml(FILE)]


def judged(value: float, rule: Rule) -> str:
    """Judge a number by the limits of a rule. NaN, a number that is not known, is unclear."""
    if math.isnan(value):
        return UNCLEAR
    if rule.high_from is not None and value >= rule.high_from:
        return HIGH
    return UNCLEAR if rule.unclear_from is not None and value >= rule.unclear_from else LOW


def risk_rows(evidence: Evidence) -> list[RiskRow]:
    """Apply every rule: for each domain a row with its judgement, then a row for each of its rules.

    Parameters
    ----------
    evidence
        With flow.tsv.
    """
    rows = [_row(rule, evidence) for rule in read_rules()]
    by_domain = {domain: [row for row in rows if row["domain"] == domain] for domain in DOMAINS}
    return [row for domain, of_rules in by_domain.items() for row in (_domain_row(domain, of_rules), *of_rules)]


def _row(rule: Rule, evidence: Evidence) -> RiskRow:
    found = MEASURES[rule.measure](evidence) or [Found("", math.nan, f"not known: {rule.needs}")]
    worst = max(
        found, key=lambda each: (JUDGEMENTS.index(judged(each.value, rule)), not math.isnan(each.value), each.value)
    )
    return RiskRow(
        domain=rule.domain,
        rule=rule.rule,
        asks=rule.asks,
        where=worst.where,
        value=worst.value,
        unclear_from=math.nan if rule.unclear_from is None else rule.unclear_from,
        high_from=math.nan if rule.high_from is None else rule.high_from,
        judgement=judged(worst.value, rule),
        file=rule.file,
        column=rule.column,
        note=worst.note,
    )


def _domain_row(domain: str, rows: list[RiskRow]) -> RiskRow:
    worst = max((row["judgement"] for row in rows), key=JUDGEMENTS.index)
    deciding = [f"{row['rule']} ({row['note']})" for row in rows if row["judgement"] == worst]
    note = "; ".join(deciding) if worst != LOW else f"all rules are below their limits: {'; '.join(deciding)}"
    return RiskRow(
        domain=domain,
        rule="",
        asks=f"Risk of bias by {domain}",
        where="",
        value=math.nan,
        unclear_from=math.nan,
        high_from=math.nan,
        judgement=worst,
        file="report/risk.tsv",
        column="judgement",
        note=f"{note}.",
    )
