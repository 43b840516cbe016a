"""The pages of the checklists and of the risk of bias: two files that open without a network."""

from collections.abc import Mapping, Sequence

import pandas as pd

from lungsight import __version__
from lungsight.checklists.diagram import cohorts_in, draw
from lungsight.checklists.diagram import in_words as flow_in_words
from lungsight.checklists.fill import NOT_DONE, PARTLY, STATES, TO_FILL, WITHHELD, in_words, missing_keys, summary_of
from lungsight.checklists.items import Checklist
from lungsight.checklists.patient_flow import gaps
from lungsight.checklists.risk import DOMAINS, HIGH, LOW, UNCLEAR
from lungsight.report.components import Cell, PageTable, Statement, missing, text, whole
from lungsight.report.rendering import render
from lungsight.report.templates import CHECKLISTS_TEMPLATE, RISK_TEMPLATE
from lungsight.rows import ChecklistsRow
from lungsight.wording import count, number

_TONES = {PARTLY: "warn", TO_FILL: "warn", NOT_DONE: ""}
_RISKS = {LOW: "good", UNCLEAR: "warn", HIGH: "bad"}


def render_checklists(
    title: str,
    checklists: Sequence[Checklist],
    rows: Sequence[ChecklistsRow],
    has_study: bool,
) -> str:
    """Render the page of all checklists.

    Parameters
    ----------
    title
        Of the run.
    rows
        Of checklists.tsv.
    has_study
        Whether the config names a study file.
    """
    waiting = missing_keys(rows)
    by_list = {each.name: [row for row in rows if row["checklist"] == each.name] for each in checklists}
    return render(
        CHECKLISTS_TEMPLATE,
        {
            "title": title,
            "version": __version__,
            "statements": _statements(waiting, has_study, rows),
            "overview": _overview(checklists, rows),
            "missing_keys": [f"{key} ({count(n, 'item')})" for key, n in waiting.items()],
            "checklists": [
                {
                    "id": _anchor(each.name),
                    "about": each,
                    "summary": in_words(summary_of(rows, each.name)),
                    "items": _items(each.name, by_list[each.name]),
                }
                for each in checklists
            ],
        },
    )


def _statements(waiting: Mapping[str, int], has_study: bool, rows: Sequence[ChecklistsRow]) -> list[Statement]:
    said = []
    if not has_study:
        said.append(
            Statement(
                "warn",
                "The config names no study file. What only a person can know is missing below. Copy config/study.yaml,"
                " fill it in, and name it in the config: study: my-study.yaml.",
            )
        )
    if waiting:
        n = sum(row["state"] in (TO_FILL, PARTLY) for row in rows)
        verb = "waits" if n == 1 else "wait"
        said.append(Statement("warn", f"{count(n, 'item')} {verb} for {count(len(waiting), 'key')} of the study file."))
    if any(row["answer"] == WITHHELD for row in rows):
        said.append(Statement("bad", "A text of the study file holds the id of a patient and is not shown."))
    return said or [Statement("good", "Every key of the study file that an item asks for is filled in.")]


def _overview(checklists: Sequence[Checklist], rows: Sequence[ChecklistsRow]) -> PageTable:
    lines = [
        [Cell(each.name, note=f"doi:{each.doi}"), *(whole(n) for n in summary_of(rows, each.name).values())]
        for each in checklists
    ]
    hints = {
        "value": "answered by files of this run",
        "partly": "so, and a person has to add something",
        "human": "answered by the study file",
        "to fill": "a person has to answer",
        "not done": "nothing answers it",
    }
    headings = [("Checklist", ""), *((state, hints[state]) for state in STATES)]
    return PageTable("checklists", "Rows of each checklist, by how they are answered", headings, lines)


def _items(name: str, rows: Sequence[ChecklistsRow]) -> PageTable:
    lines = [
        [
            Cell(row["item"], sort=float(place)),
            Cell(row["asks"], note=row["section"]),
            text(row["answer"]) if row["answer"] else missing(),
            Cell(row["file"], note=row["column"]),
            Cell(row["state"], tone=_TONES.get(row["state"], "good")),
        ]
        for place, row in enumerate(rows)
    ]
    headings = [
        ("Item", "published number"),
        ("Asked", "in our words"),
        ("Answer", ""),
        ("From", "file and column"),
        ("State", ""),
    ]
    return PageTable(f"{_anchor(name)}-items", name, headings, lines)


def _anchor(name: str) -> str:
    return name.lower().replace("+", "-").replace(" ", "-")


def render_risk(title: str, risk: pd.DataFrame, flow: pd.DataFrame) -> str:
    """Render the page of the risk of bias and of the flow diagrams. risk, flow: the tables of these names."""
    wrong = gaps(flow)
    return render(
        RISK_TEMPLATE,
        {
            "title": title,
            "version": __version__,
            "domains": _domains(risk),
            "rules": [_rules(risk, domain) for domain in DOMAINS],
            "sums": [Statement("bad", sentence + ".") for sentence in wrong]
            or [Statement("good", f"The numbers of {count(len(cohorts_in(flow)), 'cohort')} add up at every step.")],
            "flows": [(cohort, draw(flow, cohort), flow_in_words(flow, cohort)) for cohort in cohorts_in(flow)],
        },
    )


def _domains(risk: pd.DataFrame) -> PageTable:
    rows = [
        [text(row["domain"]), Cell(row["judgement"], tone=_RISKS[row["judgement"]]), text(row["note"])]
        for row in risk[risk["rule"] == ""].to_dict("records")
    ]
    return PageTable("domains", "Risk of bias, by domain", [("Domain", ""), ("Risk", ""), ("What decided", "")], rows)


def _rules(risk: pd.DataFrame, domain: str) -> PageTable:
    of_domain = risk[(risk["domain"] == domain) & (risk["rule"] != "")]
    rows = [
        [
            Cell(row["rule"]),
            text(row["asks"]),
            _number(row["value"]),
            _number(row["unclear_from"]),
            _number(row["high_from"]),
            Cell(row["judgement"], tone=_RISKS[row["judgement"]]),
            Cell(row["note"], note=row["where"]),
            Cell(row["file"], note=row["column"]),
        ]
        for row in of_domain.to_dict("records")
    ]
    headings = [("Rule", ""), ("Asked", ""), ("Number", "the worst one found")]
    headings += [
        ("Unclear from", ""),
        ("High from", ""),
        ("Risk", ""),
        ("Found", "and where"),
        ("From", "file and column"),
    ]
    return PageTable(f"rules-{DOMAINS.index(domain)}", f"Rules of the domain {domain}", headings, rows)


def _number(value: float) -> Cell:
    if pd.isna(value):
        return missing()
    return Cell(
        f"{value:,.0f}".replace(",", " ") if float(value).is_integer() or value >= 1000 else number(value), float(value)
    )
