"""The section on lesions, where the numbers behind it are known."""

from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.explain.lesions import FRACTION, MEASURED
from lungsight.explain.model_summary import summarise_model
from lungsight.explain.saliency_metrics import ADDITIONAL, METRICS
from lungsight.intake.cohort_table import LESION_LEFT_OUT
from lungsight.report.results import RunResults
from lungsight.report.sections.lesions import section
from tests.factories.explanation import made_method

FIRST, SECOND = ("whole-resnet50-scratch", 1), ("whole-resnet50-scratch", 2)


def saliency(enrichment: list[float], in_lung: float, annotated: bool = True) -> pd.DataFrame:
    """Slices of as many patients, the first half rightly positive, the others rightly negative."""
    n = len(enrichment)
    columns = dict.fromkeys((*METRICS, *ADDITIONAL, *MEASURED), 0.5)
    columns |= {
        FRACTION: 0.1 if annotated else np.nan,
        "lesion_enrichment": enrichment,
        "lesion_enrichment_in_lung": in_lung,
    }
    table = pd.DataFrame(columns, index=range(n))
    identity = {"slice": [f"s{k}" for k in range(n)], "patient": [f"p{k}" for k in range(n)]}
    identity |= {"outcome": ["TP"] * (n // 2) + ["TN"] * (n - n // 2)}
    return table.assign(**identity, empty=0, reason="")


def results(tables: dict[tuple[str, int], pd.DataFrame], **cases: list[str]) -> RunResults:
    summaries = {
        model: summarise_model([made_method("gradcam")], {"gradcam": table}, [], [], 200, 1)
        for model, table in tables.items()
    }
    tables_of_cases = {name: pd.DataFrame({"reason": reasons}) for name, reasons in cases.items()}
    return RunResults(folder=Path(), run={}, summaries=summaries, cases=tables_of_cases)


def test_each_model_is_compared_with_chance_and_with_the_rest_of_the_lung() -> None:
    values = section(
        results(
            {FIRST: saliency([2.0, 4.0, 2.0, 4.0], in_lung=0.8), SECOND: saliency([0.5, 2.0, 0.5, 2.0], in_lung=0.9)}
        )
    )
    first, second = (
        {title: cell for (title, _), cell in zip(values["lesions"].headings, row, strict=True)}
        for row in values["lesions"].rows
    )
    assert (first["Slices"].text, first["Slices"].note) == ("4", "4 patients")
    assert (first["Enrichment"].text, first["Enrichment"].tone) == ("3.00", "good")
    assert (first["Enrichment, TP"].text, first["In the lung"].tone) == ("3.00", "bad")
    assert (second["Enrichment"].text, second["Enrichment"].tone) == ("1.25", "")
    assert [statement.text for statement in values["statements"]] == [
        "In 1 of 2 models the maps lie on the lesions more than by chance: whole-resnet50-scratch stage 1.",
        "In 0 of 2 models the maps lie on the lesions more than on the rest of the lung.",
    ]
    assert [statement.tone for statement in values["statements"]] == ["plain", "warn"]


def test_slices_that_show_no_lesion_do_not_count_and_a_model_without_any_is_left_out() -> None:
    table = saliency([2.0, 4.0, 2.0, 4.0], in_lung=2.0)
    table.loc[0, FRACTION] = 0.0
    values = section(results({FIRST: table, SECOND: saliency([9.0, 9.0], in_lung=9.0, annotated=False)}))
    (row,) = values["lesions"].rows
    assert row[2].text == "3"
    assert values["statements"][0].text == "In 1 of 1 model the maps lie on the lesions more than by chance."
    assert values["statements"][0].tone == "good"


def test_without_lesion_masks_there_is_no_such_part_of_the_page() -> None:
    assert section(results({FIRST: saliency([1.0, 1.0], 1.0, annotated=False)}, clinic=["", "a note"])) is None


def test_masks_that_were_left_out_are_counted() -> None:
    bad = f"a note; {LESION_LEFT_OUT}: it is torn"
    values = section(results({FIRST: saliency([1.0, 1.0], 1.0, annotated=False)}, clinic=["", bad, bad], public=[""]))
    assert not values["lesions"].rows
    (statement,) = values["statements"]
    assert statement.tone == "warn" and "left out: clinic (2)." in statement.text
