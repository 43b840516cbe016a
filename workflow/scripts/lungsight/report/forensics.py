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

# AUC from which on a trace is stated, and from which on it is stated as a warning.
TELLS, DECIDES = 0.65, 0.95
STATED = 3  # traces in a sentence
DRAWN = 20  # bars
EXAMPLES, AT_AN_END, WORDS_SHOWN = 5, 4, 4  # traces with examples; pictures at each end; words of a trace
SIDE = 96  # pixels of an example
_COLOURS = (
    "Orange: differs from chance after Holm's correction, by the making alone. Blue: differs, and the body or the"
    " disease can change it as well. Grey: does not differ."
)
_TITLES = {MAKING: "all of the making together", ALL: "all together"}


class TraceExamples(NamedTuple):
    """Pictures from the ends of a trace. groups: a caption and the pictures of each end, or of each word."""

    title: str
    meaning: str
    groups: list[tuple[str, list[Picture]]]


class AnswersOfCohort(NamedTuple):
    """What the page shows of one cohort, or of two that are told apart. chart: "" where nothing was tested."""

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
    """Keep the answers that differ from chance after correction and are strong enough to state, the strongest first."""
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
    tone = "bad" if making["auc"].max() >= DECIDES else "warn"
    if tells == COHORT:
        return Statement("plain", f"{cohort}: how the images were made tells the cohorts apart: {'; '.join(parts)}.")
    return Statement(tone, f"{cohort}: how the images were made tells the label, without a lung: {'; '.join(parts)}.")


def answers_table(answers: pd.DataFrame, name: str, caption: str) -> PageTable:
    """Show rows of report/forensics.tsv that were tested, the strongest first."""
    headings = [("Trace", ""), COHORT_HEADING, ("Patients", ""), ("Known of", "patients for whom it can be measured")]
    headings += [("AUC", "in cross-validation by patient; 0.5 is chance"), ("Balanced accuracy", "mean recall")]
    headings += [("p", "permutations of the labels"), ("p, Holm", "corrected for the number of traces")]
    headings += [("Holds anatomy", "the body or the disease can change it as well")]
    tested = answers[answers["p"].notna()].sort_values("auc", ascending=False, kind="stable")
    rows = [
        [
            *(text(title_of(row["trace"])), text(row["cohort"]), whole(row["patients"]), whole(row["known"])),
            *(decimal(row["auc"]), decimal(row["balanced_accuracy"]), p_value(row["p"])),
            *(p_value(row["p_holm"], corrected=True), text("yes" if holds_anatomy(row["trace"]) else "no")),
        ]
        for row in tested.to_dict("records")
    ]
    return PageTable(name, caption, headings, rows)


def answers_chart(answers: pd.DataFrame) -> str:
    """Draw the AUC of each trace as a ranked bar; "" where nothing was tested.

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
        prepare_panel(axes, "", "AUC in cross-validation by patient", 0.5)
        axes.barh(places, tested["auc"] - 0.5, left=0.5, color=colours, height=0.7)
        for place, auc in zip(places, tested["auc"], strict=True):
            axes.text(max(auc, 0.5) + 0.006, place, number(auc), va="center", fontsize=7.5)
        axes.set_yticks(places, [title_of(trace) for trace in tested["trace"]])
        axes.set_ylim(len(tested) - 0.4, -0.6)
        axes.set_xlim(min(0.44, float(tested["auc"].min()) - 0.02), 1.05)
        figure.tight_layout()
        return as_svg(figure)


def trace_examples(
    answers: pd.DataFrame, traces: pd.DataFrame, load: Callable[[str], np.ndarray]
) -> list[TraceExamples]:
    """Choose pictures from both ends of the traces that tell the label best.

    Parameters
    ----------
    answers
        Rows of report/forensics.tsv of one cohort.
    traces
        Its table `forensics`, with patient and label of each slice.
    load
        Name of a slice → its image (rows, columns) uint8.
    """
    names = [name for name in telling(answers)["trace"] if name in BY_NAME][:EXAMPLES]
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
        caption = f"{count(int(rows['patients'].max()), 'patient')}. {_COLOURS}"
        name = f"forensics-{len(parts) + 1}"
        table = answers_table(rows, name, f"All traces that differ among patients: {question}")
        examples = trace_examples(rows, traces[cohort], partial(load, cohort)) if tells == LABEL else []
        parts.append(AnswersOfCohort(cohort, question, Markup(answers_chart(rows)), caption, table, examples))
    return parts
