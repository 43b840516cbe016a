"""The digest of a program: what changes it and what does not."""

import pytest

from lungsight.code import digest_of, files_of

FILES = {
    "convert.py": '"""Doc."""\nfrom lungsight.room.part import work\n\nwork(1)\n',
    "lungsight/__init__.py": "",
    "lungsight/room/__init__.py": "",
    "lungsight/room/part.py": "import json\nfrom lungsight import helper\n\ndef work(x):\n    helper.double(x)\n",
    "lungsight/helper.py": "def double(x):\n    return 2 * x\n",
    "lungsight/stranger.py": "VALUE = 1\n",
}


@pytest.fixture
def scripts(tmp_path):
    def write(**changes):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in (FILES | changes).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder / "convert.py"

    return write


def test_files_are_those_imported_directly_or_not(scripts):
    program = scripts()
    names = [str(path.relative_to(program.parent)) for path in files_of(program)]
    assert names == sorted(set(FILES) - {"lungsight/stranger.py"})


def test_what_the_code_does_changes_the_digest(scripts):
    same = digest_of(scripts())
    assert digest_of(scripts()) == same
    assert digest_of(scripts(**{"lungsight/stranger.py": "VALUE = 2\n"})) == same
    commented = '# why\ndef double(x):\n    """Twice x."""\n    return 2 * x  # twice\n'
    assert digest_of(scripts(**{"lungsight/helper.py": commented})) == same
    assert digest_of(scripts(**{"lungsight/helper.py": "def double(x):\n    return 3 * x\n"})) != same
    assert digest_of(scripts(**{"convert.py": FILES["convert.py"].replace("work(1)", "work(2)")})) != same


def test_imports_inside_functions_count(scripts):
    late = 'def double(x):\n    """Twice."""\n    from lungsight import stranger\n\n    return stranger.VALUE * x\n'
    program = scripts(**{"lungsight/helper.py": late})
    assert program.parent / "lungsight" / "stranger.py" in files_of(program)
