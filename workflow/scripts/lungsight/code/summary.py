"""What one top-level statement consists of: its text without formatting, the names it uses, and its messages."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lungsight.code.data import TABLE_FUNCTIONS
from lungsight.code.messages import (
    BOUNDARIES,
    BOUNDARY_NAMES,
    HELP_ARGUMENTS,
    HELP_CALLS,
    PLAIN_CLASSES,
    PLAIN_DECORATORS,
    TEXT_ATTRIBUTES,
    Boundary,
)
from lungsight.code.modules import Module, is_docstring, local_names, nodes_below

Path = tuple[str, ...]  # a dotted name; one that starts with "" is absolute, any other is looked up in the module
EVERYTHING = "*"

_NOT_TEXT = frozenset({"ctx", "type_comment", "kind"})
_TABLE_NAMES = frozenset(name.rpartition(".")[2] for name in TABLE_FUNCTIONS)
_LOADERS = frozenset({"import_module", "__import__"})
_QUERIED = re.compile(r"@(\w+)")  # pandas looks up such a name where it evaluates an expression
_NAMESPACES = frozenset({"vars", "dir"})  # of the module only where they have no argument


@dataclass(eq=False)
class Message:
    """A part of a statement that makes text for people.

    kind: what for. nodes: the code that makes it. exception: the class that a raised message is of. handlers: positions
    of the handlers whose exception it quotes. inner: messages that are sent under the condition that `nodes` is.
    """

    kind: str
    nodes: Sequence[ast.AST]
    exception: Path | None = None
    handlers: frozenset[int] = frozenset()
    inner: Sequence["Message"] = ()

    def all_nodes(self) -> Iterator[ast.AST]:
        """Yield the nodes and all below them."""
        return (inner for node in self.nodes for inner in nodes_below(node))


@dataclass
class Handler:
    """An `except` that goes on. types: the classes, None for one that is no name, nothing where it names none.

    used: whether it uses the exception as more than text for people.
    """

    types: list[Path | None]
    used: bool = False


@dataclass
class Summary:
    """A statement as the digest sees it.

    parts: its text, with its messages where they stand. paths: names that it uses. strings: its short string constants.
    patterns: its f-strings, None for what is filled in. schemas: names of tables that it calls functions for, None for
    one that is computed. imports: modules that its functions import. loads: packages of which it imports modules by a
    computed name. reads_text: whether it looks at docstrings, annotations or messages.
    """

    parts: list[str | Message] = field(default_factory=list)
    paths: set[Path] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    patterns: set[tuple[str | None, ...]] = field(default_factory=set)
    schemas: set[str | None] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)
    handlers: list[Handler] = field(default_factory=list)
    reads_text: bool = False

    @cached_property
    def messages(self) -> list[Message]:
        """List the messages in the order of the text."""
        return [part for part in self.parts if isinstance(part, Message)]

    @cached_property
    def text(self) -> str:
        """Join the text without any message."""
        return "".join(part for part in self.parts if isinstance(part, str))


@dataclass
class _Frame:
    """A scope while it is read. hides: whether names bound in it hide those of the module from what is used in it."""

    hides: bool
    bound: set[str] = field(default_factory=set)
    aliases: dict[str, set[str]] = field(default_factory=dict)
    paths: set[Path] = field(default_factory=set)


def path_of(node: ast.AST) -> Path | None:
    """Return the dotted name that an expression is. None: it is another expression."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else None


def absolute(dotted: str) -> Path:
    """Mark a dotted name as one that does not depend on the module that uses it."""
    return ("", *dotted.split("."))


def summarise(module: Module, node: ast.stmt) -> Summary:
    """Summarise a top-level statement of a module."""
    return _Reader(module, node).read([node])


def summarise_nodes(module: Module, nodes: Iterable[ast.AST]) -> Summary:
    """Summarise a message that counts: nothing in it is left out."""
    return _Reader(module, None).read(nodes)


class _Reader:
    """Reads statements in one pass. whole: the statement in which messages are looked for; None: nowhere."""

    def __init__(self, module: Module, whole: ast.stmt | None):
        self.module = module
        self.whole = whole
        self.summary = Summary()
        self.out = self.summary.parts
        self.frames = [_Frame(hides=False)]
        self.errors: dict[str, int] = {}
        self.annotations_count = False  # those of methods: a base or decorator of their class may look at them
        self._aliases: dict[str, set[str]] | None = None

    def read(self, nodes: Iterable[ast.AST]) -> Summary:
        for node in nodes:
            self.visit(node)
        self.summary.paths = self.frames[0].paths
        return self.summary

    def visit(self, node: ast.AST) -> None:
        special = _SPECIAL.get(type(node))
        if special:
            special(self, node)
        else:
            self._plain(node)

    def _plain(self, node: ast.AST) -> None:
        out = self.out
        out.append(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None or name in _NOT_TEXT:
                continue
            if isinstance(value, ast.AST):
                out.append(f"{name}=")
                self.visit(value)
            elif not isinstance(value, list):
                out.append(f"{name}={value!r},")
            elif value:
                self._list(name, value)
        out.append(")")

    def _list(self, name: str, values: Sequence[object]) -> None:
        self.out.append(f"{name}=[")
        for value in values:
            if isinstance(value, ast.AST):
                self.visit(value)
                self.out.append(",")
            else:
                self.out.append(f"{value!r},")
        self.out.append("]")

    def _fields(self, node: ast.AST, *names: str) -> None:
        """Write some fields of a node as `_plain` does."""
        for name in names:
            value = getattr(node, name, None)
            if isinstance(value, list):
                if value:
                    self._list(name, value)
            elif isinstance(value, ast.AST):
                self.out.append(f"{name}=")
                self.visit(value)
            elif value is not None:
                self.out.append(f"{name}={value!r},")

    def _body(self, name: str, statements: list[ast.stmt]) -> None:
        self.out.append(f"{name}=[")
        for statement in statements:
            self.visit(statement)
        self.out.append("]")

    # Names

    def _use(self, path: Path) -> None:
        self.frames[-1].paths.add(path)
        self.summary.names.add(path[0])
        if path[0] in self.errors:
            self.summary.handlers[self.errors[path[0]]].used = True

    def _bind(self, name: str) -> None:
        self.frames[-1].bound.add(name)

    def _name(self, node: ast.Name) -> None:
        self.out.append(f"{node.id},")
        if isinstance(node.ctx, ast.Load):
            self._use((node.id,))
        else:
            self._bind(node.id)

    def _attribute(self, node: ast.Attribute) -> None:
        if node.attr in TEXT_ATTRIBUTES:
            self.summary.reads_text = True
        path = path_of(node)
        if path is None:
            self._plain(node)
            return
        self.out.append(f"{'.'.join(path)},")
        # Of a module whose attribute is replaced, all counts.
        self._use(path if isinstance(node.ctx, ast.Load) else path[:-1])

    def _constant(self, node: ast.Constant) -> None:
        self.out.append(f"{node.value!r},")
        if not isinstance(node.value, str):
            return
        if len(node.value) < 80:
            self.summary.strings.add(node.value)
        for name in _QUERIED.findall(node.value):
            self._use((name,))

    def _f_string(self, node: ast.JoinedStr) -> None:
        self.summary.patterns.add(tuple(map(_string_of, node.values)))
        self._plain(node)

    def _global(self, node: ast.Global) -> None:
        self.out.append(f"global {node.names},")
        self.frames[0].paths |= {(name,) for name in node.names}

    def _nonlocal(self, node: ast.Nonlocal) -> None:
        self.out.append(f"nonlocal {node.names},")

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self._plain(node)
        if len(self.frames) == 1:  # not in a function: the module has it
            return
        for name, stands_for, source in self.module.imported(node):
            self.summary.imports |= {source, stands_for}
            self.frames[-1].aliases.setdefault(name, set()).add(stands_for)

    def _capture(self, node: ast.MatchAs | ast.MatchStar | ast.MatchMapping) -> None:
        self._plain(node)
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if name:
            self._bind(name)

    # Scopes

    def _enter(self, hides: bool) -> None:
        self.frames.append(_Frame(hides))

    def _leave(self) -> None:
        """Pass on the names that a scope uses and does not bind itself."""
        frame = self.frames.pop()
        hidden = frame.bound if frame.hides else set()
        paths = self.frames[-1].paths
        for path in frame.paths:
            stands_for = frame.aliases.get(path[0])
            for dotted in stands_for or ():
                paths.add((*absolute(dotted), *path[1:]))
            if path[0] not in hidden and (not stands_for or not frame.hides):
                paths.add(path)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._bind(node.name)
        self.out.append(f"{type(node).__name__}({node.name},")
        self._fields(node, "decorator_list", "type_params")
        self._defaults(node.args, BOUNDARIES.get(f"{self.module.name}.{node.name}"))
        annotations = [argument.annotation for argument in _arguments_of(node.args) if argument.annotation]
        annotations += [node.returns] if node.returns else []
        if not self.annotations_count and all(self._is_one_of(PLAIN_DECORATORS, one) for one in node.decorator_list):
            self._message("annotation", annotations)
        else:
            self._list("annotations", annotations)
        self._enter(hides=True)
        self._arguments(node.args)
        self._body("body", self._without_docstring(node.body))
        self._leave()
        self.out.append(")")

    def _is_one_of(self, known: frozenset[str], node: ast.expr) -> bool:
        return self._stands_for(node.func if isinstance(node, ast.Call) else node) in known

    def _without_docstring(self, body: list[ast.stmt]) -> list[ast.stmt]:
        if body and is_docstring(body[0]):
            self._message("docstring", [body[0].value])
            return body[1:]
        return body

    def _defaults(self, arguments: ast.arguments, boundary: Boundary | None = None) -> None:
        """Read the defaults. Those of arguments that only make text are text themselves."""
        if boundary is None or boundary.arguments is None:
            self._fields(arguments, "defaults", "kw_defaults")
            return
        without = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
        counted = max(boundary.arguments - without, 0)
        self._list("defaults", arguments.defaults[:counted])
        self._message("label", [*arguments.defaults[counted:], *filter(None, arguments.kw_defaults)])

    def _arguments(self, arguments: ast.arguments) -> None:
        for name in ("posonlyargs", "args", "vararg", "kwonlyargs", "kwarg"):
            value = getattr(arguments, name)
            for argument in value if isinstance(value, list) else [value] if value else []:
                self.out.append(f"{name} {argument.arg},")
                self._bind(argument.arg)

    def _lambda(self, node: ast.Lambda) -> None:
        self.out.append("Lambda(")
        self._defaults(node.args)
        self._enter(hides=True)
        self._arguments(node.args)
        self._fields(node, "body")
        self._leave()
        self.out.append(")")

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self.out.append(f"{type(node).__name__}(")
        self.visit(node.generators[0].iter)  # the one part that is outside of the comprehension's scope
        self._enter(hides=True)
        for number, generator in enumerate(node.generators):
            self._fields(generator, "target", "ifs", "is_async", *(["iter"] if number else []))
        self._fields(node, "elt", "key", "value")
        self._leave()
        self.out.append(")")

    def _class(self, node: ast.ClassDef) -> None:
        self._bind(node.name)
        self.out.append(f"ClassDef({node.name},")
        self._fields(node, "decorator_list", "bases", "keywords", "type_params")
        self._enter(hides=False)  # what a class binds its methods do not see
        before = self.annotations_count
        self.annotations_count = bool(node.keywords) or not all(
            self._is_one_of(PLAIN_CLASSES, one) or self._is_of_this_package(one)
            for one in (*node.decorator_list, *node.bases)
        )
        self._body("body", self._without_docstring(node.body))
        self.annotations_count = before
        if any(isinstance(inner, ast.FunctionDef) and inner.name in TEXT_ATTRIBUTES for inner in node.body):
            self.summary.reads_text = True
        self._leave()
        self.out.append(")")

    def _is_of_this_package(self, node: ast.expr) -> bool:
        return (self._stands_for(node) or "").startswith(f"{self.module.name.partition('.')[0]}.")

    def _annotated(self, node: ast.AnnAssign) -> None:
        """In a class an annotation may make a field; anywhere else it does nothing."""
        in_class = len(self.frames) > 1 and not self.frames[-1].hides
        self.out.append("AnnAssign(")
        self._fields(node, "target", "value", *(["annotation"] if in_class else []))
        if not in_class:
            self._message("annotation", [node.annotation])
        self.out.append(")")

    # Messages

    def _imported_here(self, whole: ast.stmt) -> dict[str, set[str]]:
        """Map each name that imports in the statement bind to what it stands for."""
        if self._aliases is None:
            self._aliases = {}
            for node in nodes_below(whole):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    for name, stands_for, _ in self.module.imported(node):
                        self._aliases.setdefault(name, set()).add(stands_for)
        return self._aliases

    def _stands_for(self, node: ast.AST) -> str | None:
        """Name what an expression is: an import, one definition of this module or a built-in. None: not certain."""
        path = path_of(node)
        if path is None or self.whole is None:
            return None
        root, rest = path[0], path[1:]
        imported = self._imported_here(self.whole).get(root, set()) | set(self.module.aliases.get(root, ()))
        defined = self.module.bindings.get(root, [])
        if root in local_names(self.whole) or len(imported) + len(defined) > 1:
            return None
        start = next(iter(imported)) if imported else f"{self.module.name}.{root}" if defined else root
        return ".".join([start, *rest])

    def _message(
        self,
        kind: str,
        nodes: Sequence[ast.AST],
        exception: Path | None = None,
        inner: Sequence[Message] = (),
    ) -> None:
        """Leave nodes out of the text, as a message; outside of a statement's reading they are part of it."""
        if not nodes:
            return
        if self.whole is None:
            self._list(kind, list(nodes))
            return
        quoted = {name for node in nodes for name in _quoted(node)} if self.errors else set()
        handlers = frozenset(self.errors[name] for name in quoted & set(self.errors))
        self.out.append(Message(kind, list(nodes), exception, handlers, list(inner)))

    def _expression(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if isinstance(node.value, ast.Call):
            boundary = self._boundary(node.value)
            if boundary and boundary.arguments == 0 and not boundary.body:
                self._message("log", _values(node.value))
                return
        self._plain(node)

    def _boundary(self, node: ast.Call) -> Boundary | None:
        name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
        return BOUNDARIES.get(self._stands_for(node.func) or "") if name in BOUNDARY_NAMES else None

    def _call(self, node: ast.Call) -> None:
        name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
        boundary = self._boundary(node)
        if name in _TABLE_NAMES:
            self._note_schema(node)
        if boundary and boundary.arguments is not None and boundary.arguments <= len(node.args):
            counted = node.args[: boundary.arguments]
            self.out.append("Call(")
            self._fields(node, "func")
            self._list("args", counted)
            self._message("label", _values(node)[len(counted) :])
            self.out.append(")")
        elif name in HELP_CALLS and any(keyword.arg in HELP_ARGUMENTS for keyword in node.keywords):
            texts = [keyword for keyword in node.keywords if keyword.arg in HELP_ARGUMENTS]
            self.out.append("Call(")
            self._fields(node, "func", "args")
            self._list("keywords", [keyword for keyword in node.keywords if keyword not in texts])
            self._message("help", [keyword.value for keyword in texts])
            self.out.append(")")
        elif name in _LOADERS and (package := self._loaded(node)):
            self.summary.loads.add(package)
            self.out.append("Call(loaded,")
            self._fields(node, "args", "keywords")
            self.out.append(")")
        elif _asks_for_class(node):
            with_errors, self.errors = self.errors, {}
            self._plain(node)
            self.errors = with_errors
        elif name in _NAMESPACES and isinstance(node.func, ast.Name) and node.args:
            self.out.append(f"Call({name},")
            self._fields(node, "args", "keywords")
            self.out.append(")")
        else:
            self._plain(node)

    def _note_schema(self, node: ast.Call) -> None:
        function = self._stands_for(node.func) or ""
        if function in TABLE_FUNCTIONS and not function.startswith(f"{self.module.name}."):
            position, keyword = TABLE_FUNCTIONS[function]
            values = [*node.args[position : position + 1], *(one.value for one in node.keywords if one.arg == keyword)]
            self.summary.schemas.add(_string_of(values[0]) if len(values) == 1 else None)

    def _loaded(self, node: ast.Call) -> str | None:
        """Name the package that `import_module(f"{__name__}.…")` imports a module of. None: it is another call."""
        parts = node.args[0].values if len(node.args) == 1 and isinstance(node.args[0], ast.JoinedStr) else []
        of_here = (
            len(parts) > 1
            and isinstance(parts[0], ast.FormattedValue)
            and path_of(parts[0].value) == ("__name__",)
            and (_string_of(parts[1]) or "").startswith(".")
        )
        return self.module.name if of_here and self._stands_for(node.func) == "importlib.import_module" else None

    def _raise(self, node: ast.Raise) -> None:
        self.out.append("Raise(")
        exception = node.exc
        path = path_of(exception.func) if isinstance(exception, ast.Call) else None
        with_errors = self.errors
        known = path is not None and self.whole is not None and path[0] not in local_names(self.whole)
        if known and isinstance(exception, ast.Call):
            self._fields(exception, "func")
            self._message("error", _values(exception), exception=path)
        else:
            if isinstance(exception, ast.Name):  # raised again, its message is not used
                self.errors = {}
            self._fields(node, "exc")
        self.errors = {}
        self._fields(node, "cause")
        self.errors = with_errors
        self.out.append(")")

    def _handler(self, node: ast.ExceptHandler) -> None:
        self.out.append("ExceptHandler(")
        self._fields(node, "type")
        before = dict(self.errors)
        types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type] if node.type else []
        if not (isinstance(node.body[0], ast.Raise) and node.body[0].exc is None):
            self.summary.handlers.append(Handler([path_of(kind) for kind in types]))
            if node.name:
                self.errors[node.name] = len(self.summary.handlers) - 1
        if node.name:
            self._bind(node.name)
            self.out.append(f"{node.name},")
        self._body("body", node.body)
        self.errors = before
        self.out.append(")")

    def _if(self, node: ast.If) -> None:
        """Make a condition part of the messages where nothing else happens under it."""
        outer = self.out
        branches: list[list[str | Message]] = []
        for branch in (node.body, node.orelse):
            self.out = []
            for statement in branch:
                self.visit(statement)
            branches.append(self.out)
        self.out = outer
        if self.whole is not None and not any(isinstance(part, str) for branch in branches for part in branch):
            inner = [part for branch in branches for part in branch if isinstance(part, Message)]
            self._message("condition", [node.test], inner=inner)
            self.out += inner
            return
        self.out.append("If(")
        self._fields(node, "test")
        for branch in branches:
            self.out += ["[", *branch, "]"]
        self.out.append(")")

    def _nothing(self, node: ast.Pass) -> None:
        """`pass` does nothing."""


def _arguments_of(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from (argument for argument in (arguments.vararg, arguments.kwarg) if argument)


def _string_of(node: ast.expr) -> str | None:
    """Return the value of a string constant. None: it is another expression."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _values(node: ast.Call) -> list[ast.expr]:
    """List all that is passed in a call."""
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def _asks_for_class(node: ast.Call) -> bool:
    """Whether a call looks at the class of a value and at nothing else of it."""
    called = isinstance(node.func, ast.Name) and node.func.id in ("type", "isinstance")
    return called and bool(node.args) and isinstance(node.args[0], ast.Name)


def _quoted(node: ast.AST) -> Iterator[str]:
    """Yield the names that an expression uses for more than their class."""
    if isinstance(node, ast.Call) and _asks_for_class(node):
        return
    if isinstance(node, ast.Name):
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from _quoted(child)


_SPECIAL = {
    ast.Name: _Reader._name,
    ast.Attribute: _Reader._attribute,
    ast.Constant: _Reader._constant,
    ast.JoinedStr: _Reader._f_string,
    ast.Global: _Reader._global,
    ast.Nonlocal: _Reader._nonlocal,
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import,
    ast.MatchAs: _Reader._capture,
    ast.MatchStar: _Reader._capture,
    ast.MatchMapping: _Reader._capture,
    ast.FunctionDef: _Reader._function,
    ast.AsyncFunctionDef: _Reader._function,
    ast.ClassDef: _Reader._class,
    ast.Lambda: _Reader._lambda,
    ast.ListComp: _Reader._comprehension,
    ast.SetComp: _Reader._comprehension,
    ast.GeneratorExp: _Reader._comprehension,
    ast.DictComp: _Reader._comprehension,
    ast.AnnAssign: _Reader._annotated,
    ast.Expr: _Reader._expression,
    ast.Call: _Reader._call,
    ast.Raise: _Reader._raise,
    ast.ExceptHandler: _Reader._handler,
    ast.If: _Reader._if,
    ast.Pass: _Reader._nothing,
}
