"""Read COVID-CT on small copies of its folders, tables and lists."""

import csv

import pytest

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.intake.cohort_table import read_cohort_table
from lungsight.intake.layouts import SKIPPED
from lungsight.intake.layouts.ucsd_covid_ct import ucsd_covid_ct, with_official_split
from tests.factories.spreadsheets import write_spreadsheet

LABELS = {"Covid-19": ["covid"], "Non Covid": ["normal"]}
FIGURE = "2020.02.25.20021568-p24-111"
COVID = {
    **{"2020.01.24.919183-p27-132.png": "Patient 1", "2020.01.24.919183-p27-133.png": "Patient 1"},
    **{f"{FIGURE}%4.png": "Patient 50", f"{FIGURE}%5.png": "Patient 51", "bmj.m606.full-p4-22%0.png": "Patient 180"},
}
OTHER = {
    **{"0.jpg": "crawled_patient_0", "14%0.jpg": "crawled_patient_14", "14.png": "medpix_patient_38"},
    **{"15.png": "medpix_patient_38", "15.jpg": "crawled_patient_15"},
}
NAMED = {**COVID, "bmj.m606.full-p4-22%0": "Patient 180"}  # in the metadata without its ending
del NAMED["bmj.m606.full-p4-22%0.png"]
LISTS = {
    "COVID": {"train": list(COVID)[:3], "val": [f"{FIGURE}%5.jpeg"], "test": ["bmj.m606.full-p4-22%0.png"]},
    "NonCOVID": {"train": ["0.jpg", "15.jpg"], "val": ["14%0.jpg"], "test": ["14.png", "15.png", "14.png"]},
}


def pictures(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def metadata(folder, named=NAMED, spreadsheet=True, other=OTHER):
    """Write both tables. The spreadsheet ends with a row that has a caption alone, as the true one does."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [["File name", "Patient ID", "Age", "Captions"], *([*item, "41", "A"] for item in named.items())]
    if spreadsheet:
        write_spreadsheet(folder / "COVID-CT-MetaInfo.xlsx", [*rows, ["", "", "", "NTM"]])
    else:
        with open(folder / "COVID-CT-MetaInfo.csv", "w", encoding="utf-8", newline="") as table:
            csv.writer(table).writerows(rows)
    with open(folder / "NonCOVID-CT-MetaInfo.csv", "w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([["", "image name", "patient id"], *([n, *x] for n, x in enumerate(other.items()))])


def lists(folder, content=LISTS):
    for name, of_class in content.items():
        (folder / "Data-split" / name).mkdir(parents=True)
        for subset, files in of_class.items():
            (folder / f"Data-split/{name}/{subset}CT_{name}.txt").write_text("\n".join(files) + "\n")


def made(root, **changed):
    """Make the repository, unpacked."""
    for name, files in (("COVID", COVID), ("NonCOVID", OTHER)):
        pictures(root / "Images-processed" / f"CT_{name}", files)
    metadata(root, **changed)
    return root


def by_name(rows):
    return {row.path.split("/")[-1]: row for row in rows}


def test_rows_of_the_repository(tmp_path):
    rows = ucsd_covid_ct(made(tmp_path), LABELS)
    assert len(rows) == 10 and not any(row.skip for row in rows)
    found = by_name(rows)
    assert {name: row.patient for name, row in found.items()} == COVID | OTHER
    assert found["0.jpg"].path == "Images-processed/CT_NonCOVID/0.jpg"
    assert [found[name].label for name in ("bmj.m606.full-p4-22%0.png", "0.jpg")] == ["Covid-19", "Non Covid"]
    assert [found[name].source for name in (f"{FIGURE}%4.png", "bmj.m606.full-p4-22%0.png", "0.jpg", "14.png")] == [
        *("preprint", "journal", "crawled", "medpix")
    ]
    assert [name for name, row in found.items() if row.note] == [f"{FIGURE}%5.png"]
    assert found[f"{FIGURE}%5.png"].note == "other_disease"


@pytest.mark.parametrize("spreadsheet", [True, False])
@pytest.mark.parametrize("nested", ["", "COVID-CT-master"])
def test_it_may_be_nested_and_its_metadata_a_csv(tmp_path, nested, spreadsheet):
    made(tmp_path / nested, spreadsheet=spreadsheet)
    assert len(ucsd_covid_ct(tmp_path, LABELS)) == 10


def test_the_pictures_that_both_classes_hold_are_left_out_of_the_wrong_one(tmp_path):
    twice = {"71%0.jpg": "crawled_patient_71", "71%1.jpg": "crawled_patient_71", "71.png": "medpix_patient_3"}
    made(tmp_path, other={**OTHER, **twice}, named={**NAMED, "71%0.jpg": "Patient 9"})
    pictures(tmp_path / "Images-processed/CT_NonCOVID", twice)
    pictures(tmp_path / "Images-processed/CT_COVID", ["71%0.jpg"])
    skipped = {row.path: row.skip for row in ucsd_covid_ct(tmp_path, LABELS) if row.skip}
    assert skipped == {f"Images-processed/CT_NonCOVID/71%{number}.jpg": "other_class" for number in (0, 1)}


def test_archives_may_hold_their_folder(tmp_path):
    for name, files in (("COVID", COVID), ("NonCOVID", OTHER)):
        pictures(tmp_path / f"Images-processed/CT_{name}/CT_{name}", files)
        (tmp_path / f"Images-processed/CT_{name}/__MACOSX").mkdir()
    metadata(tmp_path)
    rows = ucsd_covid_ct(tmp_path, LABELS)
    assert rows[0].path.startswith("Images-processed/CT_COVID/CT_COVID/") and len(rows) == 10


def test_archives_that_are_not_unpacked_are_named_with_the_command(tmp_path):
    pictures(tmp_path / "Images-processed", ["CT_COVID.zip", "CT_NonCOVID.zip"])
    metadata(tmp_path)
    with pytest.raises(UserError) as caught:
        ucsd_covid_ct(tmp_path, LABELS)
    command = f"CT_COVID.zip is not unpacked: cd {tmp_path}/Images-processed && unzip CT_COVID.zip"
    assert command in str(caught.value) and "CT_NonCOVID.zip is not unpacked" in str(caught.value)


def test_the_copy_beside_other_sets(tmp_path):
    pictures(tmp_path / "Data/master-data/COVID", [*COVID, "Covid (1).png", "img3.jpg"])
    pictures(tmp_path / "Data/master-data/NonCOVID", [*OTHER, "Non-Covid (1).png", "nor_1_img_2.jpg"])
    metadata(tmp_path / "Data/Meta")
    for root in (tmp_path, tmp_path / "Data"):
        rows = ucsd_covid_ct(root, LABELS)
        assert {name: row.patient for name, row in by_name(rows).items()} == COVID | OTHER
        assert not any(row.skip for row in rows)


def test_files_and_metadata_that_lack_one_another_are_skipped_with_a_reason(tmp_path):
    more = {f"new{number}.png": f"Patient {300 + number}" for number in range(40)}
    made(tmp_path, named={**NAMED, **more, "new40": "Patient 400", "new41.png": ""})
    pictures(tmp_path / "Images-processed/CT_COVID", [*more, "new41.png", "nobody.png"])
    skipped = {row.path.split("/")[-1]: row.skip for row in ucsd_covid_ct(tmp_path, LABELS) if row.skip}
    assert skipped == {"new40": "no_file", "new41.png": "no_metadata", "nobody.png": "no_metadata"}


def test_a_name_without_ending_is_not_guessed_where_two_files_have_it(tmp_path):
    rest = {f"{number}.jpg": f"crawled_patient_{number}" for number in range(20, 60)}
    other = {**OTHER, **rest, "9": "medpix_patient_9"}
    made(tmp_path, other=other)
    pictures(tmp_path / "Images-processed/CT_NonCOVID", [*rest, "9.png", "9.jpg"])
    skipped = {row.path.split("/")[-1]: row.skip for row in ucsd_covid_ct(tmp_path, LABELS) if row.skip}
    assert skipped == {"9": "no_file", "9.png": "no_metadata", "9.jpg": "no_metadata"}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (
            {"named": {**NAMED, "a.png": "Patient 7"}},
            r"CT_COVID lacks 1 of the 6 files that its metadata name \(a\.png",
        ),
        ({"named": {}}, r"COVID-CT-MetaInfo\.xlsx names no file"),
        ({"other": {}}, r"NonCOVID-CT-MetaInfo\.csv names no file"),
    ],
)
def test_metadata_that_do_not_fit(tmp_path, changed, problem):
    with pytest.raises(UserError, match=problem):
        ucsd_covid_ct(made(tmp_path, **changed), LABELS)


def test_everything_wrong_with_the_metadata_is_listed_at_once(tmp_path):
    made(tmp_path)
    write_spreadsheet(tmp_path / "COVID-CT-MetaInfo.xlsx", [["File name", "Person"], ["a.png", "x"]])
    with open(tmp_path / "NonCOVID-CT-MetaInfo.csv", "a", encoding="utf-8") as table:
        table.write("9,0.jpg,crawled_patient_77\n")
    with pytest.raises(UserError) as caught:
        ucsd_covid_ct(tmp_path, LABELS)
    assert "COVID-CT-MetaInfo.xlsx: the column patient id is missing; it has file name, person." in str(caught.value)
    assert "NonCOVID-CT-MetaInfo.csv, row 6: 0.jpg belongs to two patients." in str(caught.value)
    (tmp_path / "COVID-CT-MetaInfo.xlsx").unlink()
    with pytest.raises(UserError, match=r"COVID-CT-MetaInfo\.xlsx \(or \.csv\) is missing; it belongs into"):
        ucsd_covid_ct(tmp_path, LABELS)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "scans").mkdir()
    with pytest.raises(UserError, match=r"no folders CT_COVID and CT_NonCOVID in it .*; it holds scans\."):
        ucsd_covid_ct(tmp_path, LABELS)
    made(tmp_path, other=dict.fromkeys(["x"], "y"))
    for name in OTHER:
        (tmp_path / "Images-processed/CT_NonCOVID" / name).unlink()
    with pytest.raises(UserError, match="CT_NonCOVID lacks 1 of the 1 files"):
        ucsd_covid_ct(tmp_path, LABELS)


def official(root):
    return {name: row.split for name, row in by_name(with_official_split(root, ucsd_covid_ct(root, LABELS))).items()}


def test_official_lists_give_the_subsets(tmp_path):
    lists(made(tmp_path))
    assert official(tmp_path) == {
        **dict.fromkeys(LISTS["COVID"]["train"], "train"),
        **{f"{FIGURE}%5.png": "val", "bmj.m606.full-p4-22%0.png": "test"},
        **{"0.jpg": "train", "15.jpg": "train", "14%0.jpg": "val", "14.png": "test", "15.png": "test"},
    }


def test_lists_that_cannot_be_used(tmp_path):
    made(tmp_path)
    with pytest.raises(UserError) as caught:
        official(tmp_path)
    assert "Data-split/COVID/trainCT_COVID.txt, Data-split/COVID/valCT_COVID.txt" in str(caught.value)
    assert f"are missing; they belong into {tmp_path}." in str(caught.value)
    broken = {name: dict(of_class) for name, of_class in LISTS.items()}
    broken["COVID"]["val"] = []
    broken["NonCOVID"]["val"] = ["0.jpg", "14%0.jpg"]
    lists(tmp_path, broken)
    with pytest.raises(UserError) as caught:
        official(tmp_path)
    assert "Data-split/COVID/valCT_COVID.txt is empty." in str(caught.value)
    assert "0.jpg is in the lists of train and of val." in str(caught.value)


def config_of(root, results, role="target", splits=None, **more):
    cohort = {"role": role, "format": "png", "root": str(root), "layout": "ucsd-covid-ct"}
    return {"results": str(results), "labels": LABELS, "cohorts": {"mine": cohort | more}, "splits": splits or {}}


def rows_of(tmp_path, **changed):
    cohort = complete_config(config_of(tmp_path / "data", tmp_path / "run", **changed))["cohorts"]["mine"]
    return by_name(read_cohort_table("mine", cohort, LABELS))


@pytest.mark.parametrize("how", [{"splits": {"official": True}}, {"official_split": True}])
def test_official_lists_become_the_column_split(tmp_path, how):
    unlisted = {name: dict(of_class) for name, of_class in LISTS.items()}
    unlisted["COVID"]["train"] = unlisted["COVID"]["train"][1:]
    lists(made(tmp_path / "data"), unlisted)
    rows = rows_of(tmp_path, **how)
    left_out = rows.pop("2020.01.24.919183-p27-132.png")
    assert (left_out.split, left_out.skip) == ("", SKIPPED["no_list"])
    assert [rows[name].split for name in ("0.jpg", "14%0.jpg", "14.png")] == ["train", "val", "test"]
    assert not any(row.skip for row in rows.values())
    assert {row.split for row in rows_of(tmp_path, official_split=False).values()} == {""}
    assert {row.split for row in rows_of(tmp_path).values()} == {""}


def test_a_skipped_picture_of_an_official_list_is_in_no_subset(tmp_path):
    listed = {name: dict(of_class) for name, of_class in LISTS.items()}
    listed["COVID"]["test"] = [*listed["COVID"]["test"], "nobody.png"]
    lists(made(tmp_path / "data"), listed)
    pictures(tmp_path / "data" / "Images-processed/CT_COVID", ["nobody.png"])
    row = rows_of(tmp_path, official_split=True)["nobody.png"]
    assert (row.split, row.skip) == ("", SKIPPED["no_metadata"])


def test_of_an_external_cohort_the_official_test_list_is_used_alone(tmp_path):
    lists(made(tmp_path / "data"))
    rows = rows_of(tmp_path, role="external", official_split=True)
    tested = {name for name, row in rows.items() if not row.skip}
    assert tested == {"bmj.m606.full-p4-22%0.png", "14.png", "15.png"}
    assert {row.skip for row in rows.values()} == {"", SKIPPED["not_in_test_list"]}


def test_lists_are_asked_for_before_any_job(tmp_path):
    made(tmp_path / "data")
    with pytest.raises(UserError, match="with its official lists"):
        rows_of(tmp_path, official_split=True)


def test_configs_that_cannot_have_official_lists(tmp_path):
    table = {"role": "target", "format": "png", "root": "a", "table": "t.tsv"}
    base = config_of(tmp_path, tmp_path / "run")
    for cohorts, splits, problem in (
        ({"mine": table | {"official_split": True}}, {}, r"cohorts\.mine\.official_split: official lists are read for"),
        ({"mine": table}, {"official": True}, r"splits\.official: no cohort has official lists"),
        (base["cohorts"], {"official": True, "folds": 5}, "an official split tests the same images in every fold"),
    ):
        with pytest.raises(UserError, match=problem):
            complete_config(base | {"cohorts": cohorts, "splits": splits})
