"""Data files of the workflow that code names: tables, schemas, templates."""

import hashlib
import json
import re
from functools import cached_property
from pathlib import Path

Pattern = tuple[str | None, ...]  # an f-string; None for what is filled in
TABLE_SCHEMA = ".table.yaml"


class DataFiles:
    """The files among the modules below `root`, and those in the folder `schemas` beside it.

    A file counts if its name is a string of the code, an f-string that is filled with one, or if a file that counts
    names it. A name that is put together from arguments or from what a folder holds is not recognised.
    """

    def __init__(self, root: Path):
        folders = (root, root.parent / "schemas")
        found = (path for folder in folders if folder.is_dir() for path in folder.rglob("*.*"))
        self.paths = sorted(path for path in found if path.suffix not in (".py", ".pyc") and path.is_file())
        self._matches: dict[Pattern, list[tuple[Path, str | None]]] = {}
        self._digests: dict[Path, str] = {}

    @cached_property
    def _all_names(self) -> str:
        return "\n".join(path.name for path in self.paths)

    def strings_in_names(self, strings: set[str]) -> set[str]:
        """Those of some strings that may be a file's name, or fill an f-string that is one."""
        return {text for text in strings if text and text in self._all_names}

    def matches(self, pattern: Pattern) -> list[tuple[Path, str | None]]:
        """Files whose name an f-string can be, with what fills it; None where it is filled at several places."""
        if pattern not in self._matches:
            self._matches[pattern] = self._find(pattern)
        return self._matches[pattern]

    def _find(self, pattern: Pattern) -> list[tuple[Path, str | None]]:
        name: list[str | None] = []
        for part in pattern:
            name = [part.rpartition("/")[2]] if part and "/" in part else [*name, part]
        fixed = [part for part in name if part]
        if not any(part.strip(".") for part in fixed) or not all(part in self._all_names for part in fixed):
            return []
        expression = re.compile("".join("(.+)" if part is None else re.escape(part) for part in name))
        found = ((path, expression.fullmatch(path.name)) for path in self.paths)
        filled_once = name.count(None) == 1
        return [(path, match[1] if filled_once else None) for path, match in found if match]

    def named(self, strings: set[str], patterns: set[Pattern]) -> list[Path]:
        """The files that code with these strings and f-strings names, sorted."""
        waiting = [path for path in self.paths if path.name in strings]
        for pattern in patterns:
            waiting += [path for path, filled in self.matches(pattern) if filled is None or filled in strings]
        found: set[Path] = set()
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting += self._named_in(path)
        return sorted(found)

    def _named_in(self, path: Path) -> list[Path]:
        if path.name.endswith(TABLE_SCHEMA):
            return []
        content = path.read_bytes()
        return [other for other in self.paths if other.name.encode() in content]

    def digest_of(self, path: Path) -> str:
        """The SHA-256 of a file; of a table's schema, of its columns without what only describes them."""
        if path not in self._digests:
            content = path.read_bytes()
            content = columns_of_schema(content) if path.name.endswith(TABLE_SCHEMA) else content
            self._digests[path] = hashlib.sha256(content).hexdigest()
        return self._digests[path]


def columns_of_schema(content: bytes) -> bytes:
    """The schema of a table as JSON: its columns in their order, without descriptions and comments."""
    import yaml

    schema = yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    columns = {
        name: {key: value for key, value in column.items() if key != "description"}
        for name, column in schema.get("properties", {}).items()
    }
    rest = {key: value for key, value in schema.items() if key not in ("properties", "description", "$schema")}
    return json.dumps({"properties": columns, **rest}).encode()
