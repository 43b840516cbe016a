"""The segmentation's split: patients whole, no empty side, the table's own split kept."""

import pandas as pd
import pytest

from lungsight.errors import UserError
from lungsight.segmentation.split import split_cases


def cases_of(patients: list[str], **columns: list) -> pd.DataFrame:
    n = len(patients)
    table = {"row": range(1, n + 1), "case": [f"c{row}" for row in range(n)], "patient": patients}
    return pd.DataFrame(table | {"status": ["ok"] * n, "preassigned_split": [""] * n} | columns)


def test_split_keeps_patients_whole_and_table_order() -> None:
    cases = cases_of([f"p{number % 20}" for number in range(50)])
    split = split_cases(cases, [0.8, 0.1, 0.1], seed=3)
    assert list(split["case"]) == list(cases["case"])
    assert (split.groupby("patient")["split"].nunique() == 1).all()
    assert split.drop_duplicates("patient")["split"].value_counts().to_dict() == {"train": 16, "val": 2, "test": 2}


def test_split_depends_on_seed_and_order_and_not_on_names() -> None:
    names = [f"p{number}" for number in range(20)]
    sides = split_cases(cases_of(names), [0.5, 0.2, 0.3], seed=3)["split"].tolist()
    assert (
        split_cases(cases_of([f"x{name}" for name in reversed(names)]), [0.5, 0.2, 0.3], seed=3)["split"].tolist()
        == sides
    )
    assert split_cases(cases_of(names), [0.5, 0.2, 0.3], seed=4)["split"].tolist() != sides


def test_where_nothing_is_trained_every_case_is_test() -> None:
    split = split_cases(cases_of(list("ab"), status=["ok", "rejected"]), None, seed=1)
    assert split.to_dict("records") == [{"case": "c0", "patient": "a", "split": "test"}]


def test_split_honours_the_table() -> None:
    given = ["test", "", "train", "", "", "test", "", "", "", ""]
    split = split_cases(
        cases_of([f"p{number}" for number in range(10)], preassigned_split=given), [0.6, 0.2, 0.2], seed=1
    )
    assert split["split"].iloc[[0, 2, 5]].tolist() == ["test", "train", "test"]
    assert split["split"].value_counts().to_dict() == {"train": 6, "val": 2, "test": 2}


def test_slices_by_themselves() -> None:
    cases = cases_of(list("abcde"), n_slices=[20] * 5, preassigned_split=["", "test", "", "", ""])
    split = split_cases(cases, [0.5, 0.2, 0.3], seed=3, unit="slice")
    assert list(zip(split["case"], split["z_index"], strict=True)) == [
        (f"c{n}", k) for n in range(5) for k in range(20)
    ]
    assert split["split"].value_counts().to_dict() == {"train": 50, "test": 30, "val": 20}
    assert set(split.loc[split["case"] == "c1", "split"]) == {"test"}  # the table's own split holds for all slices
    assert (split[split["case"] != "c1"].groupby("patient")["split"].nunique() > 1).all()
    again = split_cases(cases.assign(patient=list("vwxyz")), [0.5, 0.2, 0.3], seed=3, unit="slice")
    assert list(again["split"]) == list(split["split"])


def test_too_few_slices() -> None:
    with pytest.raises(UserError, match="has 2 usable slices"):
        split_cases(cases_of(["a"], n_slices=[2]), [0.5, 0.2, 0.3], seed=3, unit="slice")


def test_split_leaves_out_rejected_cases() -> None:
    split = split_cases(cases_of(list("abcd"), status=["ok", "rejected", "ok", "ok"]), [0.8, 0.1, 0.1], seed=1)
    assert split["case"].tolist() == ["c0", "c2", "c3"]


def test_too_few_patients() -> None:
    with pytest.raises(UserError, match=r"has 2 usable patients \(1 of 4 rows were left out.*method: classical"):
        split_cases(cases_of(list("aabb"), status=["ok", "rejected", "ok", "ok"]), [0.8, 0.1, 0.1], seed=1)


def test_table_that_contradicts_itself() -> None:
    with pytest.raises(UserError, match="one patient into two subsets: row 1 train, row 3 test"):
        split_cases(cases_of(list("abac"), preassigned_split=["train", "", "test", ""]), [0.8, 0.1, 0.1], seed=1)


def test_table_that_leaves_a_side_empty() -> None:
    with pytest.raises(UserError, match="leaves val without a usable patient"):
        split_cases(cases_of(list("abc"), preassigned_split=["train", "test", "test"]), [0.8, 0.1, 0.1], seed=1)
