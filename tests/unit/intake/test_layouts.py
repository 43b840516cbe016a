"""Read public data sets as they are distributed, on small copies of their folders."""

import csv
import os
import shutil

import pytest

from lungsight.config import config_schema
from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.intake.cohort_table import read_cohort_table
from lungsight.intake.layouts import LAYOUTS, NOTES, SKIPPED, write_layout_table
from lungsight.intake.layouts.base import class_of
from lungsight.intake.layouts.curated_covid_ct import curated_covid_ct
from lungsight.intake.layouts.nsclc_radiomics import nsclc_radiomics

LABELS = {"Covid-19": ["covid"], "Non Covid": ["normal"]}
METADATA = {
    "covid": [
        ("6_Rahimzadeh_137covid_patient1_SR_4_IM00055.png", "137covid_patient1_SR_4"),
        ("6_Rahimzadeh_137covid_patient1_SR_2_IM00012.png", "137covid_patient1_SR_2"),
        ("14_Jun_coronacases_case7_75.png", "coronacases_case7"),
    ],
    "normal": [("6_Rahimzadeh_normal3_IM1.png", "normal3"), ("1_Zhao_Müller_2.png", "Müller")],
    "cap": [("2_Yan_cap1_5.png", "cap1")],
}
FOLDERS = {"covid": "2COVID", "normal": "1NonCOVID", "cap": "3CAP"}


def made_curated(root, doubled=True, slice_column="Slice", encoding="cp1252"):
    """Make a copy of the folders with empty pictures; return the folder that holds the classes."""
    base = root / "curated_data" / "curated_data" if doubled else root
    for name, rows in METADATA.items():
        (base / FOLDERS[name]).mkdir(parents=True)
        for file, _ in rows:
            (base / FOLDERS[name] / file).touch()
        with open(root / f"meta_data_{name}.csv", "w", encoding=encoding, newline="") as table:
            writer = csv.writer(table)
            writer.writerow(["File name", "Country", "Patient ID", slice_column, "Diagnosis"])
            writer.writerows([file, "Côte d'Ivoire", patient, 1, name] for file, patient in rows)
    return base


def made_nsclc(root, numbers=(1, 2, 14, 128)):
    for number in numbers:
        for series in ("CT", "RTSTRUCT"):
            (root / f"LUNG1-{number:03d}" / "study" / series).mkdir(parents=True)
            (root / f"LUNG1-{number:03d}" / "study" / series / "1-1.dcm").touch()
    (root / "LICENSE").touch()


@pytest.mark.parametrize("name", ["6_Rahimzadeh_a\nb.png", b"6_Rahimzadeh_\xfc.png"])
def test_a_picture_whose_name_no_table_gives_back_is_refused(tmp_path, name):
    base = made_curated(tmp_path / "data")
    (base / "2COVID" / os.fsdecode(name)).touch()
    with pytest.raises(UserError, match=r"1 of the 7 scans below .*data cannot be listed in a table"):
        write_layout_table(tmp_path / "private/table.tsv", "curated-covid-ct", tmp_path / "data", LABELS)


def test_curated_rows_have_patient_source_and_label(tmp_path):
    made_curated(tmp_path)
    rows = {row.path.split("/")[-1]: row for row in curated_covid_ct(tmp_path, LABELS)}
    assert len(rows) == 6
    first, second, jun = (rows[file] for file, _ in METADATA["covid"])
    assert first.path == "curated_data/curated_data/2COVID/6_Rahimzadeh_137covid_patient1_SR_4_IM00055.png"
    assert first.patient == second.patient == "6_Rahimzadeh 137covid_patient1", "two series of one patient"
    assert (first.source, jun.source, jun.label) == ("6_Rahimzadeh", "14_Jun", "Covid-19")
    assert rows["1_Zhao_Müller_2.png"].patient == "1_Zhao Müller"
    assert rows["1_Zhao_Müller_2.png"].label == "Non Covid"
    cap = rows["2_Yan_cap1_5.png"]
    assert (cap.label, cap.skip) == ("", "cap") and not first.skip


def test_cap_counts_where_labels_name_it(tmp_path):
    made_curated(tmp_path)
    labels = {"Covid-19": ["covid"], "Non Covid": ["normal", "CAP"]}
    (cap,) = (row for row in curated_covid_ct(tmp_path, labels) if "/3CAP/" in row.path)
    assert (cap.label, cap.skip, cap.patient) == ("Non Covid", "", "2_Yan cap1")
    three = {"Covid-19": ["covid"], "CAP": ["cap"], "Normal": ["normal"]}
    of_folder = {row.path.split("/")[-2]: (row.label, row.skip) for row in curated_covid_ct(tmp_path, three)}
    assert of_folder["3CAP"] == ("CAP", "") and {label for label, _ in of_folder.values()} == {*three}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1"])
@pytest.mark.parametrize(("doubled", "slice_column"), [(True, "Slice"), (False, "Slices_x")])
def test_curated_may_be_nested_and_in_any_encoding(tmp_path, encoding, doubled, slice_column):
    made_curated(tmp_path, doubled, slice_column, encoding)
    rows = curated_covid_ct(tmp_path, LABELS)
    assert [row.patient for row in rows if "Zhao" in row.path] == ["1_Zhao Müller"]


def test_cap_may_be_absent_altogether(tmp_path):
    shutil.rmtree(made_curated(tmp_path) / "3CAP")
    (tmp_path / "meta_data_cap.csv").unlink()
    assert len(curated_covid_ct(tmp_path, LABELS)) == 5


def test_files_without_metadata_and_metadata_without_files_are_skipped_with_a_reason(tmp_path):
    base = made_curated(tmp_path)
    (base / "2COVID" / "9_New_unknown_1.png").touch()
    with open(tmp_path / "meta_data_covid.csv", "a") as table:
        table.writelines(f"7_More_{n}.png,X,more{n},1,COVID\n" for n in range(60))
    for n in range(58):
        (base / "2COVID" / f"7_More_{n}.png").touch()
    rows = curated_covid_ct(tmp_path, LABELS)
    skipped = {row.path.split("/")[-1]: row.skip for row in rows if row.skip}
    assert skipped == {
        **{"9_New_unknown_1.png": "no_metadata", "7_More_58.png": "no_file", "7_More_59.png": "no_file"},
        "2_Yan_cap1_5.png": "cap",
    }


def test_everything_wrong_with_a_curated_folder_is_listed_at_once(tmp_path):
    base = made_curated(tmp_path)
    (tmp_path / "meta_data_covid.csv").write_text("File name,Slice\na.png,1\n")
    (tmp_path / "meta_data_normal.csv").unlink()
    for file in (base / "3CAP").iterdir():
        file.unlink()
    with pytest.raises(UserError) as caught:
        curated_covid_ct(tmp_path, LABELS)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path} is not laid out as curated-covid-ct:")
    assert "meta_data_normal.csv is missing" in message
    assert "meta_data_covid.csv: the column patient id is missing; it has file name, slice." in message
    assert "3CAP holds no picture; it holds nothing." in message


def test_an_incomplete_download_is_refused(tmp_path):
    base = made_curated(tmp_path)
    (base / "2COVID" / METADATA["covid"][0][0]).unlink()
    with pytest.raises(UserError, match=r"2COVID lacks 1 of the 3 files that meta_data_covid\.csv names"):
        curated_covid_ct(tmp_path, LABELS)


def test_one_picture_of_two_patients_is_refused(tmp_path):
    made_curated(tmp_path)
    with open(tmp_path / "meta_data_covid.csv", "a") as table:
        table.write("14_Jun_coronacases_case7_75.png,X,another,1,COVID\n")
    with pytest.raises(UserError, match=r"row 4: 14_Jun_coronacases_case7_75\.png belongs to two patients"):
        curated_covid_ct(tmp_path, LABELS)


def test_nsclc_rows_are_patients(tmp_path):
    made_nsclc(tmp_path / "manifest-16033821" / "NSCLC-Radiomics")
    rows = nsclc_radiomics(tmp_path, LABELS)
    assert [row.patient for row in rows] == ["LUNG1-001", "LUNG1-002", "LUNG1-014", "LUNG1-128"]
    assert rows[0].path == rows[0].mask == "manifest-16033821/NSCLC-Radiomics/LUNG1-001"
    assert [row.note for row in rows] == ["", "", "mismatch", "no_tumour"]
    made_nsclc(tmp_path / "alone")
    assert len(nsclc_radiomics(tmp_path / "alone", LABELS)) == 4


def test_what_is_wrong_with_an_nsclc_tree(tmp_path):
    (tmp_path / "data" / "patients").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no folder LUNG1-001 … .*; it holds data\."):
        nsclc_radiomics(tmp_path, LABELS)
    made_nsclc(tmp_path / "one")
    made_nsclc(tmp_path / "two")
    with pytest.raises(UserError, match="patients lie in one and in two; make one of them the root"):
        nsclc_radiomics(tmp_path, LABELS)
    for name in ("LUNG1-003", "LUNG1-004"):
        (tmp_path / "one" / name).mkdir()
    with pytest.raises(UserError) as caught:
        nsclc_radiomics(tmp_path / "one", LABELS)
    assert "LUNG1-003 is empty" in str(caught.value) and "LUNG1-004 is empty" in str(caught.value)


def test_a_link_out_of_the_root_is_no_patient(tmp_path):
    made_nsclc(tmp_path / "set", numbers=(1,))
    made_nsclc(tmp_path / "elsewhere", numbers=(2,))
    (tmp_path / "set" / "LUNG1-002").symlink_to(tmp_path / "elsewhere" / "LUNG1-002")
    assert [row.patient for row in nsclc_radiomics(tmp_path / "set", LABELS)] == ["LUNG1-001"]


def cohort_of(root, layout, results="results/mine", **more):
    shape = {"root": str(root), "layout": layout, "format": LAYOUTS[layout].format, "role": LAYOUTS[layout].roles[0]}
    return {"results": str(results), "labels": LABELS, "cohorts": {"mine": shape | more}}


def test_the_table_is_private_and_read_like_a_users(tmp_path):
    made_curated(tmp_path / "data")
    config = complete_config(cohort_of(tmp_path / "data", "curated-covid-ct", tmp_path / "run"))
    table = tmp_path / "run.private" / "layouts" / "mine.tsv"
    assert config["cohorts"]["mine"]["table"] == str(table)
    rows = read_cohort_table("mine", config["cohorts"]["mine"], LABELS)
    assert [row.row for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row.skip for row in rows] == ["", "", "", "", "", SKIPPED["cap"]]
    assert table.parent.stat().st_mode & 0o777 == 0o700
    before = table.stat().st_mtime_ns
    write_layout_table(table, "curated-covid-ct", tmp_path / "data", LABELS)
    assert table.stat().st_mtime_ns == before, "an unchanged table is not written again"


def test_free_words_of_the_user_do_not_reach_the_results(tmp_path):
    lines = ["patient path label skip note", "P a covid Jane_Doe_asked -", "Q b covid - mismatch", "R c covid - Doe"]
    (tmp_path / "t.tsv").write_text("\n".join(lines).replace(" ", "\t").replace("-", "") + "\n")
    for name in "bc":
        (tmp_path / name).touch()
    cohort = {"role": "target", "format": "png", "patients": "known", "root": str(tmp_path)}
    rows = read_cohort_table("c", cohort | {"table": str(tmp_path / "t.tsv")}, LABELS)
    assert [row.skip for row in rows] == ["left out by the table's column skip", "", ""]
    assert [row.note for row in rows] == ["", NOTES["mismatch"], "the table has a note on it"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"table": "t.tsv"}, "cohorts.mine: give either table or layout, not both."),
        ({"format": "nifti"}, "cohorts.mine.format: layout curated-covid-ct has format png."),
        ({"role": "segmentation"}, "cohorts.mine.role: layout curated-covid-ct is for public or target or external."),
        (
            {"layout": "else"},
            "cohorts.mine.layout: 'else' is none of curated-covid-ct, nsclc-radiomics, sars-cov-2-ct,",
        ),
    ],
)
def test_a_layout_that_does_not_fit_the_config_is_refused(tmp_path, wrong, message):
    config = cohort_of(tmp_path, "curated-covid-ct")
    config["cohorts"]["mine"] |= wrong
    with pytest.raises(UserError) as caught:
        complete_config(config)
    assert message in str(caught.value)


def test_the_config_knows_every_layout():
    cohort = config_schema()["properties"]["cohorts"]["additionalProperties"]
    assert cohort["properties"]["layout"]["enum"] == list(LAYOUTS)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"A": ["covid"], "B": ["normal"]}, ("A", "B", "")),
        ({"A": [], "B": []}, ("A", "B", "")),
        ({"A": [], "B": ["CAP"]}, ("A", "B", "B")),
        ({"A": [], "cap": [], "B": ["x"]}, ("A", "B", "cap")),
        ({"A": [], "B": ["cap"], "C": [], "D": ["Normal"]}, ("A", "D", "B")),
    ],
)
def test_classes_of_a_data_set_find_theirs(labels, expected):
    assert tuple(class_of(kind, labels) for kind in ("covid", "negative", "cap")) == expected


@pytest.mark.parametrize(
    "labels",
    [{"A": [], "B": [], "C": []}, {"A": [], "B": ["cap"], "C": [], "D": []}, {"A": [], "B": ["normal"], "normal": []}],
)
def test_where_several_classes_may_be_the_negative_one_the_user_says_which(labels):
    with pytest.raises(UserError, match="Give the word normal to the one that is"):
        class_of("negative", labels)


def test_two_layouts_may_read_one_folder_but_one_layout_not_twice(tmp_path):
    config = cohort_of(tmp_path, "curated-covid-ct", role="public")
    one = config["cohorts"]["mine"]
    config["cohorts"]["other"] = one | {"layout": "ucsd-covid-ct", "role": "target"}
    assert set(complete_config(config)["cohorts"]) == {"mine", "other"}
    config["cohorts"]["other"] = one | {"role": "target"}
    with pytest.raises(UserError, match="mine and other are the same root and layout; one would leak"):
        complete_config(config)


def test_a_cohort_needs_a_table_or_a_layout(tmp_path):
    config = cohort_of(tmp_path, "curated-covid-ct")
    del config["cohorts"]["mine"]["layout"]
    with pytest.raises(UserError, match=r"cohorts.mine: give either table or layout\."):
        complete_config(config)


@pytest.mark.parametrize("word", ["", "NA", "nan", "-", "#N/A"])
def test_a_missing_patient_of_the_metadata_is_no_patient(tmp_path, word):
    made_curated(tmp_path)
    with open(tmp_path / "meta_data_covid.csv", "a") as table:
        table.write(f"9_New_1.png,,{word},1,covid\n")
    (tmp_path / "curated_data" / "curated_data" / "2COVID" / "9_New_1.png").touch()
    (row,) = (row for row in curated_covid_ct(tmp_path, LABELS) if row.path.endswith("9_New_1.png"))
    assert (row.patient, row.skip) == ("", "no_metadata")


@pytest.mark.parametrize("third", ["Normal", "Healthy"])
def test_cap_may_be_a_class_of_its_own(tmp_path, third):
    made_curated(tmp_path)
    rows = curated_covid_ct(tmp_path, {"Covid-19": ["covid"], "Pneumonia": ["CAP"], third: ["healthy lung"]})
    assert {row.path.split("/")[-2]: row.label for row in rows if not row.skip} == {
        **{"1NonCOVID": third, "2COVID": "Covid-19", "3CAP": "Pneumonia"}
    }
