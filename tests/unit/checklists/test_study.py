"""The study file: what is refused before any job, what is warned of, and that no warning quotes the text."""

from pathlib import Path

import pytest
import yaml

from lungsight.checklists.study import check_study, read_study, study_schema
from lungsight.errors import UserError
from tests.factories.workspace import ROOT


def written(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def warnings_of(folder: Path, patients: list[str] = [], **texts: str) -> list[str]:  # noqa: B006
    return check_study(str(written(folder, yaml.safe_dump(texts))), patients).warnings


def test_the_empty_one_has_every_key_and_says_nothing() -> None:
    path = ROOT / "config/study.yaml"
    keys = [
        line.removeprefix("# ").split(":")[0] for line in path.read_text().splitlines() if line.endswith(('""', "0.1"))
    ]
    assert keys == list(study_schema()["properties"])
    assert read_study(path) == {}
    assert check_study("", []) == ([], [])


def test_texts_are_one_line_and_lists_are_joined(tmp_path: Path) -> None:
    text = "title: |\n  One\n  title\ninclusion_criteria: [adults, ' no  contrast ']\nfunding: ''\n"
    assert read_study(written(tmp_path, f"{text}interval_width_aim: 0.2")) == {
        "title": "One title",
        "inclusion_criteria": "adults; no contrast",
        "interval_width_aim": 0.2,
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("fundin: me", "study: unknown key fundin; did you mean funding?"),
        ("title: a\ntitle: b", "line 2: the key title is there already in line 1"),
        ("title: 2021-03-12", "study.title: write the word in quotes; YAML reads it as the date 2021-03-12."),
        ("title: ~", "study.title: nothing is written here"),
        ("interval_width_aim: 2", "study.interval_width_aim: 2 is greater than the maximum of 1"),
        ("interval_width_aim: .nan", "study.interval_width_aim is no number"),
        ("- a list", "study: a list stands where keys belong"),
        ("title: a: b", "line 1 is not YAML in UTF-8; a text with a colon belongs in quotes"),
        ("title: '=HYPERLINK(1)'", "study.title would run as a formula"),
        ('title: ","', "study.title holds no word; write one, or leave the key out."),
        ("title: ['; ,']", "study.title holds no word"),
        ("data_dates: 2021-02-30", "looks like a date or a number and is none (day is out of range for month)"),
        (f"title: {'9' * 5000}", "looks like a date or a number and is none"),
        (f"title: {'[' * 3000}{']' * 3000}", "brackets stand in each other too deep to be read"),
        ('title: "a\\u202eb"', "study.title holds a character that does not show (U+202E)"),
    ],
)
def test_a_wrong_file_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read_study(written(tmp_path, text))
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        check_study(str(tmp_path / "none.yaml"), [])
    with pytest.raises(UserError, match="is a folder"):
        check_study(str(tmp_path), [])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<script>alert(1)</script>", "markup"),
        ("see &lt;b&gt;", "markup"),
        ("ask anna.muster@clinic.example", "an e-mail address"),
        ("one was born 3.4.1956", "a date of birth"),
        ("scanned on 2020-03-17", "a date"),
        ("record 20481234", "a long number"),
        ("series 1.2.840.10008.5.1.4", "a UID"),
    ],
)
def test_markup_and_identifiers_are_warned_of_by_key_and_not_quoted(tmp_path: Path, text: str, what: str) -> None:
    found = warnings_of(tmp_path, limitations=text)
    assert [sentence for sentence in found if sentence.startswith("study.limitations holds") and what in sentence]
    assert not [word for word in text.split() if len(word) > 5 and word in " ".join(found)]


@pytest.mark.parametrize("key", ["ethics", "registration", "data_dates", "code_availability"])
def test_numbers_of_approvals_and_dates_of_the_study_are_expected(tmp_path: Path, key: str) -> None:
    assert warnings_of(tmp_path, **{key: "NCT01234567 of 2021-03-12, EK 20210412"}) == []


def test_ordinary_texts_are_not_warned_of(tmp_path: Path) -> None:
    text = "120 adults (p < 0.05, AUC > 0.9), 2019 to 2021, doi:10.1148/ryai.240300; ages 18-80 & older"
    assert warnings_of(tmp_path, ["120", "18"], limitations=text) == []


@pytest.mark.parametrize("text", ["but h-001 moved", "patient H-001.", "Muster Anna, 56, was left out"])
def test_a_patient_of_the_tables_is_withheld(tmp_path: Path, text: str) -> None:
    check = check_study(
        str(written(tmp_path, yaml.safe_dump({"limitations": text, "title": "T"}))), ["H-001", "Muster Anna"]
    )
    assert check.withheld == ["limitations"]
    assert "holds the id of a patient" in check.warnings[0] and "001" not in check.warnings[0]


@pytest.mark.parametrize(
    ("patient", "text"),
    [
        *((name, f"one of them, {name}, moved") for name in ("Meier^Hans", "MUC+001", "A|0012", "pat@12x", "O'Brien")),
        *(("MUC-0012", f"see MUC-{rest} again") for rest in ("0012-CT", "0012/2020", "0012_1", "12", " 0012")),
        ("K:4471234", "(K:4471234)"),
        ("Meier^Hans", "Meier, Hans was left out"),
        ("O'Brien", "so was O\u2019BRIEN's scan"),
        ("#4471", "scan#4471 is blurred"),
        ("H001", "of 3 H 001 moved"),
        ("00012", "but 00012 moved"),
        ("12345", "patient 12345.0"),
    ],
)
def test_an_id_is_found_whatever_stands_beside_and_in_it(tmp_path: Path, patient: str, text: str) -> None:
    study = written(tmp_path, yaml.safe_dump({"limitations": text, "title": "T"}))
    assert check_study(str(study), ["other-1", patient]).withheld == ["limitations"]


@pytest.mark.parametrize(
    ("patient", "text"),
    [
        ("00012", "12 adults, 100012 slices"),
        ("1", "1 of them moved"),
        ("MUC-0012", "MUC-00121 and MUC-112"),
        ("ann", "annotated by Joann"),
        ("Meier^Hans", "Meier and Hans"),
    ],
)
def test_what_only_resembles_an_id_is_shown(tmp_path: Path, patient: str, text: str) -> None:
    assert check_study(str(written(tmp_path, yaml.safe_dump({"limitations": text}))), [patient]).withheld == []
