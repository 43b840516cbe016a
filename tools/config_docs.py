"""Write the key table of config/README.md from workflow/schemas/config.schema.yaml."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "config" / "README.md"
BEGIN, END = "<!-- keys: begin (make config-docs) -->", "<!-- keys: end -->"

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.config import config_schema  # noqa: E402


def _type_of(schema: dict) -> str:
    if "enum" in schema:
        return " \\| ".join(map(str, schema["enum"]))
    kind = schema.get("type", "")
    return kind if isinstance(kind, str) else " or ".join(kind)


def _default_of(schema: dict, required: bool) -> str:
    if required:
        return "**must be given**"
    return f"`{schema['default']}`" if schema.get("default") not in (None, {}) else ""


def key_rows(schema: dict, prefix: str = "") -> list[tuple[str, str, str, str]]:
    """List (key, type, default, meaning) of every key, depth first; `<name>` is a name that the user chooses."""
    rows = []
    parts = {name: (name, part) for name, part in schema.get("properties", {}).items()}
    other = schema.get("additionalProperties")
    if isinstance(other, dict) and other.get("type") == "object":
        parts["<name>"] = ("<name>", other)
    for name, part in parts.values():
        key = f"{prefix}{name}"
        if "description" in part:
            required = name in schema.get("required", [])
            rows.append((key, _type_of(part), _default_of(part, required), part["description"]))
        rows += key_rows(part, f"{key}.")
    return rows


def key_table() -> str:
    """Write the Markdown table of all keys."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    lines += [f"| `{key}` | {kind} | {default} | {text} |" for key, kind, default, text in key_rows(config_schema())]
    return "\n".join(lines)


def with_key_table(text: str) -> str:
    """Return the README with its key table replaced."""
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    return f"{head}{BEGIN}\n{key_table()}\n{END}{tail}"


def main() -> None:
    README.write_text(with_key_table(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
