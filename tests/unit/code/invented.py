"""A library of a few lines, and the digest of its one program before and after an edit."""

from collections.abc import Mapping
from pathlib import Path

from lungsight.code import digest_of

PROGRAM = '''"""Do the work."""

from lungsight.program import parser, run
from lungsight.work import work


def main():
    args = parser(__doc__).parse_args()
    work(args)


def unused():
    return 1


if __name__ == "__main__":
    run(main)
'''
BOUNDARY = '''"""What programs share."""

import argparse
import sys

from lungsight.errors import UserError


def parser(documentation):
    return argparse.ArgumentParser(description=documentation)


def run(main):
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")


def log(message):
    print(message, file=sys.stderr)


def keep_private(name, text):
    open(name, "w").write(text)


def progress(items, what, total=None):
    for done, item in enumerate(items):
        yield item
        log(f"{done} of {total} {what}")
'''
ERRORS = '''class UserError(Exception):
    """Stops a program."""


class BadCase(Exception):
    """One case is left out."""


class BadPixels(BadCase):
    """Its pixels are wrong."""
'''
LIBRARY = {
    "program.py": PROGRAM,
    "lungsight/__init__.py": '__version__ = "1.0"\n',
    "lungsight/errors.py": ERRORS,
    "lungsight/program.py": BOUNDARY,
    "lungsight/work.py": "def work(args):\n    return args\n",
}


def write_library(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the library with some files more, or others, below `folder`/scripts. Returns the program."""
    root = folder / "scripts"
    for name, text in (LIBRARY | dict(files)).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root / "program.py"


def digests(folder: Path, files: Mapping[str, str], name: str, old: str, new: str, **loads) -> tuple[str, str]:
    """The program's digest before and after `old` became `new` in one of the files."""
    before = LIBRARY | dict(files)
    assert before[name].count(old) == 1, f"{old!r} must be in {name} once"
    after = before | {name: before[name].replace(old, new)}
    return tuple(
        digest_of(write_library(folder / when, text), **loads) for when, text in (("before", before), ("after", after))
    )
