"""Slices that are in the data twice, under two patients: copies of one picture that a split must keep together."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lungsight.intake.perceptual_hash import BITS, hashes_as_integers

ALIKE = 0.85  # correlation of the detail: copies have 0.89 and more, phantoms of two patients 0.71 and less
DETAIL_SIZE = 64
SEVERAL = -1  # instead of a patient's number: a picture that several patients have
_HASHES_AT_ONCE, _PAIRS_AT_ONCE = 1024, 2048  # 200 MB and 64 MB at 25,000 pictures


def find_duplicates(slices: pd.DataFrame, distance: int, load: Callable[[int], np.ndarray]) -> pd.DataFrame:
    """Find the slices that have a twin in another patient or under another label.

    slices: in table order, with slice, cohort, patient, label, sha256 (of the pixels) and perceptual_hash (16
    hexadecimal digits). load: the place of a slice in this table → its image (rows, columns). Two pictures are near
    twins if their hashes differ in at most `distance` bits and their detail agrees: the hash alone takes one chest for
    another.

    Returns the rows of `duplicates` in the same order. `kind`: exact where the pixels are equal, else near. `distance`:
    bits to the nearest twin. `label_conflict`: 1 where equal pixels have another label. `group`: the first slice of all
    that are linked by twins, so that two slices of one patient, never twins themselves, may share a group through a
    third.
    """
    of_slice, pictures = pd.factorize(slices["sha256"])
    first_with = np.unique(of_slice, return_index=True)[1]
    hashes = hashes_as_integers(slices["perceptual_hash"].to_numpy()[first_with])
    owner = _owners(of_slice, pd.factorize(slices["patient"])[0], len(pictures))
    details = _Details(len(pictures), lambda picture: load(int(first_with[picture])))
    nearest, component = _link(hashes, owner, distance, details)
    label_conflict = slices.groupby("sha256")["label"].transform("nunique").to_numpy() > 1
    # One person in two cohorts, with a label in each: no twin of another patient, and a contradiction all the same.
    own = label_conflict & (nearest[of_slice] > distance)
    table = slices[["slice", "cohort", "patient"]].assign(
        kind=np.where((owner[of_slice] == SEVERAL) | own, "exact", "near"),
        distance=np.where(own, 0, nearest[of_slice]),
        component=np.where(own, len(pictures) + of_slice, component[of_slice]),
        label_conflict=label_conflict.astype(int),
    )
    table = table[table["distance"] <= distance]
    table = table.assign(group=table.groupby("component")["slice"].transform("first"))
    columns = ["slice", "cohort", "patient", "kind", "group", "distance", "label_conflict"]
    return table[columns].reset_index(drop=True)


def detail_of(image: np.ndarray) -> np.ndarray:
    """What is left of an image, seen at 64 × 64, without its soft shapes: (4096,) float32 of length 1.

    The scalar product of two is the correlation of vessels, fissures and edges, which no two chests share.
    """
    size = (DETAIL_SIZE, DETAIL_SIZE)
    small = np.asarray(Image.fromarray(image).convert("F").resize(size, Image.Resampling.BOX))
    detail = small - gaussian_filter(small, 1)
    detail -= detail.mean()
    return (detail / max(float(np.linalg.norm(detail)), 1e-6)).ravel()


class _Details:
    """The detail of pictures by their number, each loaded when it is first asked for."""

    def __init__(self, count: int, load: Callable[[int], np.ndarray]) -> None:
        self._load = load
        self._known = np.zeros(count, bool)
        self._details = np.empty((count, DETAIL_SIZE**2), np.float32)

    def agree(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Whether the details of two pictures agree, bool for each pair; first and second: numbers (n,)."""
        for picture in np.unique(np.concatenate([first, second])):
            if not self._known[picture]:
                self._details[picture] = detail_of(self._load(picture))
                self._known[picture] = True
        agreeing = np.empty(len(first), bool)
        for start in range(0, len(first), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            products = np.einsum("ij,ij->i", self._details[first[part]], self._details[second[part]])
            agreeing[part] = products >= ALIKE
        return agreeing


def _owners(of_slice: np.ndarray, patients: np.ndarray, count: int) -> np.ndarray:
    """The number of the patient that has a picture alone, or SEVERAL; int (count,). Arguments are numbers by slice."""
    lowest, highest = np.full(count, len(patients)), np.full(count, -1)
    np.minimum.at(lowest, of_slice, patients)
    np.maximum.at(highest, of_slice, patients)
    return np.where(lowest == highest, lowest, SEVERAL)


def _link(hashes: np.ndarray, owner: np.ndarray, distance: int, details: _Details) -> tuple[np.ndarray, np.ndarray]:
    """Bits between each picture and its nearest twin (65 where it has none), and which pictures twins link.

    Where two alike pictures belong to several patients together, every slice of both has a twin among them: so
    pictures can be linked instead of slices, however often one is there.
    """
    nearest = np.where(owner == SEVERAL, 0, BITS + 1)
    ends = [np.empty((2, 0), int)]
    for pairs, bits in _near_pairs(hashes, distance):
        apart = (owner[pairs[0]] != owner[pairs[1]]) | (owner[pairs[0]] == SEVERAL)
        pairs, bits = pairs[:, apart], bits[apart]
        alike = details.agree(*pairs)
        pairs, bits = pairs[:, alike], bits[alike]
        for end in pairs:
            np.minimum.at(nearest, end, bits)
        ends.append(pairs)
    first, second = np.concatenate(ends, axis=1)
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(hashes), len(hashes)))
    return nearest, connected_components(graph, directed=False)[1]


def _near_pairs(hashes: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of pictures whose hashes differ in at most `distance` bits: their numbers (2, n), and in how many (n,)."""
    for start in range(0, len(hashes), _HASHES_AT_ONCE):
        bits = np.bitwise_count(hashes[start : start + _HASHES_AT_ONCE, None] ^ hashes[None, start:])
        pairs = np.stack(np.nonzero(bits <= distance))
        pairs = pairs[:, pairs[1] > pairs[0]]
        yield pairs + start, bits[pairs[0], pairs[1]].astype(int)
