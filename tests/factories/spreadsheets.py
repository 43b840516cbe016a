"""Small spreadsheets, written part by part."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def parts_of(rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """Write the parts of a spreadsheet of one sheet: text as shared strings, numbers in place."""
    strings = list(dict.fromkeys(field for row in rows for field in row if field and not field.isdigit()))
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = [
            f'<c r="{chr(65 + column)}{number}"><v>{field}</v></c>'
            if field.isdigit()
            else f'<c r="{chr(65 + column)}{number}" t="s"><v>{strings.index(field)}</v></c>'
            for column, field in enumerate(row)
            if field
        ]
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    texts = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    return {
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{RELATIONS}"><sheets><sheet name="a" sheetId="1" r:id="rId1"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        f'relationships"><Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>",
        "xl/sharedStrings.xml": f"<sst {MAIN}>{texts}</sst>",
        "xl/worksheets/sheet1.xml": f"<worksheet {MAIN}><sheetData>{''.join(lines)}</sheetData></worksheet>",
    }


def write_spreadsheet(path: Path, rows: Sequence[Sequence[str]] = (), **changed: str | bytes) -> None:
    """Write an .xlsx. changed: the parts that shall be others, by the last word of their name; "" leaves one out."""
    parts = parts_of(rows)
    names = {name.split("/")[-1].removesuffix(".xml"): name for name in parts}
    parts |= {names[word]: content for word, content in changed.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            if content:
                archive.writestr(name, content)
