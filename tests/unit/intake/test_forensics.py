"""Traces of how an image was made, on images of known making."""

import io

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image, ImageDraw, PngImagePlugin
from scipy import ndimage

from lungsight.intake.forensics.edges import edge_width
from lungsight.intake.forensics.jpeg_tables import jpeg_quality
from lungsight.intake.forensics.measure import bits_of_series, measure_picture, measure_shard, places_measured
from lungsight.intake.forensics.noise import grouped_median, noise_in_air, noise_in_muscle
from lungsight.intake.forensics.pixels import Pixels
from lungsight.intake.forensics.resampling import aliased_frequency
from lungsight.intake.forensics.traces import FILE, TRACES, WORD, values_of_pixels
from lungsight.tables import check_table, columns_of, table_schema, types_of, write_table
from tests.factories.dicom import made_series, save_series
from tests.factories.tables import disc

SIZE = 256


def made_chest(size=SIZE, noise=3.0, blur=1.0, seed=1, sharp_sigma=None):
    """A body with two lungs in air, float64: blurred as a scanner does, then with white noise."""
    image = np.full((size, size), 40.0)
    image[disc(size, 0.5, 0.5, 0.36, 0.44)] = 180
    for column in (0.32, 0.68):
        image[disc(size, 0.5, column, 0.24, 0.13)] = 70
    image = ndimage.gaussian_filter(image, blur if sharp_sigma is None else sharp_sigma)
    return image + np.random.default_rng(seed).normal(0, noise, image.shape)


def as_grey(image):
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def as_jpeg(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def traces_of(image):
    return values_of_pixels(Pixels(image))


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (2, 300)])
def test_a_line_of_pixels_has_no_region_and_stops_nothing(shape):
    line = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    for image in (line, np.zeros_like(line)):
        pixels = Pixels(image)
        assert not pixels.lungs.any()
        traces = traces_of(image)
        assert traces["noise_air"] is None and traces["edge_width"] is None
        assert traces["grey_levels"] == len(np.unique(image))


@pytest.fixture(scope="module")
def chest():
    return as_grey(made_chest())


def stored(tmp_path, image, name="a.png", **options):
    image.save(tmp_path / name, **options)
    return measure_picture(tmp_path / name)[0]


def test_every_trace_is_a_column_in_the_order_of_the_table():
    assert columns_of("forensics") == ["slice", *(trace.name for trace in TRACES)]
    properties = table_schema("forensics")["properties"]
    assert [trace.kind == WORD for trace in TRACES] == ["string" in types_of(properties[t.name]) for t in TRACES]
    assert all(trace.title and trace.meaning for trace in TRACES)


@pytest.mark.parametrize("quality", [1, 10, 37, 50, 51, 75, 90, 95, 100])
def test_jpeg_quality_is_read_from_the_tables(tmp_path, chest, quality):
    found = stored(tmp_path, Image.fromarray(chest), "a.jpg", quality=quality)
    assert (found.format, found.jpeg_quality, found.jpeg_tables) == ("jpeg", quality, "ijg")


def test_a_jpeg_that_holds_several_pictures_is_a_jpeg(tmp_path, chest):
    """Pillow calls it MPO."""
    picture, path = Image.fromarray(chest), tmp_path / "a.jpg"
    picture.save(path, format="MPO", save_all=True, append_images=[picture], quality=80)
    found, _ = measure_picture(path)
    assert (found.format, found.bits, found.jpeg_quality, found.jpeg_tables) == ("jpeg", 8, 80, "ijg")


def test_another_programs_table_has_the_nearest_quality():
    table = np.asarray(Image.open(io.BytesIO(jpeg_bytes(80))).quantization[0])
    assert jpeg_quality({0: table + (np.arange(64) == 5)}) == (80, "other")
    assert jpeg_quality({}) == (None, "")


def jpeg_bytes(quality):
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.mark.parametrize(("option", "word"), [("4:4:4", "4:4:4"), ("4:2:2", "4:2:2"), ("4:2:0", "4:2:0")])
def test_chroma_subsampling(tmp_path, chest, option, word):
    found = stored(tmp_path, Image.fromarray(chest).convert("RGB"), "a.jpg", subsampling=option)
    assert (found.jpeg_subsampling, found.mode) == (word, "colour")
    assert found.coloured == 0


def test_progressive_and_exif(tmp_path, chest):
    exif = Image.Exif()
    exif[0x0131] = "program"
    image = Image.fromarray(chest)
    plain, rich = stored(tmp_path, image, "a.jpg"), stored(tmp_path, image, "b.jpg", progressive=True, exif=exif)
    assert (plain.interlaced, plain.exif, plain.jpeg_subsampling) == ("no", "no", "")
    assert (rich.interlaced, rich.exif) == ("yes", "yes")


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        *(("1", ("bilevel", 1, "no")), ("L", ("grey", 8, "no")), ("LA", ("grey", 8, "yes"))),
        *(("P", ("palette", 8, "no")), ("RGB", ("colour", 8, "no")), ("RGBA", ("colour", 8, "yes"))),
        ("I;16", ("grey", 16, "no")),
    ],
)
def test_stored_mode_bits_and_alpha(tmp_path, chest, mode, wanted):
    image = Image.fromarray(chest.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(chest).convert(mode)
    found = stored(tmp_path, image)
    assert (found.mode, found.bits, found.alpha) == wanted
    assert (found.format, found.rows, found.columns, found.jpeg_quality) == ("png", SIZE, SIZE, None)


def test_an_ending_does_not_decide_the_format(tmp_path, chest):
    Image.fromarray(chest).save(tmp_path / "a.png", "JPEG")
    assert measure_picture(tmp_path / "a.png")[0].format == "jpeg"


def test_interlaced_png(tmp_path, chest):
    assert stored(tmp_path, Image.fromarray(chest)).interlaced == "no"
    # Pillow writes no interlaced file: one of 1 × 1 has the same data, and another header.
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[28] = 1
    data[29:33] = PngImagePlugin._crc32(bytes(data[12:29])).to_bytes(4, "big")
    (tmp_path / "i.png").write_bytes(data)
    assert measure_picture(tmp_path / "i.png")[0].interlaced == "yes"


def test_coloured_pixels(tmp_path, chest):
    pixels = np.repeat(chest[:, :, None], 3, axis=2)
    pixels[:64, :64] = 255, 0, 0
    assert stored(tmp_path, Image.fromarray(pixels)).coloured == pytest.approx(1 / 16)
    assert stored(tmp_path, Image.fromarray(pixels), "a.jpg", quality=95).coloured == pytest.approx(
        1 / 16, abs=0.005
    )  # JPEG smears colours


def textured_chest(seed):
    """Noise of CT is smooth over about a pixel; white noise drowns in the first quantisation."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 12, (SIZE, SIZE)), 0.8)
    return as_grey(made_chest(noise=0) + noise)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_blockiness_grows_as_quality_falls(seed):
    image = textured_chest(seed)
    values = [traces_of(as_jpeg(image, quality))["blockiness"] for quality in (95, 90, 80, 70, 60, 50)]
    assert traces_of(image)["blockiness"] == pytest.approx(1, abs=0.03)
    assert values == sorted(values) and values[0] > 1.04 and values[-1] > 1.5


def test_blockiness_is_that_of_blocks_of_known_height():
    """Inside a block neighbours differ by 2 everywhere; across blocks by 6: their ratio is 3."""
    steps = np.where(np.arange(1, 64) % 8 == 0, 6, 2) * np.where(np.arange(1, 64) % 2, 1, -1)
    line = np.concatenate([[100], 100 + np.cumsum(steps)])
    assert traces_of(as_grey(np.add.outer(line, line) / 1 - 60))["blockiness"] == pytest.approx(3)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (3, 5), (7, 1)])
@pytest.mark.parametrize("quality", [90, 60])
def test_the_grid_of_a_crop_begins_where_it_was_cut(chest, rows, columns, quality):
    found = traces_of(as_jpeg(chest, quality)[rows:, columns:])
    assert (found["block_row"], found["block_column"]) == (-rows % 8, -columns % 8)


def test_no_grid_without_jpeg(chest):
    doubled = chest.repeat(2, axis=0).repeat(2, axis=1)
    resized = np.asarray(Image.fromarray(as_jpeg(chest, 60)).resize((300, 300), Image.Resampling.BILINEAR))
    for image in (chest, doubled, resized):
        assert traces_of(image)["block_row"] is None and traces_of(image)["block_column"] is None


FACTORS = (0.7, 0.8, 0.9, 1.1, 1.2, 1.3, 1.4)


# Pillow averages where it makes a picture smaller, which wipes out most of the trace at 0.7.
@pytest.mark.parametrize(
    ("how", "factor"), [*(("interpolated", f) for f in FACTORS), *(("averaged", f) for f in FACTORS[1:])]
)
def test_resampling_is_found_at_its_factor(how, factor):
    original = as_grey(made_chest(size=400))
    side = round(400 * factor)
    if how == "averaged":
        resized = np.asarray(Image.fromarray(original).resize((side, side), Image.Resampling.BILINEAR))
    else:
        resized = as_grey(ndimage.zoom(original.astype(float), side / 400, order=1, grid_mode=True, mode="nearest"))
    found = traces_of(resized)
    assert found["resampling_frequency"] == pytest.approx(aliased_frequency(side / 400), abs=1.5 / side)
    assert found["resampling"] > traces_of(original)["resampling"]


def test_resampling_of_a_jpeg_is_not_taken_for_its_grid(chest):
    assert traces_of(as_jpeg(chest, 80))["resampling_frequency"] is None
    assert traces_of(chest)["resampling_frequency"] is None


@pytest.mark.parametrize("levels", [2, 17, 64, 256])
def test_grey_levels_and_gaps_are_exact(levels):
    used = np.unique(np.rint(np.linspace(0, 255, levels)).astype(np.uint8))
    image = np.random.default_rng(1).permutation(np.resize(used, 128 * 128)).reshape(128, 128)
    found = traces_of(image)
    assert found["grey_levels"] == levels
    assert found["histogram_gaps"] == pytest.approx(1 - levels / 256)


def test_clipped_shares_are_exact(chest):
    image = np.clip(chest, 1, 254)
    image[100:110, :64], image[120:124, :128] = 0, 255
    found = traces_of(image)
    assert (found["clipped_low"], found["clipped_high"]) == (640 / SIZE**2, 512 / SIZE**2)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_letterbox_and_border_are_exact(chest, grey):
    found = traces_of(np.pad(chest, ((7, 12), (3, 9)), constant_values=grey))
    assert (found["letterbox_rows"], found["letterbox_columns"]) == (19, 12)
    assert (found["border"], found["border_grey"]) == (3, grey)
    boxed = traces_of(np.pad(chest, ((20, 30), (0, 0)), constant_values=grey))
    assert (boxed["letterbox_rows"], boxed["letterbox_columns"]) == (50, 0)
    assert (boxed["border"], boxed["border_grey"]) == (0, None)


def test_a_blank_picture_has_no_border_and_no_other_trace():
    found = traces_of(np.full((64, 64), 9, np.uint8))
    assert (found["letterbox_rows"], found["border"], found["grey_levels"]) == (0, 0, 1)
    unknown = ("blockiness", "resampling", "marks", "noise_air", "noise_muscle", "edge_width", "rotation", "body_cut")
    assert [found[name] for name in unknown] == [None] * len(unknown)


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (300, 5), (40, 40)])
def test_small_pictures_are_measured_as_far_as_they_go(shape):
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    write_table_of(traces_of(image))


def write_table_of(found):
    """Raises where a value does not fit the schema."""
    empty = {trace.name: "" if trace.kind == WORD else None for trace in TRACES if trace.source == FILE}
    check_table(pd.DataFrame([{"slice": f"{0:016x}-0000", **empty, **found}]), "forensics", "here")


def test_letters_are_counted():
    image = Image.fromarray(as_grey(made_chest(size=400)))
    drawing = ImageDraw.Draw(image)
    for place in range(6):
        drawing.rectangle((10 + 12 * place, 10, 15 + 12 * place, 18), fill=255)
    drawing.rectangle((10, 385, 390, 389), fill=255)  # a couch is no letter
    assert traces_of(np.asarray(image))["marks"] == 6
    assert traces_of(as_grey(made_chest(size=400)))["marks"] == 0


def test_marks_are_unknown_where_no_air_is_seen(chest):
    cut = chest[64:192, 64:192]
    assert traces_of(cut)["marks"] is None and traces_of(cut)["noise_air"] is None


@pytest.mark.parametrize("sigma", [1.0, 2.0, 5.0, 9.0])
def test_noise_is_within_a_tenth(sigma):
    image = as_grey(made_chest(size=400, noise=sigma))
    assert noise_in_air(Pixels(image)) == pytest.approx(sigma, rel=0.1)
    assert noise_in_muscle(Pixels(image)) == pytest.approx(sigma, rel=0.1)


def test_noise_that_is_cut_off_is_unknown():
    image = as_grey(made_chest(noise=4) - 40)
    assert noise_in_air(Pixels(image)) is None and noise_in_muscle(Pixels(image)) == pytest.approx(4, rel=0.1)
    assert noise_in_muscle(Pixels(as_grey(made_chest(noise=4) + 90))) is None


def test_the_grouped_median_has_no_steps():
    values = np.abs(np.rint(np.random.default_rng(1).normal(0, 2.3, 100_000)))
    assert grouped_median(values) == pytest.approx(0.6745 * 2.3, rel=0.02)
    assert grouped_median(np.array([0, 0, 0, 1])) == pytest.approx(1 / 3)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 3.0])
def test_edge_width_is_that_of_the_blur(sigma):
    """The step of a normal distribution rises from 10 to 90 % in 2 · 1.2816 standard deviations."""
    image = as_grey(made_chest(size=400, noise=0.5, sharp_sigma=sigma))
    assert edge_width(Pixels(image)) == pytest.approx(2.563 * sigma, rel=0.1)


def test_field_of_view_and_rotation():
    for angle in (-20, 0, 15, 30):
        turned = ndimage.rotate(made_chest(size=300, noise=0), angle, reshape=False, order=1, cval=40)
        found = traces_of(as_grey(turned + np.random.default_rng(1).normal(0, 2, turned.shape)))
        assert found["rotation"] == pytest.approx(angle, abs=1.5)
        assert found["field_of_view"] == pytest.approx(np.pi * 0.36 * 0.44, rel=0.03)
        assert found["body_cut"] == 0


def test_a_body_that_the_frame_cuts_has_no_direction(chest):
    found = traces_of(chest[64:192])
    assert found["rotation"] is None
    assert found["body_cut"] > 0.4


def test_a_series_is_measured_at_some_slices():
    assert places_measured(3) == {0, 1, 2}
    assert sorted(places_measured(101)) == [20, 40, 60, 80]


def shard_of_one(case, count):
    cases = pd.DataFrame(
        [{"case": case, "status": "ok", "rows": 64, "columns": 48, "transfer_syntax": "rle", "lossy": 1}]
    )
    slices = pd.DataFrame({"slice": [f"{case}-{k:04d}" for k in range(count)], "case": case})
    return cases, slices.assign(png=[f"png/000/{name}.png" for name in slices["slice"]])


def test_a_series_has_its_files_and_its_slices_traces(tmp_path, chest):
    save_series(tmp_path / "scan", made_series())
    cases, slices = shard_of_one("ab" * 8, 12)
    (tmp_path / "png/000").mkdir(parents=True)
    for png in slices["png"]:
        Image.fromarray(chest).save(tmp_path / png)
    rows = measure_shard("dicom", {"ab" * 8: tmp_path / "scan"}, tmp_path, cases, slices, tmp_path)
    write_table(tmp_path / "forensics.tsv", rows, schema="forensics")
    table = pd.DataFrame(rows)
    assert list(table["slice"]) == list(slices["slice"])
    assert set(table["format"]) == {"dicom"} and set(table["bits"]) == {made_series()[0].BitsStored}
    assert set(table["transfer_syntax"]) == {"rle"} and set(table["lossy"]) == {"yes"}
    assert table["grey_levels"].notna().sum() == 4


def test_bits_are_unknown_where_files_differ(tmp_path):
    save_series(tmp_path, made_series())
    first = sorted(tmp_path.iterdir())[0]
    dataset = pydicom.dcmread(first)
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.save_as(first)
    assert bits_of_series(tmp_path, tmp_path) is None
    (tmp_path / "notes.txt").write_text("no scan")
    first.unlink()
    assert bits_of_series(tmp_path, tmp_path) == made_series()[0].BitsStored


def test_harmonised_slices_are_measured_as_converted_and_no_file_is_asked(tmp_path, chest):
    """What the user's file was no longer matters to a network: the table shows what is left."""
    cases, slices = shard_of_one("ef" * 8, 1)
    converted = tmp_path / slices["png"].iloc[0]
    converted.parent.mkdir(parents=True)
    Image.fromarray(chest).save(converted)
    Image.fromarray(255 - chest).save(tmp_path / "a.jpg")
    arguments = "png", {"ef" * 8: tmp_path / "a.jpg"}, tmp_path, cases, slices, tmp_path
    (of_file,), (left,) = measure_shard(*arguments), measure_shard(*arguments, as_converted=True)
    assert (of_file["format"], left["format"], left["rows"]) == ("jpeg", "", None)
    assert {name: left[name] for name in traces_of(chest)} == traces_of(chest)


def test_a_case_that_cannot_be_measured_has_empty_rows(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lungsight.intake.forensics.measure.keep_private", lambda *_: None)
    cases, slices = shard_of_one("cd" * 8, 1)
    rows = measure_shard("png", {"cd" * 8: tmp_path / "gone.png"}, tmp_path, cases, slices, tmp_path)
    write_table(tmp_path / "forensics.tsv", rows, schema="forensics")
    assert set(rows[0].values()) == {f"{'cd' * 8}-0000", "", None}
    printed = capsys.readouterr()
    assert "could not be measured (FileNotFoundError)" in printed.out + printed.err
