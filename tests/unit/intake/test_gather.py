"""Join shards and table: every row of the user's table has its row, and no name leaves the private table."""

from dataclasses import asdict

import pandas as pd
import pytest

from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.intake.gather import (
    join_cases,
    join_slices,
    pseudonymise_rows,
    remove_old_shards,
    resolve_duplicates,
    write_private_table,
)
from lungsight.intake.volume import AcquisitionMetadata

KEY = b"key"


def row(number, path, patient="P", label="Covid-19", source=""):
    return TableRow(number, patient, path, label, source, "", "")


def converted(case, status="ok"):
    """A row of `converted_cases`."""
    acquisition = dict.fromkeys(asdict(AcquisitionMetadata())) | {"rows": 2, "columns": 2}
    return {"case": case, "kind": "image", "n_slices": 1, "status": status, "reason": "", **acquisition}


def test_patients_are_pseudonymised_per_cohort_unless_ids_are_shared():
    rows = [row(1, "a", "P1"), row(2, "b", "P1", source="s"), row(3, "c", "")]
    separate = pseudonymise_rows(rows, "hospital", KEY, shared_ids=False)
    shared = pseudonymise_rows(rows, "hospital", KEY, shared_ids=True)
    elsewhere = pseudonymise_rows(rows, "public", KEY, shared_ids=True)
    assert separate["patient"][0] == separate["patient"][1] != separate["patient"][2] == separate["case"][2]
    assert list(separate["source"]) == ["hospital", "s", "hospital"]
    assert shared["patient"][0] == elsewhere["patient"][0] != separate["patient"][0]
    assert shared["case"][0] != elsewhere["case"][0]


def gathered(labels, hashes, statuses=None):
    rows = [row(n, f"p{n}", f"P{n}", label) for n, label in enumerate(labels, start=1)]
    table = pseudonymise_rows(rows, "c", KEY, shared_ids=False)
    statuses = statuses or ["ok"] * len(rows)
    shard = pd.DataFrame([converted(case, status) for case, status in zip(table["case"], statuses, strict=True)])
    cases = join_cases(table, {"000": shard.iloc[::-2], "001": shard.iloc[-2::-2]})
    slices = pd.DataFrame(
        {"slice": table["case"] + "-0000", "case": table["case"], "z_index": 0, "png": "", "sha256": hashes}
        | {"blank": [int(name == "blank") for name in hashes]}
    )
    return cases, slices


def test_cases_are_in_table_order_with_their_shard():
    cases, slices = gathered(["A", "B", "A"], ["x", "y", "z"], ["ok", "rejected", "ok"])
    assert list(cases["row"]) == [1, 2, 3] and list(cases["label"]) == ["A", "B", "A"]
    assert list(cases["shard"]) == ["000", "", "000"]
    joined = join_slices(cases, slices.iloc[::-1])
    assert list(joined["case"]) == [cases["case"][0], cases["case"][2]]


def test_a_case_that_is_in_no_shard_stops_the_rule():
    table = pseudonymise_rows([row(1, "a"), row(2, "b")], "c", KEY, False)
    with pytest.raises(UserError, match="rows 2 of the table"):
        join_cases(table, {"000": pd.DataFrame([converted(table["case"][0])])})


def test_one_image_under_two_labels_rejects_both_cases():
    cases, slices = gathered(["A", "B", "A", "A"], ["x", "x", "y", "x"])
    resolved = resolve_duplicates(cases, slices)
    assert list(resolved["status"]) == ["rejected", "rejected", "ok", "rejected"]
    assert resolved["reason"][0] == "the same image as row 2 under another label"
    assert resolved["reason"][1] == "the same image as row 1, 4 under another label"
    assert list(resolved["n_slices"]) == [0, 0, 1, 0] and list(resolved["shard"]) == ["", "", "001", ""]
    assert list(join_slices(resolved, slices)["case"]) == [cases["case"][2]]


def test_one_image_twice_under_one_label_is_noted():
    cases, slices = gathered(["A", "A", "B"], ["x", "x", "y"])
    resolved = resolve_duplicates(cases, slices)
    assert list(resolved["status"]) == ["ok"] * 3
    assert list(resolved["reason"]) == ["the same image as row 2", "the same image as row 1", ""]


def test_blank_slices_are_no_duplicates():
    cases, slices = gathered(["A", "B"], ["blank", "blank"])
    assert list(resolve_duplicates(cases, slices)["status"]) == ["ok", "ok"]
    assert "blank" not in join_slices(cases, slices)


def test_the_private_table_leads_to_patients_and_only_its_owner_reads_it(tmp_path):
    rows = [row(1, "a/x", "../../=cmd()"), row(2, "ü/<b>", "Doe\tJane")]
    pseudonymised = pseudonymise_rows(rows, "c", KEY, False)
    write_private_table(tmp_path / "run.private" / "c.tsv", pseudonymised, rows)
    assert (tmp_path / "run.private").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "run.private" / "c.tsv").stat().st_mode & 0o777 == 0o600
    table = pd.read_csv(tmp_path / "run.private" / "c.tsv", sep="\t")
    assert table.to_dict("list") == {
        "case": list(pseudonymised["case"]),
        "row": [1, 2],
        "patient": ["../../=cmd()", "Doe\tJane"],
        "path": ["a/x", "ü/<b>"],
    }


def test_only_folders_of_shards_without_a_case_are_removed(tmp_path):
    for place in ("nifti/000", "nifti/003", "png/003", "shards/003", "truth/000", "png/notes", "other/003"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "file").touch()
    assert remove_old_shards(tmp_path, {"000", "001"}) == 3
    left = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("file")}
    assert left == {"nifti/000", "truth/000", "png/notes", "other/003"}
