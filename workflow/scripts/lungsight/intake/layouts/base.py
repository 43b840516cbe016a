"""What every layout of a public data set is made of: its rows, and the words that results print for them.

Standard library only: layouts run while the workflow is parsed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lungsight.errors import UserError

Labels = dict[str, list[str]]  # class name → the user's words

# Words of the columns `skip` and `note` and the sentences that results print for them. Of any other word results only
# print that there is one, since it may name a person.
SKIPPED = {
    "cap": "community-acquired pneumonia, which no class of labels names",
    "no_file": "in the data set's metadata, but there is no such file",
    "no_metadata": "not in the data set's metadata: its patient is unknown",
    "other_name": "not named as the pictures of this data set are",
    "same_name": "another file in its folder has the same name but for capital letters",
    "other_class": "the same picture is in the data set's other class, where it belongs",
    "no_list": "in none of the official lists of the data set",
    "not_in_test_list": "not in the official list of test images: an external cohort is only tested",
}
NOTES = {
    "mismatch": "known for a mismatch of image and contours",
    "no_tumour": "known to have no tumour contoured",
    "other_disease": "its label disagrees with its caption in the data set's own metadata",
    "slice_labels": "the data set says which of its slices show an infection",
}
MOST_ABSENT = 0.05  # share of the files that the metadata name; if more are absent, the download is incomplete


@dataclass(frozen=True)
class LayoutRow:
    """A row of the table that a layout makes. `skip` and `note` are keys of SKIPPED and NOTES, or ""."""

    patient: str
    path: str
    label: str = ""
    source: str = ""
    mask: str = ""
    lesion: str = ""
    split: str = ""
    skip: str = ""
    note: str = ""


@dataclass(frozen=True)
class Layout:
    """How a data set is distributed.

    Attributes
    ----------
    format : str
    roles : tuple of str
        Roles that a cohort of this layout may have.
    rows : callable
        (root, labels) → the rows of its table. Raises UserError with everything that is wrong.
    patients_known : bool
        Whether the data set says which patient a file is of.
    with_official_split : callable, optional
        (root, rows) → the rows with the subsets of the data set's official lists; "" where a file is in no list. Raises
        UserError where the lists are absent. None: the data set has no official lists.
    """

    format: str
    roles: tuple[str, ...]
    rows: Callable[[Path, Labels], list[LayoutRow]]
    patients_known: bool = True
    with_official_split: Callable[[Path, list[LayoutRow]], list[LayoutRow]] | None = None


def class_of(kind: str, labels: Labels) -> str:
    """Find the class of `labels` that a data set's own class belongs to.

    Parameters
    ----------
    kind : str
        "covid": the first class. "cap", community-acquired pneumonia: the class whose words include "cap".
        "negative": the class whose words include "normal", else the other class that is not that of CAP.

    Returns
    -------
    str
        The name of the class; "" for CAP that no class names.

    Raises
    ------
    UserError
        If several classes may be the negative one.
    """
    words = {name: {word.lower() for word in (name, *synonyms)} for name, synonyms in labels.items()}
    positive, *others = labels
    cap = next((name for name in labels if "cap" in words[name]), "")
    if kind == "covid":
        return positive
    if kind == "cap":
        return cap
    normal = [name for name in others if "normal" in words[name]]
    found = normal or [name for name in others if name != cap] or others
    if len(found) > 1:
        raise UserError(
            f"labels: {', '.join(found)} may each be the class without Covid-19 of a data set with a layout. Give the"
            " word normal to the one that is, and the word cap to that of other pneumonia."
        )
    return found[0]
