"""Which decision files concern which cohort, found while the workflow is parsed. Standard library only."""

from pathlib import Path


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


def files_of_cohort(folder: str, cohort: str, cases: dict[str, Path]) -> list[str]:
    """Files of decisions that the manifest of a cohort is made from, sorted.

    folder: where every `*.tsv` counts. cases: the table `cases` of every labelled cohort; it may not be there yet.

    A file counts for the cohorts whose cases it names, so that a decision reruns nothing of another cohort. One that
    names a case which no cohort is known to have counts for all of them: the manifest says what is wrong with it.
    """
    known = {name: set(_first_words(path, "case")) for name, path in cases.items() if path.is_file()}
    everywhere = set().union(*known.values())
    chosen = []
    for path in sorted(Path(folder).glob("*.tsv")):
        named = cases_named(path)
        if cohort not in known or named & known[cohort] or not named or named - everywhere:
            chosen.append(str(path))
    return chosen
