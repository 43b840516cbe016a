"""Read the cohort table of any program, and list everything that is wrong with it at once."""

from pathlib import Path

import pytest

from lungsight.errors import UserError
from lungsight.intake.cohort_table import read_cohort_table, read_cohort_tables, read_rows

LABELS = {"Covid-19": ["covid", "1"], "Non Covid": ["normal", "0"]}
ROWS = [("P1", "a", "covid"), ("Müller", "b", "Non Covid")]


@pytest.fixture
def cohort(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / "scans" / name).mkdir(parents=True)
    return {
        **{"role": "target", "format": "dicom", "patients": "known"},
        **{"root": str(tmp_path / "scans"), "table": str(tmp_path / "table.tsv")},
    }


def write(cohort, rows=ROWS, header=("patient", "path", "label"), separator="\t", encoding="utf-8", end="\n"):
    text = end.join(separator.join(fields) for fields in [header, *rows]) + end
    with open(cohort["table"], "wb") as file:
        file.write(text.encode(encoding))


def read(cohort):
    return read_cohort_table("hospital", cohort, LABELS)


def errors(cohort):
    with pytest.raises(UserError) as caught:
        read(cohort)
    return str(caught.value)


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_of_any_program_are_read(cohort, separator, encoding, end):
    write(cohort, separator=separator, encoding=encoding, end=end)
    rows = read(cohort)
    assert [(row.row, row.patient, row.path, row.label) for row in rows] == [
        (1, "P1", "a", "Covid-19"),
        (2, "Müller", "b", "Non Covid"),
    ]
    assert read_rows(Path(cohort["table"]), LABELS) == rows


def test_every_column_is_read_and_blank_rows_are_not_numbered(cohort):
    header = ("Path", "PATIENT", "label", "source", "mask", "split", "age")
    write(cohort, [("a", " P1 ", "1", "s", "c", "val", "60"), ("",) * 7, ("b", "P2", "0", "", "", "", "")], header)
    first, second = read(cohort)
    assert (first.patient, first.source, first.mask, first.split, first.label) == ("P1", "s", "c", "val", "Covid-19")
    assert (second.row, second.path) == (2, "b")


def test_a_lesion_mask_is_checked_like_any_path_and_may_be_missing_from_a_row(cohort):
    header = ("patient", "path", "label", "lesion")
    write(cohort, [("P1", "a", "1", "c"), ("P2", "b", "0", "")], header)
    assert [row.lesion for row in read(cohort)] == ["c", ""]
    assert read_rows(Path(cohort["table"]), LABELS) == read(cohort)
    write(cohort, [("P1", "a", "1", "absent"), ("P2", "b", "0", "../c")], header)
    message = errors(cohort)
    assert f"row 1: lesion 'absent' does not exist below {cohort['root']}." in message
    assert "row 2: lesion '../c' leads out of the root." in message


def test_everything_wrong_is_listed_at_once_by_row(cohort):
    rows = [
        ("P1", "a", "Covid"),
        ("P2", "b", ""),
        ("P3", "missing", "1"),
        ("", "c", "0"),
        ("P5", "../a", "0"),
        ("P6", "", "0"),
        ("P7", "./a/", "0"),
        ("P8", "c"),
        ("P9", "a/../b", "0"),
    ]
    write(cohort, rows)
    message = errors(cohort)
    assert "row 1: label 'Covid' is not in labels; did you mean 'covid'?" in message
    assert "row 2: label is empty; known words: Covid-19, covid, 1, Non Covid, normal, 0." in message
    assert f"row 3: path 'missing' does not exist below {cohort['root']}." in message
    assert "row 4: patient is empty; give one, or set patients: unknown for the cohort." in message
    assert "row 5: path '../a' leads out of the root." in message
    assert "row 6: path is empty." in message
    assert "row 7: the path of row 1 again." in message
    assert "row 8: 2 fields, the header has 3." in message
    assert "row 9: path 'a/../b' leads out of the root." in message
    assert message.startswith(f"{cohort['table']} (cohort hospital):")


@pytest.mark.parametrize(
    ("source", "content"),
    [
        *[("p10", "the id of a patient"), ("MÜLLER", "the id of a patient")],
        *[("/data/mueller", "a path"), ("C:\\scans", "a path"), ("~/x", "a path"), ("../y", "a path")],
        ("b/c", "a path"),
        *[("CT 2020-03-14", "a date"), ("20200314", "a date"), ("14.3.2020", "a date"), ("2020_3_4", "a date")],
        *[("1.2.840.113619.2.55", "a UID"), ("456", "the id of a patient")],
    ],
)
def test_a_source_that_may_name_a_person_is_refused_since_it_is_published(cohort, source, content):
    rows = [("Müller", "a", "1", "site 1"), ("456" if source == "456" else "P10", "b/c", "0", source)]
    write(cohort, [*rows, ("p10", "c", "0", "456")], ("patient", "path", "label", "source"))
    message = errors(cohort)
    assert f"row 2: source holds {content}; results show it as it is" in message and "row 1" not in message


@pytest.mark.parametrize(
    "source", ["", "1", "101", "site 2", "Siemens Force 2020", "v1.2.20", "6_Rahimzadeh", "2020", "N/A", "LIDC/IDRI"]
)
def test_other_sources_are_accepted(cohort, source):
    write(cohort, [("1", "a", "1", source), ("101", "b", "0", "2")], ("patient", "path", "label", "source"))
    assert read(cohort)[0].source == source


def test_many_errors_are_cut_short(cohort):
    write(cohort, [(f"P{n}", f"none{n}", "1") for n in range(50)])
    assert errors(cohort).endswith("… and 30 more.")


@pytest.mark.parametrize("word", ["COVID", "Normal", "COVID-19"])
def test_a_similar_label_is_suggested(cohort, word):
    write(cohort, [("P", "a", word)])
    assert "did you mean" in errors(cohort)


def test_patients_may_be_unknown(cohort):
    write(cohort, [("", "a", "1")])
    cohort["patients"] = "unknown"
    assert read(cohort)[0].patient == ""


def test_a_segmentation_cohort_needs_masks_and_no_labels(cohort):
    cohort["role"] = "segmentation"
    write(cohort)
    assert "the column mask is missing; it has patient, path, label." in errors(cohort)
    write(cohort, [("P1", "a", "b"), ("P2", "b", "")], ("patient", "path", "mask"))
    assert "row 2: mask is empty." in errors(cohort)
    write(cohort, [("P1", "a", "b")], ("patient", "path", "mask"))
    assert (read(cohort)[0].mask, read(cohort)[0].label) == ("b", "")


def test_split_is_one_of_three(cohort):
    write(cohort, [("P", "a", "1", "training")], ("patient", "path", "label", "split"))
    assert "split 'training' is none of train, val, test." in errors(cohort)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty."),
        (b" \r\n \n", "is empty."),
        (b"\xef\xbb\xbf", "is empty."),
        (b"patient\tpath\tlabel\n", "it has a header and no rows."),
        (b"patient\tpath\n", "the column label is missing; it has patient, path."),
        (b"patient\tpath\tlabel\tpath\n", "the column path is there twice."),
        (b"patient\tpath\tlabel\n" + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_file_that_is_no_cohort_table_is_refused(cohort, content, message):
    with open(cohort["table"], "wb") as file:
        file.write(content)
    assert message in errors(cohort)


def test_missing_table_and_missing_folder_are_both_named(cohort):
    cohort["root"] += "-nowhere"
    message = errors(cohort)
    assert "cohorts.hospital.table" in message and "draft_table" in message
    assert "cohorts.hospital.root: the folder" in message


def test_the_errors_of_all_cohorts_are_listed(cohort):
    write(cohort, [("P", "a", "what")])
    other = cohort | {"table": cohort["table"] + ".none"}
    with pytest.raises(UserError) as caught:
        read_cohort_tables({"hospital": cohort, "public": other}, LABELS)
    assert "label 'what'" in str(caught.value) and "cohorts.public.table" in str(caught.value)


def test_links_may_not_lead_out_of_the_root(cohort, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "scans" / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "scans" / "in").symlink_to(tmp_path / "scans" / "a")
    write(cohort, [("P1", "out", "1"), ("P2", "in", "0")])
    message = errors(cohort)
    assert "row 1: path 'out' is a link that leads out of the root." in message and "row 2" not in message


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "a/../../x", "..\\..\\x", "a\0b"])
def test_paths_may_not_leave_the_root(cohort, path):
    write(cohort, [("P", path, "1")])
    assert "leads out of the root" in errors(cohort)


def test_a_path_too_long_to_look_up_is_reported(cohort):
    write(cohort, [("P", "x" * 5000, "1")])
    assert "row 1: path" in errors(cohort)


@pytest.mark.parametrize("patient", ["../../x", "=cmd()", "<script>alert(1)</script>", "x" * 300, "患者", "a\u200bb"])
def test_patients_may_have_any_name(cohort, patient):
    write(cohort, [(patient, "a", "1")])
    assert read(cohort)[0].patient == patient


def test_paths_below_a_root_that_a_rule_makes_later_are_not_looked_up(cohort):
    cohort |= {"phantom": {"seed": 1}, "root": "nowhere"}
    write(cohort, [("P", "later", "1")])
    assert read(cohort)[0].path == "later"


def test_phantoms_never_replace_a_folder_of_scans(tmp_path):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "1.dcm").touch()
    (tmp_path / "table.tsv").write_text("patient\tpath\tlabel\nP1\ta\tCovid-19\n")
    cohort = {
        **{"role": "target", "format": "dicom", "root": str(tmp_path / "scans"), "table": str(tmp_path / "table.tsv")},
        **{"patients": "known", "phantom": {"seed": 1, "patients": 1}},
    }
    with pytest.raises(UserError, match="no phantoms"):
        read_cohort_table("hospital", cohort, {"Covid-19": [], "Non Covid": []})
