"""Find slices that are in the data twice, under two patients or two labels.

A split must keep copies of one picture together. Equal pixels are exact duplicates. Pictures are near duplicates if
their perceptual hashes differ in few bits and their detail agrees: chests are so alike that the hash alone takes one
patient for another.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lungsight.intake.near_hashes import near_pairs
from lungsight.intake.perceptual_hash import BITS, hashes_as_integers
from lungsight.tables import columns_of, read_table

MIN_CORRELATION = 0.85  # of the detail: copies have 0.89 and more, phantoms of two patients 0.71 and less
DETAIL_SIZE = 64
SEVERAL = -1  # in place of a patient's number: several patients have the picture
_PAIRS_AT_ONCE = 2048  # 64 MB


def find_duplicates(slices: pd.DataFrame, distance: int, load: Callable[[int], np.ndarray]) -> pd.DataFrame:
    """Find the slices that have a duplicate in another patient or under another label.

    Parameters
    ----------
    slices : DataFrame
        In table order, with slice, cohort, patient, label, sha256 (of the pixels) and perceptual_hash (16 hexadecimal
        digits).
    distance : int
        Bits in which the hashes of near duplicates may differ.
    load : callable
        Position of a slice in `slices` → its image (rows, columns).

    Returns
    -------
    DataFrame
        The table `duplicates`, in the order of `slices`, with these columns:

        - kind: "exact" if the pixels are equal, else "near".
        - distance: bits to the nearest duplicate.
        - label_conflict: 1 if equal pixels have another label.
        - group: the first of all slices that are linked through duplicates. Two slices of one patient, which are no
          duplicates themselves, may share a group through a third.
    """
    picture_of_slice, pictures = pd.factorize(slices["sha256"])
    first_slice = np.unique(picture_of_slice, return_index=True)[1]
    hashes = hashes_as_integers(slices["perceptual_hash"].to_numpy()[first_slice])
    owner = _owners(picture_of_slice, pd.factorize(slices["patient"])[0], len(pictures))
    details = _Details(len(pictures), lambda picture: load(int(first_slice[picture])))
    nearest, component = _link(hashes, owner, distance, details)
    label_conflict = slices.groupby("sha256")["label"].transform("nunique").to_numpy() > 1
    # One patient with one picture under two labels: no other patient has a duplicate, but the labels conflict.
    within_patient = label_conflict & (nearest[picture_of_slice] > distance)
    exact = (owner[picture_of_slice] == SEVERAL) | within_patient
    table = slices[["slice", "cohort", "patient"]].assign(
        kind=np.where(exact, "exact", "near"),
        distance=np.where(within_patient, 0, nearest[picture_of_slice]),
        component=np.where(within_patient, len(pictures) + picture_of_slice, component[picture_of_slice]),
        label_conflict=label_conflict.astype(int),
    )
    table = table[table["distance"] <= distance]
    table = table.assign(group=table.groupby("component")["slice"].transform("first"))
    columns = ["slice", "cohort", "patient", "kind", "group", "distance", "label_conflict"]
    return table[columns].reset_index(drop=True)


def read_duplicates(path: Path | None) -> pd.DataFrame:
    """Read duplicates.tsv. Without a path, as in a run without labelled cohorts, return no row."""
    return read_table(path, schema="duplicates") if path else pd.DataFrame(columns=columns_of("duplicates"))


def groups_with_two_labels(duplicates: pd.DataFrame, labels: pd.Series) -> int:
    """Count the groups of duplicates that hold more than one label.

    Parameters
    ----------
    duplicates : DataFrame
        A table `duplicates`.
    labels : Series
        Label by case.
    """
    label_of_slice = duplicates["slice"].str.split("-").str[0].map(labels)
    return int((label_of_slice.groupby(duplicates["group"]).nunique() > 1).sum())


def detail_of(image: np.ndarray) -> np.ndarray:
    """Keep the vessels, fissures and edges of an image at 64 × 64, without its soft shapes.

    The scalar product of two results is the correlation of such detail, which no two chests share.

    Parameters
    ----------
    image : (rows, columns) uint8

    Returns
    -------
    (4096,) float32
        Of length 1.
    """
    size = (DETAIL_SIZE, DETAIL_SIZE)
    small = np.asarray(Image.fromarray(image).convert("F").resize(size, Image.Resampling.BOX))
    detail = small - gaussian_filter(small, 1)
    detail -= detail.mean()
    return (detail / max(float(np.linalg.norm(detail)), 1e-6)).ravel()


class _Details:
    """The detail of pictures by their number. A picture is loaded when it is first compared.

    Details lie in a file, 16 kB each, in the order in which they came: a million would fill the memory.
    """

    def __init__(self, count: int, load: Callable[[int], np.ndarray]) -> None:
        self._load = load
        self._row = np.full(count, -1)  # of a picture in the file
        self._rows = 0
        shape = (max(count, 1), DETAIL_SIZE**2)  # an empty file cannot be mapped
        with tempfile.TemporaryFile() as file:  # the map keeps it open
            self._details = np.memmap(file, np.float32, "w+", shape=shape)

    def agree(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Tell for each pair of pictures, numbers (n,) and (n,), whether their details agree; bool (n,)."""
        pictures = np.unique(np.concatenate([first, second]))
        for picture in pictures[self._row[pictures] < 0]:
            self._details[self._rows] = detail_of(self._load(picture))
            self._row[picture] = self._rows
            self._rows += 1
        agreeing = np.empty(len(first), bool)
        for start in range(0, len(first), _PAIRS_AT_ONCE):
            block = slice(start, start + _PAIRS_AT_ONCE)
            details = (self._details[self._row[end[block]]] for end in (first, second))
            agreeing[block] = np.einsum("ij,ij->i", *details) >= MIN_CORRELATION
        return agreeing


def _owners(picture_of_slice: np.ndarray, patients: np.ndarray, count: int) -> np.ndarray:
    """Find the patient of every picture.

    Parameters
    ----------
    picture_of_slice, patients : (n,) int
        Number of the picture and of the patient, by slice.
    count : int
        How many pictures there are.

    Returns
    -------
    (count,) int
        Number of the only patient with the picture, or SEVERAL.
    """
    lowest, highest = np.full(count, len(patients)), np.full(count, -1)
    np.minimum.at(lowest, picture_of_slice, patients)
    np.maximum.at(highest, picture_of_slice, patients)
    return np.where(lowest == highest, lowest, SEVERAL)


def _link(hashes: np.ndarray, owner: np.ndarray, distance: int, details: _Details) -> tuple[np.ndarray, np.ndarray]:
    """Link the pictures that are duplicates of one another in different patients.

    Pictures are linked instead of slices, however often a picture is there. That is the same: if two similar pictures
    belong to several patients together, every slice of both has a duplicate among them.

    Parameters
    ----------
    hashes : (n,) uint64
    owner : (n,) int
        As from `_owners`.
    distance : int
        Bits in which the hashes may differ.
    details : _Details

    Returns
    -------
    nearest : (n,) int
        Bits between a picture and its nearest duplicate; 65 if it has none.
    component : (n,) int
        Equal for pictures that are linked.
    """
    nearest = np.where(owner == SEVERAL, 0, BITS + 1)
    links = [np.empty((2, 0), int)]
    for pairs, bits in near_pairs(hashes, distance):
        apart = (owner[pairs[0]] != owner[pairs[1]]) | (owner[pairs[0]] == SEVERAL)
        pairs, bits = pairs[:, apart], bits[apart]
        similar = details.agree(*pairs)
        pairs, bits = pairs[:, similar], bits[similar]
        for end in pairs:
            np.minimum.at(nearest, end, bits)
        links.append(pairs)
    first, second = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(hashes), len(hashes)))
    return nearest, connected_components(graph, directed=False)[1]
