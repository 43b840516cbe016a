"""Read and check the cohort table that a user writes, while the workflow is parsed.

Standard library only: every job parses the workflow again, so every import costs time.
"""

import difflib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import count, repeat
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from lungsight.errors import UserError
from lungsight.intake.file_names import problem_of_lungs
from lungsight.intake.layouts import NOTES, SKIPPED, write_layout_table
from lungsight.intake.people import age_band, problems_of_person, sex_of
from lungsight.intake.person_columns import disagreements, named_otherwise, with_person_columns
from lungsight.intake.real_places import RealPlaces, is_usual
from lungsight.intake.skip_words import REMEDY, is_skipped
from lungsight.paths import did_you_mean, did_you_mean_unnamed
from lungsight.patient_ids import (
    ADVICE,
    AS_NAMED,
    NORMALISE,
    is_missing,
    is_shortened,
    normalised,
    spelling_problems,
    spelt_alike,
)
from lungsight.privacy import pseudonym
from lungsight.raw_table import RawTable, is_formula, read_raw_table

OPTIONAL = ("source", "mask", "lesion", "lungs", "split", "skip", "age", "sex")
COLUMNS = ("patient", "path", "label", "note", *OPTIONAL)  # a note is written by a layout
_ENDING = "(s|es|ed|ped|ted|ping|ting|ing|set|file|path)?"  # of a word that means the column: masks, skipped, splitting
_SHORT = 3  # letters; of a name as short (age, sex) one letter more makes another word: page
_NEAR = 0.8  # difflib's ratio from which a word is a misspelt one: soruce, lession
SPLITS = ("", "train", "val", "test")
LESION_LEFT_OUT = "its lesion mask is left out"  # begins the note of a case whose lesion mask cannot be used
_MOST_ERRORS_SHOWN = 20
_SHORTEST_NAME = 3  # characters; a shorter source may equal a patient's id by chance, since both are often numbers
_DATE = re.compile(
    r"(?<!\d)((19|20)\d\d[01]\d[0-3]\d|(19|20)\d\d([-./_])[01]?\d\4[0-3]?\d|[0-3]?\d([-./_])[01]?\d\5(19|20)\d\d)(?!\d)"
)
_UID = re.compile(r"\d+(\.\d+){5,}")
_PATH = re.compile(r"[/~.]|[A-Za-z]:|.*\\", re.DOTALL)  # absolute, below a home, relative, or of Windows


@dataclass(frozen=True)
class TableRow:
    """One row of a cohort table.

    Attributes
    ----------
    row : int
        Number of the row, from 1.
    patient : str
        The user's name of the patient; "" where patients are unknown.
    path, mask, lesion, lungs : str
        Relative to the cohort's root; "" where there is none.
    label : str
        Name of the class; "" in a segmentation cohort.
    source : str
        Where the scan comes from, as the user writes it.
    split : str
        One of SPLITS: the subset that the user fixes.
    skip : str
        Why the row is left out, in words that may be published; "" if it is not.
    note : str
        What the results remark on the row, in words that may be published.
    age, sex : str
        Words of `people`, never what the user wrote; "" where it is unknown.
    normalised : bool
        Whether spellings of the patient's id that are alike mean one person.
    """

    row: int
    patient: str
    path: str
    label: str
    source: str
    mask: str
    split: str
    skip: str = ""
    note: str = ""
    lesion: str = ""
    lungs: str = ""
    age: str = ""
    sex: str = ""
    normalised: bool = False

    @property
    def person(self) -> str:
        """The id that stands for the person: `patient`, or the form in which its spellings agree."""
        return normalised(self.patient) if self.normalised else self.patient


def _class_of(word: str, labels: dict[str, list[str]]) -> str | None:
    """Find the class that a word of the user's stands for."""
    return next((name for name, words in labels.items() if word == name or word in words), None)


def _label_error(word: str, labels: dict[str, list[str]]) -> str:
    """Describe a label that stands for no class, with the likely correction."""
    accepted = [word for name, words in labels.items() for word in dict.fromkeys([name, *words])]
    if not word:
        return f"label is empty; known words: {', '.join(accepted)}."
    near = [known for known in accepted if known.lower() == word.lower()]
    near = near or difflib.get_close_matches(word, accepted, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known words: {', '.join(accepted)}."
    return f"label {word!r} is not in labels; {hint}"


def _problem_of_place(path: str, root: Path) -> str:
    """Say why a path cannot be relative to the root; "" if it can."""
    if path.startswith("/") and (inside := _below(path, root)):
        return f"is absolute; write it from the root on, without {path.removesuffix(inside)}"
    parts = PurePosixPath(path.replace("\\", "/"))
    return "leads out of the root." if parts.is_absolute() or ".." in parts.parts else ""


def _below(path: str, root: Path) -> str:
    """Return an absolute path from the root on; "" if it does not lie below the root."""
    for folder in (os.path.abspath(root), os.path.realpath(root)):
        for place in (os.path.normpath(path), os.path.realpath(path)):
            if place.startswith(f"{folder}/"):
                return place.removeprefix(f"{folder}/")
    return ""


def _publishable(word: str, sentences: dict[str, str], fallback: str) -> str:
    """Replace a user's word by the sentence that may stand for it in a result, or by a fallback that quotes nothing."""
    return sentences.get(word, fallback) if word else ""


def _translated(column: Iterable[str], translate: Callable[[str], str]) -> Iterator[str]:
    """Translate the fields of a column: every word once, however many rows have it."""
    column = list(column)
    return map({word: translate(word) for word in set(column)}.__getitem__, column)


def _to_rows(raw: RawTable, numbers: Iterable[int], labels: dict[str, list[str]], patient_ids: str) -> list[TableRow]:
    """Turn the records of a table into rows, column by column. numbers: of the rows."""

    def path_of(field: str) -> str:
        return field if is_usual(field) or not field else str(PurePosixPath(field))  # ./a/ is a

    def skip_of(word: str) -> str:
        return _publishable(word if is_skipped(word) else "", SKIPPED, "left out by the table's column skip")

    translations: dict[str, Callable[[str], str]] = {
        "patient": lambda id: "" if patient_ids != AS_NAMED and is_missing(id) else id,
        "label": lambda word: _class_of(word, labels) or "",
        "skip": skip_of,
        "note": lambda word: _publishable(word, NOTES, "the table has a note on it"),
        "age": lambda word: age_band(word) or "",
        "sex": lambda word: sex_of(word) or "",
    }
    columns = {name: _translated(raw.column(name), translations.get(name, str)) for name in COLUMNS if name != "path"}
    columns |= {"row": iter(numbers), "path": map(path_of, raw.column("path"))}
    columns["normalised"] = repeat(patient_ids == NORMALISE)
    return list(map(TableRow, *(columns[field.name] for field in fields(TableRow))))


def read_rows(table: Path, labels: dict[str, list[str]] | None = None, patient_ids: str = "") -> list[TableRow]:
    """Read the rows of a table that was checked when the workflow was parsed.

    Parameters
    ----------
    table : Path
    labels : dict, optional
        Class name → the user's words. Without it every label is "": for a segmentation cohort, or a reader that needs
        no label.
    patient_ids : str
        How the ids of its patients are read: "exact", "normalise", "as named" (of folders) or "".
    """
    return _to_rows(read_raw_table(table), count(1), labels or {}, patient_ids)


def read_people(table: Path) -> list[TableRow]:
    """Read the rows of a checked table with age and sex, under whatever name; labels and ids stay unread."""
    return _to_rows(with_person_columns(read_raw_table(table)), count(1), {}, "")


def read_cohort_tables(
    cohorts: dict[str, dict[str, Any]], labels: dict[str, list[str]], shared_ids: bool = False
) -> dict[str, list[TableRow]]:
    """Read and check the tables of all cohorts.

    Parameters
    ----------
    cohorts, labels : dict
        As `read_cohort_table` takes them, by cohort.
    shared_ids : bool
        One id means one person in all cohorts.

    Raises
    ------
    UserError
        With everything that is wrong in any of them.
    """
    rows, wrong = {}, []
    for name, cohort in cohorts.items():
        try:
            rows[name] = read_cohort_table(name, cohort, labels)
        except UserError as error:
            wrong.append(str(error))
    if not wrong and shared_ids:
        undecided = [name for name, cohort in cohorts.items() if "patient_ids" not in cohort]
        ids = [(name, str(row.row), row.patient) for name in undecided for row in rows[name] if _counts(row)]
        if problems := _cut_short(spelling_problems(ids, named=True)):
            wrong = ["The cohorts share patients (shared_ids).", *(f"  {line}" for line in [*problems, ADVICE])]
    if wrong:
        raise UserError("\n".join(wrong))
    return rows


def _counts(row: TableRow) -> bool:
    """Tell whether the patient of a row must be known."""
    return bool(row.patient) and not row.skip


def _cut_short(problems: list[str]) -> list[str]:
    more = len(problems) - _MOST_ERRORS_SHOWN
    return problems[:_MOST_ERRORS_SHOWN] + ([f"… and {more} more."] if more > 0 else [])


def read_cohort_table(name: str, cohort: dict[str, Any], labels: dict[str, list[str]]) -> list[TableRow]:
    """Read the table of one cohort and check every row.

    Paths are not looked up if a rule makes the root later (`phantom`), nor if the table lists what lies there
    (`layout`).

    Parameters
    ----------
    name : str
        The cohort's name in the config.
    cohort : dict
        Its entry in a completed config.
    labels : dict
        Class name → the user's words for it.

    Raises
    ------
    UserError
        With everything that is wrong, by row.
    """
    table, root = Path(cohort["table"]), Path(cohort["root"])
    try:
        _check_places(name, cohort, labels)
    except OSError as error:
        raise UserError(f"cohorts.{name}: {str(error.filename)[:80]} cannot be read: {error.strerror}.") from None
    written = read_raw_table(table)
    raw = with_person_columns(written)
    _check_header(table, raw.header, cohort)
    if cohort["role"] == "segmentation":
        labels = {}
    rows, wrong = _check_rows(raw, cohort, labels, root)
    wrong += disagreements(written) + named_otherwise(written, wrong)
    named = [] if "patient_ids" in cohort else [row for row in rows if _counts(row)]
    spelt = spelt_alike(row.patient for row in named)
    alike = spelling_problems((name, str(row.row), row.patient) for row in named if row.patient in spelt)
    wrong = _cut_short(wrong + alike) + [ADVICE] * bool(alike)
    if wrong:
        raise UserError("\n".join([f"{table} (cohort {name}):", *(f"  {problem}" for problem in wrong)]))
    return rows


def _check_places(name: str, cohort: dict[str, Any], labels: dict[str, list[str]]) -> None:
    """Raise UserError unless a cohort's table and root are there; write the table of a layout first."""
    table, root = Path(cohort["table"]), Path(cohort["root"])
    absent = []
    if "layout" in cohort and root.is_dir():
        only_tested = cohort["role"] == "external"
        write_layout_table(table, cohort["layout"], root, labels, cohort["official_split"], only_tested)
    elif "layout" not in cohort and table.is_dir():
        absent.append(f"cohorts.{name}.table: {table} is a folder; name the table in it.")
    elif "layout" not in cohort and not table.is_file():
        absent.append(
            f"cohorts.{name}.table: {table} does not exist{did_you_mean(table)} Write one (patient path label), or let"
            f" `snakemake draft_table --config root=DIR` write a first one from a folder of scans."
        )
    if "phantom" in cohort and root.is_dir() and any(root.iterdir()) and not (root / "truth").is_dir():
        # The rule that makes phantoms owns this folder, and Snakemake deletes a rule's outputs before it runs the rule.
        raise UserError(f"cohorts.{name}.root: {root} holds files that are no phantoms; name a folder of its own.")
    if "phantom" not in cohort and root.is_file():
        absent.append(f"cohorts.{name}.root: {root} is a file; name the folder that the table's paths start from.")
    elif "phantom" not in cohort and not root.is_dir():
        absent.append(f"cohorts.{name}.root: the folder {root} does not exist{did_you_mean(root)}")
    if absent:
        raise UserError("\n".join(absent))


def _check_header(table: Path, header: list[str], cohort: dict[str, Any]) -> None:
    """Raise UserError if a required column is missing, a column is there twice, or an optional one seems misspelt."""
    last = "mask" if cohort["role"] == "segmentation" else "label"
    missing = [column for column in ("patient", "path", last) if column not in header]
    if missing:
        hint = "" if len(header) > 1 else " Separate columns by tabs, commas or semicolons."
        raise UserError(f"{table}: the column {', '.join(missing)} is missing; it has {_listed(header)}.{hint}")
    repeated = sorted(column for column, times in Counter(header).items() if column and times > 1)
    if repeated:
        raise UserError(f"{table}: the column {_listed(repeated)} is there twice.")
    if misspelt := _misspelt_columns(header):
        raise UserError("\n".join(f"{table}: {problem}" for problem in misspelt))


def _misspelt_columns(header: list[str]) -> list[str]:
    """List the columns that look like one that may be given and is not, a sentence each. Others are the user's own."""
    wrong = []
    for column in header:
        absent = [known for known in OPTIONAL if known not in header]
        letters = re.sub(r"[\W_]+", "", column)
        near = [known for known in absent if re.fullmatch(f"{known}{_ENDING}", letters)]
        longer = [known for known in absent if len(known) > _SHORT]
        near += difflib.get_close_matches(letters, longer, n=1, cutoff=_NEAR)
        if column not in COLUMNS and near:
            wrong.append(f"the column {column[:40]!r} is not read; did you mean {near[0]}? Rename it in either case.")
    return wrong


def _listed(columns: list[str]) -> str:
    more = f" and {len(columns) - _MOST_ERRORS_SHOWN} more" if len(columns) > _MOST_ERRORS_SHOWN else ""
    return ", ".join(column[:40] for column in columns[:_MOST_ERRORS_SHOWN]) + more


def _check_rows(
    raw: RawTable, cohort: dict[str, Any], labels: dict[str, list[str]], root: Path
) -> tuple[list[TableRow], list[str]]:
    """Turn the records of a table into rows, and list what is wrong with them."""
    wrong = {number: [misfit] for number, record in enumerate(raw.records, 1) if (misfit := raw.misfit(record))}
    numbers = [number for number in range(1, len(raw.records) + 1) if number not in wrong]
    fitting = RawTable(raw.header, [raw.records[number - 1] for number in numbers])
    rows = _to_rows(fitting, numbers, labels, cohort.get("patient_ids", ""))
    real = _real_places(rows, root) if _is_there(cohort) else {}
    wrong |= _problems_by_row(fitting, rows, cohort, labels, root, real)
    repeated = _repeated_paths(rows)
    places = {
        row.row: real.get(row.path) or _place_of(row.path, root, cohort)
        for row in rows
        if not (row.skip or row.row in wrong or row.row in repeated)
    }
    for number, first in repeated.items():
        wrong.setdefault(number, []).append(f"the path of row {first} again.")
    listed = [f"row {number}: {problem}" for number in sorted(wrong) for problem in wrong[number]]
    listed += _problems_of_overlap(places) + _shared_lungs(rows)
    if not rows and not listed:
        listed.append("it has a header and no rows.")
    return rows, listed


def _problems_by_row(
    raw: RawTable,
    rows: Sequence[TableRow],
    cohort: dict[str, Any],
    labels: dict[str, list[str]],
    root: Path,
    real: Mapping[str, str],
) -> dict[int, list[str]]:
    """List what is wrong with rows by themselves, by number. real: of `_real_places`."""
    patients = {normalised(patient) for patient in set(raw.column("patient")) if not is_missing(patient)}
    wrong = {}
    for place in sorted(_doubtful(raw, rows, cohort, labels, patients, real)):
        row, written = rows[place], raw.by_column(raw.records[place])
        wrong[row.row] = _problems(row, written, cohort, labels, root) + _problems_of_source(row, patients)
    return {number: problems for number, problems in wrong.items() if problems}


def _repeated_paths(rows: Sequence[TableRow]) -> dict[int, int]:
    """Find rows with the path of a row above. Return number of the row → number of the first row with this path."""
    first: dict[str, int] = {}
    numbers = ((row, first.setdefault(_normal(row.path), row.row)) for row in rows)
    return {row.row: number for row, number in numbers if row.path and number != row.row}


def _normal(path: str) -> str:
    return path if is_usual(path) else os.path.normpath(path)


def _place_of(path: str, root: Path, cohort: dict[str, Any]) -> str:
    place = root / _normal(path)
    return str(_real_place(place, root) if _is_there(cohort) else place)


def _real_places(rows: Sequence[TableRow], root: Path) -> dict[str, str]:
    """Look up what rows name below the root. Return path → real place, of all that need no closer look."""
    places = RealPlaces(root)
    named = dict.fromkeys(path for row in rows if not row.skip for path in _named(row) if path)
    return {path: place for path in named if (place := places.of(path))}


def _named(row: TableRow) -> tuple[str, str, str, str]:
    """List what a row names below the root."""
    return row.path, row.mask, row.lesion, row.lungs


def _doubtful(
    raw: RawTable,
    rows: Sequence[TableRow],
    cohort: dict[str, Any],
    labels: dict[str, list[str]],
    patients: set[str],
    real: Mapping[str, str],
) -> set[int]:
    """Find the places of rows that may be wrong: every word of a column is judged once, however many rows have it.

    In any other row `_problems` and `_problems_of_source` find nothing. So what is new there needs a judge here.

    Parameters
    ----------
    patients : set of str
        All patients of the table, normalised.
    real : dict
        Of `_real_places`; empty where paths are not looked up.
    """

    def is_doubtful_path(path: str) -> bool:
        return path not in real if _is_there(cohort) else not is_usual(path)

    def is_doubtful_mask(path: str) -> bool:
        return bool(path) and is_doubtful_path(path)

    judged: dict[str, Callable[[str], bool]] = {
        "patient": lambda id: (cohort["patients"] == "known" and is_missing(id)) or is_shortened(id),
        "path": is_doubtful_path,
        "label": lambda word: bool(labels) and not _class_of(word, labels),
        "source": lambda word: _is_doubtful_source(word, patients),
        "mask": is_doubtful_path if cohort["role"] == "segmentation" else is_doubtful_mask,
        "lesion": is_doubtful_mask,
        "lungs": lambda path: is_doubtful_mask(path) or bool(path and problem_of_lungs(path, cohort["format"])),
        "split": lambda word: word not in SPLITS,
        "skip": lambda word: is_skipped(word) is None,
        "age": lambda word: age_band(word) is None,
        "sex": lambda word: sex_of(word) is None,
    }
    found = set().union(*(_holding(raw.column(name), judge) for name, judge in judged.items()))
    return found | {place for place, row in enumerate(rows) if _is_above(row.source, row.path)}


def _holding(column: Sequence[str], is_meant: Callable[[str], bool]) -> set[int]:
    """Find the places of a column whose word is one of those meant."""
    words = {word for word in set(column) if is_meant(word)}
    return {place for place, word in enumerate(column) if word in words} if words else set()


def _is_there(cohort: dict[str, Any]) -> bool:
    """Tell whether the paths of a table can be looked up: no rule makes them later, and they were not listed there."""
    return "phantom" not in cohort and "layout" not in cohort


def _problems_of_overlap(places: dict[int, str]) -> list[str]:
    """List rows with one scan: the place of another row by way of a link, or a place inside that of another row.

    Parameters
    ----------
    places : dict
        Number of a row → real path of its scan. No file is looked at, since there may be thousands.
    """
    row_of: dict[str, int] = {}
    wrong = []
    for number, place in places.items():
        if (first := row_of.setdefault(place, number)) != number:
            wrong.append(f"row {number}: path leads to the scan of row {first} again, by a link.")
    taken: dict[str, str] = {}  # folder → the place of a row that is it or above it
    for place, number in row_of.items():
        folder = place.rpartition("/")[0]
        if folder not in taken:
            taken[folder] = next((above for above in _upwards(folder) if above in row_of), "")
        if above := taken[folder]:
            wrong.append(
                f"row {number}: path lies inside the folder of row {row_of[above]}, which is read with all that it"
                " holds; name folders that do not hold each other."
            )
    return wrong


def _upwards(folder: str) -> Iterator[str]:
    """Yield a folder and each folder above it."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]


def _problems(
    row: TableRow, fields: dict[str, str], cohort: dict[str, Any], labels: dict[str, list[str]], root: Path
) -> list[str]:
    """List what is wrong with one row. fields: the row as the user wrote it."""
    problems = []
    if is_skipped(fields.get("skip", "")) is None:
        problems.append(f"skip is {fields['skip'][:40]!r}, {REMEDY}")
    if not row.patient and cohort["patients"] == "known" and not row.skip:
        what = f"{fields['patient']!r}, which means that it is missing" if fields["patient"] else "empty"
        problems.append(f"patient is {what}; give one, or set patients: unknown for the cohort.")
    if is_shortened(row.patient) and not row.skip:
        problems.append(
            "patient is a number that a spreadsheet cut short (as 1.23E+11): make the column text there, and enter the"
            " ids again."
        )
    if labels and not row.label and not row.skip:
        problems.append(_label_error(fields["label"], labels))
    if row.split not in SPLITS:
        problems.append(f"split {row.split!r} is none of train, val, test.")
    for column, path in zip(("path", "mask", "lesion", "lungs"), _named(row), strict=True):
        if not path:
            if column == "path" or (column == "mask" and cohort["role"] == "segmentation" and not row.skip):
                problems.append(f"{column} is empty.")
        elif problem := _problem_of_place(path, root):
            problems.append(f"{column} {problem}")
        elif _is_there(cohort) and not row.skip:
            problems += _problems_on_disk(column, path, root)
    if not row.skip:
        problems += problems_of_person(fields)
    if row.lungs and not row.skip and (problem := problem_of_lungs(row.lungs, cohort["format"])):
        problems.append(problem)
    return problems


def _shared_lungs(rows: Sequence[TableRow]) -> list[str]:
    """List rows whose lung mask another row of another patient names, a sentence each."""
    first: dict[str, TableRow] = {}
    wrong = []
    for row in rows:
        if row.lungs and not row.skip:
            other = first.setdefault(os.path.normpath(row.lungs), row)
            if other is not row and not (row.patient and row.person == other.person):
                wrong.append(f"row {row.row}: lungs is the mask of row {other.row}, which is of another patient.")
    return wrong


def _is_doubtful_source(source: str, patients: set[str]) -> bool:
    """Tell whether `_problems_of_source` may refuse a source, in a row whose path is not below it."""
    is_patient = source.isdigit() and normalised(source) in patients
    return is_patient or bool(_problems_of_source(TableRow(0, "", "", "", source, "", ""), patients))


def _is_above(source: str, path: str) -> bool:
    """Tell whether a source is the beginning of a path."""
    return "/" in source and f"{path}/".startswith(f"{source}/")


def _problems_of_source(row: TableRow, patients: set[str]) -> list[str]:
    """Refuse a source that may identify a person: results publish it as the user wrote it.

    A source that is a number is compared with the row's own patient only, since sites and patients are both numbered.

    Parameters
    ----------
    row : TableRow
    patients : set of str
        All patients of the table, normalised.
    """
    source, named = row.source, patients if not row.source.isdigit() else {normalised(row.patient)}
    if not source.isprintable():
        hidden = next(letter for letter in source if not letter.isprintable())
        return [f"source holds a character that does not show (U+{ord(hidden):04X}); type it again without."]
    if len(source) >= _SHORTEST_NAME and normalised(source) in named:
        content = "the id of a patient"
    elif _PATH.match(source) or _is_above(source, row.path):
        content = "a path"
    elif _UID.search(source):
        content = "a UID"
    elif _DATE.search(source):
        content = "a date"
    elif is_formula(source):
        return [
            f"source {source!r} would run as a formula where results are opened in a spreadsheet; write it in words."
        ]
    else:
        return []
    return [f"source holds {content}; results show it as it is, so name a scanner, a site or a data set."]


@cache
def _resolved(place: Path) -> Path:
    return place.resolve()


@cache
def _real_place(place: Path, root: Path) -> Path:
    """Resolve the links in a path.

    That looks at each of its folders. For thousands of files in one folder it is done once.
    """
    if place.is_symlink() or place == root:
        return _resolved(place)
    return _resolved(place.parent) / place.name


def _problems_on_disk(column: str, path: str, root: Path) -> list[str]:
    """List why a path of the table cannot be used: absent, outside the root, or impossible to look up."""
    place = root / path
    try:
        if not place.exists():
            return [f"{column} does not exist below {root}{did_you_mean_unnamed(place)}"]
        if not _real_place(place, root).is_relative_to(_resolved(root)):
            return [f"{column} is a link that leads out of the root."]
    except OSError as error:
        return [f"{column} cannot be looked up: {error.strerror}."]
    return []


class IdCounts(TypedDict):
    """How the ids of a cohort's table were read, of rows that are not skipped.

    rows: with an id. without: without one. ids: different ids as they are written. patients: people that they mean.
    """

    rows: int
    without: int
    ids: int
    patients: int


def count_ids(rows: Sequence[TableRow]) -> IdCounts:
    """Count the ids of a table and the patients that they mean."""
    wanted = [row for row in rows if not row.skip]
    named = [row for row in wanted if row.patient]
    return IdCounts(
        rows=len(named),
        without=len(wanted) - len(named),
        ids=len({row.patient for row in named}),
        patients=len({row.person for row in named}),
    )


def case_of(key: bytes, cohort: str, path: str) -> str:
    """Make the pseudonym of a case from its path in the table; an edit of another column does not change it."""
    return pseudonym(key, "case", cohort, os.path.normpath(path))
