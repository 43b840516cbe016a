"""Data files of the workflow that code names: tables, schemas, templates."""

import hashlib
import json
import re
from functools import cached_property
from pathlib import Path

Pattern = tuple[str | None, ...]  # an f-string; None for what is filled in
TABLE_SCHEMA = ".table.yaml"
# Functions that take the name of a table's schema → at which position, and as which keyword.
TABLE_FUNCTIONS = {
    "lungsight.tables.table_schema": (0, "name"),
    "lungsight.tables.columns_of": (0, "name"),
    "lungsight.tables.read_table": (1, "schema"),
    "lungsight.tables.check_table": (1, "schema"),
    "lungsight.tables.write_table": (2, "schema"),
}


def _last_step(pattern: Pattern) -> list[str | None]:
    """Of an f-string that is a path, what makes its last step."""
    name: list[str | None] = []
    for part in pattern:
        name = [part.rpartition("/")[2]] if part and "/" in part else [*name, part]
    return name


class DataFiles:
    """The files among the modules below `root`, and those in the folder `schemas` beside it.

    A file counts if its name is a string of the code, an f-string that is filled with one, or if a file that counts
    names it. The schema of a table counts where a function is called for it. A name that is put together from arguments
    or from what a folder holds is not recognised.
    """

    def __init__(self, root: Path):
        folders = (root, root.parent / "schemas")
        found = (path for folder in folders if folder.is_dir() for path in folder.rglob("*.*"))
        self.paths = sorted(path for path in found if path.suffix not in (".py", ".pyc") and path.is_file())
        self._matches: dict[Pattern, list[Path]] = {}
        self._digests: dict[Path, str] = {}

    @cached_property
    def _all_names(self) -> str:
        return "\n".join(path.name for path in self.paths)

    def strings_in_names(self, strings: set[str]) -> set[str]:
        """Those of some strings that may be a file's name, or fill an f-string that is one."""
        return {text for text in strings if text and text in self._all_names}

    def matches(self, pattern: Pattern) -> list[Path]:
        """Files whose name an f-string can be, whatever fills it."""
        if pattern not in self._matches:
            fixed = [part for part in _last_step(pattern) if part]
            possible = any(part.strip(".") for part in fixed) and all(part in self._all_names for part in fixed)
            self._matches[pattern] = self._filled_with(pattern, ".+") if possible else []
        return self._matches[pattern]

    def _filled_with(self, pattern: Pattern, filling: str) -> list[Path]:
        expression = "".join(f"(?:{filling})" if part is None else re.escape(part) for part in _last_step(pattern))
        return [path for path in self.paths if re.fullmatch(expression, path.name)]

    def named(self, strings: set[str], patterns: set[Pattern], schemas: set[str | None]) -> list[Path]:
        """List the files that code with these strings and f-strings names, sorted.

        schemas: names of tables; with None among them, a table's schema counts as any other file does.
        """
        waiting = [path for path in self.paths if path.name in strings]
        fillings = "|".join(re.escape(text) for text in sorted(strings))
        for pattern in patterns:
            waiting += self._filled_with(pattern, fillings)
        if None not in schemas:
            waiting = [path for path in waiting if not path.name.endswith(TABLE_SCHEMA)]
        waiting += [path for path in self.paths if path.name in {f"{schema}{TABLE_SCHEMA}" for schema in schemas}]
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
        """Return the SHA-256 of a file. In the schema of a table, descriptions do not count."""
        if path not in self._digests:
            content = path.read_bytes()
            content = columns_of_schema(content) if path.name.endswith(TABLE_SCHEMA) else content
            self._digests[path] = hashlib.sha256(content).hexdigest()
        return self._digests[path]


def columns_of_schema(content: bytes) -> bytes:
    """Write the schema of a table as JSON: its columns in their order, without descriptions and comments."""
    import yaml

    schema = yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    columns = {
        name: {key: value for key, value in column.items() if key != "description"}
        for name, column in schema.get("properties", {}).items()
    }
    rest = {key: value for key, value in schema.items() if key not in ("properties", "description", "$schema")}
    return json.dumps({"properties": columns, **rest}).encode()
