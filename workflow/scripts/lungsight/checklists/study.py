"""Read the study file: what only a person can know of a study; refuse what it cannot hold, warn of identifiers.

It is imported while the workflow is parsed, so it needs nothing but the standard library, PyYAML and jsonschema.
"""

import math
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import yaml

from lungsight.config_file import check_config_files
from lungsight.config_sentences import keys_that_are_no_text, sentence_of
from lungsight.errors import UserError
from lungsight.own_yaml import read_own_yaml
from lungsight.patient_ids import normalised
from lungsight.raw_table import is_formula

SCHEMA = Path(__file__).resolve().parents[3] / "schemas" / "study.schema.yaml"
AIM = "interval_width_aim"
DEFAULT_AIM = 0.1

_MARKUP = re.compile(r"<[A-Za-z/!?]|&(#\d+|#x[0-9a-fA-F]+|\w+);|javascript:", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_BIRTH = re.compile(r"\b(born|birth|dob|geb|geboren|naissance|nacid[oa])\b\D{0,15}\d", re.IGNORECASE)
# What is no sign of a patient where numbers are expected: the number of an approval, the dates of a study.
_NUMBERS = {
    "a date": re.compile(
        r"(?<!\d)((19|20)\d\d([-./])[01]?\d\3[0-3]?\d|[0-3]?\d([-./])[01]?\d\4((19|20)\d\d|\d\d)|(19|20)\d\d[01]\d[0-3]\d)(?!\d)"
    ),
    "a long number": re.compile(r"(?<!\d)\d{7,}(?!\d)"),
    "a UID": re.compile(r"\d+(\.\d+){5,}"),
}
_ALPHANUMERIC = r"[^\W_]"
_BESIDE_SPACES = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])|(?<=-)|(?=-)")  # as `normalised` drops spaces
_FEWEST_DIGITS, _FEWEST_SIGNS = 5, 3  # of a patient's id: shorter ones are counts and words as well


class StudyCheck(NamedTuple):
    """What is odd about a study file.

    Attributes
    ----------
    warnings
        Sentences that name a key, and never quote its text.
    withheld
        Keys whose text holds the id of a patient. No result shows them.
    """

    warnings: list[str]
    withheld: list[str]


@cache
def study_schema() -> dict[str, Any]:
    """Return the JSON schema of the study file, with descriptions."""
    return read_own_yaml(SCHEMA)


def read_study(path: Path | None) -> dict[str, Any]:
    """Read a study file.

    Parameters
    ----------
    path
        The file; None where the config names none.

    Returns
    -------
    dict
        Key → text in one line, or the number of AIM. A list is joined by semicolons. Empty keys are left out.

    Raises
    ------
    UserError
        With everything that is wrong, one line each.
    """
    if path is None:
        return {}
    written = _written(Path(path))
    texts = {key: value if key == AIM else _one_line(value) for key, value in written.items()}
    study = {key: value for key, value in texts.items() if value != ""}
    problems = [problem for key, value in study.items() if key != AIM for problem in _problems(key, value)]
    if math.isnan(float(study.get(AIM, DEFAULT_AIM))):  # it is below no minimum and above no maximum of the schema
        problems.append(f"study.{AIM} is no number; write the largest width, such as {DEFAULT_AIM}.")
    if problems:
        raise UserError(_not_right(path, problems))
    return study


def check_study(path: str, patients: Iterable[str]) -> StudyCheck:
    """Read a study file before any job, and look for markup and identifiers in its texts.

    Parameters
    ----------
    path
        The file; "" where the config names none.
    patients
        The patients' ids in the cohort tables, as the user writes them.
    """
    study = read_study(Path(path)) if path else {}
    texts = {key: value for key, value in study.items() if key != AIM}
    withheld = _naming_patients(texts, patients)
    warnings = [f"study.{key} {remark}" for key, text in texts.items() for remark in _remarks(key, text)]
    warnings += [
        f"study.{key} holds the id of a patient of the cohort tables; no result shows this text. Write it without."
        for key in withheld
    ]
    return StudyCheck(warnings, withheld)


def _parsed(path: Path) -> Any:
    """Read a YAML file, or say what of it cannot be read."""
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"study: {path} is a folder or a pipe; name a file.")
        check_config_files([path])
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise UserError(
            f"study: {path} does not exist. config/study.yaml is an empty one to copy; or leave the key out."
        ) from error
    except OSError as error:
        raise UserError(f"study: {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"study: {path}{place} is not YAML in UTF-8; a text with a colon belongs in quotes.") from error
    except ValueError as error:
        raise UserError(
            f"study: {path}: a value looks like a date or a number and is none ({error}); write it in quotes."
        ) from error
    except RecursionError as error:
        raise UserError(f"study: {path}: brackets stand in each other too deep to be read; write texts.") from error


def _written(path: Path) -> dict[str, Any]:
    written = _parsed(path)
    # As a part of a config, its sentences name study.<key>.
    whole = {"study": {} if written is None else written}
    problems = keys_that_are_no_text(whole)
    validator = jsonschema.Draft7Validator({"type": "object", "properties": {"study": study_schema()}})
    errors = sorted(validator.iter_errors(whole), key=lambda error: list(map(str, error.path)))
    if problems or errors:  # sentences are made in the message alone: rewording one changes no result
        raise UserError(_not_right(path, problems or [sentence_of(error) for error in errors]))
    return whole["study"]


def _not_right(path: Path, problems: list[str]) -> str:
    return f"{path} is not right:\n" + "\n".join(f"  {line}" for line in problems)


def _one_line(value: str | list[str]) -> str:
    parts = value if isinstance(value, list) else [value]
    return "; ".join(text for part in parts if (text := " ".join(part.split())))


def _problems(key: str, text: str) -> list[str]:
    if not text.isprintable():
        hidden = next(letter for letter in text if not letter.isprintable())
        return [f"study.{key} holds a character that does not show (U+{ord(hidden):04X}); type it again without."]
    if not any(letter.isalnum() for letter in text):
        return [f"study.{key} holds no word; write one, or leave the key out."]
    if is_formula(next(part for part in re.split("[,;\"']", text) if part.strip())):  # commas are no cells here
        return [f"study.{key} would run as a formula where results are opened in a spreadsheet; begin with a word."]
    return []


def _remarks(key: str, text: str) -> Iterator[str]:
    """Yield what is odd about a text, without quoting it."""
    if _MARKUP.search(text):
        yield "holds markup; pages show its signs as they are written."
    numbers = {} if study_schema()["properties"][key].get("numbers") == "expected" else _NUMBERS
    for what, pattern in {"an e-mail address": _EMAIL, "a date of birth": _BIRTH, **numbers}.items():
        if pattern.search(text):
            yield f"holds what looks like {what}. Results publish this text: make sure that it names no patient."


def _is_telling(patient: str) -> bool:
    """Tell whether an id can be looked for in a text: a short number or word stands there by chance."""
    return len(patient) >= (_FEWEST_DIGITS if patient.isdigit() else _FEWEST_SIGNS)


def _naming_patients(texts: dict[str, str], patients: Iterable[str]) -> list[str]:
    """List the keys whose text holds the id of a patient, whatever its letters and digits are joined by around it."""
    as_read = {key: normalised(text, without="spaces or an apostrophe") for key, text in texts.items()}
    everything = _letters_and_digits(" ".join([*as_read.values(), *texts.values()]))
    named = set()
    for patient in filter(_is_telling, set(patients)):
        form, searched = normalised(patient), as_read
        if form.isdigit() and not _is_telling(form):  # 00012 is looked for as it is written, or every 12 would be one
            form, searched = patient, texts
        if _letters_and_digits(form) in everything:  # searching by pattern is dear where there are many patients
            pattern = _id_in_text(form)
            named |= {key for key, text in searched.items() if pattern.search(text)}
    return [key for key in texts if key in named]


def _letters_and_digits(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


def _id_in_text(form: str) -> re.Pattern[str]:
    """Make the pattern that finds an id where no letter or digit touches it. form: the id, normalised."""
    parts = [re.escape(part) for part in _BESIDE_SPACES.split(form)]
    # DICOM joins the parts of a name by ^, and nobody writes it so in a sentence.
    written = r"\s*".join(parts).replace(re.escape("^"), r"[\W_]+")
    before = rf"(?<!{_ALPHANUMERIC})" if form[:1].isalnum() else ""
    after = rf"(?!{_ALPHANUMERIC})" if form[-1:].isalnum() else ""
    return re.compile(before + written + after)
