"""The flow diagram's numbers: against counts by hand, and against cases.tsv, manifests and splits."""

import re

import pandas as pd
import pytest

from lungsight.checklists.diagram import draw, in_words
from lungsight.checklists.evidence import Evidence
from lungsight.checklists.patient_flow import flow_rows, gaps

POSITIVE, NEGATIVE = "Covid-19", "Non <b>Covid"


def made_flow(split_by_slice: bool = False) -> pd.DataFrame:
    """Six rows of five patients. P1 has a rejected and a usable row, P5 is rejected; all slices of P4 are left out."""
    cases = pd.DataFrame(
        {
            "case": list("abcdef"),
            "patient": ["P1", "P1", "P2", "P3", "P4", "P5"],
            "label": [POSITIVE] * 3 + [NEGATIVE] * 3,
            "status": ["rejected", "ok", "ok", "ok", "ok", "skipped"],
            "reason": ["slices missing; 3 of 9", "", "", "", "", "a rule"],
            "n_slices": [0, 2, 2, 2, 2, 0],
        }
    )
    usable = cases[cases["status"] == "ok"]
    slices = usable.loc[usable.index.repeat(2), ["case", "patient", "label"]].reset_index(drop=True)
    slices["slice"] = [f"s{n}" for n in range(len(slices))]
    kept = [1, 0, 1, 1, 1, 1, 0, 0]
    reasons = ["", "no lung visible", "", "", "", "", "no lung visible", "holes"]
    manifest = pd.DataFrame({"slice": slices["slice"], "whole_keep": kept, "reason": reasons})
    subsets = ["train", "train", "test", "val", "val"] if split_by_slice else ["train", "test", "test", "val", "val"]
    split = pd.DataFrame({"slice": ["s0", "s2", "s3", "s4", "s5"], "split": subsets})
    return pd.DataFrame(flow_rows("hospital", cases, slices, manifest, {"whole": split}, ["whole"]))


def counts(flow: pd.DataFrame, step: str, label: str = "", reason: str | None = None) -> list[int]:
    rows = flow[(flow["step"] == step) & (flow["label"] == label)]
    rows = rows if reason is None else rows[rows["reason"] == reason]
    return rows[["cases", "patients", "slices"]].sum().tolist()


def test_cases_patients_and_slices_by_hand() -> None:
    flow = made_flow()
    assert counts(flow, "table") == [6, 5, 8]
    # P1 goes on with another row, so one case of hers is lost, and no patient.
    assert counts(flow, "left out by intake", reason="rejected: slices missing; … of …") == [1, 0, 0]
    assert counts(flow, "left out by intake", reason="skipped: a rule") == [1, 1, 0]
    assert counts(flow, "usable") == [4, 4, 8]
    # Case e of P4 loses both slices; the reason of the first one counts for the case.
    assert counts(flow, "left out by quality control", reason="no lung visible") == [1, 1, 2]
    assert counts(flow, "left out by quality control", reason="holes") == [0, 0, 1]
    assert counts(flow, "kept") == [3, 3, 5]
    assert [counts(flow, subset) for subset in ("train", "val", "test")] == [[1, 1, 1], [1, 1, 2], [1, 1, 2]]
    assert counts(flow, "kept", POSITIVE) == [2, 2, 3]
    assert gaps(flow) == []


def test_a_lost_slice_and_a_shared_patient_are_gaps() -> None:
    flow = made_flow()
    at_test = (flow["step"] == "test") & (flow["label"] == "")
    flow.loc[at_test, "slices"] -= 1
    assert gaps(flow) == ["hospital, whole: 5 slices at kept, but 4 in train and val and test"]
    assert (
        gaps(made_flow(split_by_slice=True))[0] == "hospital, whole: 3 cases at kept, but 4 in train and val and test"
    )


def test_the_flow_of_a_run_equals_its_tables(evidence: Evidence) -> None:
    flow, results = evidence.flow, evidence.results
    assert gaps(flow) == []
    for name, cases in results.cases.items():
        rows = flow[flow["cohort"] == name]
        assert counts(rows, "table")[:2] == [len(cases), cases["patient"].nunique()]
        assert counts(rows, "usable")[0] == (cases["status"] == "ok").sum()
    for (name, view), split in results.splits.items():
        rows = flow[(flow["cohort"] == name) & (flow["input_view"] == view)]
        assert counts(rows, "kept")[2] == results.manifests[name][f"{view}_keep"].sum()
        for subset, members in split.groupby("split"):
            assert counts(rows, str(subset))[1:] == [members["patient"].nunique(), len(members)]


@pytest.mark.parametrize("shown", ["6 cases, 5 patients, 8 slices", "3 cases, 3 patients, 5 slices", "skipped: a rule"])
def test_picture_and_words_hold_the_numbers(shown: str) -> None:
    flow = made_flow()
    assert shown in draw(flow, "hospital")
    assert shown in " ".join(in_words(flow, "hospital")).replace("(", "").replace(")", "")


def test_markup_in_a_class_is_text() -> None:
    picture = draw(made_flow(), "hospital")
    assert "<b>" not in picture and "&lt;b&gt;" in picture
    assert picture == draw(made_flow(), "hospital")


def test_a_cohort_without_slices_has_a_short_flow() -> None:
    cases = pd.DataFrame(
        {"case": ["a"], "patient": ["P"], "label": [""], "status": ["ok"], "reason": [""], "n_slices": [3]}
    )
    flow = pd.DataFrame(flow_rows("lungs", cases, None, None, {}, ["whole"]))
    assert flow["step"].tolist() == ["table", "usable"] and gaps(flow) == []
    assert "1 case, 1 patient, 3 slices" in draw(flow, "lungs")


def test_many_classes_with_long_names_are_cut_nowhere() -> None:
    labels = [f"Diagnosis number {n:02d} of a list of many" for n in range(20)]
    cases = pd.DataFrame({"case": [f"c{n}" for n in range(40)], "patient": [f"P{n}" for n in range(40)]})
    cases = cases.assign(label=[labels[n % 20] for n in range(40)], status="ok", reason="", n_slices=1)
    slices = cases[["case", "patient", "label"]].assign(slice=cases["case"])
    manifest = pd.DataFrame({"slice": slices["slice"], "whole_keep": 1, "segmented_keep": 1, "reason": ""})
    split = pd.DataFrame({"slice": slices["slice"], "split": (["train"] * 20 + ["test"] * 20)})
    views = ["whole", "segmented"]
    flow = pd.DataFrame(flow_rows("h", cases, slices, manifest, dict.fromkeys(views, split), views))
    picture = draw(flow, "h")
    assert "…" not in picture
    shown = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture))
    assert all(shown.count(f"{label}: 1") == 4 and shown.count(f"{label} 2") == 4 for label in labels)
    bottoms = [float(y) for y in re.findall(r'<text x="[^"]*" y="([^"]*)"', picture)]
    assert max(bottoms) < float(re.search(r'viewBox="\S+ \S+ \S+ (\S+)"', picture)[1])
    words = in_words(flow, "h")
    assert "Kept, whole slices: 40 cases, 40 patients, 40 slices. Patients: " in " ".join(words)
    assert all(f"{label} 2" in words[0] for label in labels)
