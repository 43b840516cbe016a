"""A case that fails loses its own mask alone."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lungsight.errors import UserError
from lungsight.segmentation.shard import segment_apart, segment_cases
from lungsight.segmentation.volumes import Image

CASES = [f"{number:016x}" for number in range(5)]


def read(case: str) -> Image:
    return Image(case, np.full((2, 2, 1), int(case, 16), np.float32), np.eye(4), None)


class Segmenter:
    """Masks what is above 1 and fails for the cases `bad`. stacked: it yields nothing before it has every image."""

    def __init__(self, *bad: int, stacked: bool = False) -> None:
        self.bad, self.stacked, self.seen = bad, stacked, []

    def __call__(self, images: Iterable[Image]) -> Iterator[tuple[Image, np.ndarray]]:
        def segment(image: Image) -> tuple[Image, np.ndarray]:
            self.seen.append(int(image.case, 16))
            if int(image.case, 16) in self.bad:
                raise RuntimeError("Doe^Jane")
            return image, image.volume > 1

        segmented = map(segment, images)
        yield from list(segmented) if self.stacked else segmented


def masks_by(segmenter: Segmenter, cases: list[str] = CASES) -> dict[int, bool]:
    return {int(image.case, 16): bool(mask.all()) for image, mask in segment_cases(cases, read, segmenter)}


def test_without_a_failure_the_cases_go_through_together() -> None:
    segmenter = Segmenter()
    assert masks_by(segmenter) == {0: False, 1: False, 2: True, 3: True, 4: True}
    assert segmenter.seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("stacked", [False, True])
def test_a_case_that_fails_is_named_and_the_others_have_their_masks(tmp_path, monkeypatch, capsys, stacked) -> None:
    monkeypatch.setenv("LUNGSIGHT_PRIVATE", str(tmp_path / "private"))
    segmenter = Segmenter(1, 3, stacked=stacked)
    assert masks_by(segmenter) == {0: False, 2: True, 4: True}
    log = capsys.readouterr().err
    for number in (1, 3):
        assert f"case {CASES[number]}: no lung mask: its segmentation failed (RuntimeError)" in log
    assert "Doe" not in log
    kept = tmp_path / "private" / "errors"
    assert sorted(path.name for path in kept.iterdir()) == [f"segment-{CASES[number]}.txt" for number in (1, 3)]
    assert "Doe^Jane" in (kept / f"segment-{CASES[1]}.txt").read_text()
    assert segmenter.seen.count(0) == 1 + stacked, "an image that was yielded is not segmented again"


def test_an_image_that_cannot_be_read_loses_its_own_mask_alone() -> None:
    def damaged(case: str) -> Image:
        if case == CASES[0]:
            raise OSError("truncated")
        return read(case)

    assert [image.case for image, _ in segment_cases(CASES, damaged, Segmenter())] == CASES[1:]


def test_a_shard_whose_cases_all_fail_is_an_error() -> None:
    with pytest.raises(UserError, match="None of the 5 cases of this shard could be segmented"):
        masks_by(Segmenter(*range(5)))
    assert masks_by(Segmenter(2), CASES[2:3]) == {}, "a single case may be at fault itself"


def test_a_user_error_stops_the_shard() -> None:
    def mistaken(images: Iterable[Image]) -> Iterator[tuple[Image, np.ndarray]]:
        raise UserError("the model has no label lung")
        yield

    with pytest.raises(UserError, match="no label lung"):
        list(segment_cases(CASES, read, mistaken))


def test_a_full_disk_stops_the_shard() -> None:
    """An error with a mask that was already yielded is not a failure of the segmentation."""
    masks = segment_cases(CASES, read, Segmenter())
    with pytest.raises(OSError, match="No space"):
        for _ in masks:
            raise OSError("No space left on device")


def bright(case: str, bad: tuple[int, ...] = ()) -> tuple[Image, np.ndarray]:
    if int(case, 16) in bad:
        raise RuntimeError("Doe^Jane")
    image = read(case)
    return image, image.volume > 1


def write(image: Image, mask: np.ndarray, folder: Path) -> None:
    np.save(folder / image.case, mask)


@pytest.mark.parametrize("processes", [1, 2])
def test_cases_apart_lose_their_own_mask_alone(tmp_path, monkeypatch, capfd, processes) -> None:
    monkeypatch.setenv("LUNGSIGHT_PRIVATE", str(tmp_path / "private"))
    masks = tmp_path / "masks"
    masks.mkdir()
    done = segment_apart(CASES, partial(bright, bad=(1, 3)), partial(write, folder=masks), processes)
    assert list(done) == CASES
    found = {int(path.stem, 16): bool(np.load(path).all()) for path in masks.iterdir()}
    assert found == {0: False, 2: True, 4: True}
    log = capfd.readouterr().err
    assert f"case {CASES[1]}: no lung mask: its segmentation failed (RuntimeError)" in log and "Doe" not in log
    assert "Doe^Jane" in (tmp_path / "private" / "errors" / f"segment-{CASES[3]}.txt").read_text()


def full(image: Image, mask: np.ndarray) -> None:
    raise OSError("No space left on device")


def test_cases_apart_stop_at_a_full_disk_and_where_all_fail() -> None:
    with pytest.raises(OSError, match="No space"):
        list(segment_apart(CASES, bright, full, 2))
    with pytest.raises(UserError, match="None of the 5 cases of this shard could be segmented"):
        list(segment_apart(CASES, partial(bright, bad=tuple(range(5))), full, 1))
