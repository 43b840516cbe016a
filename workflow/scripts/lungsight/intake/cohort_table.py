"""The cohort table that a user writes, read and checked while the workflow is parsed.

Standard library only: every job parses the workflow again, so an import counts.
"""

import csv
import difflib
import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lungsight.errors import UserError

KNOWN_COLUMNS = ("patient", "path", "label", "source", "mask", "split")
SPLITS = ("", "train", "val", "test")
CASES_PER_SHARD = 64
_MOST_ERRORS_SHOWN = 20


@dataclass(frozen=True)
class TableRow:
    """One row of a cohort table: `row` is 1-based, `label` the class name, `path` and `mask` relative to the root."""

    row: int
    patient: str
    path: str
    label: str
    source: str
    mask: str
    split: str


def decode(raw: bytes) -> str:
    """Text of a table saved by any common program: UTF-8 with or without mark, else Windows-1252, else Latin-1."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _separator(header: str) -> str:
    """The most frequent of tab, comma and semicolon in the header line."""
    return max("\t,;", key=header.count)


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


def read_cohort_table(name: str, cohort: dict, labels: dict[str, list[str]]) -> list[TableRow]:
    """Read the table of the cohort `name` and check every row.

    labels: class name → the words that the user has for it. Paths are checked for existence unless the root is made by
    a rule (`phantom`). Raises UserError that lists everything wrong, by row.
    """
    table = Path(cohort["table"])
    if not table.is_file():
        raise UserError(
            f"cohorts.{name}.table: {table} does not exist. Write one (patient path label), or let "
            f"`snakemake draft_table --config root=DIR` write a first one from a folder of scans."
        )
    made_by_rule = "phantom" in cohort
    root = Path(cohort["root"])
    if not made_by_rule and not root.is_dir():
        raise UserError(f"cohorts.{name}.root: the folder {root} does not exist.")
    text = decode(table.read_bytes())
    lines = text.splitlines()
    if not lines:
        raise UserError(f"{table} is empty.")
    reader = csv.reader(io.StringIO(text), delimiter=_separator(lines[0]))
    header = [column.strip().lower() for column in next(reader)]
    segmentation = cohort["role"] == "segmentation"
    wanted = ["patient", "path", "mask"] if segmentation else ["patient", "path", "label"]
    missing = [column for column in wanted if column not in header]
    if missing:
        raise UserError(f"{table}: the column {', '.join(missing)} is missing; it has {', '.join(header)}.")
    repeated = sorted({column for column in header if column and header.count(column) > 1})
    if repeated:
        raise UserError(f"{table}: the column {', '.join(repeated)} is there twice.")

    rows: list[TableRow] = []
    wrong: list[str] = []
    row_of_path: dict[str, int] = {}
    for number, fields in enumerate((fields for fields in reader if any(map(str.strip, fields))), start=1):
        if len(fields) != len(header):
            wrong.append(f"row {number}: {len(fields)} fields, the header has {len(header)}.")
            continue
        given = dict(zip(header, (field.strip() for field in fields), strict=True))
        label = "" if segmentation else _class_of(given["label"], labels)
        row = TableRow(
            row=number,
            patient=given["patient"],
            path=given["path"],
            label=label or "",
            source=given.get("source", ""),
            mask=given.get("mask", ""),
            split=given.get("split", ""),
        )
        wrong += [f"row {number}: {problem}" for problem in _problems(row, given, cohort, label, labels, root)]
        key = os.path.normpath(row.path)
        if row.path and key in row_of_path:
            wrong.append(f"row {number}: the path of row {row_of_path[key]} again.")
        row_of_path.setdefault(key, number)
        rows.append(row)
    if not rows and not wrong:
        wrong.append("it has a header and no rows.")
    if wrong:
        more = [f"… and {len(wrong) - _MOST_ERRORS_SHOWN} more."] if len(wrong) > _MOST_ERRORS_SHOWN else []
        raise UserError(
            "\n".join([f"{table} (cohort {name}):", *(f"  {w}" for w in wrong[:_MOST_ERRORS_SHOWN] + more)])
        )
    return rows


def _problems(
    row: TableRow, given: dict, cohort: dict, label: str | None, labels: dict[str, list[str]], root: Path
) -> list[str]:
    problems = []
    if not row.patient and cohort["patients"] == "known":
        problems.append("patient is empty; give one, or set patients: unknown for the cohort.")
    if label is None:
        problems.append(_label_error(given["label"], labels))
    if row.split not in SPLITS:
        problems.append(f"split {row.split!r} is none of train, val, test.")
    for column, path in (("path", row.path), ("mask", row.mask)):
        if not path:
            if column == "path" or cohort["role"] == "segmentation":
                problems.append(f"{column} is empty.")
        elif _leaves_root(path):
            problems.append(f"{column} {path!r} leads out of the root.")
        elif "phantom" not in cohort and not (root / path).exists():
            problems.append(f"{column} {path!r} does not exist below {root}.")
    return problems


def default_shards(n_cases: int) -> int:
    """Number of shards of a cohort: one per 64 cases, rounded up to a power of two, so that growth rarely moves it."""
    wanted = max(1, -(-n_cases // CASES_PER_SHARD))
    return 1 << (wanted - 1).bit_length()


def shard_of(path: str, shards: int) -> int:
    """The shard of a case, by a stable hash of its path in the table; no key and no other row has a say in it."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") % shards


def shard_name(shard: int) -> str:
    """A shard's folder name."""
    return f"{shard:03d}"
