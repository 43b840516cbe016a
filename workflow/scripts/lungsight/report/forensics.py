"""Show what tells the label in how images were made: sentences, a ranked chart, examples from both ends of a trace."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from lungsight.audit.forensics import ALL, COHORT, LABEL, MAKING
from lungsight.intake.forensics.traces import BY_NAME, WORD, Trace
from lungsight.report.charts import BLUE, GREY, ORANGE, STYLE, as_svg, prepare_panel
from lungsight.report.components import (
    SIGNIFICANT,
    PageTable,
    Statement,
    decimal,
    p_value,
    text,
    whole,
)
from lungsight.report.headings import COHORT as COHORT_HEADING
from lungsight.report.pictures import Picture, as_picture
from lungsight.wording import count, listed, number, tally

# AUC from which on a trace is stated, and from which on it stands among the most serious findings.
TELLS, DECIDES = 0.65, 0.95
STATED = 3  # traces in a sentence
DRAWN = 20  # bars
EXAMPLES, AT_AN_END, WORDS_SHOWN = 5, 4, 4  # traces with examples; pictures at each end; words of a trace
SIDE = 96  # pixels of an example
_COLOURS = (
    "Bars begin at chance: the median AUC of permuted labels. Orange: {differs} from chance after Holm's correction, by"
    " the making alone. Blue: the same, and the body or the disease can change it as well. Grey: all others."
)
_PATIENTS_UNKNOWN = (
    "The patients are unknown and each image counts as a patient: where a person has several images, the AUC is too"
    " high, and no p is given."
)
_TITLES = {MAKING: "all of the making together", ALL: "all together"}


class TraceExamples(NamedTuple):
    """Pictures from the ends of a trace. groups: a caption and the pictures of each end, or of each word."""

    title: str
    meaning: str
    groups: list[tuple[str, list[Picture]]]


class AnswersOfCohort(NamedTuple):
    """What the page shows of one cohort, or of two that are compared. chart: "" where nothing was tested."""

    name: str
    question: str
    chart: Markup
    caption: str
    table: PageTable
    examples: list[TraceExamples]


def title_of(trace: str) -> str:
    """Name a trace, or several together."""
    return _TITLES.get(trace) or BY_NAME[trace].title


def holds_anatomy(trace: str) -> bool:
    """Tell whether the body or the disease can change a trace as well."""
    return trace == ALL or (trace in BY_NAME and BY_NAME[trace].anatomy)


def telling(answers: pd.DataFrame) -> pd.DataFrame:
    """Keep the answers that differ from chance after correction and are strong enough to state, the strongest first.

    Where patients are unknown p is too small, so what does not differ by it would not differ among patients either.
    """
    strong = answers[(answers["auc"] >= TELLS) & (answers["p_holm"] < SIGNIFICANT)]
    return strong.sort_values("auc", ascending=False, kind="stable")


def forensic_findings(answers: pd.DataFrame, tells: str = LABEL) -> list[Statement]:
    """State, for each cohort, which traces of the making alone tell the label.

    Traces that the body or the disease can change are left out: they may tell the label by right.

    Parameters
    ----------
    answers
        report/forensics.tsv.
    tells
        "label", or "cohort" for what tells two cohorts apart.
    """
    return [
        _finding(str(cohort), rows, tells)
        for cohort, rows in telling(answers[answers["tells"] == tells]).groupby("cohort", sort=False)
        if not rows["trace"].map(holds_anatomy).all()
    ]


def _finding(cohort: str, rows: pd.DataFrame, tells: str) -> Statement:
    making = rows[~rows["trace"].map(holds_anatomy)]
    alone, together = making[making["trace"] != MAKING], making[making["trace"] == MAKING]
    shown = [f"{title_of(row['trace'])} (AUC {number(row['auc'])})" for _, row in alone.head(STATED).iterrows()]
    parts = [f"{listed(shown)} alone"] if shown else []
    parts += [f"all of the making together with AUC {number(auc)}" for auc in together["auc"]]
    known = _patients_known(rows)
    tone = "bad" if known and making["auc"].max() >= DECIDES else "warn"
    end = "" if known else f" {_PATIENTS_UNKNOWN}"
    start = f"{cohort}: how the images were made tells the"
    if tells == COHORT:
        return Statement("plain", f"{start} cohorts apart: {'; '.join(parts)}.{end}")
    return Statement(tone, f"{start} label, without a lung: {'; '.join(parts)}.{end}")


def _patients_known(answers: pd.DataFrame) -> bool:
    return bool(answers["patients_known"].all())


def answers_table(answers: pd.DataFrame, name: str, caption: str) -> PageTable:
    """Show rows of report/forensics.tsv that were tested, the strongest first."""
    known = _patients_known(answers)
    one, several = ("patient", "patients") if known else ("image", "images")
    headings = [("Trace", ""), COHORT_HEADING, (several.title(), "")]
    headings += [("Known of", f"{several} for which it can be measured")]
    headings += [("AUC", f"in cross-validation by {one}"), ("Chance", "median AUC of permuted labels")]
    headings += [("Balanced accuracy", "mean recall")]
    if known:
        headings += [("p", "permutations of the labels"), ("p, Holm", "corrected for the number of traces")]
    headings += [("Holds anatomy", "the body or the disease can change it as well")]
    tested = answers[answers["p"].notna()].sort_values("auc", ascending=False, kind="stable")
    rows = [
        [
            *(text(title_of(row["trace"])), text(row["cohort"]), whole(row["patients"]), whole(row["known"])),
            *(decimal(row["auc"]), decimal(row["chance"]), decimal(row["balanced_accuracy"])),
            *([p_value(row["p"]), p_value(row["p_holm"], corrected=True)] if known else []),
            text("yes" if holds_anatomy(row["trace"]) else "no"),
        ]
        for row in tested.to_dict("records")
    ]
    return PageTable(name, caption, headings, rows)


def answers_chart(answers: pd.DataFrame) -> str:
    """Draw the AUC of each trace as a ranked bar that begins at chance; "" where nothing was tested.

    Orange: differs from chance, by the making alone. Blue: differs, and holds anatomy as well. Grey: does not differ.
    """
    tested = answers[answers["p"].notna()].sort_values("auc", ascending=False, kind="stable").head(DRAWN)
    if tested.empty:
        return ""
    colours = [
        GREY if not row["p_holm"] < SIGNIFICANT else BLUE if holds_anatomy(row["trace"]) else ORANGE
        for _, row in tested.iterrows()
    ]
    places = list(range(len(tested)))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 0.9 + 0.24 * len(tested)))
        axes = figure.subplots()
        unit = "patient" if _patients_known(answers) else "image"
        prepare_panel(axes, "", f"AUC in cross-validation by {unit}", float(tested["chance"].median()))
        axes.barh(places, tested["auc"] - tested["chance"], left=tested["chance"], color=colours, height=0.7)
        for place, auc, chance in zip(places, tested["auc"], tested["chance"], strict=True):
            axes.text(max(auc, chance) + 0.006, place, number(auc), va="center", fontsize=7.5)
        axes.set_yticks(places, [title_of(trace) for trace in tested["trace"]])
        axes.set_ylim(len(tested) - 0.4, -0.6)
        lowest = min(float(tested["auc"].min()), float(tested["chance"].min()))
        axes.set_xlim(min(0.44, lowest - 0.02), 1.05)
        figure.tight_layout()
        return as_svg(figure)


def trace_examples(
    answers: pd.DataFrame, traces: pd.DataFrame, load: Callable[[str], np.ndarray]
) -> list[TraceExamples]:
    """Choose pictures from both ends of the traces that tell the label best, but none that are full of writing.

    Parameters
    ----------
    answers
        Rows of report/forensics.tsv of one cohort.
    traces
        Its table `forensics`, with patient and label of each slice.
    load
        Name of a slice → its image (rows, columns) uint8.
    """
    names = [name for name in telling(answers)["trace"] if name in BY_NAME and not BY_NAME[name].writing][:EXAMPLES]
    return [
        TraceExamples(
            trace.title,
            trace.meaning,
            [
                (caption, [_example(row, trace, load) for row in rows.to_dict("records")])
                for caption, rows in _ends(traces, trace)
            ],
        )
        for trace in map(BY_NAME.__getitem__, names)
    ]


def _ends(traces: pd.DataFrame, trace: Trace) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the ends of a number, or the most frequent words, with a few slices of different patients each."""
    if trace.kind == WORD:
        for word in traces.loc[traces[trace.name] != "", trace.name].value_counts().index[:WORDS_SHOWN]:
            rows = traces[traces[trace.name] == word].drop_duplicates("patient")
            in_turn = rows.groupby("label").cumcount().sort_values(kind="stable").index[:AT_AN_END]
            yield f"{word}: {tally(rows['label'])}", rows.loc[in_turn]
        return
    known = traces[traces[trace.name].notna()].sort_values(trace.name, kind="stable")
    yield "lowest", known.drop_duplicates("patient").head(AT_AN_END)
    yield "highest", known.drop_duplicates("patient", keep="last").tail(AT_AN_END)


def _shown(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"


def _example(row: dict, trace: Trace, load: Callable[[str], np.ndarray]) -> Picture:
    image = Image.fromarray(load(row["slice"]))
    if trace.detail:
        left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
        image = image.crop((left, top, left + SIDE, top + SIDE))
    image.thumbnail((SIDE, SIDE))
    value, label = _shown(row[trace.name]), row["label"]
    return as_picture(image, f"slice of a patient labelled {label}, {trace.title} {value}", f"{value}, {label}")


def answers_of_cohorts(
    answers: pd.DataFrame, traces: dict[str, pd.DataFrame], load: Callable[[str, str], np.ndarray]
) -> list[AnswersOfCohort]:
    """Give what the page shows of each cohort, and of each pair of cohorts.

    Parameters
    ----------
    answers
        report/forensics.tsv.
    traces
        Cohort → its table `forensics`, with patient and label of each slice.
    load
        Cohort, name of a slice → its image.
    """
    parts: list[AnswersOfCohort] = []
    for cohort, tells in answers[["cohort", "tells"]].drop_duplicates().itertuples(index=False):
        rows = answers[(answers["cohort"] == cohort) & (answers["tells"] == tells)]
        question = f"{cohort}: what tells the {tells}"
        name, known = f"forensics-{len(parts) + 1}", _patients_known(rows)
        caption = _caption(int(rows["patients"].max()), known)
        several = "patients" if known else "images"
        table = answers_table(rows, name, f"All traces that differ among {several}: {question}")
        examples = trace_examples(rows, traces[cohort], partial(load, cohort)) if tells == LABEL else []
        parts.append(AnswersOfCohort(cohort, question, Markup(answers_chart(rows)), caption, table, examples))
    return parts


def _caption(number_of: int, patients_known: bool) -> str:
    if patients_known:
        return f"{count(number_of, 'patient')}. {_COLOURS.format(differs='differs')}"
    colours = _COLOURS.format(differs="would differ, if each image were a patient,")
    return f"{count(number_of, 'image')}. {_PATIENTS_UNKNOWN} {colours}"
