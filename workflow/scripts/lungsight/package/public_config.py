"""Say what a run was configured to do, without what only its owner should know.

Paths go, and the words of the user's tables: both may name a hospital or a person. Every other setting stays, defaults
included.
"""

from typing import Any

from lungsight.config import config_schema


def public_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a complete config without paths, and with each class under its own name alone."""
    return _without_paths(config, config_schema()) | {"labels": {name: [name] for name in config["labels"]}}


def _without_paths(value: Any, schema: dict[str, Any]) -> Any:
    """Drop every key that the schema calls a path, at any depth."""
    if not isinstance(value, dict):
        return value
    parts, other = schema.get("properties", {}), schema.get("additionalProperties")
    rest = other if isinstance(other, dict) else {}
    schemas = {name: parts.get(name, rest) for name in value}
    return {
        name: _without_paths(item, schemas[name])
        for name, item in value.items()
        if schemas[name].get("format") != "path"
    }
