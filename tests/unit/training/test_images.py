"""Cached images, textures and the files that guard weights."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from lungsight.errors import UserError
from lungsight.tables import write_table
from lungsight.training.image_cache import (
    ARRAYS,
    CachedImages,
    resize_image,
    resize_mask,
    slice_arrays,
    write_image_cache,
)
from lungsight.training.provenance import check_images
from lungsight.training.textures import CLASSES, draw_textures
from lungsight.training.weights import WeightsFile, read_sidecar, write_sidecar
from tests.factories.tables import SHARD, made_cohort, save_volume

NAMES = [f"{number:016x}-0000" for number in range(3)]


def test_shrinking_averages_instead_of_skipping() -> None:
    chequers = (np.indices((64, 64)).sum(axis=0) % 2 * 200).astype(np.uint8)
    inner = resize_image(chequers, 16)[2:-2, 2:-2]
    assert np.abs(inner.astype(int) - 100).max() <= 2


def test_a_slice_is_masked_at_its_own_size_and_then_resized() -> None:
    """A lung one pixel wide: a quarter of its light arrives in an image that is four times smaller."""
    image, mask = np.full((32, 32), 200, np.uint8), np.zeros((32, 32), np.uint8)
    mask[:, 17] = 1
    whole, segmented, small_mask = slice_arrays(image, mask, 8)
    assert (whole == 200).all()
    assert segmented.sum(axis=1)[4] == pytest.approx(50, abs=3)
    assert (segmented[4] > 0).sum() >= 1
    assert set(np.unique(small_mask)) <= {0, 1}
    np.testing.assert_array_equal(slice_arrays(image, mask, 32)[1], image * mask)


def test_cached_images_are_found_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((4, 4), np.uint8))
    write_table(tmp_path / "index.tsv", [{"slice": name} for name in NAMES], "image_index")
    cached = CachedImages.open(tmp_path / "whole.npy", tmp_path / "index.tsv")
    rows = cached.rows_of(pd.Series([NAMES[2], NAMES[0]]))
    assert cached.pixels[rows].mean(axis=(1, 2)).tolist() == [2, 0]
    with pytest.raises(UserError, match="1 slices of the split have no cached image"):
        cached.rows_of(pd.Series([NAMES[0], "f" * 16 + "-0000"]))
    write_table(tmp_path / "index.tsv", [{"slice": name} for name in NAMES[:2]], "image_index")
    with pytest.raises(UserError, match="run image_cache again"):
        CachedImages.open(tmp_path / "whole.npy", tmp_path / "index.tsv")


def cached(run: Path, slices: pd.DataFrame, size: int = 16) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Of the made cohort clinic the arrays of the cache, and the columns of its index."""
    arrays = {name: run / f"{name}.npy" for name in ARRAYS}
    masks = {"masks": run / "segmentation/masks/clinic", "lesions": run / "cohorts/clinic/lesions"}
    columns = write_image_cache(slices, run / "cohorts/clinic", masks, size, arrays)
    return {name: np.load(path) for name, path in arrays.items()}, columns


def test_a_case_whose_lung_mask_is_missing_torn_or_short_goes_on_without(tmp_path: Path, capsys) -> None:
    slices = made_cohort(tmp_path, "clinic", patients=5, slices=2, size=32)
    before, _ = cached(tmp_path, slices)
    names = list(slices["case"].unique())
    absent, torn, short, empty, good = (tmp_path / f"segmentation/masks/clinic/{SHARD}/{name}.nii.gz" for name in names)
    absent.unlink()
    torn.write_bytes(torn.read_bytes()[:200])
    nibabel.save(nibabel.load(short).slicer[:, :, :1], short)
    empty.write_bytes(b"")
    arrays, columns = cached(tmp_path, slices)
    assert columns["masks"].tolist() == [0] * 8 + [1] * 2
    assert good.is_file()
    np.testing.assert_array_equal(arrays["whole"], before["whole"])
    for name in ("masks", "segmented"):
        assert not arrays[name][:8].any()
        np.testing.assert_array_equal(arrays[name][8:], before[name][8:])
    said = [line for line in capsys.readouterr().err.splitlines() if "no lung mask" in line]
    assert [line.split(":")[0] for line in said] == [f"case {name}" for name in names[:4]]
    for line, why in zip(said, ("there is no file", "damaged", "(32, 32, 1) voxels", "damaged"), strict=True):
        assert why in line


def test_lesions_are_cached_where_they_are_known(tmp_path: Path, capsys) -> None:
    """A case with lesions on its second slice, one whose mask shows none, one with another scan's mask, one without."""
    slices = made_cohort(tmp_path, "clinic", patients=4, slices=2, size=32)
    ill, well, misfit, _ = (tmp_path / f"cohorts/clinic/lesions/{SHARD}/{case}.nii.gz" for case in slices["case"][::2])
    nothing, spot = np.zeros((32, 32), bool), np.zeros((32, 32), bool)
    spot[8:16, 20:28] = True
    save_volume(ill, [nothing, spot])
    save_volume(well, [nothing, nothing])
    save_volume(misfit, [spot])
    arrays, columns = cached(tmp_path, slices)
    assert columns["lesions"].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert columns["masks"].all()
    assert (arrays["lesions"].dtype, arrays["lesions"].shape) == (np.uint8, (8, 16, 16))
    np.testing.assert_array_equal(arrays["lesions"][1], resize_mask(spot.astype(np.uint8), 16))
    assert arrays["lesions"].sum() == 16 and arrays["lesions"][1, 4:8, 10:14].all()
    assert [line for line in capsys.readouterr().err.splitlines() if "lesion mask" in line] == [
        f"case {slices['case'][4]}: no lesion mask: it has (32, 32, 1) voxels, the image (32, 32, 2)"
    ]
    write_table(tmp_path / "index.tsv", slices[["slice"]].assign(**columns), "image_index")
    lesions, whole = (
        CachedImages.open(tmp_path / f"{name}.npy", tmp_path / "index.tsv") for name in ("lesions", "whole")
    )
    assert lesions.mask_exists(np.array([0, 3, 4])).tolist() == [True, True, False]
    assert whole.mask_exists(np.array([0, 7])).all()


def test_lesions_that_nobody_knows_take_no_room(tmp_path: Path) -> None:
    slices = made_cohort(tmp_path, "clinic", patients=2, slices=2, size=32)
    cached(tmp_path, slices, size=256)
    assert (tmp_path / "whole.npy").stat().st_blocks * 512 >= 4 * 256**2
    assert (tmp_path / "lesions.npy").stat().st_blocks * 512 < 256**2


def test_weights_are_checked_before_use(tmp_path: Path) -> None:
    path = tmp_path / "a.weights.h5"
    path.write_bytes(b"weights")
    write_sidecar(path)
    assert WeightsFile(path, "imagenet", read_sidecar(path)).checked() == path
    path.write_bytes(b"others")
    with pytest.raises(UserError, match="is not the expected file: its SHA-256 is"):
        WeightsFile(path, "imagenet", read_sidecar(path)).checked()
    path.unlink()
    with pytest.raises(UserError, match="do not exist"):
        WeightsFile(path, "imagenet", read_sidecar(path)).checked()


def test_a_model_for_other_images_is_refused() -> None:
    provenance = {"preprocessing": "x / 127.5 - 1", "image_size": 64}
    check_images(provenance, "x / 127.5 - 1", 64)
    with pytest.raises(UserError, match="its image_size is 64, 32 is wanted"):
        check_images(provenance, "x / 127.5 - 1", 32)
    with pytest.raises(UserError, match="'x' is wanted"):
        check_images(provenance, "x", 64)


def test_textures_are_seeded_and_their_classes_differ_in_structure_not_in_level() -> None:
    images, classes = draw_textures(20 * len(CLASSES), 32, seed=1)
    assert (images.shape, images.dtype) == ((20 * len(CLASSES), 32, 32), np.uint8)
    assert (np.bincount(classes) == 20).all()
    np.testing.assert_array_equal(images, draw_textures(20 * len(CLASSES), 32, seed=1)[0])
    assert (images != draw_textures(20 * len(CLASSES), 32, seed=2)[0]).any()
    pixels = images.astype(float)
    change = np.abs(np.diff(pixels, axis=1)).mean(axis=(1, 2)) / pixels.std(axis=(1, 2))
    by_class = {draw.__name__: np.median(change[classes == number]) for number, draw in enumerate(CLASSES)}
    assert max(by_class, key=by_class.get) == "_grain"
    assert by_class["_clouds"] < by_class["_dots"] < by_class["_grain"]
    levels = [pixels[classes == number].mean() for number in range(len(CLASSES))]
    assert np.ptp(levels) < 60
