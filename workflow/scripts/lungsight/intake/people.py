"""Sort patients by age band and sex, in closed words. An age in years, or another word, goes nowhere.

Standard library only: it runs while the workflow is parsed.
"""

import re

from lungsight.patient_ids import is_missing, normalised

# First year of a band → its word. Everybody from 80 on is in one: so old people may be recognised.
AGE_BANDS = {0: "under 18", 18: "18 to 39", 40: "40 to 59", 60: "60 to 79", 80: "80 and over"}
SEXES = {
    "female": ("f", "female", "w", "weiblich", "femme", "féminin", "mujer", "femenino", "donna", "vrouw", "woman"),
    "male": ("m", "male", "männlich", "homme", "masculin", "hombre", "masculino", "uomo", "maschio", "man"),
    "other": ("o", "other", "d", "divers", "diverse", "intersex", "x"),
}
OLDEST = 120  # years
_SEX_OF = {normalised(word): sex for sex, words in SEXES.items() for word in words}
_YEARS = re.compile(r"(\d{1,3})([.,]\d+)?")
_OF_HEADER = re.compile(r"(\d{3})([DWMY])")  # DICOM PS3.5, value representation AS
_A_YEAR = {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}


def age_band(years: str) -> str | None:
    """Give the band of an age in years as a table has it: 57, or 57.5; "" for an empty field, None for other text."""
    if is_missing(years):
        return ""
    found = _YEARS.fullmatch(years)
    return band_of(int(found[1])) if found and int(found[1]) <= OLDEST else None


def band_of(years: float) -> str:
    """Give the band of an age in years."""
    return AGE_BANDS[max(first for first in AGE_BANDS if first <= years)]


def band_of_header(age: str) -> str:
    """Give the band of a PatientAge (0010,1010): 057Y, 011M; "" for anything else.

    000Y is what some programs write where they removed an age; that of an infant is in days, weeks or months.
    """
    found = _OF_HEADER.fullmatch(age.strip()) if age.strip() != "000Y" else None
    years = int(found[1]) / _A_YEAR[found[2]] if found else OLDEST + 1
    return band_of(years) if years <= OLDEST else ""


def sex_of(word: str) -> str | None:
    """Give female, male or other for a word of a table or a PatientSex (0010,0040); "" for none, None for another."""
    return "" if is_missing(word) else _SEX_OF.get(normalised(word))


def problems_of_person(fields: dict[str, str]) -> list[str]:
    """List what is wrong with age and sex of a table's row. It is not quoted: it is about a person."""
    problems = []
    if age_band(fields.get("age", "")) is None:
        problems.append("age is no number of years; write 57, or leave it empty.")
    if sex_of(fields.get("sex", "")) is None:
        problems.append(f"sex is no known word; write {', '.join(SEXES)}, or leave it empty.")
    return problems
