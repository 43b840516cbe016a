"""The modules below one folder, and what a name in one of them stands for."""

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lungsight.code.messages import ancestors, only_describes
from lungsight.code.modules import Module, is_docstring, parse_module
from lungsight.code.summary import Path as Name
from lungsight.code.summary import path_of

Place = tuple[str, int]  # a module's name and the position of a statement in it

ANY_CLASS, FOREIGN_CLASS = "any class", "a class from outside"
_OF_EVERY_MODULE = frozenset({"__name__", "__file__", "__path__", "__package__", "__spec__", "__doc__"})


@dataclass(frozen=True)
class Meaning:
    """What a name stands for.

    name: dotted, in full. module: the module of the library that defines it, None for one from outside or built in.
    positions: the statements that do, None for the module itself. rest: attributes of the value that it has.
    """

    name: str
    module: str | None = None
    positions: tuple[int, ...] | None = None
    rest: Name = ()
    built_in: bool = False

    @property
    def places(self) -> list[Place]:
        """Return the places of the statements that define the name."""
        return [(self.module, position) for position in self.positions or ()] if self.module is not None else []


def _is_class(meaning: Meaning) -> bool:
    return meaning.built_in and isinstance(getattr(builtins, meaning.name, None), type)


class Library:
    """Modules that are imported from `root`, the folder that Python finds them in."""

    def __init__(self, root: Path):
        self.root = root
        self._modules: dict[str, Module | None] = {}
        self._known: dict[tuple[str, Name], list[Meaning]] = {}

    def module(self, name: str) -> Module | None:
        """Return the module with a dotted name. None: it is not in this library. A folder is an empty package."""
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def own_module(self, name: str) -> Module:
        """Return the module with a dotted name that is in this library for certain."""
        module = self.module(name)
        assert module is not None, f"{name} is in this library"
        return module

    def _read(self, name: str) -> Module | None:
        place = self.root.joinpath(*name.split("."))
        for path, is_package in ((place / "__init__.py", True), (place.with_name(f"{place.name}.py"), False)):
            if path.is_file():
                return parse_module(name, is_package, path.read_text(encoding="utf-8"))
        return Module(name, is_package=True) if place.is_dir() and place.name.isidentifier() else None

    def modules_below(self, package: str) -> list[str]:
        """List the names of all modules in a package without the package itself, sorted. "" is the whole library."""
        folder = self.root.joinpath(*package.split(".")) if package else self.root
        files = (path.relative_to(self.root).with_suffix("") for path in folder.rglob("*.py"))
        names = {".".join(path.parent.parts if path.name == "__init__" else path.parts) for path in files}
        return sorted(names - {package, ""})

    def meanings(self, module: Module, name: Name) -> list[Meaning]:
        """All that a name used in a module can stand for; nothing for a local one, as far as the module can tell."""
        key = (module.name, name)
        if key not in self._known:
            self._known[key] = self._look_up(module, name)
        return self._known[key]

    def _look_up(self, module: Module, name: Name) -> list[Meaning]:
        root, rest = name[0], name[1:]
        if not root:
            return self._absolute(rest)
        found = []
        if root in module.bindings:
            found.append(Meaning(f"{module.name}.{root}", module.name, tuple(module.bindings[root]), rest))
        for dotted in module.aliases.get(root, ()):
            found += self._absolute((*dotted.split("."), *rest))
        if not found and module.stars:
            found += [meaning for star in module.stars for meaning in self._absolute((*star.split("."), *name))]
        if not found and hasattr(builtins, root):
            found.append(Meaning(".".join(name), built_in=True))
        return found

    def _absolute(self, parts: Name, seen: frozenset[Name] = frozenset()) -> list[Meaning]:
        if parts in seen:  # a module that imports a name from itself
            return []
        module = self.module(parts[0])
        return [Meaning(".".join(parts))] if module is None else self._attribute(module, parts[1:], seen | {parts})

    def _attribute(self, module: Module, parts: Name, seen: frozenset[Name]) -> list[Meaning]:
        """List what `module.<parts>` can be: a name of the module, a module in it, or else the whole module."""
        if not parts:
            return [Meaning(module.name, module.name)]
        name, rest = parts[0], parts[1:]
        found = []
        if name in module.bindings:
            found.append(Meaning(f"{module.name}.{name}", module.name, tuple(module.bindings[name]), rest))
        for dotted in module.aliases.get(name, ()):
            found += self._absolute((*dotted.split("."), *rest), seen)
        inner = self.module(f"{module.name}.{name}") if module.is_package else None
        if inner is not None:
            found += self._attribute(inner, rest, seen)
        return found if found or name in _OF_EVERY_MODULE else [Meaning(module.name, module.name)]

    def meanings_of(self, module: Module, node: ast.AST) -> list[Meaning]:
        """As `meanings`, of an expression; nothing where it is no dotted name."""
        path = path_of(node)
        return self.meanings(module, path) if path else []

    def definition(self, meaning: Meaning) -> tuple[Module, ast.stmt] | None:
        """Return the statement that defines a name of the library, and its module. None: there is not exactly one."""
        if meaning.module is None or meaning.rest or meaning.positions is None or len(meaning.positions) != 1:
            return None
        module = self.own_module(meaning.module)
        return module, module.statements[meaning.positions[0]]

    def ancestors(self, meaning: Meaning) -> frozenset[str] | None:
        """Name a class and its bases. None: it is no class, or one of them is neither in the library nor built in."""
        if meaning.built_in:
            return ancestors(meaning.name) if _is_class(meaning) else None
        module, node = self.definition(meaning) or (None, None)
        if module is None or not isinstance(node, ast.ClassDef):
            return None
        found = {meaning.name}
        for base in node.bases:
            inherited = [self.ancestors(one) for one in self.meanings_of(module, base)]
            if len(inherited) != 1 or inherited[0] is None:
                return None
            found |= inherited[0]
        return frozenset(found)

    def only_describes(self, meaning: Meaning) -> bool:
        """Whether the arguments of an exception class are its message and nothing else."""
        if meaning.built_in:
            return only_describes(meaning.name)
        module, node = self.definition(meaning) or (None, None)
        if module is None or not isinstance(node, ast.ClassDef):
            return False
        plain = not node.decorator_list and not node.keywords and node.bases
        if not plain or not all(isinstance(inner, ast.Pass) or is_docstring(inner) for inner in node.body):
            return False
        bases = [one for base in node.bases for one in self.meanings_of(module, base)]
        return len(bases) == len(node.bases) and all(map(self.only_describes, bases))

    def classes_handled(self, module: Module, paths: Iterable[Name | None]) -> set[str]:
        """Name the classes that an `except` with these names handles, as `ancestors` does."""
        paths = list(paths)
        return {name for path in paths for name in self._handled(module, path)} if paths else {ANY_CLASS}

    def _handled(self, module: Module, path: Name | None) -> set[str]:
        meanings = self.meanings(module, path) if path else []
        found = set() if meanings else {ANY_CLASS}
        for meaning in meanings:
            defining, node = self.definition(meaning) or (None, None)
            if meaning.module is None:
                found.add(meaning.name if _is_class(meaning) else FOREIGN_CLASS)
            elif isinstance(node, ast.ClassDef):
                found.add(meaning.name)
            elif defining is not None and isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
                found |= self.classes_handled(defining, map(path_of, node.value.elts))
            else:
                found.add(ANY_CLASS)
        return found


@cache
def library_of(root: Path) -> Library:
    """Return the library below a folder. Each process reads it once."""
    return Library(root)
