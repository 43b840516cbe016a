"""Tables: written whole, read with a check, numbers at full precision."""

import numpy as np
import pandas as pd
import pytest
import yaml

from lungsight.errors import UserError
from lungsight.rows import ConvertedCasesRow, SlicesRow
from lungsight.tables import SCHEMAS, check_table, columns_of, read_table, rows_of, write_table

CASE, PATIENT = "0123456789abcdef", "fedcba9876543210"
SLICE = {
    **{"slice": f"{CASE}-0000", "case": CASE, "patient": PATIENT, "label": "Covid-19", "source": "s"},
    **{"z_index": 0, "png": "png/000/x.png", "sha256": "0" * 64},
}
CONVERTED = {
    **dict.fromkeys(columns_of("converted_cases")),
    **{"case": CASE, "kind": "series", "n_slices": 0, "status": "rejected", "reason": "why"},
    **{"kernel": "", "manufacturer": "", "transfer_syntax": ""},
}


def test_a_table_reads_back_as_it_was_written(tmp_path):
    rows = [SLICE, SLICE | {"slice": f"{CASE}-0001", "z_index": 1, "source": "NA", "label": ""}]
    write_table(tmp_path / "t.tsv", rows, schema="slices")
    table = read_table(tmp_path / "t.tsv", schema="slices")
    assert table.to_dict("records") == rows
    assert table["z_index"].dtype == np.int64


def test_rows_have_the_values_and_types_that_their_type_names(tmp_path):
    write_table(tmp_path / "slices.tsv", [SLICE], schema="slices")
    [row] = rows_of(read_table(tmp_path / "slices.tsv", schema="slices"), SlicesRow)
    assert row == SLICE
    assert {name: type(value) for name, value in row.items()} == SlicesRow.__annotations__
    write_table(tmp_path / "cases.tsv", [CONVERTED | {"kvp": 120}], schema="converted_cases")
    [row] = rows_of(read_table(tmp_path / "cases.tsv", schema="converted_cases"), ConvertedCasesRow)
    assert row["kvp"] == 120 and np.isnan(row["spacing_row"])


def test_numbers_keep_full_precision_and_null_is_an_empty_field(tmp_path):
    rows = [CONVERTED | {"spacing_row": 0.1 + 0.2, "contrast": 1}, CONVERTED | {"case": PATIENT}]
    write_table(tmp_path / "t.tsv", rows, schema="converted_cases")
    assert "0.30000000000000004" in (tmp_path / "t.tsv").read_text()
    table = read_table(tmp_path / "t.tsv", schema="converted_cases")
    assert table["spacing_row"][0] == 0.1 + 0.2 and np.isnan(table["spacing_row"][1])
    assert "\t1\t" in (tmp_path / "t.tsv").read_text()  # a yes/no column with gaps stays whole


def test_columns_come_in_the_schemas_order_and_others_after(tmp_path):
    write_table(tmp_path / "t.tsv", [{"extra": "x", **dict(reversed(SLICE.items()))}], schema="slices")
    header = (tmp_path / "t.tsv").read_text().splitlines()[0].split("\t")
    assert header == [*columns_of("slices"), "extra"]


def test_an_empty_table_has_its_header(tmp_path):
    write_table(tmp_path / "t.tsv", [], schema="slices")
    assert (tmp_path / "t.tsv").read_text() == "\t".join(columns_of("slices")) + "\n"
    assert len(read_table(tmp_path / "t.tsv", schema="slices")) == 0


def test_rows_that_do_not_fit_are_named(tmp_path):
    rows = [SLICE, SLICE | {"case": "Doe"}, SLICE | {"z_index": -1}]
    with pytest.raises(UserError, match=r"row 2: .*case.*row 3: .*z_index"):
        write_table(tmp_path / "t.tsv", rows, schema="slices")
    assert not (tmp_path / "t.tsv").exists()


def test_missing_columns_files_and_numbers_are_errors_in_words(tmp_path):
    with pytest.raises(UserError, match="column png is missing; expected slice, case"):
        check_table(pd.DataFrame([SLICE]).drop(columns="png"), "slices", "here")
    with pytest.raises(UserError, match="does not exist"):
        read_table(tmp_path / "none.tsv", schema="slices")
    write_table(tmp_path / "t.tsv", [SLICE], schema="slices")
    text = (tmp_path / "t.tsv").read_text()
    (tmp_path / "t.tsv").write_text(text.replace("\t0\tpng", "\tzero\tpng"))
    with pytest.raises(UserError, match="column z_index"):
        read_table(tmp_path / "t.tsv", schema="slices")
    (tmp_path / "t.tsv").write_bytes(b"")
    with pytest.raises(UserError, match="not a tab-separated"):
        read_table(tmp_path / "t.tsv", schema="slices")


def test_a_quotation_mark_that_is_not_closed_swallows_no_rows(tmp_path):
    rows = [SLICE | {"slice": f"{CASE}-{number:04d}"} for number in range(6)]
    write_table(tmp_path / "t.tsv", rows, schema="slices")
    lines = (tmp_path / "t.tsv").read_text().splitlines()
    for second in (4, None):
        broken = [line.replace("Covid-19", '"Covid-19') if n in (2, second) else line for n, line in enumerate(lines)]
        (tmp_path / "t.tsv").write_text("\n".join(broken) + "\n")
        with pytest.raises(UserError, match=r"line 3: a quotation mark|is not a tab-separated"):
            read_table(tmp_path / "t.tsv", schema="slices")
    write_table(tmp_path / "t.tsv", [SLICE | {"source": 'a "b" c'}, SLICE | {"source": '"'}], schema="slices")
    assert read_table(tmp_path / "t.tsv", schema="slices")["source"].tolist() == ['a "b" c', '"']


def test_more_than_five_wrong_rows_are_counted():
    with pytest.raises(UserError, match=r"\(and 3 more rows\)"):
        check_table(pd.DataFrame([SLICE | {"case": "x"}] * 8), "slices", "here")


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.table.yaml")), ids=lambda path: path.stem)
def test_every_schema_requires_columns_it_has(path):
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(schema["required"]) <= set(schema["properties"])
