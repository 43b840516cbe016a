"""Read the cohort table of any program, and list everything that is wrong with it at once."""

import csv
import os
from pathlib import Path

import pytest

from lungsight.errors import UserError
from lungsight.intake.cohort_table import count_ids, read_cohort_table, read_cohort_tables, read_rows
from lungsight.intake.gather import pseudonymise_rows
from lungsight.patient_ids import is_missing
from lungsight.privacy import pseudonym
from lungsight.splits.precheck import cohort_of_rows

LABELS = {"Covid-19": ["covid", "1"], "Non Covid": ["normal", "0"]}
HEADER_WITH_SOURCE = ("patient", "path", "label", "source")
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
    assert f"row 1: lesion does not exist below {cohort['root']}." in message
    assert "row 2: lesion leads out of the root." in message


def test_a_lung_mask_is_checked_by_its_place_its_ending_and_whose_it_is(cohort):
    header = ("patient", "path", "label", "lungs")
    root = Path(cohort["root"])
    for name in ("l.nii.gz", "l.dcm", "1.2.840.113", "l.jpg"):
        (root / name).touch()
    write(cohort, [("P1", "a", "1", "l.nii.gz"), ("P2", "b", "0", ""), ("P1", "c", "1", "l.nii.gz")], header)
    assert [row.lungs for row in read(cohort)] == ["l.nii.gz", "", "l.nii.gz"]
    assert read_rows(Path(cohort["table"]), LABELS) == read(cohort)
    write(cohort, [("P1", "a", "1", "l.dcm"), ("P2", "b", "0", "1.2.840.113"), ("P3", "c", "0", "a")], header)
    assert len(read(cohort)) == 3
    write(cohort, [("P1", "a", "1", "absent.nii"), ("P2", "b", "0", "l.jpg"), ("P3", "c", "0", "../l.dcm")], header)
    message = errors(cohort)
    assert f"row 1: lungs does not exist below {cohort['root']}." in message
    assert "row 2: lungs of a scan is a NIfTI, NRRD, MetaImage, DICOM SEG or RTSTRUCT; this is none by its" in message
    assert "row 3: lungs leads out of the root." in message
    write(cohort, [("P1", "a", "1", "l.dcm"), ("P2", "b", "0", "./l.dcm")], header)
    assert "row 2: lungs is the mask of row 1, which is of another patient." in errors(cohort)
    cohort["format"] = "png"
    assert "row 1: lungs of a picture is a PNG of its size, and this is no .png." in errors(cohort)
    write(cohort, [("P1", "a", "1", "")], ("patient", "path", "label", "lung"))
    assert "the column 'lung' is not read; did you mean lungs?" in errors(cohort)


def test_age_and_sex_are_kept_as_closed_words_and_never_quoted(cohort):
    header = ("patient", "path", "label", "age", "sex")
    write(cohort, [("P1", "a", "1", "57", "f"), ("P2", "b", "0", "", "NA")], header)
    assert [(row.age, row.sex) for row in read(cohort)] == [("40 to 59", "female"), ("", "")]
    write(cohort, [("P1", "a", "1", "fifty-seven", "f"), ("P2", "b", "0", "33", "girl")], header)
    message = errors(cohort)
    assert "row 1: age is no number of years; write 57, or leave it empty." in message
    assert "row 2: sex is no known word; write female, male, other, or leave it empty." in message
    assert "fifty" not in message and "girl" not in message


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
    assert f"row 3: path does not exist below {cohort['root']}." in message
    assert "row 4: patient is empty; give one, or set patients: unknown for the cohort." in message
    assert "row 5: path leads out of the root." in message
    assert "row 6: path is empty." in message
    assert "row 7: the path of row 1 again." in message
    assert "row 8: 2 fields, the header has 3." in message
    assert "row 9: path leads out of the root." in message
    assert message.startswith(f"{cohort['table']} (cohort hospital):")


@pytest.mark.parametrize(
    ("source", "content"),
    [
        *[("p10", "the id of a patient"), ("MÜLLER", "the id of a patient"), ("P010", "the id of a patient")],
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
    assert "row 1: path is a link that leads out of the root." in message and "row 2" not in message


def test_two_rows_with_one_scan_are_refused_by_whatever_path(cohort, tmp_path):
    scans = tmp_path / "scans"
    (scans / "again").symlink_to(scans / "a")
    (scans / "c/inner/deep").mkdir(parents=True)
    (scans / "b/1.dcm").touch()
    (scans / "up").symlink_to(scans)
    (scans / "aa").mkdir()
    rows = ["a", "again", "c/inner/deep", "c", "b/1.dcm", "b", "up/b", "aa", "up/aa"]
    write(cohort, [(f"P{number}", path, "1") for number, path in enumerate(rows)])
    message = errors(cohort)
    assert "row 2: path leads to the scan of row 1 again, by a link." in message
    assert "row 3: path lies inside the folder of row 4, which is read with all that it holds" in message
    assert "row 5: path lies inside the folder of row 6" in message
    assert "row 7: path leads to the scan of row 6 again, by a link." in message
    assert "row 9: path leads to the scan of row 8 again" in message
    assert message.count("  row ") == 5


def test_a_row_that_is_skipped_shares_no_scan(cohort, tmp_path):
    (tmp_path / "scans/a/inner").mkdir()
    write(cohort, [("P", "a", "1", "yes"), ("Q", "a/inner", "0", "")], ("patient", "path", "label", "skip"))
    assert [row.path for row in read(cohort)] == ["a", "a/inner"]


def test_thousands_of_files_of_a_folder_are_each_looked_at_as_often_as_before(cohort, tmp_path, monkeypatch):
    """Once whether it exists, once whether it is a link; the folders above once for all."""
    for number in range(300):
        (tmp_path / f"scans/a/{number}.png").touch()
    write(cohort, [(f"P{number}", f"a/{number}.png", "1") for number in range(300)])
    looked, stat, lstat = [], os.stat, os.lstat
    monkeypatch.setattr(os, "stat", lambda *of, **how: looked.append(of) or stat(*of, **how))
    monkeypatch.setattr(os, "lstat", lambda *of, **how: looked.append(of) or lstat(*of, **how))
    assert len(read(cohort)) == 300
    assert 600 <= len(looked) < 700


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\u200b", "\u00a0", "\x07", "\u202e"])
def test_a_source_with_a_character_that_does_not_show_is_refused(cohort, letter):
    write(cohort, [("P", "a", "1", f"site{letter}2")], HEADER_WITH_SOURCE)
    assert f"row 1: source holds a character that does not show (U+{ord(letter):04X})" in errors(cohort)


@pytest.mark.parametrize(
    ("column", "known"),
    [
        *[("soruce", "source"), ("Sources", "source"), ("souce", "source"), ("splits", "split"), ("splt", "split")],
        *[("skipped", "skip"), ("skips", "skip"), ("Skip?", "skip"), ("masks", "mask"), ("mask_file", "mask")],
        *[("lession", "lesion"), ("lesions", "lesion"), ("split set", "split"), ("s\u200bkip", "skip")],
    ],
)
def test_a_column_that_seems_misspelt_is_refused(cohort, column, known):
    write(cohort, [("P", "a", "1", "")], ("patient", "path", "label", column))
    assert f"the column {column.lower()!r} is not read; did you mean {known}?" in errors(cohort)
    write(cohort, [("P", "a", "1", "", "")], ("patient", "path", "label", column, known))
    assert len(read(cohort)) == 1, "beside the column itself it is one of the user's own"


@pytest.mark.parametrize(
    "column",
    [
        *(
            "page",
            "date",
            "Label ",
            "site",
            "slices",
            "notes",
            "patient_id",
            "labels",
            "comment",
            "task",
            "weight",
        ),
        *("lung_mask_volume", "scanner", "session", "kernel", "mass", "paths", "hospital", "diagnosis", "kvp"),
    ],
)
def test_other_columns_are_the_users_own(cohort, column):
    header = ("patient", "path", *(["label"] if column != "Label " else []), column)
    write(cohort, [("P", "a", "1", "1")[: len(header)]], header)
    assert read(cohort)[0].label == "Covid-19"


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "a/../../x", "..\\..\\x", "C:\\..\\x"])
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


def test_an_absolute_path_below_the_root_is_told_how_to_write_it(cohort, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "scans")
    write(
        cohort, [("P", f"{tmp_path}/scans/a", "1"), ("Q", f"{tmp_path}/link/b", "0"), ("R", f"{tmp_path}/other", "1")]
    )
    message = errors(cohort)
    assert f"row 1: path is absolute; write it from the root on, without {tmp_path}/scans/" in message
    assert f"row 2: path is absolute; write it from the root on, without {tmp_path}/link/" in message
    assert "row 3: path leads out of the root." in message


def test_a_path_in_another_case_or_with_other_accents_is_suggested(cohort, tmp_path):
    (tmp_path / "scans" / "Mu\u0308ller").mkdir()
    write(cohort, [("P", "A", "1"), ("Q", "M\u00fcller", "0"), ("R", "x", "1")])
    message = errors(cohort)
    assert "row 1: path does not exist below" in message and "differs in capitals or spaces?" in message
    assert "another way of storing accents" in message and "ller" not in message
    assert message.count("did you mean") == 2


def test_a_table_or_a_root_of_the_wrong_kind(cohort, tmp_path):
    assert "(did you mean" not in errors(cohort)
    Path(cohort["table"]).mkdir()
    assert "cohorts.hospital.table:" in errors(cohort) and "is a folder; name the table in it." in errors(cohort)
    Path(cohort["table"]).rmdir()
    write(cohort)
    assert "is a file; name the folder that the table's paths start from" in errors(cohort | {"root": cohort["table"]})
    (tmp_path / "tables").mkdir()
    Path(cohort["table"]).rename(tmp_path / "tables" / "Table.TSV")
    absent = cohort | {"table": f"{tmp_path}/tables/table.tsv"}
    assert f"did you mean '{tmp_path}/tables/Table.TSV'?" in errors(absent)
    assert "cannot be read: File name too long." in errors(cohort | {"root": "x" * 5000})


@pytest.mark.parametrize(
    "word",
    [
        *("0", "no", "No", "FALSE", "false", "n", "", " ", "NA", "nan", "-", "none", "N/A", "0.0", "no.", "No!"),
        # False and no, as Excel and people write them in other languages of Europe.
        *("FALSCH", "FAUX", "FALSO", "FALSK", "FALSKT", "USANN", "EPÄTOSI", "ONWAAR", "FAŁSZ", "NEPRAVDA", "HAMIS"),
        *("FALS", "YANLIŞ", "ЛОЖЬ", "ΨΕΥΔΗΣ", "nein", "non", "off", "f", "F", "nee", "nej", "nie", "não", "hayır"),
        *("0,0", "00", "'0", "0,00", "0 %", "-0", '="0"', "#NV", "#N/A", "#N/D", "k.A.", "–", ".", "☐", "\u200b"),
        *("FALSE\u00a0", "ＦＡＬＳＥ", "epa\u0308tosi", "=FALSE()", "FALSCH()", "0E+00", "0,00E+00"),
    ],
)
def test_words_that_leave_no_row_out(cohort, word):
    write(cohort, [("P", "a", "1", word), ("Q", "b", "0", "movement")], ("patient", "path", "label", "skip"))
    assert [row.skip for row in read(cohort)] == ["", "left out by the table's column skip"]


@pytest.mark.parametrize(
    "word",
    [
        *("1", "yes", "x", "TRUE", "WAHR", "VRAI", "not axial", "no contrast", "1,0", "✓", "+", "*", "not ok"),
        *(
            "wrong patient",
            "is it a CT?",
            "no_file",
            "cap",
            "other phase",
            "not chest",
            "bad",
            "ja",
            "-1",
            "10",
            "0.1",
            "0,5",
        ),
        *("non-axial", "no-contrast", "non diagnostic", "false positive", "0-5 mm", "no lung"),
    ],
)
def test_any_other_word_leaves_a_row_out(cohort, word):
    write(cohort, [("P", "a", "1", word)], ("patient", "path", "label", "skip"))
    assert read(cohort)[0].skip


@pytest.mark.parametrize(
    "word",
    [
        *("keep", "Keep", "KEPT", "ok", "OK", "o.k.", "unknown", "?", "??", "maybe", "include", "included", "keep it"),
        *("do not skip", "don't skip", "not skipped", "not excluded", "no skip", "unk", "tbd", "good", "behalten"),
        *(
            "#REF!",
            "#VALUE!",
            "Err:502",
            "#WERT!",
            "missing",
            "not available",
            "no - fine",
            "nein, gut",
            "0 (no)",
            "leave in",
        ),
    ],
)
def test_a_word_under_skip_that_tells_the_opposite_or_nothing_is_refused(cohort, word):
    write(cohort, [("Q", "b", "0", "no"), ("P", "a", "1", word)], ("patient", "path", "label", "skip"))
    message = errors(cohort)
    assert f"row 2: skip is {word!r}, which does not tell whether to leave the row out; write yes" in message
    assert "row 1" not in message


@pytest.mark.parametrize(
    "source",
    [
        *("=cmd()", "=1+1", "@SUM(A1)", "+1+cmd|' /C calc'!A0", "-2+3", "- site", "\uff1d1+1"),
        *("a;=1+1", "a, =1+1", '"=1+1"'),
    ],
)
def test_a_source_that_a_spreadsheet_would_run_is_refused(cohort, source):
    with open(cohort["table"], "w", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t").writerows([HEADER_WITH_SOURCE, ("P", "a", "1", "x"), ("Q", "b", "0", source)])
    assert "row 2: source" in errors(cohort) and "would run as a formula" in errors(cohort)


@pytest.mark.parametrize("source", ["-1", "+", "-", "-1.5", "+2,5", "site-A", "a+b", "x=1", "a@b"])
def test_a_source_that_is_a_number_or_holds_a_sign_is_none(cohort, source):
    write(cohort, [("P", "a", "1", source)], ("patient", "path", "label", "source"))
    assert read(cohort)[0].source == source


# Spellings of one id, by what differs.
ALIKE = [
    ("0000007", "7", "leading zeros"),
    ("P007", "P7", "leading zeros"),
    ("12", "12.0", "a trailing .0"),
    ("0012.00", "12", "a trailing .0 and leading zeros"),
    ("p1", "P1", "upper and lower case"),
    ("Straße", "STRASSE", "upper and lower case"),
    ("M\u00fcller", "Mu\u0308ller", "composed letters or their width"),
    ("\uff11\uff12", "12", "composed letters or their width"),
    ("a\u200bb", "ab", "invisible characters"),
    ("ab\ufeff", "ab", "invisible characters"),
    ("a\u00a0b", "a b", "invisible characters"),
    ("a  b", "a b", "spaces or an apostrophe"),
    ("'7", "7", "spaces or an apostrophe"),
    ("P\u20131", "P-1", "dashes"),
    ("P\u22121", "P-1", "dashes"),
    ("P\u20431", "P-1", "dashes"),
    ("O'Brien", "O\u2019Brien", "apostrophes"),
    ("O\u02bcBrien", "O`Brien", "apostrophes"),
    ("O\u2032Brien", "O\u00b4Brien", "apostrophes"),
    ("P1\ufe0f", "P1", "invisible characters"),
    ("P\u034f1", "P1", "invisible characters"),
    ("P1\U000e0101", "P1", "invisible characters"),
    ("P\u31641", "P1", "invisible characters"),
    ('="007"', "7", "quotation marks"),
    ('="007"', "007", "quotation marks"),
    ('="7"', "\u201c7\u201d", "apostrophes or quotation marks"),
    ("7", "'7'", "quotation marks"),
    ("\u20197", "7", "apostrophe"),
    ("P 1", "P1", "spaces"),
    ("1 A", "1a", "spaces"),
    ("P - 1", "P-1", "spaces"),
    ("P\u00a0001", "P1", "spaces"),
    ("12.00", "12", "a trailing .0"),
    ("P12.0", "P12", "a trailing .0"),
    ("P.07", "P.7", "leading zeros"),
]


@pytest.mark.parametrize(("one", "other", "difference"), ALIKE)
def test_ids_that_are_alike_are_refused_until_the_config_says_what_they_mean(cohort, one, other, difference):
    write(cohort, [(one, "a", "1"), ("Q", "b", "0"), (other, "c", "1")])
    message = errors(cohort)
    assert "row 1 | row 3: one patient id in 2 spellings, alike but for" in message
    assert "patient_ids: normalise (alike is one person) or patient_ids: exact" in message
    assert one not in message.replace(cohort["table"], "") or one in ("7", "12", "12.0"), "an id is not repeated"
    if not (difference == "invisible characters" and "\u00a0" in one):
        assert difference in message
    key = bytes(32)
    for rule, people in (("exact", 3), ("normalise", 2)):
        rows = read_cohort_table("hospital", cohort | {"patient_ids": rule}, LABELS)
        assert rows == read_rows(Path(cohort["table"]), LABELS, rule)
        assert pseudonymise_rows(rows, "hospital", key, shared_ids=False)["patient"].nunique() == people
        assert cohort_of_rows("hospital", "target", rows, False).slices["patient"].nunique() == people
        assert count_ids(rows) == {"rows": 3, "without": 0, "ids": 3, "patients": people}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("1,000", "1"), ("7,00", "7"), ("7,0", "7"), ("2.05", "2.5"), ("2,05", "2,5"), ("1.007", "1.7")],
        *[("1.10.0", "1.10"), ("2.0", "20"), ("1,000", "1000"), ("10", "1"), ("Ann A", "An Na"), ("1 23", "12 3")],
        *[("1 2", "12"), ("OBrien", "O'Brien"), ("P_1", "P-1"), ("100", "1.00.")],
    ],
)
def test_ids_of_different_people_are_never_one_person(cohort, one, other):
    write(cohort, [(one, "a", "1"), (other, "b", "0")])
    assert len(read(cohort)) == 2
    rows = read_cohort_table("hospital", cohort | {"patient_ids": "normalise"}, LABELS)
    assert pseudonymise_rows(rows, "hospital", bytes(32), shared_ids=False)["patient"].nunique() == 2


def test_pseudonyms_do_not_change_where_no_ids_are_alike(cohort):
    names = ["007", "Müller ", "P1"]
    write(cohort, [(name, path, "1") for name, path in zip(names, ["a", "b", "c"], strict=True)])
    key = bytes(32)
    expected = [pseudonym(key, "patient", "hospital", name.strip()) for name in names]
    for rule in ({}, {"patient_ids": "exact"}):
        rows = read_cohort_table("hospital", cohort | rule, LABELS)
        assert pseudonymise_rows(rows, "hospital", key, shared_ids=False)["patient"].tolist() == expected


def test_a_row_that_is_skipped_is_alike_to_none(cohort):
    write(cohort, [("p1", "a", "1", ""), ("P1", "b", "0", "x")], ("patient", "path", "label", "skip"))
    assert len(read(cohort)) == 2


@pytest.mark.parametrize(
    "word",
    [
        *("NA", "nan", "None", "unknown", "Unknown", "-", "--", "NULL", "N/A", "n.a.", "?", "#REF!", "#N/A", "#VALUE!"),
        *("#NAME?", "#BEZUG!", "<NA>", ".", "\u200b", "\u2014"),
        *("Err:502", "err:509", "#VALUE", "#REF", "#N/D", "#¡VALOR!", "not applicable", "k.A.", "k. A.", "unk", "UNK"),
        *("keine Angabe", "n/k", "Not Specified", "unbekannt", "inconnu", "not\u00a0applicable"),
        *("(none)", "[NULL]", "unk.", "not-applicable", "no_id", "keine Angaben", "N.N."),
    ],
)
def test_words_for_a_missing_id_are_missing(cohort, word):
    write(cohort, [(word, "a", "1"), (word, "b", "0")])
    message = errors(cohort)
    assert f"row 1: patient is {word!r}, which means that it is missing; give one, or set patients: unknown" in message
    rows = read_cohort_table("hospital", cohort | {"patients": "unknown"}, LABELS)
    assert [row.patient for row in rows] == ["", ""]
    assert pseudonymise_rows(rows, "hospital", bytes(32), shared_ids=True)["patient"].nunique() == 2
    assert count_ids(rows) == {"rows": 0, "without": 2, "ids": 0, "patients": 0}


def test_a_number_behind_a_hash_is_no_error_of_a_spreadsheet():
    assert not any(is_missing(patient) for patient in ("#7", "#VALUES", "#NAME1", "#REF2"))
    assert is_missing("#######"), "a spreadsheet's column is too narrow"


def test_a_source_that_is_a_word_for_a_missing_id_names_nobody(cohort):
    write(cohort, [("unknown", "a", "1", "unknown")], HEADER_WITH_SOURCE)
    assert read_cohort_table("hospital", cohort | {"patients": "unknown"}, LABELS)[0].source == "unknown"


@pytest.mark.parametrize(
    "patient",
    [
        *("1.23E+11", "1,23E+11", "5E+15", "1.2345e+12", "1.23E11", "12.3E+10", "-1.23E+11", "1,23e11", "id 1.23E+11"),
        *("\u22121.23E+11", "1.23E+011", "+1.2E+9", "1.E+11"),
    ],
)
def test_a_number_that_a_spreadsheet_cut_short_is_refused(cohort, patient):
    write(cohort, [(patient, "a", "1")])
    assert "row 1: patient is a number that a spreadsheet cut short (as 1.23E+11)" in errors(cohort)
    assert "row 1: patient is a number" in errors(cohort | {"patients": "unknown", "patient_ids": "exact"})


@pytest.mark.parametrize(
    "patient", ["1e5", "1E11", "UNK1", "Err:5", "1.2e3b", "E+1", "NAN1", "Nadia", "none-1", "0", "A+", "1-2"]
)
def test_ids_that_only_look_so_are_ids(cohort, patient):
    write(cohort, [(patient, "a", "1")])
    assert read(cohort)[0].patient == patient


def test_ids_are_compared_across_cohorts_where_they_share_patients(cohort, tmp_path):
    write(cohort, [("0007", "a", "1")])
    other = cohort | {"table": str(tmp_path / "other.tsv")}
    write(other, [("7", "b", "1"), ("8", "c", "0")])
    cohorts = {"hospital": cohort, "public": other}
    assert len(read_cohort_tables(cohorts, LABELS)) == 2
    with pytest.raises(UserError, match=r"row 1 of hospital \| row 1 of public: one patient id in 2 spellings"):
        read_cohort_tables(cohorts, LABELS, shared_ids=True)
    cohorts = {name: cohort | {"patient_ids": "normalise"} for name, cohort in cohorts.items()}
    rows = read_cohort_tables(cohorts, LABELS, shared_ids=True)
    people = [
        pseudonymise_rows(rows[name], name, bytes(32), shared_ids=True)["patient"].tolist()
        for name in ("hospital", "public")
    ]
    assert people[0][0] == people[1][0] != people[1][1]
