"""Age and sex under the names that people give them: read where they are plain, refused where two disagree."""

from pathlib import Path

import pytest

from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow, read_cohort_table, read_people
from lungsight.intake.person_columns import NAMES, meaning_of, read_under_other_names
from tests.factories.tables import NEGATIVE, POSITIVE

LABELS = {POSITIVE: [POSITIVE], NEGATIVE: [NEGATIVE]}


def table_of(folder: Path, *lines: str) -> Path:
    (folder / "scans").mkdir(exist_ok=True)
    for number in range(1, len(lines)):
        (folder / f"scans/{number}").mkdir(exist_ok=True)
    (folder / "table.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "table.tsv"


def checked(table: Path) -> list[TableRow]:
    cohort = {
        **{"role": "target", "format": "dicom", "root": str(table.parent / "scans"), "table": str(table)},
        **{"patients": "known", "official_split": False},
    }
    return read_cohort_table("clinic", cohort, LABELS)


@pytest.mark.parametrize(
    ("column", "meaning"),
    [
        *(
            ("Sex", "sex"),
            ("GENDER", "sex"),
            ("patient gender", "sex"),
            ("Patient_Sex", "sex"),
            ("Patient's sex", "sex"),
        ),
        *(
            ("Age", "age"),
            ("age_years", "age"),
            ("age (years)", "age"),
            ("Patient Age", "age"),
            ("age in years", "age"),
        ),
        *(("page", ""), ("age_group", ""), ("age_at_death", ""), ("sexual history", ""), ("image", ""), ("", "")),
        *(("scanner age", ""), ("age months", ""), ("gender identity", "")),
    ],
)
def test_obvious_names_and_no_others_are_known(column: str, meaning: str) -> None:
    assert meaning_of(column) == meaning
    assert all(name.isalpha() and name.islower() for names in NAMES.values() for name in names)


def test_they_are_read_as_age_and_sex_by_the_check_and_by_the_job(tmp_path: Path) -> None:
    lines = [f"a\t1\t{POSITIVE}\t57\tF", f"b\t2\t{NEGATIVE}\t\tmännlich", f"c\t3\t{NEGATIVE}\t81\tn/a"]
    table = table_of(tmp_path, "patient\tpath\tlabel\tAge (years)\tGender", *lines)
    expected = [("40 to 59", "female"), ("", "male"), ("80 and over", "")]
    assert [(row.age, row.sex) for row in checked(table)] == expected
    assert [(row.age, row.sex) for row in read_people(table)] == expected
    assert read_under_other_names(table) == [("age (years)", "age"), ("gender", "sex")]


def test_own_names_are_no_news(tmp_path: Path) -> None:
    table = table_of(tmp_path, "patient\tpath\tlabel\tage\tSEX", f"a\t1\t{POSITIVE}\t57\tF")
    assert read_under_other_names(table) == []
    assert [(row.age, row.sex) for row in checked(table)] == [("40 to 59", "female")]


def test_two_columns_that_agree_complete_each_other(tmp_path: Path) -> None:
    lines = [f"a\t1\t{POSITIVE}\tF\tfemale\t57\t57.4", f"b\t2\t{NEGATIVE}\t\tm\tNA\t30"]
    table = table_of(tmp_path, "patient\tpath\tlabel\tsex\tgender\tage_years\tpatient_age", *lines)
    assert [(row.age, row.sex) for row in checked(table)] == [("40 to 59", "female"), ("18 to 39", "male")]


def test_two_columns_that_disagree_are_refused_by_row_without_what_they_say(tmp_path: Path) -> None:
    lines = [f"a\t1\t{POSITIVE}\tF\tfemale\t57\t57", f"b\t2\t{NEGATIVE}\tm\tfemale\t30\t31"]
    table = table_of(tmp_path, "patient\tpath\tlabel\tsex\tgender\tage\tage_years", *lines)
    with pytest.raises(UserError) as refused:
        checked(table)
    said = str(refused.value)
    assert "row 2: the columns sex and gender both hold sex and do not agree; correct one, or take one out." in said
    assert "row 2: the columns age and age_years both hold age and do not agree" in said
    assert "row 1" not in said and "30" not in said and "female" not in said.replace("female, male, other", "")


def test_what_is_no_age_is_refused_and_the_column_named(tmp_path: Path) -> None:
    table = table_of(tmp_path, "patient\tpath\tlabel\tage_years", f"a\t1\t{POSITIVE}\tforty")
    with pytest.raises(UserError) as refused:
        checked(table)
    assert "row 1: age is no number of years; write 57, or leave it empty." in str(refused.value)
    assert "age is what the column 'age_years' holds; give the column another name" in str(refused.value)
