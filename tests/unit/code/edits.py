"""Random edits of Python code that leave it Python: another number, operator, word, order, or a statement less."""

import ast
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

OPERATORS = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Div},
    **{ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.MatMult: ast.Mult},
    **{ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitXor: ast.BitOr},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.USub: ast.UAdd, ast.Not: ast.UAdd, ast.Invert: ast.UAdd},
}
DROPPED = (ast.Expr, ast.Assign, ast.AugAssign, ast.Return, ast.Raise, ast.If, ast.For, ast.With, ast.Continue)

ARITHMETIC = {"number", "operator", "comparison", "condition"}  # tried more often: others often stop the program


@dataclass(frozen=True)
class Edit:
    """An edit that can be made to a tree. kind: in words; line: where; make: does it."""

    kind: str
    line: int
    make: Callable[[random.Random], None]


def _replace(parent: ast.AST, name: str, value: object) -> Callable[[random.Random], None]:
    return lambda rng: setattr(parent, name, value)


def _other_constant(node: ast.Constant) -> Callable[[random.Random], None]:
    def make(rng: random.Random) -> None:
        value = node.value
        if isinstance(value, bool):
            node.value = not value
        elif isinstance(value, str):
            node.value = rng.choice([f"{value}x", value[:-1], value.upper(), ""]) if value else "x"
        else:
            node.value = rng.choice([value + 1, value - 1, value * 2, -value, 0])

    return make


def _swap(values: list) -> Callable[[random.Random], None]:
    def make(rng: random.Random) -> None:
        first, second = rng.sample(range(len(values)), 2)
        values[first], values[second] = values[second], values[first]

    return make


def _leave_out(*lists: list) -> Callable[[random.Random], None]:
    def make(rng: random.Random) -> None:
        place = rng.randrange(len(lists[0]))
        for values in lists:
            del values[place]

    return make


def _pass_in_place_of(body: list[ast.stmt], place: int) -> Callable[[random.Random], None]:
    def make(rng: random.Random) -> None:
        body[place] = ast.copy_location(ast.Pass(), body[place])

    return make


def _negate(node: ast.If | ast.IfExp) -> Callable[[random.Random], None]:
    def make(rng: random.Random) -> None:
        node.test = ast.UnaryOp(ast.Not(), node.test)

    return make


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def edits_of(tree: ast.AST, line: int = 0) -> Iterator[Edit]:
    """All edits of a tree, in the order of its code; docstrings have none."""
    if _is_docstring(tree):
        return
    line = getattr(tree, "lineno", line)
    if isinstance(tree, ast.Constant) and isinstance(tree.value, bool | int | float | str):
        kind = {bool: "flag", str: "word"}.get(type(tree.value), "number")
        yield Edit(kind, line, _other_constant(tree))
    if isinstance(tree, ast.BinOp | ast.AugAssign | ast.BoolOp | ast.UnaryOp) and type(tree.op) in OPERATORS:
        yield Edit("operator", line, _replace(tree, "op", OPERATORS[type(tree.op)]()))
    if isinstance(tree, ast.Compare):
        yield Edit("comparison", line, _replace(tree, "ops", [OPERATORS[type(op)]() for op in tree.ops]))
    if isinstance(tree, ast.If | ast.IfExp):
        yield Edit("condition", line, _negate(tree))
    if isinstance(tree, ast.Call | ast.FunctionDef):
        values = tree.args if isinstance(tree, ast.Call) else tree.args.args
        if len(values) > 1:
            yield Edit("arguments swapped", line, _swap(values))
    if isinstance(tree, ast.Call) and tree.keywords:
        yield Edit("keyword left out", line, _leave_out(tree.keywords))
    if isinstance(tree, ast.Dict) and len(tree.keys) > 1:
        yield Edit("entry left out", line, _leave_out(tree.keys, tree.values))
        yield Edit("values swapped", line, _swap(tree.values))
    if isinstance(tree, ast.List | ast.Tuple | ast.Set) and len(tree.elts) > 1:
        yield Edit("element left out", line, _leave_out(tree.elts))
    if isinstance(tree, ast.FunctionDef | ast.ClassDef) and tree.decorator_list:
        yield Edit("decorator left out", line, _leave_out(tree.decorator_list))
    for name in ("body", "orelse", "finalbody"):
        body = getattr(tree, name, None)
        for place, statement in enumerate(body if isinstance(body, list) else []):
            if isinstance(statement, DROPPED) and not _is_docstring(statement):
                yield Edit("statement left out", statement.lineno, _pass_in_place_of(body, place))
    for child in ast.iter_child_nodes(tree):
        yield from edits_of(child, line)


def edited(text: str, rng: random.Random, lines: frozenset[int] = frozenset()) -> tuple[str, str]:
    """A module with one random edit, in one of some lines if any are named, and what the edit was in words.

    Formatting and comments of the module are gone.
    """
    while True:
        tree = ast.parse(text)
        before = ast.unparse(tree)
        edits = [edit for edit in edits_of(tree) if not lines or edit.line in lines]
        kinds = sorted({edit.kind for edit in edits})
        kind = rng.choices(kinds, [5 if kind in ARITHMETIC else 1 for kind in kinds])[0]
        edit = rng.choice([edit for edit in edits if edit.kind == kind])
        edit.make(rng)
        try:
            after = ast.unparse(ast.fix_missing_locations(tree))
            compile(after, "edited", "exec")
        except (SyntaxError, ValueError):
            continue
        if after != before:
            return after, f"{edit.kind} in line {edit.line}"
