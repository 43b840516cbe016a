"""Read SARS-CoV-2 CT-scan on small copies of its folders."""

from pathlib import Path

import pytest

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.intake.cohort_table import read_cohort_table
from lungsight.intake.layouts.sars_cov_2_ct import sars_cov_2_ct

LABELS = {"Covid-19": ["covid"], "Non Covid": ["normal"]}


def made(root, covid="COVID", other="non-COVID", numbers=range(1, 6)):
    """Make both folders with empty pictures."""
    for folder, name in ((covid, "Covid"), (other, "Non-Covid")):
        (root / folder).mkdir(parents=True)
        for number in numbers:
            (root / folder / f"{name} ({number}).png").touch()


def config_of(root, results, **more):
    cohort = {"role": "public", "format": "png", "root": str(root), "layout": "sars-cov-2-ct", "patients": "unknown"}
    return {"results": str(results), "labels": LABELS, "cohorts": {"mine": cohort | more}}


def test_rows_have_their_class_and_no_patient(tmp_path):
    made(tmp_path, numbers=range(1, 12))
    rows = sars_cov_2_ct(tmp_path, LABELS)
    assert [row.path for row in rows[:11]] == [f"COVID/Covid ({number}).png" for number in range(1, 12)]
    assert [row.label for row in rows] == ["Covid-19"] * 11 + ["Non Covid"] * 11
    assert {(row.patient, row.source, row.skip) for row in rows} == {("", "sars-cov-2-ct", "")}


@pytest.mark.parametrize("nested", ["", "archive", "archive/sarscov2-ctscan-dataset"])
@pytest.mark.parametrize("other", ["non-COVID", "Non-Covid", "NonCOVID", "noncovid"])
def test_folders_may_be_nested_and_spelt_otherwise(tmp_path, nested, other):
    made(tmp_path / nested, other=other)
    rows = sars_cov_2_ct(tmp_path, LABELS)
    assert len(rows) == 10 and rows[-1].path == f"{nested}/{other}/Non-Covid (5).png".lstrip("/")


def test_the_copy_holds_other_sets_and_copies_of_itself(tmp_path):
    made(tmp_path / "master-data", other="NonCOVID")
    made(tmp_path / "split-data" / "train", other="NonCOVID", numbers=(1, 2))
    (tmp_path / "master-data" / "COVID" / "img1.jpg").touch()
    (tmp_path / "master-data" / "NonCOVID" / "14%1.jpg").touch()
    rows = sars_cov_2_ct(tmp_path, LABELS)
    assert {row.path.split("/")[0] for row in rows} == {"master-data"} and len(rows) == 10
    assert not any(row.skip for row in rows)


def test_other_pictures_in_its_own_folders_are_skipped_not_lost(tmp_path):
    made(tmp_path)
    for name in ("img1.jpg", "Covid (3) copy.png", "readme.txt"):
        (tmp_path / "COVID" / name).touch()
    skipped = [row.path for row in sars_cov_2_ct(tmp_path, LABELS) if row.skip == "other_name"]
    assert skipped == ["COVID/Covid (3) copy.png", "COVID/img1.jpg"]


@pytest.mark.parametrize("base", ["", "master-data"])
def test_two_names_that_capital_letters_tell_apart_are_one_picture(tmp_path, base):
    made(tmp_path / base)
    for name in ("COVID (3).PNG", "covid (6).PNG", "COVID (6).png"):
        (tmp_path / base / "COVID" / name).touch()
    if len(list((tmp_path / base / "COVID").iterdir())) < 8:
        pytest.skip("the file system does not tell capital letters apart")
    rows = {Path(row.path).name: row.skip for row in sars_cov_2_ct(tmp_path, LABELS) if "/COVID/" in f"/{row.path}"}
    assert rows == {
        **{f"Covid ({number}).png": "" for number in range(1, 6)},
        **{"COVID (3).PNG": "same_name", "COVID (6).png": "", "covid (6).PNG": "same_name"},
    }


def test_pictures_that_the_numbers_miss(tmp_path):
    made(tmp_path, numbers=[number for number in range(1, 101) if number != 51])
    assert len(sars_cov_2_ct(tmp_path, LABELS)) == 198, "the set as distributed lacks one number"
    for number in range(60, 70):
        (tmp_path / "COVID" / f"Covid ({number}).png").unlink()
    with pytest.raises(
        UserError, match=r"COVID lacks 11 of the 100 files by their numbers \(\(51\), \(60\), \(61\), …"
    ):
        sars_cov_2_ct(tmp_path, LABELS)
    (tmp_path / "COVID" / "Covid (999999999999).png").touch()
    with pytest.raises(UserError, match="COVID lacks 11 of the 100 files"):
        sars_cov_2_ct(tmp_path, LABELS)


def test_folders_that_are_not_its_own(tmp_path):
    """Official lists of another data set lie in folders of the same names."""
    for name in ("COVID", "NonCOVID"):
        (tmp_path / "Data-split" / name).mkdir(parents=True)
        (tmp_path / "Data-split" / name / "testCT.txt").touch()
    with pytest.raises(UserError, match=r"no folders COVID and non-COVID with pictures .*; it holds Data-split\."):
        sars_cov_2_ct(tmp_path, LABELS)
    made(tmp_path / "archive")
    assert len(sars_cov_2_ct(tmp_path, LABELS)) == 10


def test_classes_without_pictures_or_with_two_folders(tmp_path):
    made(tmp_path)
    for picture in (tmp_path / "non-COVID").iterdir():
        picture.rename(picture.with_name(f"x{picture.name}"))
    with pytest.raises(UserError, match=r"non-COVID holds no picture of this data set; it holds xNon-Covid \(1\)\.png"):
        sars_cov_2_ct(tmp_path, LABELS)
    (tmp_path / "NonCOVID").mkdir()
    with pytest.raises(UserError, match="NonCOVID and non-COVID are one class"):
        sars_cov_2_ct(tmp_path, LABELS)
    for place in ("a", "b"):
        made(tmp_path / "both" / place)
    with pytest.raises(UserError, match="pictures lie in a and in b; make one of them the root"):
        sars_cov_2_ct(tmp_path / "both", LABELS)


def test_a_cohort_says_that_its_patients_are_unknown(tmp_path):
    made(tmp_path / "data")
    with pytest.raises(
        UserError, match=r"cohorts\.mine\.patients: sars-cov-2-ct does not say .* write patients: unknown"
    ):
        complete_config(config_of(tmp_path / "data", tmp_path / "run", patients="known"))
    cohort = complete_config(config_of(tmp_path / "data", tmp_path / "run"))["cohorts"]["mine"]
    rows = read_cohort_table("mine", cohort, LABELS)
    assert len(rows) == 10 and not any(row.patient for row in rows)
