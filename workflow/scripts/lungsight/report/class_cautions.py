"""What a reader should hold against the numbers of a run with more than two classes."""

from lungsight.classes import classes_of_network
from lungsight.report.components import Statement
from lungsight.report.results import RunResults
from lungsight.wording import evaluation_note, listed


def classes_not_learned(results: RunResults) -> list[Statement]:
    """Name the classes of test slices that a model never learned: it takes each of them for another class."""
    if not results.many_classes or results.metrics.empty:
        return []
    sentences: dict[str, None] = {}
    for pipeline, framework, stage, cohort in _evaluations(results):
        split = results.splits[cohort, framework]
        tested = set(split.loc[split["split"] == "test", "label"])
        known = classes_of_network(results.provenance[pipeline, stage]).names
        if unknown := [label for label in results.run["labels"] if label in tested and label not in known]:
            note = evaluation_note(stage, results.roles[cohort])
            place = f"{cohort} ({note})" if note else cohort
            sentences[
                f"{place}: stage {stage} never learned {listed(unknown)}, and takes every slice of"
                f" {'it' if len(unknown) == 1 else 'them'} for another class. Numbers over all classes there count"
                " this as errors."
            ] = None
    return [Statement("warn", sentence) for sentence in sentences]


def _evaluations(results: RunResults) -> list[tuple[str, str, int, str]]:
    """List pipeline, input view, stage and cohort of every evaluation."""
    rows = results.metrics.drop_duplicates(["pipeline", "stage", "cohort"])
    return [(row["pipeline"], row["framework"], int(row["stage"]), row["cohort"]) for _, row in rows.iterrows()]
