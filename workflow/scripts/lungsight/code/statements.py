"""The statements of a library: what of each always counts, what its names stand for, and its messages."""

import ast
import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from lungsight.code.data import TABLE_FUNCTIONS, DataFiles
from lungsight.code.library import FOREIGN_CLASS, Library, Meaning, Place
from lungsight.code.messages import BOUNDARIES, TEXT_READERS
from lungsight.code.modules import DOCSTRING, Module
from lungsight.code.pure import Purity
from lungsight.code.summary import EVERYTHING, Message, Summary, absolute, summarise, summarise_nodes
from lungsight.code.summary import Path as Name

_NOT_FOLLOWED = frozenset(name for name, boundary in BOUNDARIES.items() if not boundary.body)
_NAMESPACE = frozenset({"globals", "locals", "vars", "dir"})
_ANYTHING = frozenset({"eval", "exec", "compile", "__import__"})
_LOADERS = ("importlib", "pkgutil", "runpy", "sys.modules")
_NO_LOADERS = ("importlib.metadata", "importlib.resources")


def _is_one_of(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


@dataclass
class Part:
    """A statement, or a message in one, with what its names stand for.

    text: what is hashed. places: statements of the library that it uses. modules: those that it uses as objects.
    outside: dotted names from outside the library. runs: modules that it imports. loads: packages of which it loads
    modules.
    """

    text: bytes
    places: set[Place] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    outside: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    patterns: set[tuple[str | None, ...]] = field(default_factory=set)
    schemas: set[str | None] = field(default_factory=set)
    reads_text: bool = False


@dataclass
class Statement:
    """A statement of the library.

    part: what of it always counts. with_effects: messages that do more than make a text. raised: the class, and its
    bases, of each message that is an exception's. handled: the classes that each of the handlers catches.
    """

    part: Part
    module: Module
    summary: Summary
    with_effects: set[Message]
    raised: dict[Message, frozenset[str]]
    handled: list[set[str]]


class Code:
    """The statements of one library, each read once in a process."""

    def __init__(self, library: Library):
        self.library = library
        self.purity = Purity(library)
        self.data = DataFiles(library.root)
        self._statements: dict[Place, Statement] = {}
        self._messages: dict[Message, Part] = {}
        self._at_import: dict[str, set[int]] = {}
        self._for_effect: dict[str, set[str]] = {}

    def statement(self, place: Place) -> Statement:
        """Return the statement at a place."""
        if place not in self._statements:
            self._statements[place] = self._read(place)
        return self._statements[place]

    def _read(self, place: Place) -> Statement:
        module = self.library.own_module(place[0])
        node = module.statements[place[1]]
        summary = summarise(module, node)
        if module.bindings.get(DOCSTRING) == [place[1]]:
            assert isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant), "a docstring is a constant"
            summary.parts.append(repr(node.value.value))
        raised = {
            message: self._classes_of(module, message.exception) for message in summary.messages if message.exception
        }
        return Statement(
            self._part(module, summary),
            module,
            summary,
            {message for message in summary.messages if self._has_effects(module, message, node)},
            raised,
            [self.library.classes_handled(module, handler.types) for handler in summary.handlers],
        )

    def _classes_of(self, module: Module, exception: Name) -> frozenset[str]:
        """Name an exception class and its bases. Empty: its arguments may be more than a message."""
        meanings = self.library.meanings(module, exception)
        if len(meanings) != 1 or not self.library.only_describes(meanings[0]):
            return frozenset()
        classes = self.library.ancestors(meanings[0]) or frozenset()
        return classes | {FOREIGN_CLASS} if meanings[0].module is None else classes

    def _has_effects(self, module: Module, message: Message, inside: ast.stmt) -> bool:
        if message.kind in ("docstring", "annotation"):
            return False
        return not self.purity.of_nodes(module, message.nodes, inside) or any(
            self._has_effects(module, inner, inside) for inner in message.inner
        )

    def message(self, statement: Statement, message: Message) -> Part:
        """Return a message that counts, in full."""
        if message not in self._messages:
            summary = summarise_nodes(statement.module, message.nodes)
            position = statement.summary.parts.index(message)
            before = sum(isinstance(part, str) for part in statement.summary.parts[:position])
            summary.parts.insert(0, f"{message.kind} at {before}:")
            self._messages[message] = self._part(statement.module, summary)
        return self._messages[message]

    def _part(self, module: Module, summary: Summary) -> Part:
        part = Part(b"", strings=self.data.strings_in_names(summary.strings), reads_text=summary.reads_text)
        part.patterns = {pattern for pattern in summary.patterns if self.data.matches(pattern)}
        part.runs, part.loads, part.schemas = set(summary.imports), set(summary.loads), set(summary.schemas)
        lines = [module.name, summary.text]
        for path in sorted(summary.paths | self._modules_in(summary.strings)):
            meanings = self.library.meanings(module, path)
            lines += [f"{'.'.join(path)} = {meaning.name}" for meaning in meanings]
            for meaning in meanings:
                self.follow(module, meaning, part)
                if meaning.name in TABLE_FUNCTIONS and meaning.module != module.name and not part.schemas:
                    part.schemas = {None}  # it is used in another way than by a call
        part.text = hashlib.sha256("\n".join(lines).encode()).digest()
        return part

    def _modules_in(self, strings: set[str]) -> set[Name]:
        """Strings that name a module of a package of the library, or something in one."""
        dotted = (text for text in strings if "." in text and text.replace(".", "").isidentifier())
        packages = ((text, self.library.module(text.partition(".")[0])) for text in dotted)
        return {absolute(text) for text, package in packages if package is not None and package.is_package}

    def follow(self, module: Module, meaning: Meaning, part: Part) -> None:
        """Add what a name in a module stands for to what a part uses."""
        if meaning.name in _NOT_FOLLOWED:
            return
        if meaning.positions is not None:
            part.places |= set(meaning.places)
        elif meaning.module is not None:
            part.modules.add(meaning.module)
        elif meaning.built_in:
            part.modules |= {module.name} if meaning.name in _NAMESPACE else set()
            part.loads |= {EVERYTHING} if meaning.name in _ANYTHING else set()
        else:
            part.outside.add(meaning.name)
            part.reads_text |= _is_one_of(meaning.name, TEXT_READERS)
            if _is_one_of(meaning.name, _LOADERS) and not _is_one_of(meaning.name, _NO_LOADERS):
                part.loads.add(EVERYTHING)

    def at_import(self, name: str) -> set[int]:
        """Positions of the statements that do something when a module is imported, whatever is used of it."""
        if name not in self._at_import:
            module = self.library.own_module(name)
            docstring = module.bindings.get(DOCSTRING, [])
            self._at_import[name] = module.always | {
                position
                for position, node in enumerate(module.statements)
                if position not in docstring and not self.purity.of_definition(module, node)
            }
        return self._at_import[name]

    def imported_for_effect(self, name: str) -> set[str]:
        """Dotted names from outside the library and Python that a module imports and does not use by name."""
        if name not in self._for_effect:
            self._for_effect[name] = self._imported_for_effect(name)
        return self._for_effect[name]

    def _imported_for_effect(self, name: str) -> set[str]:
        module = self.library.own_module(name)
        unused = {
            bound for bound, names in module.aliases.items() if any(self._is_from_outside(dotted) for dotted in names)
        }
        for position in range(len(module.statements)):
            if unused:
                unused -= self.statement((name, position)).summary.names
        for position in range(len(module.statements)):
            if unused:
                messages = self.statement((name, position)).summary.messages
                unused -= {
                    node.id for message in messages for node in message.all_nodes() if isinstance(node, ast.Name)
                }
        stars = {f"{star}.*" for star in module.stars if self._is_from_outside(star)}
        return stars | {dotted for bound in unused for dotted in module.aliases[bound]}

    def _is_from_outside(self, dotted: str) -> bool:
        name = dotted.partition(".")[0]
        return name not in sys.stdlib_module_names and self.library.module(name) is None
