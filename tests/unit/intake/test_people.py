"""Ages become bands and sexes become words, whatever a table or a header writes; nothing else comes out."""

from pathlib import Path

import pytest

from lungsight.intake.people import AGE_BANDS, age_band, band_of_header, sex_of
from lungsight.intake.person_headers import person_of_scan
from lungsight.tables import table_schema
from tests.factories.dicom import made_series, save_series


@pytest.mark.parametrize(
    ("years", "band"),
    [
        *(("0", "under 18"), ("17", "under 18"), ("17.9", "under 18"), ("18", "18 to 39"), ("39,5", "18 to 39")),
        *(("40", "40 to 59"), ("60", "60 to 79"), ("79", "60 to 79"), ("80", "80 and over"), ("120", "80 and over")),
        *(("", ""), ("NA", ""), ("121", None), ("sixty", None), ("057Y", None), ("-4", None), ("40-50", None)),
    ],
)
def test_age_of_a_table(years: str, band: str | None) -> None:
    assert age_band(years) == band


@pytest.mark.parametrize(
    ("age", "band"),
    [("057Y", "40 to 59"), ("011M", "under 18"), ("240M", "18 to 39"), ("010D", "under 18"), ("000Y", ""), ("", "")],
)
def test_age_of_a_header(age: str, band: str) -> None:
    assert band_of_header(age) == band


@pytest.mark.parametrize(
    ("word", "sex"),
    [("F", "female"), ("weiblich", "female"), ("m", "male"), ("O", "other"), ("", ""), ("-", ""), ("yes", None)],
)
def test_sex(word: str, sex: str | None) -> None:
    assert sex_of(word) == sex


def test_the_schema_knows_every_band() -> None:
    assert table_schema("people")["properties"]["age"]["enum"] == ["", *AGE_BANDS.values()]


def test_a_header_gives_what_a_table_does_not(tmp_path: Path) -> None:
    series = made_series()
    for dataset in series:
        dataset.PatientAge, dataset.PatientSex = "063Y", "F"
    folder = save_series(tmp_path / "ct", series)
    (folder / "a.txt").write_text("no DICOM")
    assert person_of_scan(folder, tmp_path) == ("60 to 79", "female")
    assert person_of_scan(tmp_path / "absent", tmp_path) == ("", "")
