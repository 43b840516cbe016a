"""Files that are either whole or absent."""

import hashlib

import pytest

from lungsight.files import atomic_path, read_json, sha256_of, write_json, write_text


def test_a_file_appears_complete_and_its_folder_is_made(tmp_path):
    with atomic_path(tmp_path / "new" / "table.nii.gz") as temporary:
        assert temporary.name == "table.nii.gz" and temporary.parent.parent == tmp_path / "new"
        temporary.write_text("whole")
        assert not (tmp_path / "new" / "table.nii.gz").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["table.nii.gz"]


def test_after_an_error_only_the_old_file_is_there(tmp_path):
    write_text(tmp_path / "t", "old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "t") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "t").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_json_keeps_order_and_refuses_nan(tmp_path):
    write_json(tmp_path / "j.json", {"b": 1, "a": "ü"})
    assert (tmp_path / "j.json").read_text(encoding="utf-8") == '{\n  "b": 1,\n  "a": "ü"\n}\n'
    assert read_json(tmp_path / "j.json") == {"b": 1, "a": "ü"}
    with pytest.raises(ValueError):
        write_json(tmp_path / "j.json", float("nan"))


def test_sha256(tmp_path):
    (tmp_path / "f").write_bytes(b"lung" * 100000)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(b"lung" * 100000).hexdigest()
