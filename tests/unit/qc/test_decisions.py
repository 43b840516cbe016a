"""A person's decisions: read, checked, and applied to the automatic ones."""

import numpy as np
import pandas as pd
import pytest

from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.qc.decision_files import cases_of_table, check_decision_folder, files_of_cohort, known_cases
from lungsight.qc.decisions import (
    agreement_of_reviewers,
    check_known,
    disagreements,
    overrule,
    read_decisions,
    refuse_without_mask,
    require_decisions,
)

HEADER = "slice\twhole_keep\tsegmented_keep\treason\treviewer\ttime"
SLICES = [f"{'a' * 16}-{index:04d}" for index in range(5)]


def write(path, *rows, header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def row(number, whole, segmented, reviewer="AB", time="2021-03-05T10:00:00Z", reason=""):
    return f"{SLICES[number]}\t{whole}\t{segmented}\t{reason}\t{reviewer}\t{time}"


def automatic():
    return pd.DataFrame(
        {"slice": SLICES, "whole_keep": 1, "segmented_keep": [1, 0, 1, 1, 0], "reason": ["", "x", "", "", "x"]}
    )


def test_a_slice_without_a_mask_is_never_kept_segmented(tmp_path):
    file = write(tmp_path / "one.tsv", row(0, 1, 1), row(1, 1, 1), row(2, 0, 0))
    manifest = overrule(
        automatic().assign(lung_fraction=[float("nan"), 0.2, float("nan"), 0.2, 0.2]), read_decisions(file)
    )
    refused = refuse_without_mask(manifest)
    assert refused["segmented_keep"].tolist() == [0, 1, 0, 1, 0]
    assert refused["reason"].tolist() == ["no lung mask", "", "rejected by a person", "", "x"]
    assert refused["decided_by"].tolist() == ["person"] * 3 + ["auto"] * 2
    assert refused["whole_keep"].tolist() == manifest["whole_keep"].tolist()


def test_a_person_overrules_and_other_decisions_stay(tmp_path):
    file = write(tmp_path / "one.tsv", row(0, 1, 0, reason="other tissue kept"), row(1, 1, 1), row(2, 0, 0))
    found = overrule(automatic(), read_decisions(file))
    assert found["slice"].tolist() == SLICES
    assert found["whole_keep"].tolist() == [1, 1, 0, 1, 1]
    assert found["segmented_keep"].tolist() == [0, 1, 0, 1, 0]
    assert found["reason"].tolist() == ["other tissue kept", "", "rejected by a person", "", "x"]
    assert found["decided_by"].tolist() == ["person", "person", "person", "auto", "auto"]


def test_the_latest_decision_counts_in_any_order_and_zone(tmp_path):
    first = write(
        tmp_path / "a.tsv",
        row(0, 1, 1, time="2021-03-05T12:30:00+02:00"),
        row(1, 1, 1, time="2021-03-05T10:00:00.500Z"),
    )
    second = write(
        tmp_path / "b.tsv", row(0, 1, 0, "CD", "2021-03-05T10:29:59Z"), row(1, 1, 0, "CD", "2021-03-05T10:00:01Z")
    )
    decisions = pd.concat([read_decisions(second), read_decisions(first)])
    found = overrule(automatic(), decisions).set_index("slice")
    assert found.loc[SLICES[0], "segmented_keep"] == 1
    assert found.loc[SLICES[1], "segmented_keep"] == 0


def test_a_disagreement_is_reported_and_a_change_of_mind_is_not(tmp_path):
    first = write(tmp_path / "a.tsv", row(0, 1, 1), row(1, 1, 1), row(1, 1, 0, time="2021-03-05T11:00:00Z"))
    second = write(tmp_path / "b.tsv", row(0, 0, 0, "CD", "2021-03-06T10:00:00Z"))
    (sentence,) = disagreements(pd.concat([read_decisions(first), read_decisions(second)]))
    assert SLICES[0] in sentence and "a.tsv row 1 (AB" in sentence and "b.tsv row 1 (CD" in sentence


def test_agreement_of_two_reviewers_is_cohens_kappa(tmp_path):
    kept = [(1, 1), (1, 1), (1, 0), (0, 0), (0, 0)]
    first = write(tmp_path / "a.tsv", *(row(index, 1, mine) for index, (mine, _) in enumerate(kept)))
    second = write(tmp_path / "b.tsv", *(row(index, 1, yours, "CD") for index, (_, yours) in enumerate(kept)))
    whole, segmented = agreement_of_reviewers(pd.concat([read_decisions(first), read_decisions(second)]))
    # observed 4/5; expected 3/5 · 2/5 + 2/5 · 3/5 = 12/25
    assert segmented[:4] == ("AB", "CD", "segmented", 5)
    assert segmented.agreement == pytest.approx(0.8)
    assert segmented.kappa == pytest.approx((0.8 - 0.48) / (1 - 0.48))
    assert whole[:5] == ("AB", "CD", "whole", 5, 1.0) and np.isnan(whole.kappa)


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([], HEADER.replace("reason", "why"), "the header is slice, whole_keep, segmented_keep, why"),
        ([row(0, 1, 1), row(1, 2, 1)], HEADER, "row 2: whole_keep is neither 0 nor 1"),
        ([row(0, 0, 1)], HEADER, "row 1: segmented_keep is 1 where whole_keep is 0"),
        ([row(0, 1, 1, time="yesterday")], HEADER, "row 1: time is not ISO 8601"),
        ([row(0, 1, 1).replace("a" * 16, "patient")], HEADER, "row 1"),
    ],
)
def test_errors_name_file_and_row(tmp_path, rows, header, message):
    with pytest.raises(UserError, match=r"file mine\.tsv") as caught:
        read_decisions(write(tmp_path / "mine.tsv", *rows, header=header))
    assert message in str(caught.value)


def test_a_byte_order_mark_of_a_spreadsheet_is_accepted(tmp_path):
    file = tmp_path / "marked.tsv"
    file.write_bytes(("\ufeff" + HEADER + "\r\n" + row(0, 1, 0) + "\r\n").encode())
    assert read_decisions(file)["segmented_keep"].tolist() == [0]


def test_unknown_slices_are_refused(tmp_path):
    decisions = read_decisions(write(tmp_path / "mine.tsv", row(0, 1, 1), row(3, 1, 1)))
    with pytest.raises(UserError, match=rf"mine\.tsv, row 2: no cohort has the slice {SLICES[3]}"):
        check_known(decisions, set(SLICES[:2]))


def test_a_missing_required_review_names_the_page_and_the_folder(tmp_path):
    decisions = read_decisions(write(tmp_path / "mine.tsv", row(0, 1, 1)))
    require_decisions("hospital", decisions, set(SLICES), "page.html", "reviews")
    for insufficient in (None, decisions):
        with pytest.raises(UserError, match=r"(?s)cohort hospital.*page\.html.*reviews"):
            require_decisions("hospital", insufficient, {"b" * 16 + "-0000"}, "page.html", "reviews")


def test_a_file_counts_for_the_cohorts_that_it_names(tmp_path):
    cases = {"curated": {"a" * 16}, "hospital": {"b" * 16}}
    folder = tmp_path / "reviews"
    folder.mkdir()
    assert files_of_cohort(str(folder), "curated", cases) == []
    write(folder / "1.tsv", row(0, 1, 1))
    write(folder / "2.tsv", row(0, 1, 1).replace("a" * 16, "b" * 16))
    write(folder / "3.tsv", row(0, 1, 1).replace("a" * 16, "c" * 16))
    (folder / "README.txt").write_text("not a table")

    def names(cohort):
        return [path.rsplit("/", 1)[1] for path in files_of_cohort(str(folder), cohort, cases)]

    assert names("curated") == ["1.tsv", "3.tsv"]
    assert names("hospital") == ["2.tsv", "3.tsv"]
    cases["hospital"] = set()  # not known yet
    assert names("hospital") == ["1.tsv", "2.tsv", "3.tsv"]


def test_cases_of_a_table(tmp_path):
    assert cases_of_table(tmp_path / "cases.tsv") == set()
    (tmp_path / "cases.tsv").write_text(f"row\tcase\tstatus\n1\t{'a' * 16}\tok\n2\t{'b' * 16}\trejected\n")
    assert cases_of_table(tmp_path / "cases.tsv") == {"a" * 16, "b" * 16}
    (tmp_path / "cases.tsv").write_text(f'source\tcase\n"a\tb"\t{"c" * 16}\n')
    assert cases_of_table(tmp_path / "cases.tsv") == {"c" * 16}, "a tab in quotes parts no columns"
    (tmp_path / "cases.tsv").write_text("")
    assert cases_of_table(tmp_path / "cases.tsv") == set()


def test_the_key_gives_the_cases_before_their_table_is_made(tmp_path):
    rows, key = [TableRow(1, "P", "scans/one", "", "", "", "")], tmp_path / "key"
    assert known_cases("hospital", tmp_path / "cases.tsv", key, rows) == set()
    key.write_text(bytes(32).hex(), encoding="ascii")
    assert known_cases("hospital", tmp_path / "cases.tsv", key, rows) == {case_of(bytes(32), "hospital", "scans/one")}
    (tmp_path / "cases.tsv").write_text("case\trow\n" + "a" * 16 + "\t1\n", encoding="utf-8")
    assert known_cases("hospital", tmp_path / "cases.tsv", key, rows) == {"a" * 16}


@pytest.mark.parametrize(
    "name", ["a.csv", "a.TSV", "a.Csv", "a.tsv.txt", "a.csv.txt", "a.txt", "a.tab", "two words.tsv"]
)
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_decisions_count_under_every_name_that_programs_give_tables(tmp_path, name, separator):
    folder = tmp_path / "reviews"
    folder.mkdir()
    file = write(folder / name, row(0, 1, 0))
    file.write_text(file.read_text().replace("\t", separator), encoding="utf-16")
    check_decision_folder(str(folder))
    assert files_of_cohort(str(folder), "hospital", {"hospital": {"a" * 16}}) == [str(file)]
    assert read_decisions(file)[["slice", "segmented_keep"]].to_numpy().tolist() == [[SLICES[0], 0]]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine.xlsx", "file mine.xlsx is a spreadsheet: export it as TSV or CSV."),
        ("mine.ods", "is a spreadsheet: export it"),
        ("mine.NUMBERS", "is a spreadsheet: export it"),
        ("decisions", "file decisions is no .tsv or .csv: name it so if it holds decisions, else move it away."),
        ("decisions.tsv.bak", "is no .tsv or .csv"),
        ("decisions.tsv~", "is no .tsv or .csv"),
        ("decisions.tsv (1)", "is no .tsv or .csv"),
        ("a{b}.tsv", "Snakemake reads braces as wildcards; rename it."),
        ("old/", "file old is a folder, and decisions in it would not count: move its files up."),
        ("old.tsv/", "file old.tsv is a folder"),
        ("notes.txt", "file notes.txt: no column slice. If it holds no decisions, move it away."),
        ("zip.tsv", "file zip.tsv is a spreadsheet or an archive"),
        ("empty.tsv", "file empty.tsv is empty."),
        ("link.tsv", "file link.tsv is a link to a file that does not exist."),
    ],
)
def test_no_file_among_the_decisions_is_passed_over_in_silence(tmp_path, name, words):
    content = {"zip.tsv": "PK\x03\x04", "empty.tsv": "", "notes.txt": "to do\n"}
    if name.endswith("/"):
        (tmp_path / name).mkdir()
    elif name == "link.tsv":
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / name).write_text(content.get(name, HEADER + "\n" + row(0, 1, 1) + "\n"))
    with pytest.raises(UserError) as caught:
        check_decision_folder(str(tmp_path))
    assert words in str(caught.value)


def test_what_clearly_is_no_table_may_lie_among_the_decisions(tmp_path):
    for name in (
        ".DS_Store",
        "._mine.tsv",
        "~$mine.xlsx",
        "README",
        "README.md",
        "Readme.txt",
        "Thumbs.db",
        "desktop.ini",
    ):
        (tmp_path / name).write_bytes(b"\0")
    (tmp_path / ".git").mkdir()
    check_decision_folder(str(tmp_path))
    check_decision_folder("")
    assert files_of_cohort(str(tmp_path), "hospital", {"hospital": set()}) == []


def test_a_folder_of_decisions_that_is_none(tmp_path):
    (tmp_path / "Reviews").mkdir()
    file = write(tmp_path / "Reviews" / "mine.tsv", row(0, 1, 1))
    with pytest.raises(UserError, match=r"mine\.tsv is a file; name the folder"):
        check_decision_folder(str(file))
    with pytest.raises(UserError, match=r"does not exist; did you mean '.*Reviews'"):
        check_decision_folder(str(tmp_path / "reviews"))
    check_decision_folder(str(tmp_path / "reviews"), may_come_later=True)


def test_a_stray_quotation_mark_swallows_no_decision(tmp_path):
    rows = [row(number, 1, 1, reason='"unclear' if number in (1, 3) else "") for number in range(5)]
    with pytest.raises(UserError, match=r"file mine\.tsv, line 3: a quotation mark"):
        read_decisions(write(tmp_path / "mine.tsv", *rows))
    with pytest.raises(UserError, match=r"file mine\.tsv, line 3: a quotation mark"):
        check_decision_folder(str(tmp_path))


def test_a_reason_that_a_spreadsheet_would_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"file mine\.tsv, row 2: reason would run as a formula"):
        read_decisions(write(tmp_path / "mine.tsv", row(0, 1, 0, reason="-"), row(1, 1, 0, reason="=cmd()")))


def test_a_short_or_a_long_row_is_named(tmp_path):
    for broken in (row(1, 1, 1).rsplit("\t", 1)[0], row(1, 1, 1) + "\tmore"):
        with pytest.raises(UserError, match=r"file mine\.tsv, row 2: \d fields, the header has 6"):
            read_decisions(write(tmp_path / "mine.tsv", row(0, 1, 1), broken))
