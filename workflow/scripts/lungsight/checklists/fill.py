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
WITHHELD = "Not shown: the text holds the id of a patient of the cohort tables. Write it without."


def fill(checklists: Iterable[Checklist], evidence: Evidence, withheld: Collection[str] = ()) -> list[ChecklistsRow]:
    """Answer every item, in the order of the checklists.

    Parameters
    ----------
    withheld
        Keys of the study file whose text must not be shown.
    """
    return [_row(checklist.name, item, evidence, withheld) for checklist in checklists for item in checklist.items]


def missing_keys(checklists: Iterable[Checklist], rows: Sequence[ChecklistsRow]) -> dict[str, int]:
    """Count the items that wait for each key of the study file, the most wanted key first. rows: of `fill`."""
    fields = {(checklist.name, item.item): item.field for checklist in checklists for item in checklist.items}
    waiting = [fields[row["checklist"], row["item"]] for row in rows if row["state"] in (TO_FILL, PARTLY)]
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
    by_person = WITHHELD if item.field in withheld else str(evidence.study.get(item.field, ""))
    waits = not by_person or item.field in withheld
    if item.answer == NOT_DONE:
        return item.why, "", "", NOT_DONE
    fact = FACTS[item.fact](evidence) if item.answer == VALUE else None
    if fact is not None:
        if not item.field:
            return fact.text, item.table, item.column, VALUE
        added = f" By the study file: {by_person}" if by_person else ""
        return f"{fact.text}{added}", item.table, item.column, PARTLY if waits else VALUE
    if item.field:
        return by_person, STUDY_FILE, item.field, TO_FILL if waits else HUMAN
    return f"Nothing to read: this run has no such rows in {item.table}.", item.table, item.column, NOT_DONE
