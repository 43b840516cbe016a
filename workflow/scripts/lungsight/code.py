"""Which code a program's results depend on.

Snakemake reruns a job when a parameter changed. Each rule takes the digest of its program as one: an edit that changes
what the code does reruns what depends on it and nothing else, a comment or a docstring reruns nothing, and a fresh
clone with new file times does not either.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "lungsight"


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:]
    return tree


def _module_files(name: str, scripts: Path) -> list[Path]:
    """Files that `import name` reads of the package: the module and the packages above it."""
    parts = name.split(".")
    steps = [scripts.joinpath(*parts[: depth + 1]) for depth in range(len(parts))]
    candidates = [path for step in steps for path in (step / "__init__.py", step.with_suffix(".py"))]
    return [path for path in candidates if path.is_file()]


def _imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == PACKAGE}


@cache
def _read(path: Path) -> tuple[frozenset[str], str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = frozenset(_imported(tree))
    return imported, ast.dump(_without_docstrings(tree))


def files_of(program: Path) -> list[Path]:
    """The program and every module of the package that it imports, directly or not, sorted."""
    scripts = program.parent
    found: set[Path] = set()
    waiting = [program]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for name in _read(path)[0] for file in _module_files(name, scripts)]
    return sorted(found)


@cache
def digest_of(program: Path) -> str:
    """A digest of what the program does: its syntax tree and those of the modules it imports, docstrings left out."""
    combined = hashlib.sha256()
    for path in files_of(program):
        combined.update(_read(path)[1].encode())
    return combined.hexdigest()[:12]
