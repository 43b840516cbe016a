"""The search by parts finds the pairs that a comparison of each with each finds, each of them once."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lungsight.intake import near_hashes
from lungsight.intake.near_hashes import MOST_KEY_PARTS, near_pairs

ALL_BITS = 2**64 - 1
# Random hashes have no near pair. So hashes lie around few roots, often equal, with bits changed anywhere.
ROOTS = st.lists(st.integers(0, ALL_BITS), min_size=1, max_size=3)
CHANGES = st.lists(st.tuples(st.integers(0, 2), st.sets(st.integers(0, 63), max_size=12)), max_size=40)


def all_pairs(hashes, distance):
    """Compare each with each, by strings of bits."""
    words = [f"{value:064b}" for value in hashes]
    differing = {
        (first, second): sum(a != b for a, b in zip(words[first], words[second], strict=True))
        for first, second in combinations(range(len(words)), 2)
    }
    return {pair: bits for pair, bits in differing.items() if bits <= distance}


def found_pairs(hashes, distance, key_parts=None):
    found = {}
    for pairs, bits in near_pairs(np.array(hashes, np.uint64), distance, key_parts):
        for first, second, differing in zip(*pairs.tolist(), bits.tolist(), strict=True):
            assert first < second and (first, second) not in found, "each pair once, the lower place first"
            found[first, second] = differing
    return found


@settings(deadline=None)
@given(ROOTS, CHANGES, st.integers(0, 16), st.sampled_from([None, *range(MOST_KEY_PARTS)]))
@example([0], [(0, set())] * 5, 0, 2)
@example([0], [(0, set()), (0, {0, 9, 18, 27, 36, 45})], 6, 3)
def test_hashes_around_roots(roots, changes, distance, key_parts):
    hashes = [roots[root % len(roots)] ^ sum(1 << bit for bit in bits) for root, bits in changes]
    if distance > 9 and key_parts:
        key_parts = 1  # there are thousands of keys
    assert found_pairs(hashes, distance, key_parts) == all_pairs(hashes, distance)


@pytest.mark.parametrize("key_parts", [1, 2, 3, 4])
@pytest.mark.parametrize("distance", [1, 3, 6])
def test_a_pair_that_differs_in_as_many_parts_as_it_may(distance, key_parts):
    """The hardest pairs: every bit that differs lies in a part of its own, for every choice of these parts."""
    parts = distance + key_parts
    changed = [sum(1 << part for part in chosen) for chosen in combinations(range(parts), distance)]
    hashes = [0, *(value << parts for value in changed)]
    assert found_pairs(hashes, distance, key_parts) == all_pairs(hashes, distance)
    too_far = sum(1 << part for part in range(distance + 1))
    assert found_pairs([0, too_far], distance, key_parts) == {}


@pytest.mark.parametrize("key_parts", [None, 0, 1, 2, 3])
def test_many_random_hashes_with_planted_neighbours(monkeypatch, key_parts):
    monkeypatch.setattr(near_hashes, "_PAIRS_AT_ONCE", 7)
    rng = np.random.default_rng(5)
    hashes = rng.integers(0, ALL_BITS, 2000, dtype=np.uint64, endpoint=True)
    for place in range(0, 1000, 2):
        flips = rng.choice(64, rng.integers(0, 9), replace=False)
        hashes[place + 1] = hashes[place] ^ np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64), initial=0)
    bits = np.bitwise_count(hashes[:, None] ^ hashes)
    expected = {(a, b): int(bits[a, b]) for a, b in np.argwhere(bits <= 6).tolist() if a < b}
    assert 300 < len(expected) < 500 and found_pairs(hashes, 6, key_parts) == expected


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(count):
    assert found_pairs([5] * count, 6) == {}


def test_many_hashes_are_not_compared_each_with_each():
    """The choice counts work, not time: few hashes are compared at once, many are sorted by parts."""
    rng = np.random.default_rng(7)
    few, many = (rng.integers(0, ALL_BITS, count, dtype=np.uint64) for count in (100, 200_000))
    assert near_hashes._fastest(few, 6) == 0
    assert near_hashes._fastest(many, 6) >= 2
    assert near_hashes._fastest(np.full(2000, 5, np.uint64), 6) == 0, "no part tells equal hashes from one another"
