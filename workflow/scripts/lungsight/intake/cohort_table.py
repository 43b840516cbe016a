"""The cohort table that a user writes, read and checked while the workflow is parsed.

Standard library only: every job parses the workflow again, so an import counts.
"""

import difflib
import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from lungsight.errors import UserError
from lungsight.intake.layouts import NOTES, SKIPPED, write_layout_table
from lungsight.intake.raw_table import read_raw_table
from lungsight.privacy import pseudonym

SPLITS = ("", "train", "val", "test")
CASES_PER_SHARD = {"dicom": 64, "nifti": 64, "png": 512}  # a case is a series or a volume, or a single image
_CASES_PER_THREAD = {format: cases // 4 for format, cases in CASES_PER_SHARD.items()}
LESION_LEFT_OUT = "its lesion mask is left out"  # how a case's reason begins that came with a bad one
_MOST_ERRORS_SHOWN = 20
_SHORTEST_NAME = 3  # a shorter source may equal a patient's id by chance: sites and patients are both numbered
_DATE = re.compile(
    r"(?<!\d)((19|20)\d\d[01]\d[0-3]\d|(19|20)\d\d([-./_])[01]?\d\4[0-3]?\d|[0-3]?\d([-./_])[01]?\d\5(19|20)\d\d)(?!\d)"
)
_UID = re.compile(r"\d+(\.\d+){5,}")
_PATH = re.compile(r"[/~.]|[A-Za-z]:|.*\\", re.DOTALL)  # absolute, of a home, relative, or of Windows


@dataclass(frozen=True)
class TableRow:
    """One row of a cohort table: `row` is 1-based, `label` the class name, `path`, `mask` and `lesion` relative to the
    root.

    skip: why the row is left out, "" where it is not; note: what is to be said of it. Both name nobody.
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
    return next((name for name, words in labels.items() if word == name or word in words), None)


def _label_error(word: str, labels: dict[str, list[str]]) -> str:
    known = [word for name, words in labels.items() for word in dict.fromkeys([name, *words])]
    if not word:
        return f"label is empty; known words: {', '.join(known)}."
    near = [k for k in known if k.lower() == word.lower()] or difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known words: {', '.join(known)}."
    return f"label {word!r} is not in labels; {hint}"


def _leaves_root(path: str) -> bool:
    parts = PurePosixPath(path.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or "\0" in path


def _in_public(word: str, known: dict[str, str], otherwise: str) -> str:
    """What a word of the user's may say in a result: the sentence that it is known for, else that it is there."""
    return known.get(word, otherwise) if word else ""


def _to_row(number: int, given: dict[str, str], labels: dict[str, list[str]]) -> TableRow:
    return TableRow(
        row=number,
        patient=given["patient"],
        path=given["path"],
        label=_class_of(given.get("label", ""), labels) or "",
        source=given.get("source", ""),
        mask=given.get("mask", ""),
        split=given.get("split", ""),
        skip=_in_public(given.get("skip", ""), SKIPPED, "left out by the table's column skip"),
        note=_in_public(given.get("note", ""), NOTES, "the table has a note on it"),
        lesion=given.get("lesion", ""),
    )


def read_rows(table: Path, labels: dict[str, list[str]] | None = None) -> list[TableRow]:
    """The rows of a table that was checked when the workflow was parsed.

    labels: class name → the user's words; without them (a segmentation cohort, or a reader that needs no label)
    every label is "".
    """
    raw = read_raw_table(table)
    return [_to_row(number, raw.given(fields), labels or {}) for number, fields in enumerate(raw.records, start=1)]


def read_cohort_tables(cohorts: dict[str, dict], labels: dict[str, list[str]]) -> dict[str, list[TableRow]]:
    """Read and check the tables of all cohorts. Raises UserError that lists everything wrong in any of them."""
    rows, wrong = {}, []
    for name, cohort in cohorts.items():
        try:
            rows[name] = read_cohort_table(name, cohort, labels)
        except UserError as error:
            wrong.append(str(error))
    if wrong:
        raise UserError("\n".join(wrong))
    return rows


def read_cohort_table(name: str, cohort: dict, labels: dict[str, list[str]]) -> list[TableRow]:
    """Read the table of the cohort `name` and check every row.

    labels: class name → the words that the user has for it. Paths are checked for existence unless the root is made by
    a rule (`phantom`), or the table from what lies there (`layout`). Raises UserError that lists everything wrong, by
    row.
    """
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
        # The rule that makes phantoms owns this folder, and Snakemake deletes what a rule owns before it makes it anew.
        raise UserError(f"cohorts.{name}.root: {root} holds files that are no phantoms; name a folder of its own.")
    if "phantom" not in cohort and not root.is_dir():
        absent.append(f"cohorts.{name}.root: the folder {root} does not exist.")
    if absent:
        raise UserError("\n".join(absent))
    raw = read_raw_table(table)
    _check_header(table, raw.header, cohort)
    if cohort["role"] == "segmentation":
        labels = {}

    rows: list[TableRow] = []
    wrong: list[str] = []
    row_of_path: dict[str, int] = {}
    patients = {raw.given(fields)["patient"].casefold() for fields in raw.records if len(fields) == len(raw.header)}
    for number, fields in enumerate(raw.records, start=1):
        if len(fields) != len(raw.header):
            wrong.append(f"row {number}: {len(fields)} fields, the header has {len(raw.header)}.")
            continue
        given = raw.given(fields)
        row = _to_row(number, given, labels)
        problems = _problems(row, given, cohort, labels, root) + _problems_of_source(row, patients)
        wrong += [f"row {number}: {problem}" for problem in problems]
        key = os.path.normpath(row.path)
        if row.path and key in row_of_path:
            wrong.append(f"row {number}: the path of row {row_of_path[key]} again.")
        row_of_path.setdefault(key, number)
        rows.append(row)
    if not rows and not wrong:
        wrong.append("it has a header and no rows.")
    if wrong:
        more = [f"… and {len(wrong) - _MOST_ERRORS_SHOWN} more."] if len(wrong) > _MOST_ERRORS_SHOWN else []
        shown = (f"  {problem}" for problem in wrong[:_MOST_ERRORS_SHOWN] + more)
        raise UserError("\n".join([f"{table} (cohort {name}):", *shown]))
    return rows


def _check_header(table: Path, header: list[str], cohort: dict) -> None:
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


def _problems(row: TableRow, given: dict, cohort: dict, labels: dict[str, list[str]], root: Path) -> list[str]:
    problems = []
    if not row.patient and cohort["patients"] == "known" and not row.skip:
        problems.append("patient is empty; give one, or set patients: unknown for the cohort.")
    if labels and not row.label and not row.skip:
        problems.append(_label_error(given["label"], labels))
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
    """What forbids to publish a source, which results show as it was given. patients: ids in small letters.

    A number is refused as the row's own patient alone: sites are numbered, and so are patients.
    """
    source, named = row.source, patients if not row.source.isdigit() else {row.patient.casefold()}
    if len(source) >= _SHORTEST_NAME and source.casefold() in named:
        what = "the id of a patient"
    elif _PATH.match(source) or ("/" in source and f"{row.path}/".startswith(f"{source}/")):
        what = "a path"
    elif _UID.search(source):
        what = "a UID"
    elif _DATE.search(source):
        what = "a date"
    else:
        return []
    return [f"source holds {what}; results show it as it is, so name a scanner, a site or a data set."]


@cache
def _is_inside(place: Path, root: Path) -> bool:
    return place.resolve().is_relative_to(root.resolve())


def _problems_on_disk(column: str, path: str, root: Path) -> list[str]:
    place = root / path
    try:
        if not place.exists():
            return [f"{column} {path!r} does not exist below {root}."]
        # Resolving a path looks at each of its folders: of thousands of files in one folder that is done once.
        inside = _is_inside(place, root) if place.is_symlink() else _is_inside(place.parent, root)
        if not inside:
            return [f"{column} {path!r} is a link that leads out of the root."]
    except OSError as error:
        return [f"{column} {path[:60]!r} cannot be looked up: {error.strerror}."]
    return []


def case_of(key: bytes, cohort: str, path: str) -> str:
    """The pseudonym of a case: of its path in the table, so that no edit of another column moves it."""
    return pseudonym(key, "case", cohort, os.path.normpath(path))


def default_shards(n_cases: int, format: str) -> int:
    """Number of shards of a cohort: rounded up to a power of two, so that growth rarely moves it."""
    wanted = max(1, -(-n_cases // CASES_PER_SHARD[format]))
    return 1 << (wanted - 1).bit_length()


def threads_for(n_cases: int, format: str, most: int) -> int:
    """Cases of a shard that are worth converting at once: to start more costs more than they save."""
    return max(1, min(most, -(-n_cases // _CASES_PER_THREAD[format])))


def shard_of(path: str, shards: int) -> int:
    """The shard of a case, by a stable hash of its path in the table; no key and no other row has a say in it."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") % shards


def shard_name(shard: int) -> str:
    """A shard's folder name."""
    return f"{shard:03d}"


def rows_by_shard(rows: list[TableRow], shards: int) -> dict[str, list[TableRow]]:
    """Name of each shard that has a row → its rows in the table's order; shards in theirs."""
    found: dict[str, list[TableRow]] = {}
    for row in rows:
        found.setdefault(shard_name(shard_of(row.path, shards)), []).append(row)
    return dict(sorted(found.items()))
