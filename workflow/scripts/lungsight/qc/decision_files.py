"""Find the decision files of each cohort while the workflow is parsed. Standard library alone."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.paths import did_you_mean, has_braces
from lungsight.privacy import read_key
from lungsight.raw_table import read_raw_table

# Names of tables, as the review page, Excel and a browser write them, and of what may lie beside them unread: hidden
# files, lock files of an office program, notes. Everything else is refused, so that no decision is lost unread.
_TABLE = re.compile(r".+\.(tsv|csv|tab|txt)", re.IGNORECASE)
_SPREADSHEET = re.compile(r".+\.(xlsx|xlsm|xls|ods|numbers)", re.IGNORECASE)
_NO_TABLE = re.compile(r"[.~].*|thumbs\.db|desktop\.ini|(readme|license)(\..*)?", re.IGNORECASE)


def cases_named(decisions: Path) -> set[str]:
    """Return the cases whose slices a file of decisions names."""
    table = read_raw_table(decisions, called(decisions))
    return {table.by_column(record).get("slice", "").split("-", 1)[0] for record in table.records} - {""}


def cases_of_table(table: Path) -> set[str]:
    """Return the cases of a table `cases`; a table that is not made yet, or that was damaged since, has none."""
    try:
        made = read_raw_table(table)
    except UserError:
        return set()
    return {made.by_column(record).get("case", "") for record in made.records} - {""}


def known_cases(cohort: str, table: Path, key: Path, rows: Sequence[TableRow]) -> set[str]:
    """Return the pseudonyms of a cohort's cases.

    They come from its table `cases`. Before that table is made, they are computed with the key. Without either, there
    are none.

    Parameters
    ----------
    table
        File of the table `cases`.
    key
        File of the key of the pseudonyms.
    rows
        Rows of the user's table.
    """
    cases = cases_of_table(table)
    if cases or not Path(key).is_file():
        return cases
    key_bytes = read_key(key)
    return {case_of(key_bytes, cohort, row.path) for row in rows}


def called(path: Path) -> str:
    """Name a file of decisions in a message."""
    return f"qc.decisions, file {Path(path).name}"


def _entries(folder: str) -> Iterator[Path]:
    """Yield what lies in the folder of decisions, sorted, without what clearly is no table."""
    if folder and Path(folder).is_dir():
        yield from (path for path in sorted(Path(folder).iterdir()) if not _NO_TABLE.fullmatch(path.name))


def decision_tables(folder: str) -> list[Path]:
    """List the tables of decisions in a folder: *.tsv, *.csv, *.tab and *.txt, in either case."""
    return [path for path in _entries(folder) if _TABLE.fullmatch(path.name) and path.is_file()]


def check_decision_folder(folder: str, may_come_later: bool = False) -> None:
    """Make sure that every file in the folder of decisions is read.

    Parameters
    ----------
    folder
        "" where there are no decisions.
    may_come_later
        Whether the folder may be absent.

    Raises
    ------
    UserError
        With every file that is no table of decisions, or cannot be read whole.
    """
    if Path(folder).is_file():
        raise UserError(f"qc.decisions: {folder} is a file; name the folder that it lies in.")
    if folder and not Path(folder).is_dir() and not may_come_later:
        raise UserError(f"qc.decisions: the folder {folder} does not exist{did_you_mean(Path(folder))}")
    if wrong := [problem for path in _entries(folder) if (problem := _problem_of(path))]:
        raise UserError("\n".join(wrong))


def _problem_of(path: Path) -> str:
    """Say why a file in the folder of decisions cannot be read as a table of them; "" if it can."""
    if has_braces(path.name):
        return f"{called(path)}: Snakemake reads braces as wildcards; rename it."
    if path.is_dir():
        return f"{called(path)} is a folder, and decisions in it would not count: move its files up."
    if not path.is_file():
        return f"{called(path)} is a link to a file that does not exist."
    if _SPREADSHEET.fullmatch(path.name):
        return f"{called(path)} is a spreadsheet: export it as TSV or CSV."
    if not _TABLE.fullmatch(path.name):
        return f"{called(path)} is no .tsv or .csv: name it so if it holds decisions, else move it away."
    try:
        header = read_raw_table(path, called(path)).header
    except UserError as error:
        return str(error)
    return "" if "slice" in header else f"{called(path)}: no column slice. If it holds no decisions, move it away."


def files_of_cohort(folder: str, cohort: str, cases: dict[str, set[str]]) -> list[str]:
    """List the files of decisions that the manifest of a cohort is made from, sorted.

    A file counts for the cohorts whose cases it names, so that a decision reruns nothing of another cohort. A file that
    names an unknown case, or none, counts for all cohorts: the program that makes the manifest then reports the error.

    Parameters
    ----------
    folder
        Folder of the decisions, which `check_decision_folder` found to be right.
    cases
        The cases of every labelled cohort; an empty set where they are not known yet.
    """
    all_cases = set().union(*cases.values())
    chosen = []
    for path in decision_tables(folder):
        named = cases_named(path)
        if not cases[cohort] or named & cases[cohort] or not named or named - all_cases:
            chosen.append(str(path))
    return chosen
