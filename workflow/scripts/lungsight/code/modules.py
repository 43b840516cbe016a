"""A Python module as its top-level statements: which names each binds, and what the module imports."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TypeGuard

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
DOCSTRING = "__doc__"


@dataclass
class Module:
    """The top level of one module.

    name: dotted. statements: the top-level statements but imports. bindings: name → positions in `statements` of those
    that bind it, the docstring among them. aliases: name → the dotted names that imports bind to it. runs: dotted names
    that are imported while the module is. stars: those that are imported with `*`. always: positions of the statements
    that are more than one definition of a name: they run with the module, whatever is used of it.
    """

    name: str
    is_package: bool
    statements: list[ast.stmt] = field(default_factory=list)
    bindings: dict[str, list[int]] = field(default_factory=dict)
    aliases: dict[str, list[str]] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    stars: list[str] = field(default_factory=list)
    always: set[int] = field(default_factory=set)
    has_main: bool = False

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def imported(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str, str]]:
        """Each name that an import binds, the dotted name that it stands for, and the module to import for it."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                yield name, alias.name if alias.asname else name, alias.name
            return
        above = self.package.split(".")
        base = above[: len(above) - node.level + 1] if node.level else []
        source = ".".join([*base, *filter(None, [node.module])])
        for alias in node.names:
            yield alias.asname or alias.name, f"{source}.{alias.name}", source


def is_docstring(node: ast.stmt) -> TypeGuard[ast.Expr]:
    """Whether a statement is a string by itself."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__main__" in ast.dump(node.test)


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all below it that runs when the module is imported: not the bodies of functions."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Scope):
            yield from _at_import(child)
        elif not isinstance(child, ast.Lambda):
            yield child


def _targets(node: ast.stmt) -> list[str] | None:
    """Name what a plain definition binds. None: it is another statement."""
    if isinstance(node, Definition):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id] if isinstance(node.target, ast.Name) else None
    if not isinstance(node, ast.Assign):
        return None
    found = []
    for target in node.targets:
        for part in target.elts if isinstance(target, ast.Tuple) else [target]:
            if not isinstance(part, ast.Name):
                return None
            found.append(part.id)
    return found


def _bound_inside(node: ast.stmt) -> set[str]:
    """Every name that a compound statement may bind in the module."""
    names = set()
    for inner in _at_import(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            names.add(inner.id)
        elif isinstance(inner, Definition):
            names.add(inner.name)
    return names


def nodes_below(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all below it. `ast.walk` takes twice as long."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [item for item in value if isinstance(item, ast.AST)]


@cache
def local_names(node: ast.stmt) -> frozenset[str]:
    """Name what a statement binds in any scope inside it. Imports do not count."""
    names = set()
    for inner in nodes_below(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            names.add(inner.id)
        elif isinstance(inner, ast.arg):
            names.add(inner.arg)
        elif isinstance(inner, Definition | ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and inner is not node:
            names |= {inner.name} if inner.name else set()
    return frozenset(names)


@cache
def parse_module(name: str, is_package: bool, text: str) -> Module:
    """Parse the text of a module. The result is kept by text: each file is parsed once."""
    module = Module(name, is_package)
    body = ast.parse(text).body
    if body and is_docstring(body[0]):
        module.bindings[DOCSTRING] = [0]
        module.statements.append(body.pop(0))
    for node in body:
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.Pass) and not is_docstring(node):
            _add_statement(module, node)
        if not isinstance(node, Scope):
            for inner in _at_import(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    _add_import(module, inner)
    for positions in module.bindings.values():
        if len(positions) > 1:
            module.always |= set(positions)
    return module


def _add_statement(module: Module, node: ast.stmt) -> None:
    position = len(module.statements)
    module.statements.append(node)
    module.has_main |= _is_main(node)
    names = _targets(node)
    if names is None:
        module.always.add(position)
        names = _bound_inside(node)
    for name in names:
        module.bindings.setdefault(name, []).append(position)


def _add_import(module: Module, node: ast.Import | ast.ImportFrom) -> None:
    for name, stands_for, source in module.imported(node):
        module.runs.append(source)
        if name == "*":
            module.stars.append(source)
            continue
        module.runs.append(stands_for)
        module.aliases.setdefault(name, []).append(stands_for)
