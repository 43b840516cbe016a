"""Read the config: check it against its schema, fill in defaults, and list what is wrong.

This module imports no package of the library. `lungsight.config_sentences` puts what the schema refuses into words,
`lungsight.config_check` adds what the packages know of their settings. It is imported while the workflow is parsed, so
it needs nothing but the standard library, PyYAML and jsonschema.
"""

import copy
import math
import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from lungsight.config_sentences import keys_that_are_no_text, sentence_of, types_of
from lungsight.own_yaml import read_own_yaml
from lungsight.paths import is_bucket, problem_of_bucket, unusual_path
from lungsight.raw_table import is_formula

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "config.schema.yaml"
SECTIONS_WITH_PRESETS = ("segmentation", "training")
LABELLED_ROLES = ("public", "target", "external")
_EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")


@cache
def config_schema() -> dict:
    """Return the JSON schema of the config, with defaults and descriptions."""
    return read_own_yaml(SCHEMA)


@cache
def presets_of(section: str) -> dict[str, dict]:
    """Return the settings that each word of a section's `preset` stands for."""
    return read_own_yaml(SCHEMA.with_name(f"{section}.presets.yaml"))


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
    wrong = [f"{place}: {problem}" for place, path in paths if (problem := _problem_of_path(config, place, path))]
    results = config["results"].rstrip("/")
    if os.path.normpath(results) in (".", "..", "/"):
        wrong.append(f"results: {config['results']!r} is no folder of its own; write for instance results/mine.")
    if os.path.normpath(results).startswith(("-", "#")):
        wrong.append(f"results: {results!r} begins with a character that programs read otherwise; choose another name.")
    if ".snakemake" in Path(results).parts:
        wrong.append(f"results: {results!r} lies in the folder that Snakemake keeps for itself; choose another name.")
    places = {_real_path(f"{results}{ending}") for ending in ("", ".private")}
    wrong += [
        f"results: {results!r} and its .private are folders of their own; one of them is cohorts.{name}.root, whose"
        " scans they would mix with. Choose another name."
        for name, cohort in config["cohorts"].items()
        if _real_path(cohort["root"]) in places
    ]
    try:
        return wrong + [problem for folder in (results, f"{results}.private") if (problem := _no_folder(Path(folder)))]
    except OSError as error:
        return [*wrong, f"results: {results[:60]!r} cannot be a folder: {error.strerror}."]


def _problem_of_path(config: dict, place: str, path: str) -> str:
    """Say what is wrong with a path of a config; "" if nothing. place: of its setting."""
    section, _, name = place.removesuffix(".root").partition(".")
    if section != "cohorts" or name not in config["cohorts"] or not is_bucket(path):
        return unusual_path(path)
    if "phantom" in config["cohorts"][name]:
        return "phantoms are made on this machine; name a folder."
    return problem_of_bucket(path)


def _real_path(path: str) -> str:
    """Resolve the links in a path. One with a NUL byte, which no path holds, stays as it is."""
    return path if "\0" in path else os.path.realpath(path)


def _no_folder(folder: Path) -> str:
    """Say why the results cannot be written into a folder, which may be made first; "" if they can."""
    at = next((place for place in (folder, *folder.parents) if place.exists()), Path())
    if not at.is_dir():
        return f"results: {at} is a file, so no folder can be made there; name another folder."
    if not os.access(at, os.W_OK):
        return f"results: nothing can be written into {at}; name another folder, or get the right to write."
    return ""


def _label_problems(labels: dict) -> list[str]:
    """List class names that tables cannot hold, and words that stand for two classes."""
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
    if "" in labels:
        wrong.append("labels: a class has no name; write one before its words.")
    spelt: dict[str, str] = {}
    for name in labels:
        same = spelt.setdefault(unicodedata.normalize("NFKC", name).casefold(), name)
        if same != name:
            wrong.append(f"labels: the classes {same!r} and {name!r} differ only in case; name them apart.")
    classes_of: dict[str, list[str]] = {}
    for name, synonyms in labels.items():
        for word in {name, *synonyms}:
            classes_of.setdefault(word, []).append(name)
    return wrong + [
        f"labels: the word {word!r} means {'both' if len(labels) == 2 else 'several'} classes"
        + (f" ({', '.join(names)})." if len(labels) > 2 else ".")
        for word, names in sorted(classes_of.items())
        if len(names) > 1
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
    if no_text := keys_that_are_no_text(config):
        return no_text
    validator = jsonschema.Draft7Validator(config_schema())
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.path)))
    return [sentence_of(error) for error in errors] or _not_finite(config)


def cohort_problems(config: dict) -> list[str]:
    """List contradictions between cohorts, and between labels, one sentence each."""
    wrong = []
    roles = [cohort["role"] for cohort in config["cohorts"].values()]
    for role in ("segmentation", "public", "target"):
        if roles.count(role) > 1:
            wrong.append(f"cohorts: {roles.count(role)} have the role {role}; one can.")
    seen: dict[tuple[str, str | None], str] = {}
    for name, cohort in config["cohorts"].items():
        # One folder may hold two data sets; each layout takes its own files.
        table = os.path.abspath(cohort["table"]) if "table" in cohort else cohort.get("layout")
        same = seen.setdefault((os.path.abspath(cohort["root"]), table), name)
        if same != name:
            what = "table" if "table" in cohort else "layout"
            wrong.append(f"cohorts: {same} and {name} are the same root and {what}; one would leak into the other.")
    phantom_roots = [cohort["root"] for cohort in config["cohorts"].values() if "phantom" in cohort]
    for root in sorted({root for root in phantom_roots if phantom_roots.count(root) > 1}):
        wrong.append(f"cohorts: two phantom cohorts are made into {root}; give each a root of its own.")
    return wrong + _label_problems(config["labels"])
