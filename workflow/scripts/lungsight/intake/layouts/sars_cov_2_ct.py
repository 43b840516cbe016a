"""SARS-CoV-2 CT-scan (Soares et al. 2020): PNG slices in two folders, without patients.

Their names mark the pictures, `Covid (n).png` and `Non-Covid (n).png`. A copy of them lies in another public
repository, in folders `COVID` and `NonCOVID` together with the pictures of other data sets.
"""

import re
from pathlib import Path

from lungsight.intake.layouts.base import Labels, Layout, LayoutRow, class_of
from lungsight.intake.layouts.folders import content_of, find_base, folders_of, incomplete, pictures_of, refusal

_NAME = "sars-cov-2-ct"
_SHARED = "master-data"  # folder of the copy, which holds other data sets as well
# Folder, without case and signs → kind of its class; how its pictures are named.
_KIND = {"covid": "covid", "noncovid": "negative"}
_LOOKED_FOR = "folders COVID and non-COVID with pictures named Covid (1).png"
_NAMED = {"covid": "Covid ({}).png", "negative": "Non-Covid ({}).png"}  # by the data set itself
_PICTURE = {
    "covid": re.compile(r"covid \((\d{1,5})\)\.png", re.IGNORECASE),
    "negative": re.compile(r"non-covid \((\d{1,5})\)\.png", re.IGNORECASE),
}


def sars_cov_2_ct(root: Path, labels: Labels) -> list[LayoutRow]:
    """List the rows of SARS-CoV-2 CT-scan. Its class "COVID" is the first class of `labels`."""
    base = find_base(root, _is_base, _NAME, _LOOKED_FOR, "pictures", nearest=True, depth=3)
    folders = _class_folders(base)
    rows, wrong = [], []
    for kind, picture in _PICTURE.items():
        if len(folders[kind]) > 1:
            wrong.append(f"{' and '.join(folder.name for folder in folders[kind])} are one class; leave one of them.")
            continue
        folder = folders[kind][0]
        names = pictures_of(folder)
        places = {name: int(match[1]) for name in names if (match := picture.fullmatch(name))}
        numbered, doubled = _one_of_each(places, _NAMED[kind])
        if not numbered:
            wrong.append(f"{folder.name} holds no picture of this data set; it holds {content_of(folder)}.")
            continue
        last = numbered[-1][0]
        absent = {f"({number})" for number in set(range(1, last)) - {number for number, _ in numbered}}
        wrong += filter(None, [incomplete(folder.name, absent, last, "by their numbers")])
        place, label = folder.relative_to(root).as_posix(), class_of(kind, labels)
        rows += [_row(f"{place}/{name}", label) for _, name in numbered]
        rows += [_row(f"{place}/{name}", label, "same_name") for name in doubled]
        if base.name != _SHARED:
            others = sorted(set(names) - set(places))
            rows += [_row(f"{place}/{name}", label, "other_name") for name in others]
    if wrong:
        raise refusal(wrong, _NAME, root)
    return rows


def _one_of_each(places: dict[str, int], named: str) -> tuple[list[tuple[int, str]], list[str]]:
    """Take one picture of each number, that which is spelt as the data set has it where there is one.

    Parameters
    ----------
    places : dict
        Name of a picture → its number.
    named : str
        How the data set spells a name, with {} for the number.

    Returns
    -------
    numbered : list of (int, str)
        Number and name, sorted.
    doubled : list of str
        The other names.
    """
    taken: dict[int, str] = {}
    ordered = sorted(places, key=lambda name: (places[name], name != named.format(places[name]), name))
    doubled = [name for name in ordered if taken.setdefault(places[name], name) != name]
    return sorted(taken.items()), doubled


def _class_folders(base: Path) -> dict[str, list[Path]]:
    """Find the folders of both classes: kind of the class → folders of that name, spelt in whatever way."""
    folders: dict[str, list[Path]] = {}
    for folder in folders_of(base):
        kind = _KIND.get(re.sub(r"[^a-z]", "", folder.name.lower()))
        if kind:
            folders.setdefault(kind, []).append(folder)
    return folders


def _is_base(folder: Path) -> bool:
    """Tell whether a folder holds those of both classes, and a picture that is named as those of this data set."""
    folders = _class_folders(folder)
    return len(folders) == len(_PICTURE) and any(
        _PICTURE[kind].fullmatch(name)
        for kind, places in folders.items()
        for place in places
        for name in pictures_of(place)
    )


def _row(path: str, label: str, skip: str = "") -> LayoutRow:
    return LayoutRow(patient="", path=path, label=label, source=_NAME, skip=skip)


LAYOUT = Layout("png", ("public", "target", "external"), sars_cov_2_ct, patients_known=False)
