"""Cached images in shards: what every consumer gets is what one file of the whole cohort would give."""

import hashlib
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import image_cache
import image_index
import numpy as np
import pandas as pd
import pytest

from lungsight.audit.metadata_classifier import grey_histograms
from lungsight.errors import UserError
from lungsight.evaluation.transfer_study.entropy import lung_entropies
from lungsight.intake.shards import shard_name
from lungsight.predict.image_descriptors import describe_images
from lungsight.tables import columns_of, read_table, write_table
from lungsight.training.fit import TrainingPlan, batches_of_epoch
from lungsight.training.image_cache import ARRAYS, INDEX, CachedImages, digest_of_images, index_of_cohort
from lungsight.training.labelled_images import JoinedImages, LabelledImages
from lungsight.training.network import run_in_batches
from lungsight.training.sharded_array import ShardedArray, digest_of_array
from tests.factories.tables import SHARD, made_cohort

SIZE = 16
RNG = np.random.default_rng(0)


def sharded(whole: np.ndarray, parts: int) -> ShardedArray:
    """The same rows, dealt to parts in any order."""
    part_of = np.concatenate([np.arange(parts), RNG.integers(parts, size=len(whole) - parts)])
    row_of = np.zeros(len(whole), int)
    arrays = []
    for part in range(parts):
        members = RNG.permutation(np.flatnonzero(part_of == part))
        row_of[members] = np.arange(len(members))
        arrays.append(whole[members])
    joined = ShardedArray.of(arrays, part_of, row_of)
    assert isinstance(joined, ShardedArray)
    return joined


def npy_digest(array: np.ndarray) -> str:
    file = io.BytesIO()
    np.save(file, array)
    return hashlib.sha256(file.getvalue()).hexdigest()


@pytest.mark.parametrize("parts", [2, 4, 11])
def test_rows_are_read_as_of_one_array(parts: int) -> None:
    whole = RNG.integers(256, size=(40, 5, 5), dtype=np.uint8)
    joined = sharded(whole, parts)
    assert (len(joined), joined.shape, joined.dtype) == (40, (40, 5, 5), np.uint8)
    for chosen in (
        *(3, -1, np.int64(7), slice(4, 30, 3), slice(None), [2, 2, 39, 0]),
        *(RNG.permutation(40), RNG.integers(40, size=(3, 4)), np.arange(40) % 3 == 0, np.zeros(0, int)),
    ):
        np.testing.assert_array_equal(joined[chosen], whole[chosen])
        assert joined[chosen].dtype == np.uint8
    with pytest.raises(IndexError):
        joined[40]


def test_the_digest_is_that_of_the_file_of_the_whole() -> None:
    for whole in (RNG.integers(256, size=(600, 4, 4), dtype=np.uint8), np.ones((9, 3), np.float32)):
        assert digest_of_array(sharded(whole, 3)) == digest_of_array(whole) == npy_digest(whole)


def test_a_single_part_in_its_order_stays_as_it_is() -> None:
    part = np.zeros((3, 2, 2), np.uint8)
    assert ShardedArray.of([part], np.zeros(3, int), np.arange(3)) is part
    assert isinstance(ShardedArray.of([part], np.zeros(2, int), np.arange(2)), ShardedArray)


def test_parts_that_do_not_fit_are_refused() -> None:
    large, small = np.zeros((3, 4, 4), np.uint8), np.zeros((3, 2, 2), np.uint8)
    with pytest.raises(ValueError, match="there is none"):
        ShardedArray.of([], np.zeros(0, int), np.zeros(0, int))
    with pytest.raises(ValueError, match="differ in type or size"):
        ShardedArray.of([large, small], np.array([0, 1]), np.array([0, 0]))
    with pytest.raises(ValueError, match="fewer rows than are named"):
        ShardedArray.of([large, large], np.array([0, 1]), np.array([0, 3]))


def call(program, **arguments: object) -> None:
    """Run the main function of a program with a command line."""
    words = [word for name, value in arguments.items() for word in (f"--{name}", *map(str, np.atleast_1d(value)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{program.__name__}.py", *words])
        program.main()


def in_shards(run: Path, slices: pd.DataFrame, number: int) -> list[str]:
    """Move the cases of the made cohort clinic to so many shards, case by case; returns their names."""
    cohort, masks = run / "cohorts/clinic", run / "segmentation/masks/clinic"
    of_case = {case: shard_name(place % number) for place, case in enumerate(dict.fromkeys(slices["case"]))}
    shards = slices["case"].map(of_case)
    for case, name in of_case.items():
        (masks / name).mkdir(exist_ok=True)
        shutil.move(masks / SHARD / f"{case}.nii.gz", masks / name / f"{case}.nii.gz")
    moved = [f"png/{shard}/{Path(png).name}" for shard, png in zip(shards, slices["png"], strict=True)]
    for old, new in zip(slices["png"], moved, strict=True):
        (cohort / new).parent.mkdir(exist_ok=True)
        shutil.move(cohort / old, cohort / new)
    slices = slices.assign(png=moved)
    write_table(cohort / "slices.tsv", slices, "slices")
    converted = slices.assign(perceptual_hash="0" * 16, blank=0)[columns_of("converted_slices")]
    for name in sorted(set(shards)):
        # A shard's own order need not be the cohort's.
        write_table(cohort / "shards" / name / "slices.tsv", converted[shards == name][::-1], "converted_slices")
    return sorted(set(shards))


def make_shard(run: Path, shard: str) -> None:
    images = run / "training/images/clinic" / shard
    folders = {"cohort": run / "cohorts/clinic", "masks": run / "segmentation/masks/clinic", "images": images}
    call(image_cache, **folders, shard=shard, size=SIZE, region="image")


def make_index(run: Path, shards: list[str]) -> Path:
    images = run / "training/images/clinic"
    call(image_index, slices=run / "cohorts/clinic/slices.tsv", shards=shards, images=images)
    return images


def cached(run: Path, patients: int, number: int) -> Path:
    slices = made_cohort(run, "clinic", patients=patients, slices=2, size=32)
    shards = in_shards(run, slices, number)
    for shard in shards:
        make_shard(run, shard)
    return make_index(run, shards)


def training_batches(images: CachedImages) -> list[bytes]:
    rows = images.rows_of(pd.Series(images.names[::2]))
    used = LabelledImages(images.pixels, rows, np.arange(len(rows)) % 2)
    batches = batches_of_epoch(used, TrainingPlan(1, 3, 1e-3, seed=7), epoch=1)
    return [part.numpy().tobytes() for batch in batches for part in batch]


def joined_cohorts(images: CachedImages) -> bytes:
    part = LabelledImages(images.pixels, np.arange(len(images.names))[::-1], np.zeros(len(images.names), int))
    return JoinedImages((part, part)).at(np.array([0, 9, 3, len(part) + 2])).tobytes()


def everything(images: CachedImages) -> tuple[np.ndarray, ...]:
    rows = np.arange(len(images.names))
    return np.asarray(images.names), images.extents, images.mask_exists(rows), images.pixels[:]


CONSUMERS: dict[str, Callable[[CachedImages], object]] = {
    "all that is there": everything,
    "trainings": training_batches,
    "pre-training": joined_cohorts,
    "inference": lambda images: run_in_batches(lambda batch: batch, images.pixels, np.array([5, 0, 9])).tobytes(),
    "explanation, audit, overlays": lambda images: np.asarray(images.pixels[np.array([4, 4, 1])]).tobytes(),
    "descriptors of predict": lambda images: describe_images(images.pixels, np.array([8, 2])).tobytes(),
    "histograms": lambda images: [each.tobytes() for each in grey_histograms(images.pixels, images.pixels, [3, 1])],
    "entropies": lambda images: lung_entropies(images.pixels, images.pixels, np.arange(4), np.ones(4, bool)).tobytes(),
    "provenance": lambda images: digest_of_array(images.pixels),
}


def assert_same(one: Path, other: Path) -> None:
    for name in ARRAYS:
        first, second = CachedImages.of(one, name), CachedImages.of(other, name)
        assert first.size == second.size == SIZE
        for consumer in CONSUMERS.values():
            np.testing.assert_equal(consumer(second), consumer(first))


def test_every_consumer_gets_the_same_from_one_shard_and_from_four(tmp_path: Path) -> None:
    one, four = cached(tmp_path / "one", 8, 1), cached(tmp_path / "four", 8, 4)
    assert sorted(path.name for path in four.iterdir()) == ["000", "001", "002", "003", INDEX]
    assert isinstance(CachedImages.of(four, "whole").pixels, ShardedArray)
    whole = CachedImages.of(one, "whole").pixels[:]
    assert len(np.unique(whole.reshape(16, -1), axis=0)) == 16
    slices = read_table(tmp_path / "four/cohorts/clinic/slices.tsv", "slices")
    assert list(CachedImages.of(four, "masks").names) == list(slices["slice"])
    assert_same(one, four)
    # What a cohort's single file would hold, and what its provenance said.
    np.save(tmp_path / "whole.npy", whole)
    assert digest_of_images(four / "whole.npy", four / INDEX) == npy_digest(whole)


def test_a_patient_more_makes_one_shard_anew(tmp_path: Path) -> None:
    """Nine patients in four shards, of which eight were there: the first shard alone is made again."""
    cached(tmp_path / "grown", 8, 4)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "grown/training").rglob("*.npy")}
    shards = in_shards(tmp_path / "grown", made_cohort(tmp_path / "grown", "clinic", 9, 2, 32), 4)
    make_shard(tmp_path / "grown", "000")
    grown = make_index(tmp_path / "grown", shards)
    assert {path.parent.name for path, time in before.items() if path.stat().st_mtime_ns != time} == {"000"}
    assert len(CachedImages.of(grown, "whole").names) == 18
    assert_same(cached(tmp_path / "at once", 9, 1), grown)


def test_slices_that_no_shard_holds_are_named() -> None:
    names = [f"{number:016x}-0000" for number in range(4)]
    shards = {"000": pd.DataFrame({"slice": names[2:3]}), "001": pd.DataFrame({"slice": [names[0], names[1]]})}
    index = index_of_cohort(pd.Series([names[1], names[2]]), shards)
    assert index[["slice", "shard", "row"]].to_numpy().tolist() == [[names[1], "001", 1], [names[2], "000", 0]]
    with pytest.raises(UserError, match=f"1 slices are in no shard of the images, {names[3]} first"):
        index_of_cohort(pd.Series([names[3], names[2]]), shards)
    with pytest.raises(UserError, match=f"{names[0]} is in two shards"):
        index_of_cohort(pd.Series([names[0]]), shards | {"002": pd.DataFrame({"slice": [names[0]]})})


def test_a_cohort_without_slices_has_images_of_a_size(tmp_path: Path) -> None:
    images = cached(tmp_path, 2, 2)
    nothing = read_table(tmp_path / "cohorts/clinic/slices.tsv", "slices")[:0]
    write_table(tmp_path / "cohorts/clinic/slices.tsv", nothing, "slices")
    for shard in ("000", "001"):
        write_table(tmp_path / f"cohorts/clinic/shards/{shard}/slices.tsv", [], "converted_slices")
        make_shard(tmp_path, shard)
    empty = CachedImages.of(make_index(tmp_path, ["000", "001"]), "whole")
    assert images.is_dir() and (empty.size, len(empty.pixels), len(empty.names)) == (SIZE, 0, 0)


def test_a_shard_that_the_index_does_not_fit_is_refused(tmp_path: Path) -> None:
    images = cached(tmp_path, 4, 2)
    file = images / "001/whole.npy"
    np.save(file, np.load(file)[:-1])
    with pytest.raises(UserError, match="fewer rows than are named; run image_cache again"):
        CachedImages.of(images, "whole")
    file.unlink()
    with pytest.raises(UserError, match=r"001/whole\.npy is missing, a shard of the cached images"):
        CachedImages.of(images, "whole")
