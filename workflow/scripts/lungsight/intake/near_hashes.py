"""Find all pairs of perceptual hashes that differ in few bits, without comparing each with each.

The bits of a hash are dealt out to distance + k parts. Two hashes that differ in at most `distance` bits have k equal
parts at least. So a search that sorts the hashes by k parts, for every choice of k parts, and compares those that
agree there misses no pair. With k = 0 all agree, and each is compared with each.

References
----------
Manku, Jain, Das Sarma, Detecting near-duplicates for web crawling (WWW 2007), section 3.
Norouzi, Punjani, Fleet, Fast search in Hamming space with multi-index hashing (CVPR 2012).
"""

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np

from lungsight.intake.perceptual_hash import BITS

MOST_KEY_PARTS = 4
_SORTED_AS_COMPARED = 20  # to sort a hash takes as long as to compare so many pairs, by benchmarks/intake_growth.py
_PAIRS_AT_ONCE = 65_536


def near_pairs(
    hashes: np.ndarray, distance: int, key_parts: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield every pair of hashes that differ in at most `distance` bits, once, in blocks.

    Memory grows with the number of hashes, not with that of the pairs.

    Parameters
    ----------
    hashes : (n,) uint64
    distance : int
        From 0 to 63.
    key_parts : int, optional
        How many parts must be equal before two hashes are compared. It changes the time, never the pairs. Without it,
        the fastest is chosen.

    Yields
    ------
    pairs : (2, m) int
        Places of the hashes, the lower one first.
    bits : (m,) int
        Bits in which they differ.
    """
    if key_parts is None:
        key_parts = _fastest(hashes, distance)
    pairs, bits, waiting = [], [], 0
    parts = _parts(distance + key_parts)
    for key in combinations(range(len(parts)), key_parts):
        for new_pairs, new_bits in _pairs_first_met(hashes, distance, parts, key):
            pairs.append(new_pairs)
            bits.append(new_bits)
            waiting += len(new_bits)
            if waiting >= _PAIRS_AT_ONCE:
                yield np.concatenate(pairs, axis=1), np.concatenate(bits)
                pairs, bits, waiting = [], [], 0
    if waiting:
        yield np.concatenate(pairs, axis=1), np.concatenate(bits)


def _parts(count: int) -> np.ndarray:
    """Deal out the bits to parts of nearly equal size: masks (count,) uint64.

    Neighbouring bits belong to neighbouring frequencies and agree more often than others, so no part holds neighbours.
    """
    return np.array([sum(1 << bit for bit in range(part, BITS, count)) for part in range(count)], np.uint64)


def _pairs_first_met(
    hashes: np.ndarray, distance: int, parts: np.ndarray, key: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the near pairs that agree in the parts of a key, and in those of no earlier key.

    The earlier keys that a pair agrees in hold a part below the last of this key, which is none of this key's.
    """
    masked = hashes & _mask(parts, key)
    order = np.argsort(masked, kind="stable")
    following = _following(masked[order])
    ordered = hashes[order]
    others = [parts[part] for part in range(max(key, default=0)) if part not in key]
    places = np.arange(len(hashes))
    for step in range(1, int(following.max(initial=0)) + 1):
        places = places[following[places] >= step]
        differing = ordered[places] ^ ordered[places + step]
        bits = np.bitwise_count(differing)
        near = bits <= distance
        for part in others:
            near &= (differing & part) != 0
        found = places[near]
        if len(found):
            ends = np.stack([order[found], order[found + step]])
            yield np.sort(ends, axis=0), bits[near].astype(int)


def _mask(parts: np.ndarray, key: tuple[int, ...]) -> np.uint64:
    return np.bitwise_or.reduce(parts[list(key)], initial=np.uint64(0))


def _following(keys: np.ndarray) -> np.ndarray:
    """Count for every place of sorted keys (n,) how many places after it hold an equal one; int (n,)."""
    ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]), len(keys) - 1)
    runs = np.diff(ends, prepend=-1)
    return np.repeat(ends, runs) - np.arange(len(keys)) if len(keys) else np.empty(0, int)


def _fastest(hashes: np.ndarray, distance: int) -> int:
    """Choose the number of equal parts with the least work: one key's sorting and comparing, times the keys."""

    def work(key_parts: int) -> float:
        parts = _parts(distance + key_parts)
        compared = _following(np.sort(hashes & _mask(parts, tuple(range(key_parts))))).sum()
        return comb(len(parts), key_parts) * (len(hashes) * _SORTED_AS_COMPARED + compared)

    return min(range(MOST_KEY_PARTS + 1), key=work)
