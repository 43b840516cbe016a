"""Read YAML files of the program itself: schemas, presets, lists of items."""

from pathlib import Path
from typing import Any

import yaml

# That of libyaml reads a schema ten times as fast, and every program reads some. Some builds of PyYAML lack it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_own_yaml(path: Path) -> Any:
    """Read a file; duplicates of a key and errors of its syntax are those of `yaml.safe_load`."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
