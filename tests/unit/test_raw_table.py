"""Tables of any program are read whole, or refused with the line that is in the way."""

import errno
import io
import zipfile
from pathlib import Path

import pytest

from lungsight.errors import UserError
from lungsight.raw_table import decode_text, is_formula, read_header, read_raw_table

HEADER = "patient\tpath\tlabel"
BODY = ["P1\ta\tcovid", "Müller\tb\tnormal"]
RECORDS = [["P1", "a", "covid"], ["Müller", "b", "normal"]]


def table_of(tmp_path, content):
    path = tmp_path / "t.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(tmp_path, content):
    with pytest.raises(UserError) as caught:
        read_raw_table(table_of(tmp_path, content), "my table")
    assert str(caught.value).startswith("my table")
    return str(caught.value)


def text(*lines, end="\n"):
    return end.join(lines) + end


PLAIN = text(HEADER, *BODY)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf\xef\xbb\xbf" + PLAIN.encode(),
        b"\xef\xbb\xbf" + "ï»¿".encode() + PLAIN.encode(),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        b"\xff\xfe" + PLAIN.encode("utf-16-le"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        b"\xff\xfe" + ("\ufeff" + PLAIN).encode("utf-16-le"),
        PLAIN.encode("utf-32"),
        PLAIN.encode("cp1252"),
        text(HEADER, *BODY, end="\r").encode(),
        text(HEADER, *BODY, end="\r\n").encode(),
        (HEADER + "\r" + BODY[0] + "\n" + BODY[1]).encode(),
        text("sep=;", PLAIN.replace("\t", ";").strip()).encode(),
        text('"sep=,"', PLAIN.replace("\t", ",").strip(), end="\r\n").encode(),
        text("# made by hand", "", "#again\twith\ttabs", HEADER, *BODY, "", "\t\t", "").encode(),
        text(HEADER + "\t", *(line + "\t" for line in BODY)).encode(),
        text(HEADER, *(line + "\t\t" for line in BODY)).encode(),
        text(HEADER + "\t\t", *BODY).encode(),
        text("\ufeffPatient\u200b\tPATH\t\u00a0label ", *BODY).encode(),
        text(*('"' + line.replace("\t", '"\t"') + '"' for line in (HEADER, *BODY))).encode(),
    ],
)
def test_what_programs_leave_around_a_table_is_no_part_of_it(tmp_path, content):
    table = read_raw_table(table_of(tmp_path, content))
    named = [name for name in table.header if name]
    assert named == ["patient", "path", "label"]
    assert [[table.by_column(record)[name] for name in named] for record in table.records] == RECORDS
    assert not any(map(table.misfit, table.records))


@pytest.mark.parametrize("field", ['5" disc', 'a "b" c', "it's", "a#b"])
def test_a_quotation_mark_within_a_field_is_a_letter(tmp_path, field):
    assert read_raw_table(table_of(tmp_path, text(HEADER, f"{field}\ta\tcovid"))).records == [[field, "a", "covid"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("at", [1, 5, 12])
def test_a_stray_quotation_mark_never_swallows_rows(tmp_path, end, separator, column, at):
    """At any place: alone to the end, or closed by a second one further down."""
    rows = [[f"P{number}", f"scan{number}", "covid"] for number in range(1, 13)]
    for second in {0, min(at + 3, 12)} - {at}:
        broken = [list(row) for row in rows]
        broken[at - 1][column] = '"' + broken[at - 1][column]
        if second:
            broken[second - 1][column] = '"' + broken[second - 1][column]
        content = text(separator.join(["patient", "path", "label"]), *(separator.join(row) for row in broken), end=end)
        message = refusal(tmp_path, content)
        assert message.startswith(f'my table, line {at + 1}: a quotation mark (") opens here'), message


def test_a_line_break_within_a_field_is_refused_with_the_line_where_it_begins(tmp_path):
    message = refusal(tmp_path, text(HEADER + "\tnote", 'P1\ta\tcovid\t"two', 'lines"', "P2\tb\tcovid\t"))
    assert "my table, line 2: a quotation mark" in message and "all to line 3 would be one field" in message


def test_text_behind_a_closing_quotation_mark_is_refused(tmp_path):
    assert "line 2: text follows a quotation mark" in refusal(tmp_path, text(HEADER, '"P"1\ta\tcovid'))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"PK\x03\x04rest",
            "is a spreadsheet or an archive (.xlsx, .ods, .numbers, .zip), no text. Open it",
        ),
        (b"\xd0\xcf\x11\xe0rest", "is an old spreadsheet (.xls)"),
        (b"\x1f\x8b\x08rest", "is a compressed file"),
        (b"%PDF-1.4", "is a PDF"),
        ("<!DOCTYPE html><p>Log in", "is a web page or XML, no table"),
        (b"\xff\xfeabc", "begins as utf-16"),
        (text(HEADER, "P1\ta\0\tcovid"), "line 2: a NUL byte, which no text holds"),
        (text(HEADER, BODY[0], "#P2\tb\tcovid"), "line 3 begins with #. Comments are read above the header alone"),
        (text(HEADER, BODY[0], HEADER, BODY[1]), "row 2: the header again. Were two tables joined?"),
        (text(HEADER, BODY[0], HEADER.upper(), BODY[1]), "row 2: the header again."),
        ("# a comment alone\n", "is empty."),
        ("sep=;\n", "is empty."),
        ("", "is empty."),
    ],
)
def test_what_is_no_table_is_refused_and_told_what_to_do(tmp_path, content, words):
    assert words in refusal(tmp_path, content)


def test_a_real_spreadsheet_is_told_to_be_exported(tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
    assert "export the table as TSV or CSV" in refusal(tmp_path, archive.getvalue())


def test_a_folder_and_an_absent_table_are_told(tmp_path):
    with pytest.raises(UserError, match="is a folder; name the table in it"):
        read_raw_table(tmp_path)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_raw_table(tmp_path / "absent.tsv")


def test_a_table_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UserError, match=r"t\.tsv cannot be read: Permission denied\."):
        read_raw_table(tmp_path / "t.tsv")


def test_an_id_that_begins_with_a_hash_may_stand_in_quotes(tmp_path):
    assert read_raw_table(table_of(tmp_path, text(HEADER, '"#7"\ta\tcovid'))).records[0][0] == "#7"


def test_a_body_with_other_separators_than_the_header_is_told(tmp_path):
    table = read_raw_table(table_of(tmp_path, text(HEADER, "P1,a,covid", "P2\tb")))
    assert table.misfit(table.records[0]) == (
        "1 fields, the header has 3. It seems to be separated by commas, the header is not."
    )
    assert table.misfit(table.records[1]) == "2 fields, the header has 3."


def test_latin_and_short_texts_are_decoded():
    assert decode_text("é".encode("latin-1")) == "é"
    assert decode_text(b"a\x81") == "a\x81"
    assert decode_text(b"") == ""


def test_what_a_spreadsheet_runs():
    assert all(map(is_formula, ("=1", "@a", "+a", "-a", "-1-1", "x\t=1", "x,@y")))
    assert not any(map(is_formula, ("", "-", "+", "-1", "+1.5", "- 3", "a=b", "a-b", "1-1", "2021-03-05")))


def test_a_header_and_a_column_are_read_alone(tmp_path):
    table = read_raw_table(table_of(tmp_path, text("# a comment", "Patient,path,source", "P1,a,s", "P2,b")))
    assert read_header(tmp_path / "t.tsv") == table.header == ["patient", "path", "source"]
    assert table.column("source") == [table.by_column(record)["source"] for record in table.records] == ["s", ""]
    assert table.column("absent") == ["", ""]
