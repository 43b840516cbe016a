"""What a reader should hold against models that use how the images were made."""

from lungsight.audit.verdict import CONCLUSIONS
from lungsight.report.components import Statement, named_first
from lungsight.report.results import RunResults, model_of
from lungsight.wording import count, with_interval


def depends_on_making(results: RunResults) -> list[Statement]:
    """Name the models whose verdict is that they depend on how the images were made."""
    if results.verdicts.empty:
        return []
    found = results.verdicts[results.verdicts["verdict"] == CONCLUSIONS["making"]]
    if found.empty:
        return []
    names = named_first(
        [
            f"{results.model_name(model_of(row))} ({row['making_trace']}; where the making contradicts the class, AUC"
            f" {with_interval(row, 'making')})"
            for _, row in found.iterrows()
        ]
    )
    of_all = f"{len(found)} of {count(len(results.verdicts), 'model')}"
    verb = "depends" if len(found) == 1 else "depend"
    return [Statement("bad", f"{of_all} {verb} on how the images were made: {names}.")]
