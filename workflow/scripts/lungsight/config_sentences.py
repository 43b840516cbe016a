"""Put into sentences what the schema refuses of a config: the key, what is written there, and what to write.

It is imported while the workflow is parsed, so it needs nothing but the standard library and jsonschema.
"""

import datetime
import difflib
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, cast

import jsonschema

_TYPES = {
    **{"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a text"},
    **{"array": "a list", "object": "a section with keys"},
}
_LONGEST_SHOWN = 60  # characters of a name or path in a message


def types_of(schema: dict) -> set[str]:
    """Return the JSON types that a part of the schema allows."""
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else set(types)


def _schema_at(error: jsonschema.ValidationError) -> dict:
    """Return the part of the schema that an error violates."""
    return cast("dict", error.schema)


def _rule_of(error: jsonschema.ValidationError) -> list:
    """Return the names or values that a violated `required` or `enum` lists."""
    return cast("list", error.validator_value)


def sentence_of(error: jsonschema.ValidationError) -> str:
    """Say which key the schema refuses, what is written there and what to write."""
    where = ".".join(map(str, error.absolute_path)) or "the config"
    value: Any = error.instance
    match error.validator:
        case "additionalProperties":
            return _unknown_keys(where, set(value), _schema_at(error))
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
            count = len(cast("list", value))
            return (
                f"{where}: {count} {'is' if count == 1 else 'are'} written here; write {least} {error.validator_value}."
            )
        case "maxLength" as bound if "propertyNames" in error.absolute_schema_path:
            shown, longest = _shown(str(value)), _schema_at(error)[bound]
            return f"{where}: the name {shown!r} has {len(str(value))} characters; write at most {longest}."
        case "pattern":
            return f"{where}: {_of_another_pattern(str(value), error)}"
    return f"{where}: {error.message}."


def _of_another_pattern(value: str, error: jsonschema.ValidationError) -> str:
    """Say what a text holds that a key cannot hold, and what to write."""
    schema = _schema_at(error)
    words, shown = schema["patternWords"], _shown(value)
    if "propertyNames" in error.absolute_schema_path:
        example = f" ({_as_name(value)[:_LONGEST_SHOWN]})" if "letter first" in words else ""
        return f"the name {shown!r} is not possible here; write {words}{example}."
    if schema.get("format") == "path":
        return f"{shown!r} holds {_read_by_a_shell(value)}; write {words}."
    return f"{shown!r} is not possible here; write {words}."


def _shown(name: str) -> str:
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"


def _unknown_keys(where: str, written: set[str], schema: dict) -> str:
    known = list(schema.get("properties", {}))
    sentences = []
    for name in sorted(written - set(known)):
        # The plural of a key, or its singular, is meant before the same word elsewhere.
        number = [key for key in known if key in (f"{name}s", name.removesuffix("s"))]
        near = [key for key in known if key == _as_name(name)] or number or difflib.get_close_matches(name, known, n=1)
        below = [place for place in _places_of(name, schema) if "." in place]
        if below and name not in near and not number:
            hint = f"did you mean {below[0]}?"
        else:
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}."
        sentences.append(f"{where}: unknown key {name}; {hint}")
    return "; ".join(sentences)


def _places_of(key: str, schema: dict, place: str = "") -> Iterator[str]:
    """Yield the places below a part of the schema that know a key; `<name>` is a name that the user chooses."""
    parts = dict(schema.get("properties", {}))
    if isinstance(other := schema.get("additionalProperties"), dict):
        parts["<name>"] = other
    for name, part in parts.items():
        if name == key:
            yield f"{place}{name}"
        yield from _places_of(key, part, f"{place}{name}.")


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
    if value is None:
        return "nothing"
    return {list: "a list", dict: "a section with keys"}.get(type(value), repr(value))


def keys_that_are_no_text(value: Any, place: str = "") -> list[str]:
    """List the keys that YAML reads as a number, a date, true or false, or nothing."""
    if isinstance(value, list):
        return [problem for item in value for problem in keys_that_are_no_text(item, place)]
    if not isinstance(value, dict):
        return []
    where = place.rstrip(".") or "the config"
    wrong = [
        f"{where}: YAML reads a key as {_kind_of(name)}; write it in quotes, so that it is text."
        for name in value
        if not isinstance(name, str)
    ]
    return wrong + [
        problem for name, item in value.items() for problem in keys_that_are_no_text(item, f"{place}{name}.")
    ]
