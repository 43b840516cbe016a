"""Read lesion masks with labels written in any way, onto the image's grid; refuse unusable ones with a reason."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.image import read_image
from lungsight.intake.lesions import read_lesion
from lungsight.intake.volume import Volume, Window
from tests.factories.dicom import made_series, save_series
from tests.unit.intake.test_masks import save_labels, truth

SPOT = np.zeros((20, 24), np.uint8)
SPOT[4:8, 12:20] = 1


@pytest.fixture
def picture(tmp_path: Path) -> Volume:
    """A picture of 20 × 24 pixels, kept at 40 × 40."""
    Image.fromarray(np.full(SPOT.shape, 90, np.uint8)).save(tmp_path / "picture.png")
    return read_image(tmp_path / "picture.png", 40)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    folder = save_series(tmp_path / "ct", made_series())
    return read_dicom(folder, folder, Window(-1250, 250), 5)


def saved(path: Path, image: np.ndarray | Image.Image) -> Path:
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path)
    return path


def in_palette(colours: list[int]) -> Image.Image:
    image = Image.fromarray(SPOT).convert("P")
    image.putpalette(colours)
    return image


def as_looked_at(mask: np.ndarray) -> np.ndarray:
    return mask[::-1, ::-1, 0].T


def test_the_mask_of_a_picture_is_resized_like_the_picture(picture: Volume, tmp_path: Path) -> None:
    mask = read_lesion(saved(tmp_path / "m.png", 255 * SPOT), picture, "png")
    assert (mask.dtype, mask.shape) == (np.uint8, picture.voxels.shape)
    wanted = Image.fromarray(SPOT).resize((40, 40), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(as_looked_at(mask), np.asarray(wanted))


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(SPOT, id="labels 0 and 1"),
        pytest.param(SPOT * np.arange(24, dtype=np.uint8) % 4 + SPOT, id="several labels"),
        pytest.param(SPOT.astype(np.uint16), id="16 bits, of which a scale to 8 would lose label 1"),
        pytest.param(Image.fromarray(255 * SPOT).convert("1"), id="one bit"),
        pytest.param(in_palette([0, 0, 0, 0, 0, 1]), id="a palette whose label 1 is nearly black"),
        pytest.param(np.dstack([0 * SPOT, 0 * SPOT, SPOT]), id="colours"),
        pytest.param(np.dstack([*[255 + 0 * SPOT] * 3, 255 * SPOT]), id="transparent where there is none"),
    ],
)
def test_whatever_is_not_background_is_lesion(picture: Volume, tmp_path: Path, image) -> None:
    mask = read_lesion(saved(tmp_path / "m.png", image), picture, "png")
    wanted = Image.fromarray(SPOT).resize((40, 40), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(as_looked_at(mask), np.asarray(wanted))


def test_a_mask_may_show_no_lesion(picture: Volume, volume: Volume, tmp_path: Path) -> None:
    assert not read_lesion(saved(tmp_path / "m.png", 0 * SPOT), picture, "png").any()
    empty = save_labels(tmp_path / "m.nii.gz", truth(True).astype(np.uint8) * 0, volume.affine)
    assert not read_lesion(empty, volume, "dicom").any()


def test_unusable_masks_of_pictures_are_refused_with_a_reason(picture: Volume, tmp_path: Path) -> None:
    torn = saved(tmp_path / "torn.png", 255 * SPOT)
    torn.write_bytes(torn.read_bytes()[:40])
    grey = np.random.default_rng(0).integers(0, 255, SPOT.shape, dtype=np.uint8)
    white_page = in_palette([255, 255, 255, 255, 0, 0])
    for path, message in [
        (saved(tmp_path / "turned.png", SPOT.T.copy()), "the mask has 24 × 20 pixels, the picture 20 × 24"),
        (saved(tmp_path / "slice.png", grey), "more grey values than labels"),
        (saved(tmp_path / "inverted.png", 255 * (1 - SPOT)), "marks more than half of the image"),
        (saved(tmp_path / "page.png", white_page), "marks more than half of the image"),
        (saved(tmp_path / "ink.png", np.dstack([*[0 * SPOT] * 3, 255 * SPOT])), "black on transparent"),
        (saved(tmp_path / "lossy.jpg", 255 * SPOT), "no readable PNG"),
        (torn, "no readable PNG"),
        (tmp_path / "absent.png", "no readable PNG"),
        (tmp_path, "no readable PNG"),
    ]:
        with pytest.raises(BadCase, match=message):
            read_lesion(path, picture, "png")


def test_the_mask_of_a_scan_is_a_nifti_on_its_grid(volume: Volume, tmp_path: Path) -> None:
    labels = np.where(truth(True), 2, 0).astype(np.int16)
    flip = np.diag([-1.0, -1, 1, 1])
    flip[:2, 3] = 31, 23
    path = save_labels(tmp_path / "m.nii.gz", labels[::-1, ::-1], volume.affine @ flip)
    np.testing.assert_array_equal(read_lesion(path, volume, "dicom"), truth(True))
    with pytest.raises(BadCase, match="does not lie on the image's grid"):
        read_lesion(save_labels(tmp_path / "m.nii", labels[:-1], volume.affine), volume, "nifti")
    with pytest.raises(BadCase, match="no labels"):
        read_lesion(save_labels(tmp_path / "m.nii", labels * np.float32(0.25), volume.affine), volume, "nifti")
    with pytest.raises(BadCase, match="marks more than half of the image"):
        read_lesion(save_labels(tmp_path / "m.nii", np.int16(1) + labels, volume.affine), volume, "nifti")
    with pytest.raises(BadCase, match="no readable NIfTI"):
        read_lesion(saved(tmp_path / "m.png", SPOT), volume, "dicom")
