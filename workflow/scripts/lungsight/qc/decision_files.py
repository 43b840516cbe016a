"""Which decision files concern which cohort, found while the workflow is parsed. Standard library only."""

from collections.abc import Sequence
from pathlib import Path

from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.privacy import read_key


def _first_words(path: Path, column: str) -> list[str]:
    """The field of the named column in every row of a tab-separated table; empty where it has no such column."""
    lines = Path(path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    header = lines[0].split("\t") if lines else []
    if column not in header:
        return []
    index = header.index(column)
    return [fields[index] for fields in (line.split("\t") for line in lines[1:]) if len(fields) > index]


def cases_named(decisions: Path) -> set[str]:
    """Cases whose slices a file of decisions names."""
    return {name.split("-", 1)[0] for name in _first_words(decisions, "slice")}


def cases_of_table(table: Path) -> set[str]:
    """The cases of a table `cases`; none where it is not made yet."""
    return set(_first_words(table, "case")) if Path(table).is_file() else set()


def known_cases(cohort: str, table: Path, key: Path, rows: Sequence[TableRow]) -> set[str]:
    """Pseudonyms of a cohort's cases: as its table `cases` has them, or as the key will make them; none without either.

    rows: of the user's table.
    """
    found = cases_of_table(table)
    if found or not Path(key).is_file():
        return found
    made = read_key(key)
    return {case_of(made, cohort, row.path) for row in rows}


def no_files(folder: str) -> list[str]:
    """What is named like a table in the folder of decisions and is no file: a folder, or a link that leads nowhere."""
    return [path.name for path in sorted(Path(folder).glob("*.tsv")) if not path.is_file()]


def files_of_cohort(folder: str, cohort: str, cases: dict[str, set[str]]) -> list[str]:
    """Files of decisions that the manifest of a cohort is made from, sorted.

    folder: where every `*.tsv` counts. cases: the cases of every labelled cohort; none of one that is not known yet.

    A file counts for the cohorts whose cases it names, so that a decision reruns nothing of another cohort. One that
    names a case which no cohort is known to have counts for all of them: the manifest says what is wrong with it.
    """
    everywhere = set().union(*cases.values())
    chosen = []
    for path in filter(Path.is_file, sorted(Path(folder).glob("*.tsv"))):
        named = cases_named(path)
        if not cases[cohort] or named & cases[cohort] or not named or named - everywhere:
            chosen.append(str(path))
    return chosen
