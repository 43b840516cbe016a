"""Stamps of the user's files: what changes them, and what does not."""

import os
from pathlib import Path

import pytest

from lungsight.file_stamps import FileStamp, stamp_of_files
from lungsight.intake.file_names import is_leftover


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("ann/ct/1.dcm", "ann/ct/2.dcm", "ben.nii.gz"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
        os.utime(path, (1_000, 1_000))
    return tmp_path / "data"


def stamp(root: Path, *paths: str) -> FileStamp:
    return stamp_of_files(root, paths or ("ann", "ben.nii.gz"))


def test_neither_the_order_nor_the_place_of_the_root_counts(root):
    before = stamp(root)
    assert before.newest == 1_000
    moved = root.rename(root.with_name("elsewhere"))
    assert stamp(moved, "ben.nii.gz", "ann", "ann") == before


@pytest.mark.parametrize(
    ("edit", "contents_change"),
    [
        (lambda root: (root / "ann/ct/1.dcm").write_bytes(b"123456"), True),
        (lambda root: (root / "ann/ct/1.dcm").unlink(), True),
        (lambda root: (root / "ann/ct/1.dcm").rename(root / "ann/ct/3.dcm"), True),
        (lambda root: (root / "ann/ct/more").mkdir() or (root / "ann/ct/more/9.dcm").touch(), True),
        (lambda root: (root / "ben.nii.gz").unlink(), True),
        (lambda root: (root / "ann/ct/2.dcm").write_bytes(b"54321"), False),
    ],
    ids=["grown", "removed", "renamed", "added below", "file gone", "same size"],
)
def test_every_change_of_a_file_changes_the_stamp(root, edit, contents_change):
    before = stamp(root)
    edit(root)
    after = stamp(root)
    assert after.state != before.state
    assert (after.contents != before.contents) == contents_change


def test_a_name_cannot_pass_for_another_with_a_size(tmp_path):
    (tmp_path / "a 5").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"1")
    first = stamp_of_files(tmp_path, ["a 5"]).contents
    (tmp_path / "a 5").rename(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"12345")
    assert stamp_of_files(tmp_path, ["a"]).contents != first


def test_links_count_by_what_they_lead_to_and_loops_end(root):
    (root / "ann/ct/up").symlink_to(root)
    (root / "link").symlink_to(root / "ann")
    (root / "ann/ct/gone.dcm").symlink_to(root / "nowhere")
    (root / "ann/ct/loop").symlink_to(root / "ann/ct/loop")
    before = stamp(root, "link")
    (root / "ann/ct/2.dcm").write_bytes(b"1")
    assert stamp(root, "link").state != before.state


def test_what_file_systems_leave_in_a_folder_does_not_count(root):
    before = stamp_of_files(root, ["ann"], is_leftover)
    for name in (".DS_Store", "._1.dcm", "Thumbs.db"):
        (root / "ann/ct" / name).touch()
    assert stamp_of_files(root, ["ann"], is_leftover) == before != stamp_of_files(root, ["ann"])
    (root / ".hidden.nii").touch()
    assert stamp_of_files(root, [".hidden.nii"], is_leftover).newest, "the table names it"
