"""Keep digests from one command to the next: to compute them takes much of the time in which Snakemake starts.

They follow from the files below the folder of the programs, the schemas and Python alone. So they are kept beside
Python's compiled files, with a hash of all that, and count for no other.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

from lungsight.files import write_json

Kept = str | list[str]


def state_of(root: Path) -> str:
    """Hash what digests follow from: Python, and every file below `root` and in the folder `schemas` beside it."""
    state = hashlib.sha256(sys.version.encode())
    for folder in (root, root.parent / "schemas"):
        for path in sorted(folder.rglob("*")):
            if "__pycache__" not in path.parts and path.is_file():
                state.update(f"\n{path.relative_to(root.parent)} {path.stat().st_size}\n".encode())
                state.update(path.read_bytes())
    return state.hexdigest()


class Store:
    """Values that follow from the files below `root` as they are now."""

    def __init__(self, root: Path):
        # Without a dot, so that it is no data file of the library.
        self.path = Path(cache_from_source(str(root / "digests.py"))).with_name(
            f"digests-{sys.implementation.cache_tag}"
        )
        self.state = state_of(root)
        self._kept = self._read()

    def _read(self) -> dict[str, Kept]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return dict(found["kept"]) if found["state"] == self.state else {}
        except (OSError, ValueError, LookupError, TypeError):  # there is none, or it is damaged
            return {}

    def value(self, key: str, compute: Callable[[], Kept]) -> Kept:
        """Return a value that is kept, or compute and keep it; where nothing can be written, only for this process."""
        if key not in self._kept:
            self._kept[key] = compute()
            with suppress(OSError):
                write_json(self.path, {"state": self.state, "kept": self._kept})
        return self._kept[key]
