"""Find the decision files of each cohort while the workflow is parsed. Standard library alone."""

from collections.abc import Sequence
from pathlib import Path

from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.privacy import read_key


def _read_column(path: Path, column: str) -> list[str]:
    """Read one column of a tab-separated table; a table without that column gives an empty list."""
    lines = Path(path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    header = lines[0].split("\t") if lines else []
    if column not in header:
        return []
    index = header.index(column)
    return [fields[index] for fields in (line.split("\t") for line in lines[1:]) if len(fields) > index]


def cases_named(decisions: Path) -> set[str]:
    """Return the cases whose slices a file of decisions names."""
    return {name.split("-", 1)[0] for name in _read_column(decisions, "slice")}


def cases_of_table(table: Path) -> set[str]:
    """Return the cases of a table `cases`; a table that is not made yet has none."""
    return set(_read_column(table, "case")) if Path(table).is_file() else set()


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


def no_files(folder: str) -> list[str]:
    """List what is named *.tsv in the folder of decisions but is not a file: a folder or a broken link."""
    return [path.name for path in sorted(Path(folder).glob("*.tsv")) if not path.is_file()]


def files_of_cohort(folder: str, cohort: str, cases: dict[str, set[str]]) -> list[str]:
    """List the files of decisions that the manifest of a cohort is made from, sorted.

    A file counts for the cohorts whose cases it names, so that a decision reruns nothing of another cohort. A file that
    names an unknown case, or none, counts for all cohorts: the program that makes the manifest then reports the error.

    Parameters
    ----------
    folder
        Folder of the decisions. Every *.tsv in it counts.
    cases
        The cases of every labelled cohort; an empty set where they are not known yet.
    """
    all_cases = set().union(*cases.values())
    chosen = []
    for path in filter(Path.is_file, sorted(Path(folder).glob("*.tsv"))):
        named = cases_named(path)
        if not cases[cohort] or named & cases[cohort] or not named or named - all_cases:
            chosen.append(str(path))
    return chosen
