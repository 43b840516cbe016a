"""Which parts of the code only make text for people: the table of functions that do, and names that read such text.

docs/digest.md has the rule in words.
"""

import builtins
from typing import NamedTuple


class Boundary(NamedTuple):
    """What counts of a function that talks to people.

    arguments: so many positional arguments of a call count, the others are text; None: all count. body: whether the
    function's own code counts.
    """

    arguments: int | None
    body: bool


# The border between numbers and text. A name whose code does not count must hand no value to the rest of the program,
# or one that only describes it: scrubbed text goes to a log, the version into records. `run` calls its argument once.
BOUNDARIES = {
    "lungsight.program.log": Boundary(arguments=0, body=False),
    "lungsight.program.keep_private": Boundary(arguments=0, body=False),
    "lungsight.program.run": Boundary(arguments=1, body=False),
    "lungsight.program.parser": Boundary(arguments=0, body=True),
    "lungsight.program.progress": Boundary(arguments=1, body=True),
    # Neither changes a number: what is made ahead is taken where the very same would be made.
    "lungsight.ahead.work_ahead": Boundary(arguments=0, body=False),
    "lungsight.lean_keras.load_keras": Boundary(arguments=0, body=False),
    "lungsight.privacy.scrub": Boundary(arguments=None, body=False),
    "lungsight.privacy.shorten_paths": Boundary(arguments=None, body=False),
    "lungsight.__version__": Boundary(arguments=None, body=False),
}
BOUNDARY_NAMES = frozenset(name.rpartition(".")[2] for name in BOUNDARIES)

HELP_ARGUMENTS = frozenset({"help", "description", "epilog"})
HELP_CALLS = frozenset({"ArgumentParser", "add_argument", "add_argument_group", "add_parser", "add_subparsers"})

# A program that uses one of these may turn docstrings, annotations or messages into results: all its text counts.
TEXT_READERS = ("inspect", "traceback", "sys.exc_info", "sys.exception", "typing.get_type_hints")
TEXT_ATTRIBUTES = frozenset(
    {"__doc__", "__annotations__", "__cause__", "__context__", "__traceback__", "__exit__", "__aexit__", "exception"}
    | {"format_help", "format_usage"}
)

# Decorators that do not look at the annotations of what they decorate.
PLAIN_DECORATORS = frozenset(
    {"property", "staticmethod", "classmethod", "functools.cache", "functools.lru_cache", "functools.cached_property"}
    | {"functools.wraps", "contextlib.contextmanager", "abc.abstractmethod"}
)

# Bases and decorators of a class that do not look at the annotations of its methods.
PLAIN_CLASSES = frozenset(
    {"abc.ABC", "dataclasses.dataclass", "enum.Enum", "typing.NamedTuple", "typing.Protocol", "object", "Exception"}
)

# Exceptions whose arguments do more than describe them.
_WITH_VALUES = (OSError, StopIteration, StopAsyncIteration, UnicodeError, ImportError, AttributeError, NameError)


def only_describes(exception: str) -> bool:
    """Whether the arguments of a built-in exception class are its message and nothing else."""
    found = getattr(builtins, exception, None)
    return (
        isinstance(found, type)
        and issubclass(found, Exception)
        and not issubclass(found, (*_WITH_VALUES, BaseExceptionGroup, SyntaxError))
    )


def ancestors(exception: str) -> frozenset[str]:
    """Name a built-in exception class and the classes that it derives from."""
    return frozenset(base.__name__ for base in getattr(builtins, exception).__mro__)
