"""The checklists themselves: every published item once and in order, and every value from a file of the contract."""

import pytest

from lungsight.checklists.facts import FACTS
from lungsight.checklists.items import NAMES, VALUE, read_checklist, read_checklists
from lungsight.checklists.study import study_schema
from lungsight.tables import columns_of


def numbers(last: int, **letters: str) -> list[str]:
    """1 to `last`; an item with letters, i12="ab", has one for each instead."""
    split = {int(name[1:]): values for name, values in letters.items()}
    return [f"{n}{letter}" for n in range(1, last + 1) for letter in (split.get(n) or [""])]


def questions(part: str, *domains: int) -> list[str]:
    return [f"{part} {domain}.{n}" for domain, last in enumerate(domains, start=1) for n in range(1, last + 1)]


PUBLISHED = {
    "claim2024": numbers(44),
    "tripod_ai": numbers(
        27,
        **{"i3": "abc", "i5": "ab", "i6": "abc", "i8": "abc", "i9": "abc", "i12": "abcdefg", "i18": "abcdef"},
        **{"i20": "abc", "i23": "ab", "i27": "abc"},
    ),
    "stard2015": numbers(30, i10="ab", i12="ab", i13="ab", i21="ab"),
    "probast_ai": questions("development", 3, 4, 4, 5) + questions("evaluation", 3, 4, 4, 7),
}
# Files of the contract: table → schema; of JSON files the keys.
SCHEMAS = {
    "cohorts/<cohort>/cases.tsv": "cases",
    "cohorts/<cohort>/slices.tsv": "slices",
    "cohorts/duplicates.tsv": "duplicates",
    "qc/<cohort>/manifest.tsv": "manifest",
    "splits/<cohort>/<input view>.tsv": "split",
    "models/<pipeline>/stage<k>/history.tsv": "history",
    "report/saliency.tsv": "report_saliency",
    **{
        f"report/{name}.tsv": name
        for name in (
            *(
                "metrics",
                "leakage",
                "differences",
                "aggregation",
                "subgroups",
                "verdicts",
                "intake_labels",
                "selection",
            ),
            *("flow", "risk", "power"),
        )
    },
}
KEYS = {
    "run.json": {"intake"},
    "models/<pipeline>/stage<k>/provenance.json": {"backbone", "packages", "weights", "settings", "preprocessing"},
}


@pytest.mark.parametrize("name", NAMES)
def test_every_published_item_is_there_once_and_in_order(name: str) -> None:
    assert [item.item for item in read_checklist(name).items] == PUBLISHED[name]


def test_the_published_counts() -> None:
    """44 items; 27 in 52; 30 in 34; 16 questions on development and 18 on evaluation."""
    assert [len(PUBLISHED[name]) for name in NAMES] == [44, 52, 34, 34]
    assert sum(item.startswith("development") for item in PUBLISHED["probast_ai"]) == 16


def test_every_value_names_a_table_and_a_column_of_the_contract() -> None:
    for checklist in read_checklists():
        for item in checklist.items:
            if item.answer == VALUE:
                columns = KEYS.get(item.table) or columns_of(SCHEMAS[item.table])
                assert item.column in columns, (checklist.name, item.item)
                assert item.fact in FACTS, (checklist.name, item.item)


def test_a_fact_has_one_source_and_every_fact_is_used() -> None:
    items = [item for checklist in read_checklists() for item in checklist.items if item.fact]
    sources = {fact: {(item.table, item.column) for item in items if item.fact == fact} for fact in FACTS}
    assert {fact: len(found) for fact, found in sources.items()} == dict.fromkeys(FACTS, 1)


def test_every_key_of_the_study_file_answers_an_item() -> None:
    fields = {
        key for checklist in read_checklists() for item in checklist.items for key in item.field.split(", ") if key
    }
    assert fields | {"interval_width_aim"} == set(study_schema()["properties"])
