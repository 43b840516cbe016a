"""The flow diagram: what is counted, and that words and picture hold it."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd

from lungsight.report.results import RunResults
from lungsight.report.sections.cohort_flow import draw, in_words, shares_of, steps_of

POSITIVE, NEGATIVE = "Covid-19", "Non Covid"
RUN = {
    "labels": [POSITIVE, NEGATIVE],
    "pipelines": [["whole", "resnet50", "scratch"], ["segmented", "resnet50", "x"]],
}


def made_results(split: bool = True) -> RunResults:
    """Four rows, one unusable; of six slices one shows no lung, and of the rest two lost their mask."""
    cases = pd.DataFrame(
        {
            "case": list("abcd"),
            "label": [POSITIVE, POSITIVE, NEGATIVE, NEGATIVE],
            "status": ["ok", "ok", "ok", "rejected"],
        }
    )
    slices = pd.DataFrame({"slice": [f"s{n}" for n in range(6)], "label": [POSITIVE] * 4 + [NEGATIVE] * 2})
    manifest = pd.DataFrame(
        {
            "slice": slices["slice"],
            "whole_keep": [0, 1, 1, 1, 1, 1],
            "segmented_keep": [0, 0, 0, 1, 1, 1],
            "reason": [
                *(
                    "no lung visible",
                    "the mask covers 70 % of the image, limit 60 %; holes of 20 % in the mask, limit 15 %",
                ),
                *("lung shape lost", "", "", ""),
            ],
            "decided_by": ["auto", "auto", "person", "auto", "auto", "auto"],
        }
    )
    subsets = {"whole": ["train", "train", "val", "test", "train"], "segmented": ["val", "test", "train"]}
    splits = {("hospital", view): pd.DataFrame({"split": names}) for view, names in subsets.items()}
    return RunResults(
        Path(), RUN, {"hospital": cases}, {"hospital": slices}, {"hospital": manifest}, splits if split else {}
    )


def test_every_slice_is_kept_or_left_out_for_a_reason() -> None:
    steps = steps_of(made_results(), "hospital")
    assert [step.name for step in steps] == [
        *("Rows of the table", "Slices of usable rows", "Whole slices", "Slice × lung mask"),
    ]
    assert [step.counts[POSITIVE] for step in steps] == [2, 4, 3, 1]
    assert [step.counts[NEGATIVE] for step in steps] == [2, 2, 2, 2]
    assert steps[1].left_out == {"rows unusable": 1}
    assert steps[2].left_out == {"no lung visible": 1}
    assert steps[3].left_out == {"mask too large": 1, "a person: lung shape lost": 1}
    for before, after in pairwise(steps[1:]):
        assert sum(before.counts.values()) - sum(after.counts.values()) == sum(after.left_out.values())
    assert steps[2].subsets == {"train": 3, "val": 1, "test": 1}
    assert sum(steps[3].subsets.values()) == sum(steps[3].counts.values())


def test_a_slice_without_a_lung_mask_is_left_out_by_nobody() -> None:
    results = made_results()
    results.manifests["hospital"].loc[2, "reason"] = "no lung mask"  # a person kept it, quality control could not
    assert steps_of(results, "hospital")[3].left_out == {"mask too large": 1, "no lung mask": 1}


def test_words_and_picture_hold_the_same() -> None:
    steps = steps_of(made_results(), "hospital")
    words = in_words(steps)
    assert words[2] == (
        "Whole slices: 5 (3 Covid-19, 2 Non Covid). Left out before: 1 no lung visible."
        " Of these train 3, val 1, test 1."
    )
    picture = draw(steps)
    for shown in ("Rows of the table", "5 (3 Covid-19, 2 Non Covid)", "1 no lung visible", "train 3, val 1, test 1"):
        assert shown in picture
    assert picture == draw(steps)


def test_a_run_that_stops_before_splits_has_a_shorter_diagram() -> None:
    assert [step.subsets for step in steps_of(made_results(split=False), "hospital")] == [{}] * 4


def test_rare_reasons_are_counted_together() -> None:
    steps = steps_of(made_results(), "hospital")
    many = steps[2]._replace(left_out={name: 9 - n for n, name in enumerate("abcde")})
    assert in_words([many])[0].split("before: ")[1].startswith("9 a; 8 b; 7 c; 11 for other reasons.")


def test_shares_left_out_of_each_class_stand_beside_the_step() -> None:
    rows = [
        {
            "cohort": "hospital",
            "excluded_by": by,
            "framework": view,
            "label": label,
            "excluded": share,
            "p_holm": 0.0042,
        }
        for by, view, shares in (
            ("intake", "", (0.5, 0)),
            ("quality control", "whole", (0, 0)),
            ("quality control", "segmented", (0.26, 0.14)),
        )
        for label, share in zip((POSITIVE, NEGATIVE), shares, strict=True)
    ]
    results = replace(made_results(), selection=pd.DataFrame(rows))
    shares = shares_of(results, "hospital")
    assert shares == {
        "Slices of usable rows": ["of the rows, by patient (p = 0.004):", f"50 % of {POSITIVE}", f"0 % of {NEGATIVE}"],
        "Slice × lung mask": [
            "of the usable slices, by patient (p = 0.004):",
            f"26 % of {POSITIVE}",
            f"14 % of {NEGATIVE}",
        ],
    }
    steps = steps_of(results, "hospital")
    words = in_words(steps, shares)
    assert "Left out of the rows, by patient (p = 0.004): 50 % of Covid-19, 0 % of Non Covid." in words[1]
    # Of the usable slices, not of all rows: what intake rejected has no slices to count.
    of_slices = "Left out of the usable slices, by patient (p = 0.004): 26 % of Covid-19, 14 % of Non Covid."
    assert of_slices in words[3]
    assert "26 % of Covid-19" in draw(steps, shares) and "26 %" not in draw(steps)
