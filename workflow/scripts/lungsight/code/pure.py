"""Which expressions do nothing but make their value: what reads them may leave them out where it has no use for it.

Sound by lists of what is known to be pure; whatever they do not name counts as having an effect.
"""

import ast
from collections.abc import Callable, Iterable
from typing import TypeVar

from lungsight.code.library import Library, Meaning
from lungsight.code.modules import Definition, Module, is_docstring, local_names, nodes_below
from lungsight.code.summary import path_of

Kind = TypeVar("Kind", bound=ast.stmt)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BUILT_IN = _words(
    """
    abs all any bool bytes classmethod dict divmod enumerate filter float format frozenset getattr hasattr hash int
    isinstance issubclass len list map max min object property range repr reversed round set slice sorted staticmethod
    str sum tuple type vars zip
    """
)
_IMPORTED = _words(
    """
    abc.abstractmethod collections.Counter collections.defaultdict collections.namedtuple contextlib.contextmanager
    dataclasses.asdict dataclasses.dataclass dataclasses.field dataclasses.fields dataclasses.replace functools.cache
    functools.cached_property functools.lru_cache functools.partial functools.wraps itertools.chain
    itertools.combinations itertools.product math.ceil math.floor math.log math.sqrt numpy.arange numpy.array numpy.diag
    numpy.eye numpy.float32 numpy.isnan numpy.linspace numpy.mean numpy.ndindex numpy.ones numpy.transpose numpy.zeros
    operator.attrgetter operator.itemgetter os.path.basename os.path.join os.strerror pathlib.Path pathlib.PurePosixPath
    re.compile re.escape time.monotonic torch.inference_mode traceback.format_exc types.MappingProxyType typing.NewType
    typing.TypeVar yaml.load yaml.safe_load
    """
)
_METHODS = _words(
    """
    astype capitalize casefold count decode encode endswith format from_iterable fromkeys get glob groupby index isdigit
    item items join joinpath keys lower lstrip mean nunique partition read_bytes read_text relative_to removeprefix
    removesuffix replace resolve round rpartition rsplit rstrip size split splitlines startswith stat strip sum title
    to_dict tolist upper value_counts values with_name with_suffix zfill
    """
)
_APPLY = frozenset({"filter", "map"})  # call their first argument
_BASES = frozenset({"object", "typing.NamedTuple", "typing.Protocol", "abc.ABC", "typing.Generic", "enum.Enum"})
_MAKE_OBJECTS = frozenset({"__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__"})
_CONTAINERS = frozenset({"dict", "list", "set", "tuple"})
_EFFECTS = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)
_PLAIN_STATEMENTS = (ast.Return, ast.If, ast.For, ast.Pass, ast.Break, ast.Continue, ast.Expr, ast.Assign)


class Purity:
    """Answers for the code of one library; what was asked once is kept."""

    def __init__(self, library: Library):
        self.library = library
        self._known: dict[str, bool] = {}

    def of_nodes(self, module: Module, nodes: Iterable[ast.AST], inside: ast.stmt) -> bool:
        """Whether expressions in a statement `inside` a module do nothing but make their values."""
        return all(self._is_pure(module, inner, inside) for node in nodes for inner in nodes_below(node))

    def of_definition(self, module: Module, node: ast.stmt) -> bool:
        """Whether a definition at the top of a module does no more, when it is imported, than bind its names."""
        return self._of_definition(module, node, node)

    def _of_definition(self, module: Module, node: ast.stmt, inside: ast.stmt) -> bool:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            return node.value is None or self._of_value(module, node.value, inside)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            return self.of_nodes(module, defaults, inside) and self._of_decorators(module, node, inside)
        return isinstance(node, ast.ClassDef) and self._of_class(module, node, inside)

    def _of_decorators(self, module: Module, node: Definition, inside: ast.stmt) -> bool:
        calls = [(one.func, one.args) if isinstance(one, ast.Call) else (one, []) for one in node.decorator_list]
        return all(
            self._is_pure_call(module, function, inside) and self.of_nodes(module, arguments, inside)
            for function, arguments in calls
        )

    def _of_class(self, module: Module, node: ast.ClassDef, inside: ast.stmt) -> bool:
        plain_body = (
            isinstance(inner, ast.Pass) or is_docstring(inner) or self._of_definition(module, inner, inside)
            for inner in node.body
        )
        bases = [self.library.meanings_of(module, base) for base in node.bases]
        return (
            not node.keywords
            and all(len(meanings) == 1 and self._is_pure_base(*meanings) for meanings in bases)
            and self._of_decorators(module, node, inside)
            and all(plain_body)
        )

    def _is_pure_base(self, meaning: Meaning) -> bool:
        return meaning.name in _BASES or self.library.only_describes(meaning) or self._makes_plain_objects(meaning)

    def _of_value(self, module: Module, node: ast.AST, inside: ast.stmt) -> bool:
        """As `of_nodes`; a function that is stored and not called may do what it likes."""
        if isinstance(node, ast.Lambda):
            return True
        if isinstance(node, _EFFECTS):
            return False
        if isinstance(node, ast.Call):
            made = self.library.meanings_of(module, node.func)
            if not (made and all(map(self._makes_plain_objects, made))):
                return self.of_nodes(module, [node], inside)
        return all(self._of_value(module, child, inside) for child in ast.iter_child_nodes(node))

    def _is_pure(self, module: Module, node: ast.AST, inside: ast.stmt) -> bool:
        if isinstance(node, _EFFECTS):
            return False
        if not isinstance(node, ast.Call):
            return True
        called = [node.func, *(keyword.value for keyword in node.keywords if keyword.arg == "key")]
        if isinstance(node.func, ast.Name) and node.func.id in _APPLY:
            called += node.args[:1]
        return all(
            isinstance(one, ast.Constant | ast.Lambda) or self._is_pure_call(module, one, inside) for one in called
        )

    def _is_pure_call(self, module: Module, function: ast.expr, inside: ast.stmt) -> bool:
        """Whether to call this is pure, its arguments aside."""
        path = path_of(function)
        is_method = isinstance(function, ast.Attribute) and function.attr in _METHODS
        is_local = path is not None and path[0] in local_names(inside)
        if path is None or (is_local and len(path) > 1):
            return is_method
        meanings = [] if is_local else self.library.meanings(module, path)
        return bool(meanings) and all(
            self._makes_plain_objects(meaning)
            or self._is_pure_function(meaning)
            or (is_method and self._is_attribute_of_value(meaning))
            for meaning in meanings
        )

    def _is_attribute_of_value(self, meaning: Meaning) -> bool:
        return bool(meaning.rest) and all(
            isinstance(self.library.own_module(module).statements[position], ast.Assign)
            for module, position in meaning.places
        )

    def _is_pure_function(self, meaning: Meaning) -> bool:
        if meaning.module is None:
            return meaning.name in (_BUILT_IN if meaning.built_in else _IMPORTED)
        return self._remembered(meaning, ast.FunctionDef, self._has_pure_body)

    def _makes_plain_objects(self, meaning: Meaning) -> bool:
        """Whether a name of the library is a class whose objects are made without code of its own."""
        return self._remembered(meaning, ast.ClassDef, self._is_plain_class)

    def _remembered(self, meaning: Meaning, kind: type[Kind], question: Callable[[Module, Kind], bool]) -> bool:
        """Ask once about the definition of a name. False: none of that kind exists, or the answer is not found yet."""
        module, node = self.library.definition(meaning) or (None, None)
        if module is None or not isinstance(node, kind):
            return False
        if meaning.name not in self._known:
            self._known[meaning.name] = False
            self._known[meaning.name] = question(module, node)
        return self._known[meaning.name]

    def _is_plain_class(self, module: Module, node: ast.ClassDef) -> bool:
        own = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
        makers = [
            one.value for one in nodes_below(node) if isinstance(one, ast.keyword) and one.arg == "default_factory"
        ]
        plain_fields = all(isinstance(maker, ast.Name) and maker.id in _CONTAINERS for maker in makers)
        return plain_fields and not own & _MAKE_OBJECTS and self._of_class(module, node, node)

    def _has_pure_body(self, module: Module, node: ast.FunctionDef) -> bool:
        if not self._of_decorators(module, node, node):
            return False
        waiting: list[ast.stmt] = list(node.body)
        while waiting:
            statement = waiting.pop()
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            if not isinstance(statement, _PLAIN_STATEMENTS) or not all(isinstance(one, ast.Name) for one in targets):
                return False
            children = list(ast.iter_child_nodes(statement))
            waiting += [child for child in children if isinstance(child, ast.stmt)]
            if not self.of_nodes(module, [child for child in children if not isinstance(child, ast.stmt)], node):
                return False
        return True
