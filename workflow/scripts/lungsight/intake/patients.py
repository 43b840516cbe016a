"""Check that the files of a folder, and of a series, belong to one patient. No message names anybody."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from difflib import SequenceMatcher

from lungsight.errors import BadCase
from lungsight.intake.headers import SliceHeader, tag_of

_UMLAUTS = re.compile(r"(?<=[aou])e|(?<=s)s")  # Mueller is Müller, Strauss is Strauß
_LIKE = 0.75  # share of letters in common; spellings of one name have more, other people's names less


def check_one_patient(slices: Sequence[SliceHeader]) -> None:
    """Raise BadCase if the headers name two patients: by PatientID, or the name where no header has one; by birth date.

    The message names neither.
    """
    known = any(header.patient.identifier for header in slices)
    attributes = {"PatientID": "identifier"} if known else {"PatientName": "name"}
    for keyword, attribute in attributes.items():
        if (found := len({getattr(header.patient, attribute) for header in slices} - {""})) > 1:
            raise _belongs_to(found, keyword)
    if (found := len(_whole_dates({header.patient.birth_date for header in slices}))) > 1:
        raise _belongs_to(found, "PatientBirthDate")


def _belongs_to(patients: int, keyword: str) -> BadCase:
    return BadCase(f"the files belong to {patients} patients: {keyword} {tag_of(keyword)} differs")


def _whole_dates(dates: Collection[str]) -> set[str]:
    """Return the digits of the dates that are not the beginning of another: a year alone is no other birth date."""
    digits = {re.sub(r"\D", "", date) for date in dates} - {""}
    return {date for date in digits if not any(other != date and other.startswith(date) for other in digits)}


def check_one_series(slices: Sequence[SliceHeader], chosen: SliceHeader) -> None:
    """Raise BadCase if the slices of the chosen series name two people, two sexes or two studies.

    A study of its own for every slice is the work of a program that took the names out, and says nothing.
    """
    of_series = [header for header in slices if header.series == chosen.series]
    studies = {header.study for header in of_series} - {""}
    for keyword, differs in (
        ("PatientName", _are_two_people({header.patient.name for header in of_series})),
        ("PatientSex", {"F", "M"} <= {header.patient.sex for header in of_series}),
        ("StudyInstanceUID", 1 < len(studies) < len(of_series)),
    ):
        if differs:
            raise BadCase(f"{keyword} {tag_of(keyword)} differs within one series: are these two people or scans?")


def _are_two_people(names: Collection[str]) -> bool:
    """Tell whether a name is no spelling, part or abbreviation of the longest."""
    words = [found for name in names if (found := _words(name))]
    longest = max(words, key=lambda found: sum(map(len, found)), default=[])
    return not all(_are_alike(found, longest) for found in words)


def _words(name: str) -> list[str]:
    """List the words of a name as it is written in Latin letters, without case, accents, marks and numbers."""
    plain = unicodedata.normalize("NFKD", name.split("=")[0].casefold()).encode("ascii", "ignore").decode()
    return [_UMLAUTS.sub("", word) for word in re.findall(r"[a-z]+", plain)]


def _are_alike(first: Sequence[str], second: Sequence[str]) -> bool:
    parts = all(any(word.startswith(other) or other.startswith(word) for other in second) for word in first)
    letters = ("".join(sorted(first)), "".join(sorted(second)))
    return parts or SequenceMatcher(None, *letters, autojunk=False).ratio() >= _LIKE
