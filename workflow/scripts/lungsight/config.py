"""Read the config: check it against its schema, fill in defaults, say in words what is wrong.

This module knows no room. `lungsight.config_check` adds what the rooms know of their settings. It is imported while the
workflow is parsed, so it stands on the standard library, PyYAML and jsonschema alone.
"""

import copy
import difflib
import math
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "config.schema.yaml"
SECTIONS_WITH_PRESETS = ("segmentation", "training")
LABELLED_ROLES = ("public", "target", "external")


@cache
def config_schema() -> dict:
    """The JSON schema of the config, with defaults and descriptions."""
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


@cache
def presets_of(section: str) -> dict[str, dict]:
    """What each word of a section's `preset` sets."""
    return yaml.safe_load(SCHEMA.with_name(f"{section}.presets.yaml").read_text(encoding="utf-8"))


def with_presets(config: dict) -> dict:
    """A copy of a config as written, with the keys of its sections' presets where it writes none of its own."""
    return config | {section: _with_preset(section, config.get(section, {})) for section in SECTIONS_WITH_PRESETS}


def _with_preset(section: str, written: dict) -> dict:
    chosen = copy.deepcopy(presets_of(section)[written.get("preset", "thesis")])
    for name, value in written.items():
        both = isinstance(value, dict) and isinstance(chosen.get(name), dict)
        chosen[name] = chosen[name] | value if both else value
    return chosen


def with_defaults(value: Any, schema: dict) -> Any:
    """A copy of `value` in which absent keys have the schema's defaults, nested ones too."""
    if not isinstance(value, dict):
        return copy.deepcopy(value)
    known = schema.get("properties", {})
    filled = {name: copy.deepcopy(part["default"]) for name, part in known.items() if "default" in part} | value
    other = schema.get("additionalProperties")
    return {
        name: with_defaults(item, known.get(name, other if isinstance(other, dict) else {}))
        for name, item in filled.items()
    }


def _in_words(error: jsonschema.ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path)) or "the config"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        sentences = []
        for name in sorted(set(error.instance) - set(known)):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}."
            sentences.append(f"{where}: unknown key {name}; {hint}")
        return "; ".join(sentences)
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{where}: {', '.join(missing)} must be given."
    if error.validator == "enum":
        return f"{where}: {error.instance!r} is none of {', '.join(map(str, error.validator_value))}."
    if error.validator == "pattern" and where == "results":
        return f"results: {error.instance!r} holds a space, bracket, quote or another character that a shell reads."
    return f"{where}: {error.message}."


def _label_problems(labels: dict) -> list[str]:
    """Class names that are no text, and words that would mean two things."""
    if not all(isinstance(name, str) for name in labels):
        return ["labels: write the names of the classes in quotes, so that they are text."]
    words = [word for name, known in labels.items() for word in {name, *known}]
    return [f"labels: the word {word!r} means both classes." for word in sorted(set(words)) if words.count(word) > 1]


def _not_finite(value: Any, place: str = "") -> list[str]:
    """Numbers that are none, or infinite: no comparison of a schema catches them."""
    if isinstance(value, float):
        return [] if math.isfinite(value) else [f"{place}: {value} is not a number to work with."]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, part in parts for found in _not_finite(part, f"{place}.{name}".lstrip("."))]


def cohorts_with_role(config: dict, *roles: str) -> list[str]:
    """Names of the cohorts that have one of the roles, in the config's order."""
    return [name for name, cohort in config["cohorts"].items() if cohort["role"] in roles]


def schema_problems(config: dict) -> list[str]:
    """List what the schema refuses of a config as the user wrote it, a sentence each."""
    validator = jsonschema.Draft7Validator(config_schema())
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.path)))
    return [_in_words(error) for error in errors] or _not_finite(config)


def cohort_problems(config: dict) -> list[str]:
    """List what the cohorts and the labels contradict in each other, a sentence each."""
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
    made = [cohort["root"] for cohort in config["cohorts"].values() if "phantom" in cohort]
    for root in sorted({root for root in made if made.count(root) > 1}):
        wrong.append(f"cohorts: two phantom cohorts are made into {root}; give each a root of its own.")
    return wrong + _label_problems(config["labels"])
