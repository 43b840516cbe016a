"""What only makes text for people leaves the digest, unless the text may reach a result or making it has an effect."""

import pytest

from lungsight.code.messages import BOUNDARIES
from tests.unit.code.invented import LIBRARY, digests
from tests.unit.code.test_digest import OTHER, WORK, cases, package

LOG = "from lungsight.program import log\n"
ERRORS = "from lungsight.errors import BadCase, BadPixels, UserError\n"
CATCHES = "    try: return read(x)\n    except BadCase as error:"
READS = "def read(x):\n    raise BadCase(f'old {x}')\n"


def work(code: str, **modules: str) -> dict[str, str]:
    return package(f"{LOG}{ERRORS}{code}", **modules)


DOES_NOT_COUNT = {
    "a log line": (work("def work(x):\n    log('old')\n    return x\n"), WORK, "'old'", "'new'"),
    "a log line that is new": (work("def work(x):\n    return x\n"), WORK, "    return", "    log(x)\n    return"),
    "one under a condition": (
        work("def work(x):\n    if x: log(x)\n    return x\n"),
        *(WORK, "    if x: log(x)\n", ""),
    ),
    "one whose text a function makes": (
        work("def text(x): return f'old {x}'\ndef work(x):\n    log(text(x))\n    return x\n"),
        *(WORK, "old", "new"),
    ),
    "how a log line is written": ({}, "lungsight/program.py", "file=sys.stderr", "file=sys.stdout"),
    "one through the module": (
        package("from lungsight import program\ndef work(x):\n    program.log('old')\n    return x\n"),
        *(WORK, "old", "new"),
    ),
    "one in the program": (
        {"program.py": LIBRARY["program.py"].replace("parser, run", "parser, run, log")},
        *("program.py", "work(args)\n\n\ndef unused", "work(args)\n    log('done')\n\n\ndef unused"),
    ),
    "text for the private folder": (
        package(
            "import traceback\nfrom lungsight.program import keep_private\ndef work(x):\n"
            "    try: return x()\n    except Exception as error: keep_private('old', traceback.format_exc())\n"
        ),
        *(WORK, "'old'", "str(error)"),
    ),
    "what progress counts": (
        package("from lungsight.program import progress\ndef work(x): return list(progress(x, 'old', total=3))\n"),
        *(WORK, "'old', total=3", "'new', total=4"),
    ),
    "a default of what is text": ({}, "lungsight/program.py", "total=None", "total=0"),
    "the line of progress": ({}, "lungsight/program.py", "of {total} {what}", "/ {total} {what}"),
    "a help text": (
        {
            "program.py": LIBRARY["program.py"].replace(
                "(__doc__)", "(__doc__).add_argument('--n', help='old', type=int)"
            )
        },
        *("program.py", "old", "new"),
    ),
    "how a program ends": ({}, "lungsight/program.py", "error: {error}", "Error: {error}"),
    "an error that stops the program": (
        work("def work(x):\n    if x: raise UserError(f'old {x}')\n"),
        *(WORK, "f'old {x}'", "'new'"),
    ),
    "a ValueError that does": (work("def work(x): raise ValueError('old')\n"), WORK, "old", "new"),
    "one that is caught for its class": (
        work(f"{READS}def work(x):\n{CATCHES} return type(error).__name__\n"),
        *(WORK, "old", "new"),
    ),
    "one that a log line quotes": (
        work(f"{READS}def work(x):\n{CATCHES} log(f'no case: {{error}}')\n"),
        *(WORK, "old", "new"),
    ),
    "one that becomes the message of another": (
        work(f"{READS}def work(x):\n{CATCHES} raise UserError(f'no case: {{error}}') from error\n"),
        *(WORK, "old", "new"),
    ),
    "one that is raised again": (work(f"{READS}def work(x):\n{CATCHES} raise\n"), WORK, "old", "new"),
    "one of a class that no handler of a result catches": (
        work("def work(x):\n    try: raise UserError('old')\n    except BadCase as error: return str(error)\n"),
        *(WORK, "old", "new"),
    ),
    "what makes a message that nobody catches": (
        work("def text(x): return x.pop()\ndef work(x): raise UserError(text(x))\n"),
        *(WORK, "x.pop()", "x.popleft()"),
    ),
    "one that another program's handler uses": (
        work(f"{READS}def work(x): return read(x)\ndef spare(x):\n{CATCHES} return str(error)\n"),
        *(WORK, "old", "new"),
    ),
}

COUNTS = {
    "a message that becomes a result": (
        work(f"{READS}def work(x):\n{CATCHES} return str(error)\n"),
        *(WORK, "old", "new"),
    ),
    "one of a class below the one that is caught": (
        work(f"{READS.replace('BadCase', 'BadPixels')}def work(x):\n{CATCHES} return str(error)\n"),
        *(WORK, "old", "new"),
    ),
    "one that is caught with all others": (
        work("def work(x):\n    try: raise UserError('old')\n    except Exception as error: return str(error)\n"),
        *(WORK, "old", "new"),
    ),
    "one that is caught by a tuple of classes": (
        work(
            f"{READS}BOTH = (OSError, BadCase)\ndef work(x):\n{CATCHES.replace('BadCase', 'BOTH')} return str(error)\n"
        ),
        *(WORK, "old", "new"),
    ),
    "one that is caught by what cannot be known": (
        work(f"{READS}def work(x):\n{CATCHES.replace('BadCase', 'x.errors')} return str(error)\n"),
        *(WORK, "old", "new"),
    ),
    "a built-in one that a library's class may be": (
        package(
            "import socket\ndef work(x):\n    try: raise ValueError('old')\n"
            "    except socket.error as error: return str(error)\n"
        ),
        *(WORK, "old", "new"),
    ),
    "one that becomes the message of another that becomes a result": (
        work(
            f"{READS}def case(x):\n{CATCHES} raise UserError(f'no case: {{error}}')\n"
            "def work(x):\n    try: return case(x)\n    except UserError as error: return str(error)\n"
        ),
        *(WORK, "old", "new"),
    ),
    "one that a traceback quotes in a result": (
        work(f"import traceback\n{READS}def work(x):\n{CATCHES} return traceback.format_exc()\n"),
        *(WORK, "old", "new"),
    ),
    "one that is read of a future": (work(f"{READS}def work(x): return x(read).exception()\n"), WORK, "old", "new"),
    "one that a context sees": (
        work(
            f"{READS}class Context:\n    def __exit__(self, kind, error, trace): self.text = str(error)\n"
            "def work(x):\n    with Context(): read(x)\n"
        ),
        *(WORK, "old", "new"),
    ),
    "the class of an error": (work("def work(x): raise UserError('old')\n"), WORK, "raise UserError", "raise BadCase"),
    "the arguments of an error with values": (work("def work(x): raise OSError(2, 'old')\n"), WORK, "2", "3"),
    "those of one with code of its own": (
        package(
            "from lungsight.other import Torn\ndef work(x): raise Torn('old')\n",
            other="class Torn(Exception):\n    def __init__(self, text): self.size = len(text)\n",
        ),
        *(WORK, "old", "older"),
    ),
    "what may be no error": (work("def work(x, UserError): raise UserError('old')\n"), WORK, "old", "new"),
    "a log line with a walrus": (work("def work(x):\n    log(y := 1)\n    return y\n"), WORK, "1", "2"),
    "one that takes the next": (work("def work(x):\n    log(next(x))\n    return x\n"), WORK, "next(x)", "x"),
    "one that takes something out": (work("def work(x):\n    log(x.pop())\n    return x\n"), WORK, "x.pop()", "x"),
    "one that applies what takes something out": (
        work("def take(x): return x.pop()\ndef work(x):\n    log(list(map(take, x)))\n    return x\n"),
        *(WORK, "map(take, x)", "x"),
    ),
    "one that sorts by it": (
        work("def take(x): return x.pop()\ndef work(x):\n    log(sorted(x, key=take))\n    return x\n"),
        *(WORK, ", key=take", ""),
    ),
    "one that yields": (work("def work(x):\n    log((yield 1))\n"), WORK, "1", "2"),
    "one under a condition with an effect": (
        work("def work(x):\n    if x.pop(): log('old')\n    return x\n"),
        *(WORK, "x.pop()", "x"),
    ),
    "one whose text a function with an effect makes": (
        work("def text(x): return x.pop()\ndef work(x):\n    log(text(x))\n    return x\n"),
        *(WORK, "x.pop()", "x.pop(1)"),
    ),
    "where a log line with an effect stands": (
        work("def work(x):\n    log(x.pop())\n    y = len(x)\n    return y\n"),
        *(WORK, "    log(x.pop())\n    y = len(x)\n", "    y = len(x)\n    log(x.pop())\n"),
    ),
    "a message with an effect, where it is caught": (
        work("def work(x):\n    try: raise BadCase(x.pop())\n    except BadCase: return x\n"),
        *(WORK, "x.pop()", "x"),
    ),
    "what is called like a log line": (work("def work(x, log): log('old')\n"), WORK, "old", "new"),
    "what another module calls log": (
        package("from lungsight.other import log\ndef work(x): log('old')\n", other="def log(x): open(x, 'w')\n"),
        *(WORK, "old", "new"),
    ),
    "the value of a log line": (work("def work(x): return log('old')\n"), WORK, "log('old')", "None"),
    "the items of progress": (
        package("from lungsight.program import progress\ndef work(x): return list(progress(x[1:], 'old'))\n"),
        *(WORK, "1:", "2:"),
    ),
    "those that are named": (
        package("from lungsight.program import progress\ndef work(x): return list(progress(what='a', items=x[1:]))\n"),
        *(WORK, "1:", "2:"),
    ),
    "what progress does with its items": ({}, "lungsight/program.py", "yield item", "yield done"),
    "an argument of a program": (
        {
            "program.py": LIBRARY["program.py"].replace(
                "(__doc__)", "(__doc__).add_argument('--n', help='old', type=int)"
            )
        },
        *("program.py", "type=int", "type=float"),
    ),
    "a docstring that is a result": (
        work('def work(x):\n    """Old."""\n    return work.__doc__\n'),
        WORK,
        "Old",
        "New",
    ),
    "a module's that is": (package('"""Old."""\ndef work(x): return __doc__\n'), WORK, "Old", "New"),
    "annotations that are looked at": (
        package("import inspect\ndef work(x: int): return inspect.signature(work)\n"),
        *(WORK, "int", "float"),
    ),
    "those of methods that a class's decorator may look at": (
        package(
            "from typeguard import typechecked\n@typechecked\n"
            "class A:\n    def f(self, x: int): return x\ndef work(x): return A()\n"
        ),
        *(WORK, "int", "float"),
    ),
    "those that a base from outside may look at": (
        package(
            "from pydantic import BaseModel\n"
            "class A(BaseModel):\n    def f(self, x: int): return x\ndef work(x): return A()\n"
        ),
        *(WORK, "int", "float"),
    ),
    "those that a decorator may look at": (
        package("from typer import command\n@command\ndef work(x: int): return x\n"),
        *(WORK, "int", "float"),
    ),
}


@pytest.fixture(autouse=True)
def program_that_uses_progress(monkeypatch):
    """`progress` is reached, so that edits of it can count."""
    text = LIBRARY["program.py"].replace("import parser, run", "import parser, progress, run")
    monkeypatch.setitem(LIBRARY, "program.py", text.replace("work(args)\n", "work(args)\n    progress(args, '')\n"))


@pytest.mark.parametrize(("files", "name", "old", "new"), cases(DOES_NOT_COUNT))
def test_what_only_makes_text_for_people_leaves_the_digest(tmp_path, files, name, old, new):
    before, after = digests(tmp_path, files, name, old, new)
    assert before == after


@pytest.mark.parametrize(("files", "name", "old", "new"), cases(COUNTS))
def test_text_that_may_reach_a_result_and_effects_change_the_digest(tmp_path, files, name, old, new):
    before, after = digests(tmp_path, files, name, old, new)
    assert before != after


def test_an_error_may_be_caught_in_another_module(tmp_path):
    files = work(
        f"from lungsight.other import read\ndef work(x):\n{CATCHES} return str(error)\n",
        other=f"{ERRORS}{READS}",
    )
    before, after = digests(tmp_path, files, OTHER, "old", "new")
    assert before != after


def test_the_names_of_the_border_are_there():
    import importlib

    for name in BOUNDARIES:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
