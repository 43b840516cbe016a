"""Copies of one picture under two patients are found, and pictures of two patients are never taken for copies."""

import io
from functools import cache

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lungsight.demo.anatomy import thorax
from lungsight.intake.duplicates import (
    MIN_CORRELATION,
    detail_of,
    find_duplicates,
    groups_with_two_labels,
    read_duplicates,
)
from lungsight.intake.geometry import slice_to_image
from lungsight.intake.perceptual_hash import hashes_as_integers, perceptual_hash
from lungsight.intake.volume import sha256_of_image
from lungsight.tables import columns_of

DISTANCE = 6
PATIENTS = 6


@cache
def phantoms():
    """Slices of patients with one anatomy, scanner and kind of disease: (patient, k) → image."""
    pictures = {}
    for seed in range(PATIENTS):
        hu = thorax(seed, matrix=192, slices=6, disease="covid" if seed % 2 else "none").hu
        grey = np.clip((hu + 1250) / 1500 * 255, 0, 255).round().astype(np.uint8)
        pictures |= {(seed, k): np.ascontiguousarray(slice_to_image(grey[:, :, k])) for k in range(6)}
    return pictures


def table_of(pictures, labels=("Covid-19",)):
    """A slices table of (patient, image) pairs, each a case of its own, with the labels in turn."""
    return pd.DataFrame(
        [
            {
                **{"slice": f"{number:016x}-0000", "cohort": "c", "patient": f"{patient:016x}"},
                "label": labels[number % len(labels)],
                **{"sha256": sha256_of_image(image), "perceptual_hash": perceptual_hash(image)},
            }
            for number, (patient, image) in enumerate(pictures)
        ]
    )


def duplicates_among(pictures, distance=DISTANCE):
    return find_duplicates(table_of(pictures), distance, lambda place: pictures[place][1])


def jpeg(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=50)
    return np.asarray(Image.open(file))


def resized(image):
    return np.asarray(Image.fromarray(image).resize((200, 150), Image.Resampling.BILINEAR))


COPIES = {
    "re-encoded": jpeg,
    "resized": resized,
    "darker": lambda image: (image * 0.7).astype(np.uint8),
    "brighter, highlights lost": lambda image: np.clip(image * 1.1 + 15, 0, 255).astype(np.uint8),
    "re-encoded, resized and darker": lambda image: jpeg(resized((image * 0.8).astype(np.uint8))),
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES)
def test_a_changed_copy_is_a_near_duplicate(change):
    image = phantoms()[0, 3]
    others = [(patient + 10, picture) for (patient, k), picture in phantoms().items() if k != 3]
    table = duplicates_among([(0, image), *others, (1, change(image))])
    assert list(table["slice"]) == [f"{0:016x}-0000", f"{len(others) + 1:016x}-0000"]
    assert set(table["kind"]) == {"near"} and set(table["group"]) == {f"{0:016x}-0000"}
    assert table["distance"].nunique() == 1 and table["distance"].iloc[0] <= DISTANCE


@pytest.mark.parametrize("change", [np.fliplr, np.flipud, np.rot90])
def test_a_mirrored_or_turned_picture_is_no_duplicate(change):
    image = phantoms()[0, 3]
    assert duplicates_among([(0, image), (1, np.ascontiguousarray(change(image)))], distance=16).empty


def test_phantoms_of_different_patients_are_never_taken_for_copies():
    pictures = [(patient, image) for (patient, _), image in phantoms().items()]
    hashes = hashes_as_integers(table_of(pictures)["perceptual_hash"].to_numpy())
    patients = np.array([patient for patient, _ in pictures])
    apart = patients[:, None] != patients[None]
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None])
    assert (bits[apart] <= 16).any(), "the hash alone must be in doubt, else the detail is not tested"
    assert duplicates_among(pictures, distance=16).empty


def test_copies_within_one_patient_do_not_count():
    image = phantoms()[0, 3]
    assert duplicates_among([(0, image), (0, image)]).empty
    table = duplicates_among([(0, image), (0, image), (1, image)])
    assert list(table["kind"]) == ["exact"] * 3 and set(table["distance"]) == {0}


def test_groups_are_transitive_and_named_after_their_first_slice():
    first, second = phantoms()[0, 3], phantoms()[1, 2]
    pictures = [
        (0, second),
        (1, first),
        (2, jpeg(first)),
        (3, second),
        (1, resized(jpeg(first))),
        (4, phantoms()[2, 1]),
    ]
    table = duplicates_among(pictures).set_index("slice")
    names = [f"{number:016x}-0000" for number in range(len(pictures))]
    assert list(table.index) == names[:5]
    assert list(table["group"]) == [names[0], names[1], names[1], names[0], names[1]]
    assert list(table["kind"]) == ["exact", "near", "near", "exact", "near"]


def test_two_pictures_of_one_patient_are_linked_by_a_third_only():
    image = phantoms()[0, 3]
    assert duplicates_among([(0, image), (0, jpeg(image))]).empty
    table = duplicates_among([(0, image), (0, jpeg(image)), (1, resized(image))])
    assert table["group"].nunique() == 1 and len(table) == 3


def test_distance_0_finds_equal_hashes_only():
    image = phantoms()[0, 3]
    hashes = table_of([(0, image), (1, COPIES["resized"](image))])["perceptual_hash"]
    assert len(duplicates_among([(0, image), (1, COPIES["resized"](image))], distance=0)) == 2 * (hashes.nunique() == 1)
    assert len(duplicates_among([(0, image), (1, image)], distance=0)) == 2


def test_groups_with_two_labels_are_counted():
    table = pd.DataFrame({"slice": ["a-0001", "b-0001", "c-0001", "d-0001"], "group": ["g", "g", "h", "h"]})
    labels = pd.Series({"a": "Covid-19", "b": "Non Covid", "c": "Covid-19", "d": "Covid-19"})
    assert groups_with_two_labels(table, labels) == 1
    assert groups_with_two_labels(table.assign(group=table["slice"]), labels) == 0


def test_a_run_without_labelled_cohorts_has_no_duplicates():
    table = read_duplicates(None)
    assert table.empty and list(table.columns) == columns_of("duplicates")


def test_no_slices_no_duplicates():
    table = find_duplicates(table_of([]).reindex(columns=table_of([(0, phantoms()[0, 0])]).columns), DISTANCE, None)
    assert table.empty and list(table.columns) == columns_of("duplicates")


def test_equal_pictures_under_two_labels_are_a_label_conflict():
    first, second = phantoms()[0, 3], phantoms()[1, 3]
    pictures = [(0, first), (1, first), (2, second), (3, second), (4, COPIES["resized"](first))]
    labels = ("Covid-19", "Non Covid", "Covid-19", "Covid-19", "Non Covid")
    table = find_duplicates(table_of(pictures, labels), DISTANCE, lambda place: pictures[place][1])
    assert list(table["kind"]) == ["exact"] * 4 + ["near"], "a near duplicate may be another slice: it is only reported"
    assert list(table["label_conflict"]) == [1, 1, 0, 0, 0]


def test_one_picture_of_one_patient_under_two_labels_is_a_label_conflict():
    picture, other = phantoms()[0, 3], phantoms()[1, 3]
    pictures = [(0, picture), (0, picture), (1, other), (1, other)]
    table = find_duplicates(
        table_of(pictures, ("Covid-19", "Non Covid", "Covid-19", "Covid-19")),
        DISTANCE,
        lambda place: pictures[place][1],
    )
    assert table[["kind", "distance", "label_conflict"]].to_numpy().tolist() == [["exact", 0, 1]] * 2
    assert table["group"].nunique() == 1


def brute_force(hashes, patients, distance):
    """Slices with a near duplicate, by a loop over all pairs."""
    return {
        number
        for first in range(len(hashes))
        for second in range(first)
        if patients[first] != patients[second]
        and bin(int(hashes[first], 16) ^ int(hashes[second], 16)).count("1") <= distance
        for number in (first, second)
    }


def test_the_search_finds_what_a_loop_over_all_pairs_finds():
    rng = np.random.default_rng(3)
    roots = rng.integers(0, 2**63, 12, dtype=np.uint64)
    hashes = [f"{int(rng.choice(roots)) ^ (1 << int(rng.integers(64))):016x}" for _ in range(60)]
    patients = [f"{number:016x}" for number in rng.integers(0, 9, 60)]
    table = pd.DataFrame(
        {"slice": [f"{n:016x}-0000" for n in range(60)], "cohort": "c", "label": "l", "patient": patients}
        | {"sha256": [f"{n}" for n in range(60)], "perceptual_hash": hashes}
    )
    image = phantoms()[0, 3]
    near_duplicates = find_duplicates(table, 2, lambda place: image)
    assert set(near_duplicates["slice"]) == {f"{n:016x}-0000" for n in brute_force(hashes, patients, 2)}


def test_the_hash_is_that_of_the_lowest_frequencies_after_the_mean():
    image = phantoms()[1, 2].astype(float)
    small = image.reshape(32, 6, 32, 6).mean(axis=(1, 3))
    wave = np.cos(np.pi / 32 * np.outer(np.arange(32), np.arange(32) + 0.5))
    spectrum = wave @ small @ wave.T
    places = sorted(np.ndindex(11, 11), key=lambda place: (sum(place), place))[1:65]
    lowest = np.array([spectrum[place] for place in places])
    bits = "".join("1" if value > np.median(lowest) else "0" for value in lowest)
    assert perceptual_hash(phantoms()[1, 2]) == f"{int(bits, 2):016x}"


def test_detail_of_copies_agrees_and_that_of_patients_does_not():
    details = {key: detail_of(image) for key, image in phantoms().items()}
    copies = [detail_of(change(phantoms()[key])) @ details[key] for key in details for change in COPIES.values()]
    other_patients = [details[a] @ details[b] for a in details for b in details if a[0] != b[0]]
    assert max(other_patients) < MIN_CORRELATION - 0.1 and min(copies) > MIN_CORRELATION


def test_a_copy_among_real_pictures_is_found_and_no_other_pair(real_ct):
    files = sorted((real_ct / "soares_png").glob("*/*.png"))
    pictures = [(number, np.asarray(Image.open(file).convert("L"))) for number, file in enumerate(files)]
    assert duplicates_among(pictures).empty
    copied = duplicates_among([*pictures, (len(pictures), jpeg(pictures[7][1]))])
    assert list(copied["slice"]) == [f"{7:016x}-0000", f"{len(pictures):016x}-0000"]
