"""Digests are kept from one command to the next, for the files as they are, and for no others."""

from pathlib import Path

import pytest

import lungsight.code
from lungsight.code import digest_of, libraries_of
from lungsight.code.store import Store
from tests.unit.code.invented import write_library

LIBRARY = {
    "program.py": "import numpy\nfrom lungsight.work import work\nif __name__ == '__main__':\n    work(numpy.e)\n",
    "lungsight/__init__.py": "",
    "lungsight/work.py": "def work(x):\n    return x + 1\n",
}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return write_library(tmp_path, LIBRARY)


def forget() -> None:
    """Be a new process."""
    for cached in (lungsight.code._walk, lungsight.code._code_of, lungsight.code._store_of):
        cached.cache_clear()


def test_a_second_command_walks_nothing_and_finds_the_same(program, monkeypatch):
    first = digest_of(program), digest_of(program, {"lungsight": ["work"]}), libraries_of(program)
    forget()
    monkeypatch.setattr(lungsight.code, "Walk", None)
    assert (digest_of(program), digest_of(program, {"lungsight": ["work"]}), libraries_of(program)) == first


@pytest.mark.parametrize("file", ["lungsight/work.py", "lungsight/new.py", "../schemas/x.table.yaml", "words.txt"])
def test_any_other_file_makes_them_anew(program, monkeypatch, file):
    digest_of(program)
    place = program.parent / file
    place.parent.mkdir(exist_ok=True)
    place.write_text("def work(x):\n    return x + 2\n", encoding="utf-8")
    forget()
    monkeypatch.setattr(lungsight.code, "Walk", None)
    with pytest.raises(TypeError, match="not callable"):
        digest_of(program)


@pytest.mark.parametrize("text", ["", "[]", '{"state": 1}', "\0"])
def test_what_is_damaged_is_made_anew(program, text):
    first = digest_of(program)
    Store(program.parent).path.write_text(text, encoding="utf-8")
    forget()
    assert digest_of(program) == first


def test_it_is_no_part_of_the_library_and_needs_no_room(program):
    first = digest_of(program)
    (kept,) = [path for path in program.parent.rglob("*") if path.name.startswith("digests-")]
    assert kept.parent.name == "__pycache__" and kept.suffix == ""
    kept.unlink()
    kept.mkdir()
    forget()
    assert digest_of(program) == first
