"""What the packaged tables let anybody compute again."""

from types import SimpleNamespace

import pandas as pd

from lungsight.audit.attention_differences import PAIRS
from lungsight.training.pipelines import Pipeline
from lungsight.verify.attention import WORDS
from lungsight.verify.leakage import overlap_rows
from lungsight.verify.run import Model


def test_a_split_that_no_pipeline_looks_at_is_no_row_of_the_overlap() -> None:
    """The split of whole slices is there for the audit, also where all pipelines see segmented slices."""
    table = pd.DataFrame({"slice": ["a", "b"], "patient": ["p", "q"], "split": ["train", "test"]})
    names = ["splits/clinic/segmented.tsv", "splits/clinic/whole.tsv"]
    crate = SimpleNamespace(names=lambda start, ending: names, table=lambda name, columns: table)
    run = SimpleNamespace(crate=crate, predictions={(Model("segmented-vgg16-scratch", "1"), "clinic"): table})
    (row,) = overlap_rows(run)
    assert row.key == {"cohort": "clinic", "framework": "segmented"}
    assert row.values == {"slices": 2, "patients": 2, "patients_on_two_sides": 0}


def test_the_pairs_that_are_compared_are_those_of_the_audit() -> None:
    assert tuple((compared, first, second) for compared, _, first, second in WORDS) == PAIRS
    pipeline = Pipeline.parse("whole-vgg16-scratch-style")
    for compared, place, *_ in WORDS:
        assert pipeline.name.split("-")[place] == pipeline.columns[compared]
