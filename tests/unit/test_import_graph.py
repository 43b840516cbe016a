"""Imports of the library go one way: a package imports only from packages that stand before it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.factories.workspace import ROOT

LIBRARY = ROOT / "workflow" / "scripts" / "lungsight"
PACKAGE = LIBRARY.name

# Modules without a package that everything may import, and that import only one another.
BASE = {
    *("__init__", "ahead", "code", "config", "config_file", "config_sentences", "errors", "file_stamps"),
    *("files", "forecast", "layout", "lean_keras", "libraries", "linear_classifier", "own_yaml", "parallel"),
    *(
        "components",
        "linear_classifier",
        "paths",
        "patient_ids",
        "prior_assignments",
        "privacy",
        "program",
        "raw_table",
        "rows",
        "run_progress",
        "scheduling",
        "run_record",
        "subsets",
    ),
    *("tables", "wording", "classes", "digests", "linear_classifier", "benchmark_files", "resources"),
}
# Packages in the order of the workflow. `run_description` reads the settings of those before it.
ORDER = (
    *("intake", "segmentation", "qc", "splits", "training", "evaluation", "explain", "run_description"),
    *("audit", "report", "checklists", "predict", "package"),
)
# Modules without a package that may import every package, and what may import them.
MEETING_POINTS = {"config_check": {"predict"}, "estimate": set(), "run_summary": set()}
# Packages of input: they import from intake and from the base, and no package imports them.
INPUT = {"demo": {"intake"}}
# What checks a package of a run stands alone, so that nothing but itself can be wrong with it.
ALONE = {"verify"}


class Arrow(NamedTuple):
    """One module of the library imports another; names without the leading `lungsight.`."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source} imports {self.target}"


def part_of(module: str) -> str:
    """Name the package that a module lies in, or the module itself where it lies in none."""
    return module.split(".")[0]


def imported_modules(tree: ast.Module, modules: set[str]) -> Iterator[str]:
    """Yield the modules of the library that a module imports, also within functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name their module in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, inner = name.partition(".")
            if package == PACKAGE:
                # `from lungsight.tables import read_table` names a module and a part of it.
                outer = inner.rpartition(".")[0]
                yield next((module for module in (inner, outer) if module in modules), "__init__")


def arrows_of(library: Path) -> set[Arrow]:
    """Return every import from one module of the library to another."""
    files = {}
    for path in library.rglob("*.py"):
        parts = path.relative_to(library).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    trees = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in files.items()}
    return {Arrow(module, target) for module, tree in trees.items() for target in imported_modules(tree, set(files))}


def is_allowed(arrow: Arrow) -> bool:
    source, target = part_of(arrow.source), part_of(arrow.target)
    if source == target:
        return True
    if {source, target} & ALONE:
        return False
    if target in BASE:
        return True
    if source in MEETING_POINTS:
        return target in ORDER
    if target in MEETING_POINTS:
        return source in MEETING_POINTS[target]
    if source in INPUT:
        return target in INPUT[source]
    return source in ORDER and target in ORDER and ORDER.index(target) < ORDER.index(source)


def wrong_arrows(library: Path) -> list[str]:
    return sorted(str(arrow) for arrow in arrows_of(library) if not is_allowed(arrow))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """An empty library of the same packages and modules."""
    for path in LIBRARY.rglob("*.py"):
        copy = tmp_path / PACKAGE / path.relative_to(LIBRARY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.touch()
    return tmp_path / PACKAGE


def test_every_package_and_module_has_its_place():
    parts = {path.stem if path.is_file() else path.name for path in LIBRARY.iterdir()} - {"__pycache__"}
    parts = {part for part in parts if (LIBRARY / part).is_dir() or (LIBRARY / f"{part}.py").is_file()}
    assert parts == {*BASE, *ORDER, *MEETING_POINTS, *INPUT, *ALONE}


def test_imports_go_one_way():
    assert wrong_arrows(LIBRARY) == []


def test_the_graph_knows_imports_that_exist():
    arrows = arrows_of(LIBRARY)
    assert Arrow("tables", "errors") in arrows
    assert Arrow("qc.volumes", "intake.geometry") in arrows
    assert Arrow("training.provenance", "__init__") in arrows


@pytest.mark.parametrize(
    ("module", "line", "target"),
    [
        ("tables", "from lungsight.intake.geometry import slice_to_image", "intake.geometry"),
        ("config", "import lungsight.training.settings", "training.settings"),
        ("qc.rules", "from lungsight.splits import settings", "splits.settings"),
        ("training.fit", "def fit():\n    from lungsight.evaluation.metrics import x", "evaluation.metrics"),
        ("training.stand_in", "from lungsight.demo.cohort import write_cohort", "demo.cohort"),
        ("audit.rows", "from lungsight.report import page", "report.page"),
        ("report.page", "from lungsight.predict import page", "predict.page"),
        ("splits.groups", "from lungsight.config_check import complete_config", "config_check"),
        ("demo.cohort", "from lungsight.training import fit", "training.fit"),
        ("predict.page", "from lungsight.demo import cohort", "demo.cohort"),
        ("report.page", "from lungsight.package import crate", "package.crate"),
        ("verify.statistics", "from lungsight.evaluation.metrics import x", "evaluation.metrics"),
    ],
)
def test_an_arrow_back_is_named(library: Path, module: str, line: str, target: str):
    assert wrong_arrows(library) == []
    (library / f"{module.replace('.', '/')}.py").write_text(line + "\n", encoding="utf-8")
    assert wrong_arrows(library) == [f"{module} imports {target}"]


def test_the_base_stands_without_packages_and_without_cycles():
    """A module of the base that imports another one must not be reached from it again."""
    imports: dict[str, set[str]] = {module: set() for module in BASE}
    for arrow in arrows_of(LIBRARY):
        if arrow.source in BASE:
            imports[arrow.source].add(arrow.target)
    while leaves := [module for module, targets in imports.items() if not targets & set(imports)]:
        for module in leaves:
            del imports[module]
    assert imports == {}
