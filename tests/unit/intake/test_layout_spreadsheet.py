"""Read an .xlsx of metadata, or say in a sentence why not."""

import random

import pytest

from lungsight.errors import UserError
from lungsight.intake.layouts import spreadsheet
from lungsight.intake.layouts.spreadsheet import read_first_sheet
from tests.factories.spreadsheets import MAIN, write_spreadsheet

ROWS = [["File name", "Patient ID", "Age"], ["a%1.png", "Patient 1", "41"], ["b & c", "", "7"], ["", "P", ""]]


def sheet(cells):
    return f"<worksheet {MAIN}><sheetData>{cells}</sheetData></worksheet>"


def test_cells_are_read_at_their_places(tmp_path):
    write_spreadsheet(tmp_path / "t.xlsx", ROWS)
    assert read_first_sheet(tmp_path / "t.xlsx") == ROWS


def test_texts_in_place_in_runs_and_without_references(tmp_path):
    cells = (
        '<row><c t="inlineStr"><is><t> in </t></is></c><c><v>2.5</v></c></row>'
        '<row><c r="AB2" t="s"><v>0</v></c></row><row/>'
    )
    strings = f"<sst {MAIN}><si><r><t>rich </t></r><r><t>text</t></r><rPh><t>sound</t></rPh></si></sst>"
    write_spreadsheet(tmp_path / "t.xlsx", sheet1=sheet(cells), sharedStrings=strings)
    rows = read_first_sheet(tmp_path / "t.xlsx")
    assert rows[0][:3] == ["in", "2.5", ""]
    assert rows[1] == [""] * 27 + ["rich text"] and rows[2] == [""] * 28


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"sheet1": "<worksheet"}, "its XML is damaged"),
        ({"sheet1": ""}, "its part xl/worksheets/sheet1.xml is missing"),
        ({"workbook": f"<workbook {MAIN}/>"}, "it has no sheet"),
        ({"workbook": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}, "its XML has a document type"),
        ({"sheet1": sheet('<row><c r="A1" t="s"><v>9</v></c></row>')}, "refers to a text that is not there"),
        ({"sheet1": sheet('<row><c r="A1" t="s"><v>-1</v></c></row>')}, "refers to a text that is not there"),
        ({"sheet1": sheet('<row><c r="A1" t="s"><v>x</v></c></row>')}, "it is encrypted or damaged"),
        ({"sheet1": sheet('<row><c r="ZZZ1"><v>1</v></c></row>')}, "it has more than 1000 columns"),
        ({"sheet1": sheet('<row><c r="../x"><v>1</v></c></row>')}, "it has a cell '../x'"),
        ({"sheet1": sheet("<row/>" * 3000 + '<row><c r="ALK1"><v>1</v></c></row>')}, "more than 2,000,000 cells"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, changed, problem):
    write_spreadsheet(tmp_path / "meta.xlsx", ROWS, **changed)
    with pytest.raises(UserError) as caught:
        read_first_sheet(tmp_path / "meta.xlsx")
    message = str(caught.value)
    assert message.startswith("meta.xlsx cannot be read as a spreadsheet: ") and problem in message
    assert message.endswith("Download it again, or save it as CSV.")


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheet, "MOST_BYTES", 10_000)
    write_spreadsheet(tmp_path / "t.xlsx", ROWS, sheet1=sheet(" " * 10_000))
    with pytest.raises(UserError, match="unpacks to more than 0 MB"):
        read_first_sheet(tmp_path / "t.xlsx")


def test_a_document_type_in_utf_16_is_refused(tmp_path):
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    write_spreadsheet(tmp_path / "t.xlsx", ROWS, sheet1=text.encode("utf-16"))
    with pytest.raises(UserError, match="a document type"):
        read_first_sheet(tmp_path / "t.xlsx")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(UserError, match="it is no ZIP archive"):
        read_first_sheet(tmp_path / "t.xlsx")


def test_damage_anywhere_is_a_sentence_or_nothing(tmp_path):
    """Whatever bytes are changed or cut, no other error leaves the reader."""
    path, numbers = tmp_path / "t.xlsx", random.Random(4)
    write_spreadsheet(path, ROWS)
    whole = path.read_bytes()
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(numbers.randint(1, 4)):
            damaged[numbers.randrange(len(damaged))] = numbers.randrange(256)
        path.write_bytes(damaged[: numbers.choice((len(damaged), numbers.randrange(len(damaged))))])
        try:
            read_first_sheet(path)
        except UserError as error:
            assert "cannot be read as a spreadsheet" in str(error)
