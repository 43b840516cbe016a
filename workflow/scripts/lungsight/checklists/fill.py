"""Answer every item of the checklists: from the files of a run, by the study file, or not at all."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from lungsight.checklists.evidence import Evidence
from lungsight.checklists.facts import FACTS
from lungsight.checklists.items import HUMAN, NOT_DONE, VALUE, Checklist, Item
from lungsight.rows import ChecklistsRow
from lungsight.wording import count

PARTLY, TO_FILL = "partly", "to fill"
STATES = (VALUE, PARTLY, HUMAN, TO_FILL, NOT_DONE)
STUDY_FILE = "study.yaml"
NOT_SAID = "Not said: "
WITHHELD = "Not shown: the text holds the id of a patient of the cohort tables. Write it without."


def fill(checklists: Iterable[Checklist], evidence: Evidence, withheld: Collection[str] = ()) -> list[ChecklistsRow]:
    """Answer every item, in the order of the checklists.

    Parameters
    ----------
    withheld
        Keys of the study file whose text must not be shown.
    """
    return [_row(checklist.name, item, evidence, withheld) for checklist in checklists for item in checklist.items]


def missing_keys(rows: Sequence[ChecklistsRow]) -> dict[str, int]:
    """Count the items that wait for each key of the study file, the most wanted key first. rows: of `fill`."""
    waiting = [key for row in rows if row["state"] == TO_FILL for key in row["column"].split(", ")]
    for row in rows:
        if row["state"] == PARTLY:
            waiting += row["answer"].rpartition(NOT_SAID)[2].removesuffix(".").split(", ")
    return dict(Counter(waiting).most_common())


def summary_of(rows: Iterable[ChecklistsRow], checklist: str) -> dict[str, int]:
    """Count the items of a checklist in each state."""
    states = [row["state"] for row in rows if row["checklist"] == checklist]
    return {state: states.count(state) for state in STATES}


def in_words(counts: dict[str, int]) -> str:
    """Say how far a checklist is filled."""
    words = {
        VALUE: "from files",
        PARTLY: "partly from files",
        HUMAN: "by the study file",
        TO_FILL: "to fill",
        NOT_DONE: "not done",
    }
    shown = ", ".join(f"{n} {words[state]}" for state, n in counts.items() if n)
    return f"{count(sum(counts.values()), 'row')}: {shown}"


def _row(checklist: str, item: Item, evidence: Evidence, withheld: Collection[str]) -> ChecklistsRow:
    answer, file, column, state = _answered(item, evidence, withheld)
    return ChecklistsRow(
        checklist=checklist,
        item=item.item,
        section=item.section,
        asks=item.asks,
        answer=answer,
        file=file,
        column=column,
        state=state,
    )


def _answered(item: Item, evidence: Evidence, withheld: Collection[str]) -> tuple[str, str, str, str]:
    """Return answer, file, column and state of an item."""
    if item.answer == NOT_DONE:
        return item.why, "", "", NOT_DONE
    keys = item.field.split(", ") if item.field else []
    waiting = [key for key in keys if key not in evidence.study or key in withheld]
    by_person = [WITHHELD if key in withheld else str(evidence.study[key]) for key in keys if key in evidence.study]
    not_said = [f"{NOT_SAID}{', '.join(waiting)}."] if waiting else []
    fact = FACTS[item.fact](evidence) if item.answer == VALUE else None
    if fact is not None:
        added = [f"By the study file: {_ended(by_person)}"] if by_person else []
        return " ".join([fact.text, *added, *not_said]), item.table, item.column, PARTLY if waiting else VALUE
    if not keys:
        return item.why or f"This run has no such rows in {item.table}.", item.table, item.column, NOT_DONE
    if len(waiting) == len(keys):
        return "; ".join(by_person), STUDY_FILE, item.field, TO_FILL
    if not waiting:
        return "; ".join(by_person), STUDY_FILE, item.field, HUMAN
    return " ".join([_ended(by_person), *not_said]), STUDY_FILE, item.field, PARTLY


def _ended(texts: list[str]) -> str:
    """Join texts, and end them as a sentence."""
    joined = "; ".join(texts)
    return joined if joined.endswith((".", "?", "!")) else f"{joined}."
