"""Which definitions the digest of a program covers: those that its main reaches by name, and no others."""

import pytest

from lungsight.code import digest_of
from tests.unit.code.invented import digests, write_library

WORK = "lungsight/work.py"
OTHER = "lungsight/other.py"


def package(work: str, **modules: str) -> dict[str, str]:
    """The library with this `work` module, and modules beside it."""
    return {WORK: work} | {f"lungsight/{name}.py": text for name, text in modules.items()}


TWO = "def first(): return 1\ndef second(): return 2\n"

# What an edit of it must change the digest: name → files, the edited one, the text and what it becomes.
COUNTS = {
    "the program's main": ({}, "program.py", "work(args)\n\n\ndef unused", "work(None)\n\n\ndef unused"),
    "a reached function": ({}, WORK, "return args", "return [args]"),
    "a helper of it": (
        package("def work(x): return help(x)\ndef help(x): return x\n"),
        WORK,
        "return x\n",
        "return 2\n",
    ),
    "an operator": (package("def work(x): return x + 1\n"), WORK, "+", "-"),
    "a constant": (package("LIMIT = 5\ndef work(x): return x < LIMIT\n"), WORK, "5", "6"),
    "a constant of a constant": (
        package("ONE = 1\nTWO = ONE + 1\ndef work(x): return TWO\n"),
        *(WORK, "ONE = 1", "ONE = 3"),
    ),
    "a default": (package("def work(x, n=3): return n\n"), WORK, "3", "4"),
    "the constant that is a default": (package("N = 3\ndef work(x, n=N): return n\n"), WORK, "N = 3", "N = 4"),
    "a decorator": (
        package("def twice(f): return lambda x: 2 * f(x)\n@twice\ndef work(x): return x\n"),
        *(WORK, "2 * f", "3 * f"),
    ),
    "a base class": (
        package("class Base:\n    n = 1\nclass Sub(Base): pass\ndef work(x): return Sub().n\n"),
        *(WORK, "n = 1", "n = 2"),
    ),
    "a method that nobody calls": (
        package("class A:\n    def spare(self): return 1\ndef work(x): return A()\n"),
        *(WORK, "return 1", "return 2"),
    ),
    "a field's default": (
        package("from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1\ndef work(x): return A()\n"),
        *(WORK, "int = 1", "int = 2"),
    ),
    "a field's type": (
        package("from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1\ndef work(x): return A()\n"),
        *(WORK, "n: int", "n: float"),
    ),
    "an entry of a registry": (
        package("A = {'a': len}\ndef work(x): return A[x]\n"),
        *(WORK, "len", "sum"),
    ),
    "a function in a registry": (
        package("def one(): return 1\nA = {'a': one}\ndef work(x): return A[x]\n"),
        *(WORK, "return 1", "return 2"),
    ),
    "an imported function": (
        package("from lungsight.other import first\ndef work(x): return first()\n", other=TWO),
        *(OTHER, "return 1", "return 3"),
    ),
    "one imported under another name": (
        package("from lungsight.other import first as f\ndef work(x): return f()\n", other=TWO),
        *(OTHER, "return 1", "return 3"),
    ),
    "which of two is imported under a name": (
        package("from lungsight.other import first as f, second as g\ndef work(x): return f() - g()\n", other=TWO),
        *(WORK, "first as f, second as g", "second as f, first as g"),
    ),
    "an attribute of an imported module": (
        package("from lungsight import other\ndef work(x): return other.first()\n", other=TWO),
        *(OTHER, "return 1", "return 3"),
    ),
    "one of a module by its whole name": (
        package("import lungsight.other\ndef work(x): return lungsight.other.first()\n", other=TWO),
        *(OTHER, "return 1", "return 3"),
    ),
    "an import in a function": (
        package("def work(x):\n    from lungsight import other\n    return other.first()\n", other=TWO),
        *(OTHER, "return 1", "return 3"),
    ),
    "a relative import": (
        package("from .other import first\ndef work(x): return first()\n", other=TWO),
        *(OTHER, "return 1", "return 3"),
    ),
    "what another module hands on": (
        package(
            "from lungsight.between import first\ndef work(x): return first()\n",
            between="from lungsight.other import first\n",
            other=TWO,
        ),
        *(OTHER, "return 1", "return 3"),
    ),
    "a package's own name": (
        package("import lungsight\ndef work(x): return lungsight.SEED\n", __init__="SEED = 1\n"),
        *("lungsight/__init__.py", "1", "2"),
    ),
    "what a library is imported from": (
        package("from scipy import ndimage\ndef work(x): return ndimage.label(x)\n"),
        *(WORK, "from scipy", "from cupyx.scipy"),
    ),
    "a name behind @ in a query": (
        package("LIMIT = 3\ndef work(x): return x.query('n > @LIMIT')\n"),
        *(WORK, "= 3", "= 4"),
    ),
    "a nested function's global": (
        package("n = 1\ndef work(n):\n    def inner():\n        global n\n        return n\n    return inner\n"),
        *(WORK, "n = 1", "n = 2"),
    ),
    "what hides nothing outside of a comprehension": (
        package("y = 1\ndef work(x): return [y for y in x], y\n"),
        *(WORK, "y = 1", "y = 2"),
    ),
    "the first part of a comprehension": (
        package("y = [1]\ndef work(x): return [y for y in y]\n"),
        *(WORK, "[1]", "[2]"),
    ),
    "a class's name that its methods do not see": (
        package("n = 1\nclass A:\n    n = 5\n    def get(self): return n\ndef work(x): return A()\n"),
        *(WORK, "n = 1", "n = 2"),
    ),
}

# What has an effect when its module is imported, whatever is used of it, or cannot be followed by name.
COUNTS_WHOLE = {
    "a statement at the top": (
        package("import os\nos.environ['A'] = '1'\ndef work(x): return x\n"),
        WORK,
        "'1'",
        "'2'",
    ),
    "one of a module that is imported only": (
        package(
            "from lungsight.other import first\ndef work(x): return x\n",
            other=f"import numpy\nnumpy.seterr(all='raise')\n{TWO}",
        ),
        *(OTHER, "raise", "warn"),
    ),
    "one of the package above": (
        package("def work(x): return x\n", __init__="import numpy\nnumpy.seterr(all='raise')\n"),
        *("lungsight/__init__.py", "raise", "warn"),
    ),
    "what such a statement uses": (
        package("import os\nVALUE = '1'\nos.environ['A'] = VALUE\ndef work(x): return x\n"),
        *(WORK, "'1'", "'2'"),
    ),
    "a loop at the top": (
        package("A = []\nfor n in range(3):\n    A.append(n)\ndef work(x): return A\n"),
        *(WORK, "(3)", "(4)"),
    ),
    "a name under a condition": (
        package("import sys\nif sys.platform == 'linux':\n    N = 1\nelse:\n    N = 2\ndef work(x): return N\n"),
        *(WORK, "N = 2", "N = 3"),
    ),
    "a name that is bound twice": (
        package("N = 1\nN = N + 1\ndef work(x): return N\n"),
        *(WORK, "N = 1\n", "N = 2\n"),
    ),
    "both of two imports of a name": (
        package(
            "try:\n    from lungsight.other import first\nexcept ImportError:\n    from lungsight.spare import first\n"
            "def work(x): return first()\n",
            other=TWO,
            spare=TWO,
        ),
        *("lungsight/spare.py", "return 1", "return 3"),
    ),
    "a definition whose decorator may register it": (
        package(
            "from lungsight.other import REGISTRY\nfrom lungsight import entries\n"
            "def work(x): return REGISTRY[x], entries.ONE\n",
            other="REGISTRY = {}\ndef register(f):\n    REGISTRY[f.__name__] = f\n    return f\n",
            entries="from lungsight.other import register\nONE = 1\n@register\ndef f(): return 1\n",
        ),
        *("lungsight/entries.py", "return 1", "return 2"),
    ),
    "a subclass that may register itself": (
        package(
            "from lungsight.other import KINDS\nfrom lungsight import entries\n"
            "def work(x): return KINDS[x], entries.ONE\n",
            other="KINDS = {}\nclass Kind:\n    def __init_subclass__(cls):\n        KINDS[cls.__name__] = cls\n",
            entries="from lungsight.other import Kind\nONE = 1\nclass First(Kind):\n    n = 5\n",
        ),
        *("lungsight/entries.py", "n = 5", "n = 6"),
    ),
    "a value whose making has an effect": (
        package(
            "from lungsight import entries, other\ndef work(x): return other.STATE, entries.ONE\n",
            other="STATE = []\ndef add(n):\n    STATE.append(n)\n    return n\n",
            entries="from lungsight.other import add\nONE = 1\nTHREE = add(3)\n",
        ),
        *("lungsight/entries.py", "add(3)", "add(4)"),
    ),
    "an import for its effect": (
        package("import pylibjpeg\ndef work(x): return x\n"),
        *(WORK, "import pylibjpeg", "import gdcm"),
    ),
    "what all is imported from a library": (
        package("from scipy.special import *\ndef work(x): return expit(x)\n"),
        *(WORK, "scipy.special", "scipy.stats"),
    ),
    "getattr on a module": (
        package("from lungsight import other\ndef work(x): return getattr(other, x)()\n", other=TWO),
        *(OTHER, "return 2", "return 3"),
    ),
    "a module that is passed on": (
        package("from lungsight import other\ndef work(x): return x(other)\n", other=TWO),
        *(OTHER, "return 2", "return 3"),
    ),
    "a module whose attribute is replaced": (
        package("from lungsight import other\ndef work(x):\n    other.first = x\n", other=TWO),
        *(OTHER, "return 2", "return 3"),
    ),
    "a star import": (
        package("from lungsight.other import *\ndef work(x): return x\n", other=TWO),
        *(OTHER, "return 2", "return 3"),
    ),
    "globals": (package(f"def work(x): return globals()[x]()\n{TWO}"), WORK, "return 2", "return 3"),
    "vars of the module": (package(f"def work(x): return vars()[x]()\n{TWO}"), WORK, "return 2", "return 3"),
    "eval": (package("def work(x): return eval(x)\n", other=TWO), OTHER, "return 2", "return 3"),
    "sys.modules": (
        package("import sys\ndef work(x): return sys.modules[x]\n", other=TWO),
        *(OTHER, "return 2", "return 3"),
    ),
    "import_module of what is not known": (
        package("import importlib\ndef work(x): return importlib.import_module(x)\n", other=TWO),
        *(OTHER, "return 2", "return 3"),
    ),
    "import_module that is passed on": (
        package("from importlib import import_module\ndef work(x): return map(import_module, x)\n", other=TWO),
        *(OTHER, "return 2", "return 3"),
    ),
    "a module that is named in a string": (
        package("def work(x): return x('lungsight.other')\n", other=TWO),
        *(OTHER, "return 2", "return 3"),
    ),
    "an attribute that a module lacks": (
        package(
            "from lungsight import other\ndef work(x): return other.third()\n",
            other=f"{TWO}\ndef __getattr__(name): return second\n",
        ),
        *(OTHER, "return 2", "return 3"),
    ),
}

DOES_NOT_COUNT = {
    "a comment": ({}, WORK, "return args", "return args  # as it is"),
    "formatting": ({}, WORK, "return args", "return (\n        args\n    )"),
    "the program's spare function": ({}, "program.py", "return 1", "return 2"),
    "the program's docstring": ({}, "program.py", "Do the work.", "Does the work."),
    "a module's docstring": (package('"""Old."""\ndef work(x): return x\n'), WORK, "Old", "New"),
    "a function's docstring": (package('def work(x):\n    """Old."""\n    return x\n'), WORK, "Old", "New"),
    "a class's and a method's docstring": (
        package('class A:\n    def f(self):\n        """Old."""\ndef work(x): return A()\n'),
        *(WORK, "Old", "New"),
    ),
    "an annotation of a function": (package("def work(x: int): return x\n"), WORK, "int", "float"),
    "a returned type": (package("def work(x) -> int: return x\n"), WORK, "int", "float"),
    "an annotation of a method": (
        package("class A:\n    def f(self, x: int): return x\ndef work(x): return A()\n"),
        *(WORK, "int", "float"),
    ),
    "an annotation of a local name": (package("def work(x):\n    y: int = x\n    return y\n"), WORK, "int", "float"),
    "an annotation of a cached function": (
        package("from functools import cache\n@cache\ndef work(x: int): return x\n"),
        *(WORK, "int", "float"),
    ),
    "a class that annotations alone name": (
        package("class A:\n    n = 1\ndef work(x: A): return x\n"),
        *(WORK, "n = 1", "n = 2"),
    ),
    "a function that nothing reaches": (
        package(f"def work(x): return first()\n{TWO}"),
        WORK,
        "return 2",
        "return 3",
    ),
    "one of a module of which another is used": (
        package("from lungsight.other import first\ndef work(x): return first()\n", other=TWO),
        *(OTHER, "return 2", "return 3"),
    ),
    "one of a module that is used by attribute": (
        package("from lungsight import other\ndef work(x): return other.first()\n", other=TWO),
        *(OTHER, "return 2", "return 3"),
    ),
    "a constant that nothing reaches": (
        package("import re\nA = re.compile('a')\nB = re.compile('b')\ndef work(x): return A\n"),
        *(WORK, "'b'", "'c'"),
    ),
    "a class that nothing reaches": (
        package("from typing import NamedTuple\nclass A(NamedTuple):\n    n: int = 1\ndef work(x): return x\n"),
        *(WORK, "= 1", "= 2"),
    ),
    "a name of the module that a parameter hides": (
        package("def n(): return 1\ndef work(n): return [n for m in n]\n"),
        *(WORK, "return 1", "return 2"),
    ),
    "one that a local name hides": (
        package("def n(): return 1\ndef work(x):\n    n = x\n    return lambda: n\n"),
        *(WORK, "return 1", "return 2"),
    ),
    "an import that is not used": (
        package("from lungsight.other import first\ndef work(x): return x\n", other=TWO),
        *(OTHER, "return 1", "return 3"),
    ),
    "the order of definitions": (
        package("A = 1\ndef spare(): return 1\ndef work(x): return A\n"),
        *(WORK, "A = 1\ndef spare(): return 1\n", "def spare(): return 1\nA = 1\n"),
    ),
    "a module that nothing imports": ({OTHER: TWO}, OTHER, "return 1", "return 3"),
    "a module that lies in the same folder": (
        package("import importlib.metadata\ndef work(x): return importlib.metadata.version(x)\n", other=TWO),
        *(OTHER, "return 1", "return 3"),
    ),
    "the version of the project": (
        package("from lungsight import __version__\ndef work(x): return __version__\n"),
        *("lungsight/__init__.py", "1.0", "1.1"),
    ),
}


def cases(table: dict) -> list:
    return [pytest.param(*case, id=name) for name, case in table.items()]


@pytest.mark.parametrize(("files", "name", "old", "new"), cases(COUNTS | COUNTS_WHOLE))
def test_what_may_change_a_number_changes_the_digest(tmp_path, files, name, old, new):
    before, after = digests(tmp_path, files, name, old, new)
    assert before != after


@pytest.mark.parametrize(("files", "name", "old", "new"), cases(DOES_NOT_COUNT))
def test_what_cannot_change_a_number_leaves_the_digest(tmp_path, files, name, old, new):
    before, after = digests(tmp_path, files, name, old, new)
    assert before == after


def test_a_digest_does_not_depend_on_the_folder_nor_on_what_was_asked_before(tmp_path):
    first, second = (write_library(tmp_path / name, {}) for name in "ab")
    assert digest_of(first) == digest_of(second)
    assert len(digest_of(first)) == 12
    assert int(digest_of(first), 16) >= 0


def test_a_file_without_a_main_counts_whole(tmp_path):
    folders = tmp_path / "a", tmp_path / "b"
    first, second = (write_library(folder, {"trainer.py": TWO}).with_name("trainer.py") for folder in folders)
    assert digest_of(first) == digest_of(second)
    third = write_library(tmp_path / "c", {"trainer.py": TWO.replace("2", "3")}).with_name("trainer.py")
    assert digest_of(third) != digest_of(first)


LOADER = {
    WORK: "from lungsight import networks\ndef work(x): return networks.load(x)\n",
    "lungsight/networks/__init__.py": (
        "import importlib\ndef load(name): return importlib.import_module(f'{__name__}.{name}').SIZE\n"
    ),
    "lungsight/networks/small.py": "from lungsight.other import first\nSIZE = first()\n",
    "lungsight/networks/large.py": "SIZE = 8\n",
    OTHER: TWO,
}
SMALL = {"loads": {"lungsight.networks": ["small"]}}


@pytest.mark.parametrize(
    ("name", "old", "new", "loads", "counts"),
    [
        ("lungsight/networks/large.py", "8", "9", {}, True),
        ("lungsight/networks/small.py", "first()", "2", {}, True),
        (OTHER, "return 1", "return 3", {}, True),
        (OTHER, "return 2", "return 3", {}, False),
        ("lungsight/networks/large.py", "8", "9", SMALL, False),
        ("lungsight/networks/small.py", "first()", "2", SMALL, True),
        (OTHER, "return 1", "return 3", SMALL, True),
    ],
)
def test_of_a_package_that_modules_are_loaded_of_all_count_or_those_that_are_named(
    tmp_path, name, old, new, loads, counts
):
    before, after = digests(tmp_path, LOADER, name, old, new, **loads)
    assert (before != after) is counts


def test_which_module_is_loaded_counts(tmp_path):
    program = write_library(tmp_path, LOADER | {"lungsight/networks/large.py": "SIZE = 1\n"})
    found = {digest_of(program, {"lungsight.networks": [name]}) for name in ("small", "large")}
    assert len(found | {digest_of(program)}) == 3


SCHEMA = """type: object
properties:
  case: {type: string, description: the pseudonym}
  n: {type: integer}
required: [case, n]
"""
TABLES = package(
    "from lungsight.tables import read_table\ndef work(x): return read_table(x, 'cases')\n",
    tables=(
        "from pathlib import Path\nSCHEMAS = Path(__file__).parents[2] / 'schemas'\n"
        "def read_table(path, schema): return (SCHEMAS / f'{schema}.table.yaml').read_text()\n"
    ),
) | {"../schemas/cases.table.yaml": SCHEMA, "../schemas/slices.table.yaml": SCHEMA}


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("type: integer", "type: number", True),
        ("required: [case, n]", "required: [case]", True),
        ("  n: {type: integer}\n", "", True),
        ("  n: {", "  m: {", True),
        (", description: the pseudonym", "", False),
        ("type: object\n", "# One row per case.\ntype: object\n", False),
    ],
)
def test_of_the_schema_of_a_table_that_is_named_the_columns_count(tmp_path, old, new, counts):
    before, after = digests(tmp_path, TABLES, "../schemas/cases.table.yaml", old, new)
    assert (before != after) is counts
    before, after = digests(tmp_path / "other", TABLES, "../schemas/slices.table.yaml", old, new)
    assert before == after


def test_the_order_of_a_table_s_columns_counts(tmp_path):
    lines = SCHEMA.splitlines(keepends=True)
    turned = "".join([*lines[:2], lines[3], lines[2], lines[4]])
    files = ({"../schemas/cases.table.yaml": text} for text in (SCHEMA, turned))
    found = {digest_of(write_library(tmp_path / str(number), TABLES | one)) for number, one in enumerate(files)}
    assert len(found) == 2


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("read_table(x, 'cases')", True),
        ("read_table(x, schema='cases')", True),
        ("read_table(x, 'slices')", False),
        ("x.get('cases'), read_table(x, 'slices')", False),
        ("[read_table(x, name) for name in ('cases', 'slices')]", True),
        ("[read_table(x, name) for name in ('slices',)]", False),
        ("x(read_table, 'cases')", True),
    ],
)
def test_a_schema_counts_where_a_function_is_called_for_it(tmp_path, code, counts):
    work = f"from lungsight.tables import read_table\ndef work(x): return {code}\n"
    before, after = digests(tmp_path, TABLES | {WORK: work}, "../schemas/cases.table.yaml", "integer", "number")
    assert (before != after) is counts


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("x / 'rates.tsv'", True),
        ("[x / f'rates.{ending}' for ending in ('tsv', 'csv')]", True),
        ("x / 'page.html'", True),  # which names the table
        ("x / f'{x}.tsv'", False),
        ("x / 'other.tsv'", False),
    ],
)
def test_a_data_file_that_is_named_counts(tmp_path, code, counts):
    files = package(f"def work(x): return {code}\n") | {
        "lungsight/rates.tsv": "a\tb\n1\t2\n",
        "lungsight/other.tsv": "a\n",
        "lungsight/page.html": "include rates.tsv",
    }
    before, after = digests(tmp_path, files, "lungsight/rates.tsv", "1", "3")
    assert (before != after) is counts
