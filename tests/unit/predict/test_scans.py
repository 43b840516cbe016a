"""Scans are found in a folder, one row for each series folder, volume and picture."""

import os
from pathlib import Path

from lungsight.predict.scans import find_scans

DICOM = bytes(128) + b"DICM" + bytes(8)


def write(path: Path, content: bytes = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_row_for_every_series_folder_volume_and_picture(tmp_path):
    write(tmp_path / "Ann/ct/0001", DICOM)
    write(tmp_path / "Ann/ct/0002", DICOM)
    write(tmp_path / "Ann/notes.txt", b"not a scan")
    write(tmp_path / "Ben/image.dcm")
    write(tmp_path / "Cid/scan.nii.gz")
    write(tmp_path / "Dora/slice 1.PNG")
    write(tmp_path / ".hidden/0001", DICOM)
    scans = find_scans(tmp_path)
    assert scans["dicom"] == [{"patient": "Ann", "path": "Ann/ct"}, {"patient": "Ben", "path": "Ben"}]
    assert scans["nifti"] == [{"patient": "Cid", "path": "Cid/scan.nii.gz"}]
    assert scans["png"] == [{"patient": "Dora", "path": "Dora/slice 1.PNG"}]


def test_files_without_a_folder_are_patients_of_their_own(tmp_path):
    for name in ("Ann.nii", "Ben.nii"):
        write(tmp_path / name)
    assert [row["patient"] for row in find_scans(tmp_path)["nifti"]] == ["", ""]


def test_links_to_folders_are_followed_each_folder_once(tmp_path):
    write(tmp_path / "archive/Ann/0001", DICOM)
    write(tmp_path / "scans/Ben/0001", DICOM)
    os.symlink(tmp_path / "archive/Ann", tmp_path / "scans/Ann")
    os.symlink(tmp_path / "archive/Ann", tmp_path / "scans/again")
    os.symlink(tmp_path / "scans", tmp_path / "scans/Ben/up")
    assert [row["path"] for row in find_scans(tmp_path / "scans")["dicom"]] == ["Ann", "Ben"]
