"""Pictures as input: one 8-bit channel by a stated rule, or a reason."""

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from lungsight.errors import BadCase
from lungsight.intake.image import load_grey, read_image, to_grey

GREY = np.random.default_rng(2).integers(0, 256, (20, 30), dtype=np.uint8)


def save(path, picture, **settings):
    picture.save(path, **settings)
    return path


def test_grey_rgb_and_palette_of_one_picture_are_the_same(tmp_path):
    picture = Image.fromarray(GREY)
    for mode in ("L", "RGB", "RGBA", "LA"):
        path = save(tmp_path / f"{mode}.png", picture.convert(mode))
        np.testing.assert_array_equal(load_grey(path), GREY)
    palette = Image.fromarray(GREY).convert("P")
    palette.putpalette([level for level in range(256) for _ in range(3)])
    np.testing.assert_array_equal(load_grey(save(tmp_path / "P.png", palette)), GREY)


def test_colours_become_luma():
    coloured = np.random.default_rng(3).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    luma = coloured @ [0.299, 0.587, 0.114]
    assert np.abs(to_grey(Image.fromarray(coloured)) - luma).max() <= 0.51


def test_transparency_is_laid_over_black(tmp_path):
    rgba = np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)])
    rgba[:5, :, 3] = 0
    grey = load_grey(save(tmp_path / "t.png", Image.fromarray(rgba)))
    assert (grey[:5] == 0).all()
    np.testing.assert_array_equal(grey[5:], GREY[5:])


def test_16_bits_are_scaled_and_1_bit_is_stretched(tmp_path):
    deep = np.array([[0, 257, 32768, 65535]], np.uint16)
    np.testing.assert_array_equal(load_grey(save(tmp_path / "deep.png", Image.fromarray(deep))), [[0, 1, 128, 255]])
    bit = Image.fromarray(GREY > 100)
    assert bit.mode == "1"
    np.testing.assert_array_equal(load_grey(save(tmp_path / "bit.png", bit)), np.where(GREY > 100, 255, 0))


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate 90° clockwise to view
    path = save(tmp_path / "turned.png", Image.fromarray(GREY), exif=exif)
    np.testing.assert_array_equal(load_grey(path), np.rot90(GREY, -1))


def test_the_content_counts_not_the_extension(tmp_path):
    with open(tmp_path / "jpeg.png", "wb") as file:
        Image.fromarray(GREY).save(file, format="JPEG", quality=95)
    assert np.abs(load_grey(tmp_path / "jpeg.png").astype(int) - GREY).mean() < 5


def refused(path):
    with pytest.raises(BadCase) as caught:
        load_grey(path)
    return str(caught.value)


def test_other_and_damaged_files_are_refused(tmp_path):
    neither = "the file is neither PNG nor JPEG, or is damaged"
    (tmp_path / "empty.png").write_bytes(b"")
    assert refused(tmp_path / "empty.png") == neither
    (tmp_path / "text.png").write_text("lung")
    assert refused(tmp_path / "text.png") == neither
    assert (
        refused(save(tmp_path / "picture.gif", Image.fromarray(GREY))) == "the file is neither PNG nor JPEG, but a GIF"
    )
    whole = save(tmp_path / "cut.png", Image.fromarray(GREY)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:300])
    assert refused(tmp_path / "cut.png") == "the picture is truncated or damaged"
    flipped = bytearray(whole)
    flipped[200] ^= 0xFF
    (tmp_path / "flipped.png").write_bytes(flipped)
    assert refused(tmp_path / "flipped.png") == "the picture is truncated or damaged"
    cmyk = save(tmp_path / "cmyk.jpg", Image.fromarray(GREY).convert("CMYK"))
    assert "pixel type CMYK" in refused(cmyk)


def test_huge_and_animated_pictures_are_refused(tmp_path):
    huge = save(tmp_path / "huge.png", Image.new("1", (20000, 5000)))
    assert refused(huge) == "the picture says 5000 × 20000, more than any CT slice"
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(tmp_path / "moving.png", save_all=True, append_images=frames[1:])
    assert refused(tmp_path / "moving.png").startswith("the file holds several pictures (2): it is animated")


def test_a_picture_of_the_right_size_is_kept_and_others_are_resized(tmp_path):
    square = np.random.default_rng(4).integers(0, 256, (32, 32), dtype=np.uint8)
    volume = read_image(save(tmp_path / "square.png", Image.fromarray(square)), 32)
    np.testing.assert_array_equal(next(volume.images()), square)
    np.testing.assert_array_equal(volume.voxels[:, :, 0], square.T[::-1, ::-1])
    np.testing.assert_array_equal(volume.affine, np.eye(4))
    oblong = read_image(save(tmp_path / "oblong.png", Image.fromarray(GREY)), 32)
    wanted = np.asarray(Image.fromarray(GREY).resize((32, 32), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(next(oblong.images()), wanted)
    assert (oblong.acquisition.rows, oblong.acquisition.columns, oblong.acquisition.hu_p50) == (20, 30, None)


def test_all_real_pictures_can_be_read(real_ct):
    files = sorted((real_ct / "soares_png").rglob("*.png"))[::6]
    for file in files:
        with Image.open(file) as picture:
            size = (picture.height, picture.width)
        assert load_grey(file).shape == size


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_transparent_grey_of_a_png_is_laid_over_black(tmp_path, mode):
    picture = Image.fromarray(GREY).convert(mode)
    level = int(GREY[3, 4])
    path = save(tmp_path / "t.png", picture, transparency=level if mode == "L" else (level,) * 3)
    np.testing.assert_array_equal(load_grey(path), np.where(level == GREY, 0, GREY))


def test_16_bits_of_colour_are_known_though_pillow_keeps_eight(tmp_path):
    deep = (np.stack([GREY] * 3, axis=-1).astype(np.uint16) * 16 + 32768).astype(np.uint16)
    (tmp_path / "rgb.png").write_bytes(imagecodecs.png_encode(np.repeat(deep, 2, axis=0)))
    volume = read_image(tmp_path / "rgb.png", 32)
    assert [doubt.certain for doubt in volume.doubts] == [True] and "16 bits" in volume.doubts[0].words


@pytest.mark.parametrize("format", ["BMP", "GIF", "TIFF", "WEBP"])
def test_a_picture_of_another_format_is_named(tmp_path, format):
    path = tmp_path / "slice.png"
    Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64).astype(np.uint8)).save(path, format=format)
    with pytest.raises(BadCase, match=f"neither PNG nor JPEG, but a {format}"):
        read_image(path, 64)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (bytes(128) + b"DICM", "a DICOM file"),
        (b"\x1f\x8b\x08", "a gzip stream"),
        (b"PK\x03\x04", "a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
    ],
)
def test_a_file_that_is_no_picture_is_named(tmp_path, head, kind):
    path = tmp_path / "slice.png"
    path.write_bytes(head + bytes(500))
    with pytest.raises(BadCase, match=f"neither PNG nor JPEG, but {kind}"):
        read_image(path, 64)
