"""Read the config: check it against its schema, fill in defaults, and name what is wrong in sentences.

This module imports no package of the library. `lungsight.config_check` adds what the packages know of their settings.
It is imported while the workflow is parsed, so it needs nothing but the standard library, PyYAML and jsonschema.
"""

import copy
import datetime
import difflib
import math
import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml

from lungsight.paths import unusual_path
from lungsight.raw_table import is_formula

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "config.schema.yaml"
SECTIONS_WITH_PRESETS = ("segmentation", "training")
LABELLED_ROLES = ("public", "target", "external")
_TYPES = {
    **{"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a text"},
    **{"array": "a list", "object": "a section with keys"},
}
_EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")


@cache
def config_schema() -> dict:
    """Return the JSON schema of the config, with defaults and descriptions."""
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


@cache
def presets_of(section: str) -> dict[str, dict]:
    """Return the settings that each word of a section's `preset` stands for."""
    return yaml.safe_load(SCHEMA.with_name(f"{section}.presets.yaml").read_text(encoding="utf-8"))


def with_presets(config: dict) -> dict:
    """Return a copy of a config as written, with its presets filled in. A key that the user wrote wins."""
    return config | {section: _with_preset(section, config.get(section, {})) for section in SECTIONS_WITH_PRESETS}


def _with_preset(section: str, written: dict) -> dict:
    chosen = copy.deepcopy(presets_of(section)[written.get("preset", "thesis")])
    for name, value in written.items():
        both = isinstance(value, dict) and isinstance(chosen.get(name), dict)
        chosen[name] = chosen[name] | value if both else value
    return chosen


def with_defaults(value: Any, schema: dict) -> Any:
    """Return a copy of `value` in which absent keys, nested ones too, have the defaults of the schema."""
    if not isinstance(value, dict):
        return copy.deepcopy(value)
    schema_of = schema.get("properties", {})
    filled = {name: copy.deepcopy(part["default"]) for name, part in schema_of.items() if "default" in part} | value
    other = schema.get("additionalProperties")
    return {
        name: with_defaults(item, schema_of.get(name, other if isinstance(other, dict) else {}))
        for name, item in filled.items()
    }


def with_numbers(value: Any, schema: dict) -> Any:
    """Return a copy of `value` in which 1e-4, a text to YAML, is a number where the schema wants one, and 8.0 is 8."""
    if isinstance(value, dict):
        parts, other = schema.get("properties", {}), schema.get("additionalProperties")
        rest = other if isinstance(other, dict) else {}
        return {name: with_numbers(item, parts.get(name, rest)) for name, item in value.items()}
    if isinstance(value, list):
        return [with_numbers(item, schema.get("items", {})) for item in value]
    types = types_of(schema)
    if isinstance(value, str) and types & {"number", "integer"} and _EXPONENT.fullmatch(value):
        value = float(value)
    return int(value) if isinstance(value, float) and value.is_integer() and "integer" in types else value


def types_of(schema: dict) -> set[str]:
    """Return the JSON types that a part of the schema allows."""
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else set(types)


def _sentence_of(error: jsonschema.ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path)) or "the config"
    value: Any = error.instance
    match error.validator:
        case "additionalProperties":
            return _unknown_keys(where, set(value), list(_schema_at(error).get("properties", {})))
        case "required":
            missing = [name for name in _rule_of(error) if name not in value]
            return f"{where}: {', '.join(missing)} must be given."
        case "type":
            return f"{where}: {_of_another_type(value, types_of(_schema_at(error)))}"
        case "enum":
            near = [str(word) for word in _rule_of(error) if str(word).lower() == str(value).lower()]
            hint = f" Did you mean {near[0]}?" if near else ""
            return f"{where}: {value!r} is none of {', '.join(map(str, _rule_of(error)))}.{hint}"
        case "minItems" | "maxItems" | "minProperties" | "maxProperties" as bound:
            least = "at least" if bound.startswith("min") else "at most"
            return f"{where}: {len(cast('list', value))} are written here; write {least} {error.validator_value}."
        case "pattern":
            return f"{where}: {_of_another_pattern(str(value), error)}"
    return f"{where}: {error.message}."


def _of_another_pattern(value: str, error: jsonschema.ValidationError) -> str:
    """Say what a text holds that a key cannot hold, and what to write."""
    schema = _schema_at(error)
    words = schema["patternWords"]
    if "propertyNames" in error.absolute_schema_path:
        example = f" ({_as_name(value)})" if "letter first" in words else ""
        return f"the name {value!r} is not possible here; write {words}{example}."
    if schema.get("format") == "path":
        return f"{value!r} holds {_read_by_a_shell(value)}; write {words}."
    return f"{value!r} is not possible here; write {words}."


def _unknown_keys(where: str, written: set[str], known: list[str]) -> str:
    sentences = []
    for name in sorted(written - set(known)):
        near = [key for key in known if key == _as_name(name)] or difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}."
        sentences.append(f"{where}: unknown key {name}; {hint}")
    return "; ".join(sentences)


def _as_name(text: str) -> str:
    """Write a text in small letters, digits and _, a letter first."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return name if name[:1].isalpha() else f"cohort_{name}".rstrip("_")


def _read_by_a_shell(path: str) -> str:
    names = {" ": "a space", "$": "a variable, which is not expanded ($)", "\\": "a backslash"}
    found = dict.fromkeys(re.findall(r"[][\s{}'\"$`&;|<>()*?!\\]", path))
    return " and ".join(names.get(character, repr(character)) for character in found)


def _of_another_type(value: Any, types: set[str]) -> str:
    """Say what a value is that YAML read as another type than the key has, and what to write."""
    if value is None:
        return "nothing is written here (~ and null are nothing too); write a value, or leave the key out."
    if "string" in types and not isinstance(value, dict | list):
        shown = str(value).lower() if isinstance(value, bool) else _kind_of(value)
        return f"write the word in quotes; YAML reads it as {shown}."
    if "array" in types and not isinstance(value, dict):
        return f"{value!r} is not a list; write [{value}]."
    if "object" in types:
        return f"{_kind_of(value)} stands where keys belong; write them below it, indented, as `key: value`."
    if types & {"number", "integer"} and isinstance(value, str) and re.fullmatch(r"[+-]?\d+,\d+", value):
        return f"{value!r} is not a number; write {value.replace(',', '.')}."
    return f"{_kind_of(value)} is not {' or '.join(_TYPES[name] for name in sorted(types - {'null'}))}."


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return f"{str(value).lower()} (yes, no, on and off mean true and false to YAML)"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, datetime.date):
        return f"the date {value}"
    return {list: "a list", dict: "a section with keys"}.get(type(value), repr(value))


def _keys_that_are_no_text(value: Any, place: str = "") -> list[str]:
    """List the keys that YAML reads as a number, a date, true or false, or nothing."""
    if isinstance(value, list):
        return [problem for item in value for problem in _keys_that_are_no_text(item, place)]
    if not isinstance(value, dict):
        return []
    where = place.rstrip(".") or "the config"
    wrong = [
        f"{where}: YAML reads a key as {_kind_of(name)}; write it in quotes, so that it is text."
        for name in value
        if not isinstance(name, str)
    ]
    return wrong + [
        problem for name, item in value.items() for problem in _keys_that_are_no_text(item, f"{place}{name}.")
    ]


def paths_of(value: Any, schema: dict, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the place and the text of every path in a config: what the schema gives the format path."""
    if schema.get("format") == "path" and value:
        yield place, str(value)
    if isinstance(value, dict):
        parts, other = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            part = parts.get(name, other if isinstance(other, dict) else {})
            yield from paths_of(item, part, f"{place}.{name}".lstrip("."))


def path_problems(config: dict) -> list[str]:
    """List what in the paths of a config nobody expands, and results that cannot be a folder, one sentence each."""
    paths = paths_of(config, config_schema())
    wrong = [f"{place}: {problem}" for place, path in paths if (problem := unusual_path(path))]
    results = config["results"].rstrip("/")
    if os.path.normpath(results) in (".", "..", "/"):
        wrong.append(f"results: {config['results']!r} is no folder of its own; write for instance results/mine.")
    if os.path.normpath(results).startswith(("-", "#")):
        wrong.append(f"results: {results!r} begins with a character that programs read otherwise; choose another name.")
    try:
        return wrong + [problem for folder in (results, f"{results}.private") if (problem := _no_folder(Path(folder)))]
    except OSError as error:
        return [*wrong, f"results: {results[:60]!r} cannot be a folder: {error.strerror}."]


def _no_folder(folder: Path) -> str:
    """Say why the results cannot be written into a folder, which may be made first; "" if they can."""
    at = next((place for place in (folder, *folder.parents) if place.exists()), Path())
    if not at.is_dir():
        return f"results: {at} is a file, so no folder can be made there; name another folder."
    if not os.access(at, os.W_OK):
        return f"results: nothing can be written into {at}; name another folder, or get the right to write."
    return ""


def _schema_at(error: jsonschema.ValidationError) -> dict:
    """Return the part of the schema that an error violates."""
    return cast("dict", error.schema)


def _rule_of(error: jsonschema.ValidationError) -> list:
    """Return the names or values that a violated `required` or `enum` lists."""
    return cast("list", error.validator_value)


def _label_problems(labels: dict) -> list[str]:
    """List class names that tables cannot hold, and words that stand for both classes."""
    wrong = [
        f"labels: the class {name!r} would run as a formula where a spreadsheet opens the results; write it in words."
        for name in labels
        if is_formula(name)
    ]
    wrong += [
        f"labels: the class {name!r} holds a tab or line break, or a space at its end; leave it out."
        for name in labels
        if not name.isprintable() or name != name.strip()
    ]
    words = [word for name, synonyms in labels.items() for word in {name, *synonyms}]
    return wrong + [
        f"labels: the word {word!r} means both classes." for word in sorted(set(words)) if words.count(word) > 1
    ]


def _not_finite(value: Any, place: str = "") -> list[str]:
    """List NaN and infinite numbers, which no comparison of a schema catches."""
    if isinstance(value, float):
        return [] if math.isfinite(value) else [f"{place}: {value} is not a number to work with."]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [problem for name, part in parts for problem in _not_finite(part, f"{place}.{name}".lstrip("."))]


def cohorts_with_role(config: dict[str, Any], *roles: str) -> list[str]:
    """Return the names of the cohorts with one of the roles, in the order of the config."""
    return [name for name, cohort in config["cohorts"].items() if cohort["role"] in roles]


def schema_problems(config: dict) -> list[str]:
    """List what the schema refuses of a config as the user wrote it, one sentence each."""
    if no_text := _keys_that_are_no_text(config):
        return no_text
    validator = jsonschema.Draft7Validator(config_schema())
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.path)))
    return [_sentence_of(error) for error in errors] or _not_finite(config)


def cohort_problems(config: dict) -> list[str]:
    """List contradictions between cohorts, and between labels, one sentence each."""
    wrong = []
    roles = [cohort["role"] for cohort in config["cohorts"].values()]
    for role in ("segmentation", "public", "target"):
        if roles.count(role) > 1:
            wrong.append(f"cohorts: {roles.count(role)} have the role {role}; one can.")
    seen: dict[tuple[str, str | None], str] = {}
    for name, cohort in config["cohorts"].items():
        same = seen.setdefault((cohort["root"], cohort.get("table")), name)
        if same != name:
            wrong.append(f"cohorts: {same} and {name} are the same root and table; one would leak into the other.")
    phantom_roots = [cohort["root"] for cohort in config["cohorts"].values() if "phantom" in cohort]
    for root in sorted({root for root in phantom_roots if phantom_roots.count(root) > 1}):
        wrong.append(f"cohorts: two phantom cohorts are made into {root}; give each a root of its own.")
    return wrong + _label_problems(config["labels"])
