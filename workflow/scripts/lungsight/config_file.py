"""Read a config file again as it is written: keys that are there twice, which YAML drops without a word, and loops.

It runs while the workflow is parsed, after Snakemake has read the file itself.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from lungsight.errors import UserError


def check_config_files(paths: Iterable[str | Path]) -> None:
    """Raise UserError if a key is twice in one place of a config file, or a value holds itself, with the lines."""
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


def _repeated(node: Any, place: str, above: tuple[Any, ...] = (), done: set[int] | None = None) -> Iterator[str]:
    """Yield a sentence for every key that is twice in a mapping, and every value that holds itself, below a node.

    above: the nodes around it. done: ids of nodes that were looked at, since an alias (*) may stand in many places.
    """
    done = set() if done is None else done
    if node in above:
        where = place.rstrip(".") or "the config"
        yield f"line {node.start_mark.line + 1}: {where} holds itself, by an alias (*); write out what it holds."
    if node in above or id(node) in done:
        return
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
            yield from _repeated(value, f"{place}{name}.", (*above, node), done)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value, place, (*above, node), done)
    done.add(id(node))
