"""Read and check the cohort table that a user writes, while the workflow is parsed.

Standard library only: every job parses the workflow again, so every import costs time.
"""

import difflib
import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from lungsight.errors import UserError
from lungsight.intake.layouts import NOTES, SKIPPED, write_layout_table
from lungsight.intake.raw_table import RawTable, read_raw_table
from lungsight.privacy import pseudonym

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
    path, mask, lesion : str
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


def _leaves_root(path: str) -> bool:
    parts = PurePosixPath(path.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or "\0" in path


def _publishable(word: str, sentences: dict[str, str], fallback: str) -> str:
    """Replace a user's word by the sentence that may stand for it in a result, or by a fallback that quotes nothing."""
    return sentences.get(word, fallback) if word else ""


def _to_row(number: int, fields: dict[str, str], labels: dict[str, list[str]]) -> TableRow:
    return TableRow(
        row=number,
        patient=fields["patient"],
        path=fields["path"],
        label=_class_of(fields.get("label", ""), labels) or "",
        source=fields.get("source", ""),
        mask=fields.get("mask", ""),
        split=fields.get("split", ""),
        skip=_publishable(fields.get("skip", ""), SKIPPED, "left out by the table's column skip"),
        note=_publishable(fields.get("note", ""), NOTES, "the table has a note on it"),
        lesion=fields.get("lesion", ""),
    )


def read_rows(table: Path, labels: dict[str, list[str]] | None = None) -> list[TableRow]:
    """Read the rows of a table that was checked when the workflow was parsed.

    Parameters
    ----------
    table : Path
    labels : dict, optional
        Class name → the user's words. Without it every label is "": for a segmentation cohort, or a reader that needs
        no label.
    """
    raw = read_raw_table(table)
    return [_to_row(number, raw.by_column(record), labels or {}) for number, record in enumerate(raw.records, start=1)]


def read_cohort_tables(cohorts: dict[str, dict[str, Any]], labels: dict[str, list[str]]) -> dict[str, list[TableRow]]:
    """Read and check the tables of all cohorts.

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
    if wrong:
        raise UserError("\n".join(wrong))
    return rows


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
    _check_places(name, cohort, labels)
    raw = read_raw_table(table)
    _check_header(table, raw.header, cohort)
    if cohort["role"] == "segmentation":
        labels = {}
    rows, wrong = _check_rows(raw, cohort, labels, root)
    if wrong:
        more = [f"… and {len(wrong) - _MOST_ERRORS_SHOWN} more."] if len(wrong) > _MOST_ERRORS_SHOWN else []
        shown = (f"  {problem}" for problem in wrong[:_MOST_ERRORS_SHOWN] + more)
        raise UserError("\n".join([f"{table} (cohort {name}):", *shown]))
    return rows


def _check_places(name: str, cohort: dict[str, Any], labels: dict[str, list[str]]) -> None:
    """Raise UserError unless a cohort's table and root are there; write the table of a layout first."""
    table, root = Path(cohort["table"]), Path(cohort["root"])
    absent = []
    if "layout" in cohort and root.is_dir():
        write_layout_table(table, cohort["layout"], root, labels)
    elif "layout" not in cohort and not table.is_file():
        absent.append(
            f"cohorts.{name}.table: {table} does not exist. Write one (patient path label), or let "
            f"`snakemake draft_table --config root=DIR` write a first one from a folder of scans."
        )
    if "phantom" in cohort and root.is_dir() and any(root.iterdir()) and not (root / "truth").is_dir():
        # The rule that makes phantoms owns this folder, and Snakemake deletes a rule's outputs before it runs the rule.
        raise UserError(f"cohorts.{name}.root: {root} holds files that are no phantoms; name a folder of its own.")
    if "phantom" not in cohort and not root.is_dir():
        absent.append(f"cohorts.{name}.root: the folder {root} does not exist.")
    if absent:
        raise UserError("\n".join(absent))


def _check_header(table: Path, header: list[str], cohort: dict[str, Any]) -> None:
    """Raise UserError if a required column is missing or a column is there twice."""
    last = "mask" if cohort["role"] == "segmentation" else "label"
    missing = [column for column in ("patient", "path", last) if column not in header]
    if missing:
        raise UserError(f"{table}: the column {', '.join(missing)} is missing; it has {_listed(header)}.")
    repeated = sorted(column for column, times in Counter(header).items() if column and times > 1)
    if repeated:
        raise UserError(f"{table}: the column {_listed(repeated)} is there twice.")


def _listed(columns: list[str]) -> str:
    more = f" and {len(columns) - _MOST_ERRORS_SHOWN} more" if len(columns) > _MOST_ERRORS_SHOWN else ""
    return ", ".join(column[:40] for column in columns[:_MOST_ERRORS_SHOWN]) + more


def _check_rows(
    raw: RawTable, cohort: dict[str, Any], labels: dict[str, list[str]], root: Path
) -> tuple[list[TableRow], list[str]]:
    """Turn the records of a table into rows, and list what is wrong with them."""
    rows: list[TableRow] = []
    wrong: list[str] = []
    row_of_path: dict[str, int] = {}
    patients = {raw.by_column(record)["patient"].casefold() for record in raw.records if len(record) == len(raw.header)}
    for number, record in enumerate(raw.records, start=1):
        if len(record) != len(raw.header):
            wrong.append(f"row {number}: {len(record)} fields, the header has {len(raw.header)}.")
            continue
        fields = raw.by_column(record)
        row = _to_row(number, fields, labels)
        problems = _problems(row, fields, cohort, labels, root) + _problems_of_source(row, patients)
        wrong += [f"row {number}: {problem}" for problem in problems]
        normal_path = os.path.normpath(row.path)
        if row.path and normal_path in row_of_path:
            wrong.append(f"row {number}: the path of row {row_of_path[normal_path]} again.")
        row_of_path.setdefault(normal_path, number)
        rows.append(row)
    if not rows and not wrong:
        wrong.append("it has a header and no rows.")
    return rows, wrong


def _problems(
    row: TableRow, fields: dict[str, str], cohort: dict[str, Any], labels: dict[str, list[str]], root: Path
) -> list[str]:
    """List what is wrong with one row. fields: the row as the user wrote it."""
    problems = []
    if not row.patient and cohort["patients"] == "known" and not row.skip:
        problems.append("patient is empty; give one, or set patients: unknown for the cohort.")
    if labels and not row.label and not row.skip:
        problems.append(_label_error(fields["label"], labels))
    if row.split not in SPLITS:
        problems.append(f"split {row.split!r} is none of train, val, test.")
    for column, path in (("path", row.path), ("mask", row.mask), ("lesion", row.lesion)):
        if not path:
            if column == "path" or (column == "mask" and cohort["role"] == "segmentation" and not row.skip):
                problems.append(f"{column} is empty.")
        elif _leaves_root(path):
            problems.append(f"{column} {path!r} leads out of the root.")
        elif "phantom" not in cohort and "layout" not in cohort and not row.skip:
            problems += _problems_on_disk(column, path, root)
    return problems


def _problems_of_source(row: TableRow, patients: set[str]) -> list[str]:
    """Refuse a source that may identify a person: results publish it as the user wrote it.

    A source that is a number is compared with the row's own patient only, since sites and patients are both numbered.

    Parameters
    ----------
    row : TableRow
    patients : set of str
        All patients of the table, case-folded.
    """
    source, named = row.source, patients if not row.source.isdigit() else {row.patient.casefold()}
    if len(source) >= _SHORTEST_NAME and source.casefold() in named:
        content = "the id of a patient"
    elif _PATH.match(source) or ("/" in source and f"{row.path}/".startswith(f"{source}/")):
        content = "a path"
    elif _UID.search(source):
        content = "a UID"
    elif _DATE.search(source):
        content = "a date"
    else:
        return []
    return [f"source holds {content}; results show it as it is, so name a scanner, a site or a data set."]


@cache
def _is_inside(place: Path, root: Path) -> bool:
    return place.resolve().is_relative_to(root.resolve())


def _problems_on_disk(column: str, path: str, root: Path) -> list[str]:
    """List why a path of the table cannot be used: absent, outside the root, or impossible to look up."""
    place = root / path
    try:
        if not place.exists():
            return [f"{column} {path!r} does not exist below {root}."]
        # Resolving a path looks at each of its folders. For thousands of files in one folder that is done once.
        inside = _is_inside(place, root) if place.is_symlink() else _is_inside(place.parent, root)
        if not inside:
            return [f"{column} {path!r} is a link that leads out of the root."]
    except OSError as error:
        return [f"{column} {path[:60]!r} cannot be looked up: {error.strerror}."]
    return []


def case_of(key: bytes, cohort: str, path: str) -> str:
    """Make the pseudonym of a case from its path in the table; an edit of another column does not change it."""
    return pseudonym(key, "case", cohort, os.path.normpath(path))
