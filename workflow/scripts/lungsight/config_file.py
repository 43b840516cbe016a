"""Read a config file again as it is written: keys that are there twice, which YAML drops without a word.

It runs while the workflow is parsed, after Snakemake has read the file itself.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from lungsight.errors import UserError


def check_config_files(paths: Iterable[str | Path]) -> None:
    """Raise UserError if a key is twice in one place of a config file, with its lines."""
    repeated = [problem for path in paths for problem in _repeated_keys(Path(path))]
    if repeated:
        raise UserError("\n".join(repeated))


def _repeated_keys(path: Path) -> list[str]:
    # Pipes and other files that can be read once alone were read by Snakemake.
    if not path.is_file():
        return []
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=loader)
    except (yaml.YAMLError, UnicodeDecodeError):  # Snakemake read it, as JSON for instance
        return []
    return [f"{path}, {problem}" for problem in _repeated(root, "")]


def _repeated(node: Any, place: str) -> Iterator[str]:
    """Yield a sentence for every key that is twice in a mapping, anywhere below a node."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                yield (
                    f"line {line}: the key {place}{name} is there already in line {lines[name]}, and one of both would"
                    " be lost. Join them, or give one another name."
                )
            lines.setdefault(name, line)
            yield from _repeated(value, f"{place}{name}.")
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value, place)
