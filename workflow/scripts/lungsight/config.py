"""Read the config: check it against its schema, fill in defaults, and name what is wrong in sentences.

This module imports no package of the library. `lungsight.config_check` adds what the packages know of their settings.
It is imported while the workflow is parsed, so it needs nothing but the standard library, PyYAML and jsonschema.
"""

import copy
import difflib
import math
from functools import cache
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "config.schema.yaml"
SECTIONS_WITH_PRESETS = ("segmentation", "training")
LABELLED_ROLES = ("public", "target", "external")


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


def _sentence_of(error: jsonschema.ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path)) or "the config"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        valid_keys = list(_schema_at(error).get("properties", {}))
        sentences = []
        for name in sorted(set(error.instance) - set(valid_keys)):
            near = difflib.get_close_matches(name, valid_keys, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(valid_keys)}."
            sentences.append(f"{where}: unknown key {name}; {hint}")
        return "; ".join(sentences)
    if error.validator == "required":
        missing = [name for name in _rule_of(error) if name not in error.instance]
        return f"{where}: {', '.join(missing)} must be given."
    if error.validator == "type" and _rule_of(error) == "string" and isinstance(error.instance, bool):
        return f"{where}: write the word in quotes; YAML reads it as {str(error.instance).lower()}."
    if error.validator == "enum":
        return f"{where}: {error.instance!r} is none of {', '.join(map(str, _rule_of(error)))}."
    if error.validator == "pattern" and where == "results":
        return f"results: {error.instance!r} holds a space, bracket, quote or another character that a shell reads."
    return f"{where}: {error.message}."


def _schema_at(error: jsonschema.ValidationError) -> dict:
    """Return the part of the schema that an error violates."""
    return cast("dict", error.schema)


def _rule_of(error: jsonschema.ValidationError) -> list:
    """Return the names or values that a violated `required` or `enum` lists."""
    return cast("list", error.validator_value)


def _label_problems(labels: dict) -> list[str]:
    """List class names that are not text, and words that stand for both classes."""
    if not all(isinstance(name, str) for name in labels):
        return ["labels: write the names of the classes in quotes, so that they are text."]
    words = [word for name, synonyms in labels.items() for word in {name, *synonyms}]
    return [f"labels: the word {word!r} means both classes." for word in sorted(set(words)) if words.count(word) > 1]


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
