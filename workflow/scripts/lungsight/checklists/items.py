"""Read the checklists of workflow/report/checklists: reporting guidelines, item by item, in our own words."""

from pathlib import Path
from typing import NamedTuple

import fastjsonschema

from lungsight.own_yaml import read_own_yaml

FOLDER = Path(__file__).resolve().parents[3] / "report" / "checklists"
SCHEMA = FOLDER.parents[1] / "schemas" / "checklist.schema.yaml"
NAMES = ("claim2024", "tripod_ai", "stard2015", "probast_ai")
VALUE, HUMAN, NOT_DONE = "value", "human", "not done"


class Item(NamedTuple):
    """One item: its published number, what is asked, and how it is answered. workflow/schemas/checklist.schema.yaml."""

    item: str
    section: str
    asks: str
    answer: str
    fact: str = ""
    table: str = ""
    column: str = ""
    field: str = ""
    why: str = ""


class Checklist(NamedTuple):
    """A checklist. checked: against what its numbers were checked."""

    name: str
    citation: str
    doi: str
    checked: str
    items: list[Item]


def read_checklist(name: str) -> Checklist:
    """Read one checklist and check it against its schema. name: one of NAMES."""
    written = read_own_yaml(FOLDER / f"{name}.yaml")
    fastjsonschema.validate(read_own_yaml(SCHEMA), written)
    return Checklist(**written | {"items": [Item(**item) for item in written["items"]]})


def read_checklists() -> list[Checklist]:
    """Read all checklists, in the order of NAMES."""
    return [read_checklist(name) for name in NAMES]
