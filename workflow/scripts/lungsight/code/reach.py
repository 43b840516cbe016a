"""What a program reaches from its main: definitions, followed by name, and the messages among them that count."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lungsight.code.library import ANY_CLASS, Place
from lungsight.code.modules import DOCSTRING
from lungsight.code.statements import Code, Part, Statement
from lungsight.code.summary import EVERYTHING, Message

_SUPPRESS = "contextlib.suppress"  # catches exceptions without an `except`


@dataclass
class Reached:
    """What a program reaches. statements: in the library; messages: those in them that count."""

    statements: set[Place] = field(default_factory=set)
    messages: dict[Place, set[Message]] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)
    for_effect: set[str] = field(default_factory=set)


class Walk:
    """Follows the names of a program. loads: package → those of its modules that the program loads by name."""

    def __init__(self, code: Code, program: str, loads: Mapping[str, Iterable[str]]):
        self.code = code
        self.loads = loads
        self.reached = Reached()
        self._waiting: list[Part] = []
        self._whole: set[str] = set()
        self._reads_text = False
        self._import(program)
        if not code.library.own_module(program).has_main:
            self._take_whole(program)
        self._follow_all()
        while self._count_messages():
            self._follow_all()

    def _follow_all(self) -> None:
        while self._waiting:
            part = self._waiting.pop()
            self.reached.parts.append(part)
            for name in part.runs:
                self._import(name)
            for place in part.places:
                self._reach(place)
            for name in part.modules:
                self._take_whole(name)
            for package in part.loads:
                self._load(package)

    def _import(self, dotted: str) -> None:
        """Run a module, and those above it, as Python does for an import."""
        parts = dotted.split(".")
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            if name in self.reached.modules:
                continue
            module = self.code.library.module(name)
            if module is None:
                return
            self.reached.modules.add(name)
            self.reached.for_effect |= self.code.imported_for_effect(name)
            for inner in module.runs:
                self._import(inner)
            for star in module.stars:
                self._take_whole(star)
            for position in self.code.at_import(name):
                self._reach((name, position))

    def _reach(self, place: Place) -> None:
        if place not in self.reached.statements:
            self.reached.statements.add(place)
            self._waiting.append(self.code.statement(place).part)

    def _take_whole(self, name: str) -> None:
        module = self.code.library.module(name)
        if module is None or name in self._whole:
            return
        self._whole.add(name)
        self._import(name)
        docstring = module.bindings.get(DOCSTRING, [])
        for position in range(len(module.statements)):
            if position not in docstring:
                self._reach((name, position))
        for bound in module.aliases:
            part = Part(b"")
            for meaning in self.code.library.meanings(module, (bound,)):
                self.code.follow(module, meaning, part)
            self._waiting.append(part)

    def _load(self, package: str) -> None:
        if package == EVERYTHING:
            names = self.code.library.modules_below("")
        elif package in self.loads:
            names = [f"{package}.{name}" for name in self.loads[package]]
        else:
            names = self.code.library.modules_below(package)
        for name in names:
            self._take_whole(name)

    def _count_messages(self) -> bool:
        """Add the messages that count by what is reached so far. Returns whether there was one."""
        self._reads_text |= any(part.reads_text for part in self.reached.parts)
        handled, used = self._handled()
        found = False
        for place in self.reached.statements:
            statement = self.code.statement(place)
            counted = self.reached.messages.setdefault(place, set())
            for message in statement.summary.messages:
                if message not in counted and self._counts(statement, message, handled, used):
                    counted.add(message)
                    self._waiting.append(self.code.message(statement, message))
                    found = True
        if self._reads_text:
            for name in self.reached.modules:
                for position in self.code.library.own_module(name).bindings.get(DOCSTRING, []):
                    found |= (name, position) not in self.reached.statements
                    self._reach((name, position))
        return found

    def _counts(self, statement: Statement, message: Message, handled: set[str], used: set[str]) -> bool:
        if self._reads_text:
            return True
        if message.exception is None:
            return message in statement.with_effects
        classes = statement.raised[message]
        if not classes or classes & used or ANY_CLASS in used:
            return True
        # What nobody catches stops the program: no result is left that making its message could change.
        return message in statement.with_effects and (ANY_CLASS in handled or bool(classes & handled))

    def _handled(self) -> tuple[set[str], set[str]]:
        """List the exception classes that the reached code catches, and those whose messages it uses as results."""
        handled: set[str] = {ANY_CLASS} if any(_SUPPRESS in part.outside for part in self.reached.parts) else set()
        used: set[str] = set()
        for place in self.reached.statements:
            statement = self.code.statement(place)
            quoted = {number for message in self.reached.messages.get(place, ()) for number in message.handlers}
            for number, handler in enumerate(statement.summary.handlers):
                handled |= statement.handled[number]
                if handler.used or number in quoted:
                    used |= statement.handled[number]
        return handled, used

    def lines(self) -> Iterator[bytes]:
        """Yield what is hashed: statements in the order of their modules, messages, imports for effect, data files."""
        for place in sorted(self.reached.statements):
            statement = self.code.statement(place)
            yield statement.part.text
            counted = self.reached.messages.get(place, [])
            for message in statement.summary.messages:
                if message in counted:
                    yield self.code.message(statement, message).text
        yield "\n".join(sorted(self.reached.for_effect)).encode()
        strings = {text for part in self.reached.parts for text in part.strings}
        patterns = {pattern for part in self.reached.parts for pattern in part.patterns}
        schemas = {name for part in self.reached.parts for name in part.schemas}
        for path in self.code.data.named(strings, patterns, schemas):
            yield f"{path.name}: {self.code.data.digest_of(path)}".encode()
