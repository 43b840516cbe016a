"""Say what a model is worth before its predictions: the verdict, its results, what it was trained on."""

from typing import Any

from lungsight.audit.verdict import CONCLUSIONS
from lungsight.predict.model_record import EXTERNAL, MEASURES
from lungsight.predict.out_of_distribution import KINDS
from lungsight.report.components import Cell, PageTable, Statement, estimates, text, whole
from lungsight.report.results import INTERVALS, not_better
from lungsight.report.words import PAGE_WORDS
from lungsight.wording import MISSING, evaluation_name, listed

Record = dict[str, Any]
HEADINGS = (
    ("Patients", "whose scans the model had not seen"),
    ("Evaluation", ""),
    ("n", "patients, or images where the patients are unknown"),
    ("AUC", "0.5 is chance"),
    ("Sensitivity", "at 0.5"),
    ("Specificity", "at 0.5"),
    ("Accuracy", "at 0.5"),
)
NO_VERDICT = (
    "This run has no verdict on this model: its audit did not run, or it is older than the audit. Nobody has tested"
    " whether the model looks at the lung. The target audit of that run makes the verdict."
)
NO_RESULTS = (
    "This run has no table of results of this model, so nothing is known of how it does on patients that it has not"
    " seen. The target evaluate of that run makes the table."
)
NOT_EXTERNAL = (
    "It was never tested on patients of a cohort that it was not trained on. There, such models often fall to chance."
)
UNKNOWN = "unknown"
# Row of the table → key of the ranges, unit.
RANGES = {
    "Rows of an image": ("rows", ""),
    "Columns of an image": ("columns", ""),
    "Pixel spacing": ("spacing_row", "mm"),
    "Slice spacing": ("spacing_slice", "mm"),
    "Slice thickness": ("slice_thickness", "mm"),
    "Tube voltage": ("kvp", "kV"),
}


def verdict_statements(record: Record) -> list[Statement]:
    """Say whether the model looks at the lung."""
    verdict = record["verdict"]
    if verdict is None:
        return [Statement("warn", NO_VERDICT)]
    tone = PAGE_WORDS[verdict["verdict"]].tone if verdict["verdict"] in PAGE_WORDS else "warn"
    statements = [Statement(tone, f"Does this model look at the lung? {verdict['sentence']}")]
    if verdict["verdict"] != CONCLUSIONS["lung"]:
        statements.append(Statement("warn", "So its probabilities may follow something else than disease of the lung."))
    return statements


def result_statements(record: Record) -> list[Statement]:
    """Say what the results do not show."""
    rows = record["results"]
    if not rows:
        return [Statement("warn", NO_RESULTS)]
    of_stage = [row for row in rows if row["stage"] == rows[0]["stage"]]
    statements = [Statement("bad", f"{_name(row)}: {_lack(row)}.") for row in of_stage if _lack(row)]
    statements += [Statement("warn", _of_images(row)) for row in of_stage if not row["patients_known"]]
    tested_elsewhere = any(row["relation"] == EXTERNAL for row in rows)
    return statements + [Statement("warn", NOT_EXTERNAL)] * (not tested_elsewhere)


def class_statements(labels: list[str]) -> list[Statement]:
    """Say which class the results are of, where a model tells more than two apart."""
    if len(labels) == 2:
        return []
    return [Statement("plain", f"The results below are those of {labels[0]} against the other classes.")]


def _lack(row: dict[str, Any]) -> str:
    lack = not_better(row)
    return f"{lack} ({INTERVALS[lack]})" if lack in INTERVALS else lack


def _of_images(row: dict[str, Any]) -> str:
    """Say what results are worth where each image counts as a patient."""
    start = f"{_name(row)}: the patients are unknown and each image counts as a patient."
    if row["relation"] == EXTERNAL:
        return f"{start} The intervals are too narrow where a person has several images."
    return f"{start} A person may have images in training and in test, so the results may be too good."


def _name(row: dict[str, Any]) -> str:
    return f"{row['relation'][0].upper()}{row['relation'][1:]}, {row['cohort']}"


def results_table(record: Record) -> PageTable:
    """Show how the model did on patients that it had not seen."""
    rows = []
    for row in record["results"]:
        known = {name: float("nan") if value is None else value for name, value in row.items()}
        identity = [text(row["relation"]), text(evaluation_name(int(row["stage"]), row["cohort"]))]
        number_of = whole(row["n"]) if row["n"] is not None else Cell(MISSING)
        rows.append([*identity, number_of, *estimates(known, MEASURES)])
    caption = "Results by patient. Below each number its 95 % interval over patients"
    return PageTable("results", caption, HEADINGS, rows)


def training_table(record: Record, images: dict[str, list[float]] | None) -> PageTable:
    """Show what the model was trained on, a column for each cohort.

    images: the field of view of the training slices of the last cohort, from reference.json.
    """
    cohorts = record["training"]
    rows = [
        ["Kind of file", *(_kinds(cohort) for cohort in cohorts)],
        ["Window", *(_window(cohort) for cohort in cohorts)],
        ["Patients", *(_patients(cohort) for cohort in cohorts)],
        ["Contrast agent", *(_contrast(cohort) for cohort in cohorts)],
        *([name, *(_range(cohort, *what) for cohort in cohorts)] for name, what in RANGES.items()),
        ["Field of view", *[MISSING] * (len(cohorts) - 1), _field_of_view(images)],
    ]
    named = {"Contrast agent", *RANGES}
    unknown = [name for name, *words in rows if name in named and set(words) == {UNKNOWN}]
    rows = [row for row in rows if row[0] not in unknown]
    if unknown:
        rows.append(["Unknown", *[listed([name.lower() for name in unknown])] * len(cohorts)])
    headings = [("", ""), *((f"stage {cohort['stage']}: {cohort['cohort']}", "") for cohort in cohorts)]
    cells = [[text(word) for word in row] for row in rows]
    return PageTable("training", "What the model was trained on", headings, cells)


def _kinds(cohort: Record) -> str:
    kinds = cohort["kinds"]
    return UNKNOWN if not kinds else listed([f"{KINDS.get(kind, kind)} ({n})" for kind, n in kinds.items()])


def _window(cohort: Record) -> str:
    if not cohort["kinds"]:
        return UNKNOWN
    if cohort["window"] is None:
        return "unknown: in pictures it is fixed"
    low, high = cohort["window"]
    return f"{low:g} to {high:g} HU".replace("-", "−")


def _patients(cohort: Record) -> str:
    if not cohort["patients"]:
        return UNKNOWN
    words = {"train": "Trained on", "val": "Validation", "test": "Test"}
    counts = [
        f"{words[subset]}: {listed([f'{n} {label}' for label, n in classes.items()])}"
        for subset, classes in cohort["patients"].items()
        if classes
    ]
    return ". ".join(counts + ["These are images, the patients are unknown"] * (not cohort["patients_known"]))


def _contrast(cohort: Record) -> str:
    counts = cohort.get("contrast") or {}
    if not counts.get("with") and not counts.get("without"):
        return UNKNOWN
    return listed([f"{word} ({n})" for word, n in counts.items() if n])


def _range(cohort: Record, name: str, unit: str) -> str:
    if name not in cohort.get("ranges", {}):
        return UNKNOWN
    low, high = cohort["ranges"][name]
    between = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    return f"{between} {unit}".strip()


def _field_of_view(images: dict[str, list[float]] | None) -> str:
    if not images:
        return UNKNOWN
    low, middle, high = images["body_width"]
    air = images["air_at_edge"][1]
    return (
        f"the body fills {100 * middle:.0f} % of the width in the median slice,"
        f" {100 * low:.0f} to {100 * high:.0f} % in nine of ten. Air at the edge: {100 * air:.0f} % of it in the median"
    )


def detector_sentence(reference: Record) -> str:
    """Say how often a scan of the training's own kind is flagged; each scan says how far it lies."""
    return str(reference.get("training_distribution", {}).get("sentence", "How often this alarm is false is unknown."))
