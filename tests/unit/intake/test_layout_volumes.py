"""Read COVID-CT-MD and MosMedData-1110 on small copies of their folders."""

import pytest

from lungsight.errors import UserError
from lungsight.intake.layouts.covid_ct_md import covid_ct_md
from lungsight.intake.layouts.mosmed_1110 import mosmed_1110
from tests.factories.spreadsheets import write_spreadsheet

LABELS = {"Covid-19": ["covid"], "Non Covid": ["normal"]}
WITH_CAP = {"Covid-19": ["covid"], "Non Covid": ["normal", "CAP"]}


def made_md(root, words="subjects", cap="Cap"):
    classes = {f"COVID-19 {words}": ("P001", "P002"), f"{cap} {words}": ("cap001",), f"Normal {words}": ("normal001",)}
    for name, patients in classes.items():
        for patient in patients:
            (root / name.strip() / patient).mkdir(parents=True)
            (root / name.strip() / patient / "IM0001.dcm").touch()
    return root


@pytest.mark.parametrize(("words", "nested"), [("subjects", ""), ("Cases", "COVID-CT-MD"), ("", "a/b")])
def test_covid_ct_md_has_a_row_for_each_patient(tmp_path, words, nested):
    made_md(tmp_path / nested, words)
    rows = {row.patient: row for row in covid_ct_md(tmp_path, LABELS)}
    assert list(rows) == ["P001", "P002", "cap001", "normal001"]
    assert rows["P002"].path == f"{nested}/{f'COVID-19 {words}'.strip()}/P002".lstrip("/")
    assert [row.label for row in rows.values()] == ["Covid-19", "Covid-19", "", "Non Covid"]
    assert [row.skip for row in rows.values()] == ["", "", "cap", ""]


def test_cap_of_covid_ct_md_counts_where_labels_name_it_and_may_be_absent(tmp_path):
    made_md(tmp_path, cap="CAP")
    assert [(row.label, row.skip) for row in covid_ct_md(tmp_path, WITH_CAP) if row.patient == "cap001"] == [
        ("Non Covid", "")
    ]
    (tmp_path / "CAP subjects/cap001/IM0001.dcm").unlink()
    (tmp_path / "CAP subjects/cap001").rmdir()
    with pytest.raises(UserError, match="CAP subjects holds no folder of a patient; it holds nothing"):
        covid_ct_md(tmp_path, LABELS)
    (tmp_path / "CAP subjects").rmdir()
    assert len(covid_ct_md(tmp_path, LABELS)) == 3


def test_patients_with_labelled_slices_get_a_note(tmp_path):
    made_md(tmp_path / "set")
    (tmp_path / "Index.csv").write_text("Index,Patient ID\n0,P002\n1,cap001\n")
    rows = covid_ct_md(tmp_path, LABELS)
    assert [row.patient for row in rows if row.note == "slice_labels"] == ["P002", "cap001"]


def test_everything_wrong_with_covid_ct_md_is_listed_at_once(tmp_path):
    made_md(tmp_path)
    (tmp_path / "COVID-19 subjects" / "Normal 7").mkdir()
    (tmp_path / "Normal subjects" / "normal002").mkdir()
    with pytest.raises(UserError) as caught:
        covid_ct_md(tmp_path, LABELS)
    assert "COVID-19 subjects/Normal 7 is not named as its patients are (P001)." in str(caught.value)
    assert "Normal subjects/normal002 is empty: an incomplete download?" in str(caught.value)
    (tmp_path / "Normal cases").mkdir()
    with pytest.raises(UserError, match="Normal cases and Normal subjects are one class"):
        covid_ct_md(tmp_path, LABELS)
    with pytest.raises(UserError, match=r"no folders COVID-19 subjects and Normal subjects in it"):
        covid_ct_md(tmp_path / "Normal subjects", LABELS)


STUDIES = {"CT-0": (1, 2), "CT-1": (255, 256), "CT-4": (1110,)}


def made_mosmed(root, ending=".nii.gz"):
    for category, numbers in STUDIES.items():
        (root / "studies" / category).mkdir(parents=True)
        for number in numbers:
            (root / "studies" / category / f"study_{number:04d}{ending}").touch()
    (root / "masks").mkdir()
    (root / "masks" / f"study_0255_mask{ending}").touch()
    return root


def registry(root, paths, header=("study_id", "category", "study_file", "mask_file")):
    rows = [[path.split("/")[-1].split(".")[0], "x", path, ""] for path in paths]
    write_spreadsheet(root / "dataset_registry.xlsx", [list(header), *rows])


def paths_of(studies):
    return [f"/studies/{name}/study_{n:04d}.nii.gz" for name, numbers in studies.items() for n in numbers]


@pytest.mark.parametrize(("nested", "ending"), [("", ".nii.gz"), ("COVID19_1110", ".nii")])
def test_mosmed_has_a_row_for_each_study(tmp_path, nested, ending):
    made_mosmed(tmp_path / nested, ending)
    rows = {row.patient: row for row in mosmed_1110(tmp_path, LABELS)}
    assert list(rows) == [f"study_{number:04d}" for number in (1, 2, 255, 256, 1110)]
    assert [row.label for row in rows.values()] == ["Non Covid"] * 2 + ["Covid-19"] * 3
    assert [row.source for row in rows.values()] == ["CT-0", "CT-0", "CT-1", "CT-1", "CT-4"]
    assert rows["study_0256"].path == f"{nested}/studies/CT-1/study_0256{ending}".lstrip("/")
    assert {row.patient: row.lesion for row in rows.values() if row.lesion} == {
        "study_0255": f"{nested}/masks/study_0255_mask{ending}".lstrip("/")
    }


def test_studies_that_only_the_registry_names_are_kept_as_rows(tmp_path):
    made_mosmed(tmp_path)
    more = {"CT-2": range(900, 940)}
    (tmp_path / "studies/CT-2").mkdir()
    for number in range(900, 939):
        (tmp_path / f"studies/CT-2/study_{number:04d}.nii.gz").touch()
    registry(tmp_path, paths_of({**STUDIES, **more}))
    absent = [row for row in mosmed_1110(tmp_path, LABELS) if row.skip]
    assert [(row.patient, row.label, row.skip) for row in absent] == [("study_0939", "Covid-19", "no_file")]


@pytest.mark.parametrize(
    ("paths", "header", "problem"),
    [
        (paths_of({"CT-0": (1, 2, 3)}), None, r"studies lacks 1 of the 3 files that dataset_registry\.xlsx names"),
        (["/studies/CT-1/study_0001.nii.gz"], None, "row 1: study_0001 is in CT-1 there and in CT-0 here"),
        (["study_0001"], None, r"row 1: study_file is no path as studies/CT-0/study_0001\.nii\.gz"),
        (paths_of(STUDIES), ("a", "b", "c", "d"), r"the column study_file is missing; it has a, b, c, d\."),
    ],
)
def test_a_registry_that_does_not_fit(tmp_path, paths, header, problem):
    registry(made_mosmed(tmp_path), paths, **({"header": header} if header else {}))
    with pytest.raises(UserError, match=problem):
        mosmed_1110(tmp_path, LABELS)


def test_everything_wrong_with_mosmed_is_listed_at_once(tmp_path):
    made_mosmed(tmp_path)
    (tmp_path / "studies" / "CT-5").mkdir()
    (tmp_path / "studies" / "CT-3").mkdir()
    (tmp_path / "studies" / "CT-4" / "study_0001.nii.gz").touch()
    (tmp_path / "studies" / "CT-1" / "copy.nii").touch()
    (tmp_path / "studies" / "CT-0" / "study_0001.nii").touch()
    (tmp_path / "masks" / "study_0900_mask.nii.gz").touch()
    (tmp_path / "masks" / "lesions.txt").touch()
    with pytest.raises(UserError) as caught:
        mosmed_1110(tmp_path, LABELS)
    for problem in (
        "studies/CT-5 is none of CT-0 … CT-4.",
        "studies/CT-3 holds no study; it holds nothing.",
        "CT-1/copy.nii is not named as the files of this data set are",
        "CT-0 holds study_0001 twice, as study_0001.nii and as study_0001.nii.gz.",
        "(study_0255, study_0900): an incomplete download?",
    ):
        assert problem in str(caught.value)


def test_masks_that_are_not_named_as_masks(tmp_path):
    made_mosmed(tmp_path)
    (tmp_path / "masks" / "study_0256.nii.gz").touch()
    with pytest.raises(UserError, match=r"not laid out as mosmed-1110:\n  masks/study_0256\.nii\.gz is not named as"):
        mosmed_1110(tmp_path, LABELS)


def test_one_study_in_two_categories_and_folders_of_something_else(tmp_path):
    made_mosmed(tmp_path / "set")
    (tmp_path / "set/studies/CT-4/study_0001.nii.gz").touch()
    with pytest.raises(UserError, match="study_0001 is in CT-0 and in CT-4"):
        mosmed_1110(tmp_path, LABELS)
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match=r"no folder studies in it"):
        mosmed_1110(tmp_path / "other", LABELS)
    (tmp_path / "other" / "studies").mkdir()
    with pytest.raises(UserError, match=r"studies holds no folder CT-0 … CT-4; it holds nothing\."):
        mosmed_1110(tmp_path / "other", LABELS)
