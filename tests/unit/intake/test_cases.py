"""Convert a shard: a bad case gets a reason and never stops a cohort."""

import json
import os
import signal

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lungsight.errors import UserError
from lungsight.intake import cases as cases_module
from lungsight.intake.cases import Folders, Intake, convert_shard
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.intake.forensics.washing import WASHINGS
from lungsight.intake.volume import sha256_of_image
from lungsight.privacy import pseudonym
from tests.factories.dicom import made_hu, made_rtstruct, made_series, save_series
from tests.unit.intake.test_masks import REGIONS, ROI_NAMES, hu_with_lungs, truth

KEY = b"key"
SETTINGS = {
    **{"window": [-1250, 250], "png_size": 32, "burned_in": "reject", "nifti_values": "auto"},
    "plausibility": "refuse",
    **{"roi_names": ROI_NAMES, "tumour_in_lung": True},
    "series": {"contrast": "any", "kernels": [], "prefer": "thinnest"},
    "harmonise": {},
}


def row(number, path, patient="P", label="Covid-19", source="", mask="", lesion=""):
    return TableRow(number, patient, path, label, source, mask, "", lesion=lesion)


def convert(tmp_path, rows, format="dicom", settings=SETTINGS, **folders):
    intake = Intake("hospital", format, tmp_path / "in", 5, settings, KEY)
    places = {name: tmp_path / "out" / name / "000" for name in folders.get("names", ("nifti", "png"))}
    return (*convert_shard(rows, intake, Folders(**places)), tmp_path / "out")


def test_every_case_of_a_shard_has_a_row_even_a_bad_one(tmp_path, capsys):
    save_series(tmp_path / "in" / "good", made_series())
    short = save_series(tmp_path / "in" / "short", made_series()[:3])
    (tmp_path / "in" / "text").write_text("no")
    assert short.is_dir()
    cases, slices, out = convert(tmp_path, [row(1, "short"), row(2, "good"), row(5, "text")])
    assert [case["status"] for case in cases] == ["rejected", "ok", "rejected"]
    assert [case["reason"] for case in cases] == [
        "3 slices, min_slices is 5",
        "",
        "no CT slice; left out 1 × not DICOM",
    ]
    case = pseudonym(KEY, "case", "hospital", "good")
    assert cases[1]["case"] == case and cases[1]["n_slices"] == 8 and cases[1]["kind"] == "series"
    assert [s["slice"] for s in slices] == [f"{case}-{z:04d}" for z in range(8)]
    values = nibabel.load(out / "nifti" / "000" / f"{case}.nii.gz").get_fdata()
    for s in slices:
        image = np.asarray(Image.open(out / s["png"]))
        np.testing.assert_array_equal(image, np.round(255 * values[::-1, ::-1, s["z_index"]].T))
        assert s["sha256"] == sha256_of_image(image)
    log = capsys.readouterr().err
    assert "row 1 rejected: 3 slices" in log and "row 5 rejected" in log and "text" not in log


def test_the_number_of_processes_does_not_change_the_results(tmp_path):
    for number in range(3):
        save_series(tmp_path / "in" / f"s{number}", made_series(made_hu(seed=number)))
    rows = [row(1, "s0"), row(2, "absent"), row(3, "s1"), row(4, "s2")]
    intake = Intake("hospital", "dicom", tmp_path / "in", 5, SETTINGS, KEY)
    results = {}
    for threads in (1, 2):
        folders = Folders(tmp_path / f"nifti{threads}" / "000", tmp_path / f"png{threads}" / "000")
        tables = convert_shard(rows, intake, folders, threads)
        files = {file.name: file.read_bytes() for place in (folders.nifti, folders.png) for file in place.iterdir()}
        results[threads] = (pd.DataFrame(tables[0]), pd.DataFrame(tables[1]), files)
    for alone, together in zip(results[1][:2], results[2][:2], strict=True):
        pd.testing.assert_frame_equal(alone, together)
    assert results[1][2] == results[2][2] and len(results[1][2]) == 3 * 9


def test_the_case_does_not_depend_on_how_its_path_is_written():
    assert case_of(KEY, "hospital", "a/b/") == case_of(KEY, "hospital", "./a//b")
    assert case_of(KEY, "hospital", "a/b") != case_of(KEY, "hospital", "a/c")
    assert case_of(KEY, "hospital", "a/b") != case_of(KEY, "public", "a/b")


def test_an_unforeseen_error_becomes_the_reason_and_its_traceback_stays_private(tmp_path, monkeypatch):
    def explode(*_):
        raise ZeroDivisionError("Doe^Jane")

    monkeypatch.setattr(cases_module, "read_case", explode)
    monkeypatch.setenv("LUNGSIGHT_PRIVATE", str(tmp_path / "private"))
    cases, slices, _ = convert(tmp_path, [row(3, "x")])
    assert cases[0]["reason"] == "could not be read (ZeroDivisionError)" and slices == []
    (kept,) = (tmp_path / "private" / "errors").iterdir()
    assert "Doe^Jane" in kept.read_text()
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def test_a_file_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    def deny(*_):
        raise PermissionError(13, "Permission denied", "/home/doe/scan.dcm")

    monkeypatch.setattr(cases_module, "read_case", deny)
    cases, slices, _ = convert(tmp_path, [row(3, "x")])
    assert cases[0]["reason"] == "a file may not be read: its owner has to allow it" and slices == []


def test_a_full_disk_stops_the_shard(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    save_series(tmp_path / "in" / "good", made_series())
    monkeypatch.setattr(cases_module, "write_nifti", full)
    with pytest.raises(OSError, match="No space"):
        convert(tmp_path, [row(1, "good")])


def test_cases_of_a_segmentation_cohort_have_lung_masks_and_no_png(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGSIGHT_PRIVATE", str(tmp_path / "private"))
    save_series(tmp_path / "in" / "ct", made_series(hu_with_lungs()))
    save_series(tmp_path / "in" / "rt", [made_rtstruct(REGIONS)])
    save_series(tmp_path / "in" / "one", [made_rtstruct({"Lung-Left": REGIONS["Lung-Left"]})])
    rows = [row(1, "ct", mask="rt"), row(2, "ct/../ct", mask="one")]
    cases, slices, out = convert(tmp_path, rows[:1], names=("nifti", "truth"))
    case = cases[0]["case"]
    written = nibabel.load(out / "truth" / "000" / f"{case}.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), truth(True))
    image = nibabel.load(out / "nifti" / "000" / f"{case}.nii.gz")
    np.testing.assert_array_equal(written.affine, image.affine)
    assert {s["png"] for s in slices} == {""}
    cases, _, _ = convert(tmp_path, rows[1:], names=("nifti", "truth"))
    assert cases[0]["status"] == "rejected"
    assert cases[0]["reason"].startswith(
        "right lung not contoured, or under a name that intake.roi_names does not know"
    )
    assert "Lung-Left" not in cases[0]["reason"]
    assert "Lung-Left" in (tmp_path / "private" / "errors" / "hospital-row-2.txt").read_text()


def test_an_unusable_lesion_mask_is_left_out_and_the_scan_stays(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LUNGSIGHT_PRIVATE", str(tmp_path / "private"))
    for number in range(4):
        save_series(tmp_path / "in" / f"s{number}", made_series(made_hu(seed=number)))
    plain, _, out = convert(tmp_path, [row(1, "s0")])
    affine = nibabel.load(out / "nifti" / "000" / f"{plain[0]['case']}.nii.gz").affine
    lesions = np.zeros(truth(True).shape, np.uint8)
    lesions[10:14, 8:12, 3] = 2
    nibabel.save(nibabel.Nifti1Image(lesions, affine), tmp_path / "in" / "good.nii.gz")
    nibabel.save(nibabel.Nifti1Image(lesions[:-1], affine), tmp_path / "in" / "small.nii.gz")
    (tmp_path / "in" / "torn.nii.gz").write_bytes((tmp_path / "in" / "good.nii.gz").read_bytes()[:90])
    rows = [
        row(number + 1, f"s{number}", lesion=f"{name}.nii.gz" if name else "")
        for number, name in enumerate(("good", "small", "torn", ""))
    ]
    cases, slices, out = convert(tmp_path, rows, names=("nifti", "png", "lesions"))
    assert [case["status"] for case in cases] == ["ok"] * 4 and len(slices) == 4 * 8
    assert [case["reason"] for case in cases] == [
        "",
        "its lesion mask is left out: the mask does not lie on the image's grid (shape or affine differ; a"
        " cropped mask needs the whole grid)",
        "its lesion mask is left out: the NIfTI is truncated or damaged",
        "",
    ]
    (written,) = (out / "lesions" / "000").iterdir()
    assert written.name == f"{cases[0]['case']}.nii.gz"
    image = nibabel.load(written)
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(image.dataobj), lesions > 0)
    np.testing.assert_array_equal(image.affine, affine)
    log = capsys.readouterr().err
    assert "row 2 ok: its lesion mask is left out" in log and "row 3 ok" in log and "row 1" not in log

    def explode(*_):
        raise ZeroDivisionError("Doe^Jane")

    monkeypatch.setattr(cases_module, "read_lesion", explode)
    (case,), _, _ = convert(tmp_path, rows[:1], names=("nifti", "png", "lesions"))
    assert (case["status"], case["n_slices"]) == ("ok", 8)
    assert case["reason"] == "its lesion mask is left out: it could not be read (ZeroDivisionError)"
    assert "Doe^Jane" in (tmp_path / "private" / "errors" / "hospital-row-1.txt").read_text()


def test_pictures_and_volumes(tmp_path):
    (tmp_path / "in").mkdir()
    picture = np.random.default_rng(1).integers(0, 256, (32, 32), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_text("no")
    cases, slices, out = convert(tmp_path, [row(1, "a.png"), row(2, "b.png"), row(3, ".")], format="png")
    assert [case["status"] for case in cases] == ["ok", "rejected", "rejected"]
    np.testing.assert_array_equal(np.asarray(Image.open(out / slices[0]["png"])), picture)
    values = nibabel.load(out / "nifti" / "000" / f"{cases[0]['case']}.nii.gz").get_fdata()
    np.testing.assert_allclose(values[::-1, ::-1, 0].T, picture / 255, atol=1e-6)
    nibabel.save(nibabel.Nifti1Image(made_hu(n=5).T.astype(np.int16), np.eye(4)), tmp_path / "in" / "v.nii.gz")
    cases, slices, _ = convert(tmp_path, [row(1, "v.nii.gz")], format="nifti")
    assert (cases[0]["kind"], cases[0]["status"], len(slices)) == ("volume", "ok", 5)


def test_harmonised_slices_are_washed_and_the_volume_and_its_duplicates_stay(tmp_path):
    (tmp_path / "in").mkdir()
    picture = np.random.default_rng(1).integers(40, 200, (32, 32), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "in" / "a.png")
    (_, (plain,), _) = convert(tmp_path, [row(1, "a.png")], format="png")
    settings = SETTINGS | {"harmonise": {"grey_levels": False, "noise": True}}
    cases, (found,), out = convert(tmp_path, [row(1, "a.png")], format="png", settings=settings)
    image = np.asarray(Image.open(out / found["png"]))
    np.testing.assert_array_equal(image, WASHINGS["noise"].wash(picture))
    values = nibabel.load(out / "nifti" / "000" / f"{cases[0]['case']}.nii.gz").get_fdata()
    np.testing.assert_allclose(values[::-1, ::-1, 0].T, picture / 255, atol=1e-6)
    assert found["perceptual_hash"] == plain["perceptual_hash"]
    assert found["sha256"] == sha256_of_image(image) != plain["sha256"]


def test_nothing_that_identifies_a_person_is_written(tmp_path, capsys):
    folder = tmp_path / "in" / "Doe_Jane_19400102"
    datasets = made_series()
    for dataset in datasets:
        dataset.PatientBirthDate, dataset.InstitutionName = "19400102", "General Hospital"
    save_series(folder, datasets)
    cases, slices, out = convert(tmp_path, [row(1, folder.name), row(2, folder.name + "/001.dcm")])
    planted = [
        b"Doe",
        b"Jane",
        b"4711",
        b"ACC-99",
        b"1940",
        b"20200314",
        b"General",
        datasets[0].SOPInstanceUID.encode(),
    ]
    written = [json.dumps([cases, slices]).encode(), capsys.readouterr().err.encode()]
    for file in out.rglob("*"):
        written.append(str(file.relative_to(out)).encode())
        if file.suffix == ".gz":
            written.append(bytes(nibabel.load(file).header.binaryblock))
        elif file.is_file():
            written.append(file.read_bytes())
    assert not [(text, part) for text in planted for part in written if text in part]


def test_a_slice_of_one_value_is_blank_whatever_the_value_and_the_original_size(tmp_path):
    (tmp_path / "in").mkdir()
    pictures = {"black.png": np.zeros((20, 24)), "wide.png": np.zeros((20, 60)), "grey.png": np.full((40, 24), 77)}
    pictures["dot.png"] = np.pad([[255]], 16)
    for name, picture in pictures.items():
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "in" / name)
    rows, settings = [row(n, name) for n, name in enumerate(pictures)], SETTINGS | {"plausibility": "off"}
    _, slices, _ = convert(tmp_path, rows, format="png", settings=settings)
    assert [s["blank"] for s in slices] == [1, 1, 1, 0]
    assert slices[0]["sha256"] == slices[1]["sha256"]


def end_the_process(row, intake, folders):  # at module level: processes pickle functions by name
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_names_the_row_from_which_to_look_for_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(cases_module, "convert_case", end_the_process)
    rows = [row(number, "a") for number in (4, 5)]
    with pytest.raises(UserError, match="look at row 4 of the table and at the rows of this shard after it"):
        convert_shard(rows, None, Folders(nifti=tmp_path), threads=2)
