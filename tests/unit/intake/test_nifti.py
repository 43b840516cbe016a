"""Convert NIfTI volumes, or refuse them with a reason."""

import gzip
import re

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from lungsight.errors import BadCase
from lungsight.intake.nifti import load_volume, read_nifti, value_range
from lungsight.intake.volume import Window
from tests.factories.dicom import made_hu, made_series, save_series

WINDOW = Window(-1250, 250)
LPS = np.diag([-0.7, -0.8, 2.5, 1.0])


def save(path, values, affine=LPS, slope=None, dtype=np.int16):
    image = nibabel.Nifti1Image(values.astype(dtype), affine)
    if slope:
        image.header.set_slope_inter(*slope)
    nibabel.save(image, path)
    return path


def ijk(n=6):
    return made_hu(n=n).transpose(2, 1, 0)


def test_hu_volume_becomes_canonical_and_windowed(tmp_path):
    volume = read_nifti(save(tmp_path / "v.nii.gz", ijk()), WINDOW, 5)
    wanted = (np.clip(ijk(), -1250, 250) + 1250) / 1500
    np.testing.assert_allclose(volume.voxels / volume.max_code, wanted[::-1, ::-1], atol=1e-12)
    assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")
    acquisition = volume.acquisition
    assert (acquisition.rows, acquisition.columns, acquisition.spacing_slice) == (24, 32, 2.5)
    assert (acquisition.spacing_row, acquisition.spacing_column) == pytest.approx((0.8, 0.7))
    assert acquisition.hu_p50 == pytest.approx(np.percentile(ijk(), 50), abs=20)


def test_scl_slope_is_honoured(tmp_path):
    volume = read_nifti(save(tmp_path / "v.nii", ijk() * 2 + 2048, slope=(0.5, -1024)), WINDOW, 5)
    wanted = (np.clip(ijk(), -1250, 250) + 1250) / 1500
    np.testing.assert_allclose(volume.voxels / volume.max_code, wanted[::-1, ::-1], atol=1e-6)


def test_a_volume_in_0_to_1_is_not_windowed(tmp_path):
    values = np.random.default_rng(1).random((8, 7, 6))
    volume = read_nifti(save(tmp_path / "v.nii", values, dtype=np.float32), WINDOW, 5)
    np.testing.assert_allclose(volume.voxels / volume.max_code, values[::-1, ::-1], atol=1e-5)
    assert volume.acquisition.hu_p50 is None


def test_hu_and_unit_values_are_recognised():
    assert value_range(np.array([0.0, 1.0])) == "unit"
    assert value_range(np.array([-1024.0, 3000.0])) == "hu"
    with pytest.raises(BadCase, match="values from 0 to 255 are neither"):
        value_range(np.array([0.0, 255.0]))


def test_the_config_may_fix_what_the_values_are(tmp_path):
    path = save(tmp_path / "v.nii", np.full((8, 7, 6), 40))
    assert read_nifti(path, WINDOW, 5, values_are="hu").voxels[0, 0, 0] == round(1290 / 1500 * 64500)
    with pytest.raises(BadCase, match="not in \\[0, 1\\]"):
        read_nifti(path, WINDOW, 5, values_are="unit")


def test_a_single_slice_may_have_two_axes_or_a_trailing_one(tmp_path):
    assert read_nifti(save(tmp_path / "a.nii", ijk()[:, :, 0]), WINDOW, 1).voxels.shape == (32, 24, 1)
    assert read_nifti(save(tmp_path / "b.nii", ijk()[..., None]), WINDOW, 1).voxels.shape == (32, 24, 6)


def refused(path, min_slices=1):
    with pytest.raises(BadCase) as caught:
        read_nifti(path, WINDOW, min_slices)
    return str(caught.value)


def test_unusable_volumes_are_refused_with_a_reason(tmp_path):
    assert refused(save(tmp_path / "a.nii", np.zeros((4, 4, 4, 2)))) == "the NIfTI has 4 axes; one volume has 3"
    holed = ijk().astype(np.float32)
    holed[3, 3, 3] = np.nan
    assert refused(save(tmp_path / "b.nii", holed, dtype=np.float32)) == "the NIfTI holds NaN or infinite values"
    assert refused(save(tmp_path / "c.nii", ijk(3)), min_slices=5) == "3 slices, min_slices is 5"
    image = nibabel.Nifti1Image(ijk().astype(np.int16), None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nibabel.save(image, tmp_path / "d.nii")
    assert "does not say how it lies" in refused(tmp_path / "d.nii")
    (tmp_path / "e.nii.gz").write_bytes(b"no")
    assert refused(tmp_path / "e.nii.gz") == "the file is no readable NIfTI"
    whole = save(tmp_path / "f.nii.gz", ijk()).read_bytes()
    (tmp_path / "f.nii.gz").write_bytes(whole[: len(whole) // 2])
    assert refused(tmp_path / "f.nii.gz") == "the NIfTI is truncated or damaged"
    (tmp_path / "g.nii").write_bytes(save(tmp_path / "g.nii", ijk()).read_bytes()[:900])
    assert refused(tmp_path / "g.nii") == "the NIfTI is truncated or damaged"


def test_a_header_that_lies_about_its_size_is_refused_before_reading(tmp_path):
    path = save(tmp_path / "v.nii", ijk())
    raw = bytearray(path.read_bytes())
    raw[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    path.write_bytes(raw)
    assert refused(path) == "the NIfTI's header says it is larger than any CT"


def test_load_agrees_with_nibabel_on_a_turned_volume(tmp_path):
    affine = np.array([[0, 0.8, 0, 1], [0, 0, -2.5, 2], [0.7, 0, 0, 3], [0, 0, 0, 1.0]])
    path = save(tmp_path / "v.nii.gz", ijk(), affine)
    values, turned, _ = load_volume(path)
    peer = nibabel.as_closest_canonical(nibabel.load(path))
    np.testing.assert_array_equal(values, peer.get_fdata())
    np.testing.assert_allclose(turned, peer.affine)


def as_read(path):
    volume = read_nifti(path, WINDOW, 1)
    return volume.voxels, volume.affine, volume.notes


def assert_reads_like(path, wanted, atol=1e-5):
    np.testing.assert_array_equal(as_read(path)[0], as_read(wanted)[0])
    np.testing.assert_allclose(as_read(path)[1], as_read(wanted)[1], atol=atol)
    assert as_read(path)[2] == []


@pytest.fixture
def plain(tmp_path):
    return save(tmp_path / "plain.nii", ijk())


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII", "A.NII.GZ", "a.gz", "a"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_known_by_its_content_and_not_by_its_name(tmp_path, plain, name, packed):
    (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()) if packed else plain.read_bytes())
    assert_reads_like(tmp_path / name, plain)


def test_nifti_2_big_endian_and_pairs_are_read(tmp_path, plain):
    nibabel.save(nibabel.Nifti2Image(ijk().astype(np.int16), LPS), tmp_path / "two.nii")
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.save(nibabel.Nifti1Image(ijk().astype(">i2"), LPS, header), tmp_path / "big.nii")
    assert (tmp_path / "big.nii").read_bytes()[:4] == b"\0\0\x01\x5c"
    nibabel.save(nibabel.Nifti1Pair(ijk().astype(np.int16), LPS), tmp_path / "pair.hdr")
    for name in ("two.nii", "big.nii", "pair.hdr", "pair.img"):
        assert_reads_like(tmp_path / name, plain)
    (tmp_path / "pair.img").unlink()
    assert "one half of a pair" in refused(tmp_path / "pair.hdr")


def test_other_formats_are_called_what_they_are(tmp_path):
    nibabel.save(nibabel.AnalyzeImage(ijk().astype(np.int16), LPS), tmp_path / "old.hdr")
    assert "Analyze 7.5 and no NIfTI" in refused(tmp_path / "old.hdr")
    np.save(tmp_path / "a.npy", ijk())
    nibabel.save(nibabel.MGHImage(ijk().astype(np.int16), LPS), tmp_path / "a.mgz")
    save_series(tmp_path, made_series()[:1])
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04" + b"\0" * 400)
    for name, kind in [
        ("a.npy", "it is a NumPy array"),
        ("a.mgz", "it is a FreeSurfer MGH file"),
        ("001.dcm", "is DICOM and no NIfTI"),
        ("a.zip", "it is a zip archive"),
    ]:
        assert kind in refused(tmp_path / name)
        (tmp_path / name).rename(tmp_path / f"{name}.nii.gz")
        assert kind in refused(tmp_path / f"{name}.nii.gz")


def with_header(path, **fields):
    raw = path.read_bytes()
    header = nibabel.Nifti1Header(raw[:348], check=False)
    for field, value in fields.items():
        header[field] = value
    path.write_bytes(header.binaryblock + raw[348:])
    return path


def test_headers_about_voxels_that_cannot_be_read(tmp_path, plain):
    raw = plain.read_bytes()
    for fields, reason in [
        ({"scl_slope": 1, "scl_inter": np.nan}, "header is damaged"),
        ({"datatype": 0}, "datatype is unknown"),
        ({"datatype": 128, "bitpix": 24}, "colours"),
        ({"dim": [3, 32, 0, 6, 1, 1, 1, 1]}, "holds no voxel"),
        ({"vox_offset": 1e9}, "truncated or damaged"),
    ]:
        plain.write_bytes(raw)
        assert reason in refused(with_header(plain, **fields))
    for fields in ({"scl_slope": 0}, {"scl_slope": np.nan}, {"dim": [4, 32, 24, 6, 1, 1, 1, 1]}):
        plain.write_bytes(raw)
        assert_reads_like(with_header(plain, **fields), save(tmp_path / "control.nii", ijk()))


def test_int8_holds_no_hu(tmp_path):
    assert "neither HU with air" in refused(save(tmp_path / "a.nii", ijk() // 10, dtype=np.int8))


def itk_image(values=None, affine=LPS):
    """The SimpleITK image of an array (i, j, k) under an affine in RAS, by its own rules: LPS, axes k, j, i."""
    image = sitk.GetImageFromArray((ijk() if values is None else values).astype(np.int16).T)
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    return image


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
@pytest.mark.parametrize("packed", [False, True])
def test_nrrd_and_metaimage_are_read_like_the_same_nifti(tmp_path, ending, packed):
    affine = np.array([[0, 0.8, 0, 1], [-0.7, 0, 0, 2], [0, 0, -2.5, 3], [0, 0, 0, 1.0]])
    sitk.WriteImage(itk_image(affine=affine), tmp_path / f"a.{ending}", packed)
    wanted = save(tmp_path / "a.nii", ijk(), affine)
    assert_reads_like(tmp_path / f"a.{ending}", wanted)
    (tmp_path / f"a.{ending}").rename(tmp_path / "A.RAW")
    assert_reads_like(tmp_path / "A.RAW", wanted)


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_unusable_nrrd_and_metaimage_are_refused_with_a_reason(tmp_path, capfd, ending):
    path = tmp_path / f"a.{ending}"
    sitk.WriteImage(itk_image(), path)
    raw = path.read_bytes()
    path.write_bytes(raw[:-1000])
    assert "truncated or damaged" in refused(path)
    vectors = sitk.Compose(itk_image(), itk_image())
    sitk.WriteImage(vectors, path)
    assert "colours, vectors or layers" in refused(path)
    sitk.WriteImage(itk_image(affine=LPS @ np.diag([1, 1, 100, 1])), path)
    assert "the spacing of no CT" in refused(path)
    sitk.WriteImage(sitk.JoinSeries([itk_image(), itk_image()]), path)
    assert "4 axes" in refused(path)
    path.write_bytes(raw.replace(b"DimSize", b"Doe_Jane").replace(b"sizes:", b"Doe_Jane:"))
    assert "header is damaged" in refused(path)
    assert capfd.readouterr().err == ""


def test_headers_whose_voxels_are_in_another_file_are_refused(tmp_path):
    for ending in ("mhd", "nhdr"):
        sitk.WriteImage(itk_image(), tmp_path / f"a.{ending}")
        assert "they are in another file" in refused(tmp_path / f"a.{ending}")


def test_headers_that_do_not_say_how_they_lie_are_refused(tmp_path):
    for ending, word in (("mha", b"ElementSpacing"), ("mha", b"TransformMatrix"), ("nrrd", b"space:")):
        path = tmp_path / f"a.{ending}"
        sitk.WriteImage(itk_image(), path)
        lines = path.read_bytes().split(b"\n")
        path.write_bytes(b"\n".join(line for line in lines if not line.startswith(word)))
        assert "does not say how it lies" in refused(path)


@pytest.mark.parametrize(
    "line",
    [
        *(" ElementDataFile = {}", "ElementDataFile: {}", "ElementDataFile\t= {}", "ElementDataFile ={}"),
        *("ElementDataFile = LOCAL/../{}", "ElementDataFile = LOCAL.raw", "ElementDataFile = LIST\n{}"),
        *("x\nElementDataFile = LOCAL\nElementDataFile = {}", "ElementDataFile = x%d.raw 1 1 1"),
    ],
)
def test_no_line_of_a_metaimage_leads_to_another_file(tmp_path, line):
    inside = tmp_path / "root" / "deep"
    (inside / "LOCAL").mkdir(parents=True)
    for path in (tmp_path / "outside.raw", inside / "LOCAL.raw", inside / "x1.raw"):
        path.write_bytes(ijk().astype(np.int16).T.tobytes())
    sitk.WriteImage(itk_image(), inside / "a.mha")
    raw = (inside / "a.mha").read_bytes()
    named = line.format("../../outside.raw").encode()
    (inside / "a.mha").write_bytes(raw.replace(b"ElementDataFile = LOCAL", named, 1))
    assert re.search("in another file|header is damaged", refused(inside / "a.mha"))


@pytest.mark.parametrize(
    "line",
    [
        *("\ndata file: {}", "\rdata file: {}", "\r\ndata file: {}", "\nDATAFILE: {}", "\nDataFile: {}"),
        *("\n#" + "x" * 70_000 + "\ndata file: {}", "\n#" + "x" * 2_000_000 + "\ndata file: {}"),
        *("\ndata file: LIST\n{}", "\ndata file: x%d.raw 1 1 1"),
    ],
)
def test_no_line_of_a_nrrd_leads_to_another_file(tmp_path, line):
    (tmp_path / "root").mkdir()
    for path in (tmp_path / "outside.raw", tmp_path / "root" / "x1.raw"):
        path.write_bytes(ijk().astype(np.int16).T.tobytes())
    path = tmp_path / "root" / "a.nrrd"
    sitk.WriteImage(itk_image(), path)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"\n\n", line.format("../outside.raw").encode() + b"\n\n", 1))
    assert re.search("in another file|header is damaged", refused(path))


def test_a_long_header_is_read(tmp_path):
    for ending, place in (("mha", b"ElementDataFile"), ("nrrd", b"\n\n")):
        path = tmp_path / f"a.{ending}"
        sitk.WriteImage(itk_image(), path)
        raw = path.read_bytes()
        comment = b"\n#" + b"x" * 70_000 if ending == "nrrd" else b"Comment = " + b"x" * 300 + b"\n"
        path.write_bytes(raw.replace(place, comment + place, 1))
        np.testing.assert_array_equal(load_volume(path).values.shape, ijk().shape)


def test_neither_half_of_a_pair_may_be_a_link(tmp_path):
    (tmp_path / "root").mkdir()
    nibabel.save(nibabel.Nifti1Pair(ijk().astype(np.int16), LPS), tmp_path / "a.hdr")
    for linked, own in (("hdr", "img"), ("img", "hdr")):
        (tmp_path / "root" / f"{linked}.{own}").write_bytes((tmp_path / f"a.{own}").read_bytes())
        (tmp_path / "root" / f"{linked}.{linked}").symlink_to(tmp_path / f"a.{linked}")
        assert "other half" in refused(tmp_path / "root" / f"{linked}.{own}")


def test_the_halves_of_a_pair_may_be_compressed_or_in_capitals(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(ijk().astype(np.int16), LPS), tmp_path / "a.hdr")
    halves = {ending: (tmp_path / f"a.{ending}").read_bytes() for ending in ("hdr", "img")}
    for number, (header, voxels) in enumerate([("HDR", "IMG"), ("hdr.gz", "img.gz"), ("hdr", "img.gz")]):
        for name, half in ((header, halves["hdr"]), (voxels, halves["img"])):
            (tmp_path / f"{number}.{name}").write_bytes(gzip.compress(half) if name.endswith("gz") else half)
        for name in (header, voxels):
            np.testing.assert_array_equal(load_volume(tmp_path / f"{number}.{name}").values, ijk()[::-1, ::-1])


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr", "a.mha", "b.mha", "a.nrrd", "b.nrrd"])
def test_more_voxels_than_the_header_says_are_refused(tmp_path, name):
    """4 of 6 slices. b: compressed."""
    path = tmp_path / name
    if name.endswith(("mha", "nrrd")):
        sitk.WriteImage(itk_image(), path, name[0] == "b")
        raw = path.read_bytes()
        shorter = raw.replace(b"DimSize = 32 24 6", b"DimSize = 32 24 4").replace(b"sizes: 32 24 6", b"sizes: 32 24 4")
        assert shorter != raw
        path.write_bytes(shorter)
    else:
        kind = nibabel.Nifti1Pair if name == "a.hdr" else nibabel.Nifti1Image
        nibabel.save(kind(ijk().astype(np.int16), LPS), path)
        packed = name.endswith("gz")
        raw = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
        raw[46:48] = (4).to_bytes(2, "little")
        path.write_bytes(gzip.compress(raw) if packed else raw)
    assert "holds more slices than its header says" in refused(path)


def test_an_infinite_slope_is_refused(tmp_path, plain):
    for field in ("scl_slope", "scl_inter"):
        path = tmp_path / f"{field}.nii"
        path.write_bytes(plain.read_bytes())
        assert "scl_" in refused(with_header(path, **{"scl_slope": 1, field: np.inf}))


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((64, 128, 512), (1.3, 1.3, 5)), ((128, 128, 6), (0.13, 0.13, 2)), ((160, 160, 6), (0.07, 0.07, 2))],
)
def test_an_extent_that_no_body_has_is_refused(tmp_path, shape, spacing):
    values = np.full(shape, -800, np.int16)
    assert "which is no chest" in refused(save(tmp_path / "a.nii", values, np.diag([*spacing, 1])))


@pytest.mark.parametrize("space", ["left-posterior-superior", "RAS", "LAS", "left-anterior-superior"])
def test_the_space_of_a_nrrd_is_honoured(tmp_path, space):
    nrrd_with(tmp_path / "a.nrrd", b"space: left-posterior-superior", b"space: " + space.encode())
    signs = {"left-posterior-superior": (-1, -1), "RAS": (1, 1)}.get(space, (-1, 1))
    wanted = save(tmp_path / "a.nii", ijk(), np.diag([*signs, 1, 1]) @ np.diag([0.7, 0.8, 2.5, 1]))
    assert_reads_like(tmp_path / "a.nrrd", wanted)


def nrrd_with(path, old, new):
    sitk.WriteImage(itk_image(), path)
    raw = path.read_bytes()
    assert old in raw
    path.write_bytes(raw.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (b"space: scanner-xyz", "does not say how it lies"),
        (b"space dimension: 3", "does not say how it lies"),
        (b'space: left-posterior-superior\nspace units: "m" "m" "m"', "space units"),
        (b'space: left-posterior-superior\nspace units: "um" "mm" "mm"', "space units"),
    ],
)
def test_a_nrrd_in_another_space_or_unit_is_refused(tmp_path, new, reason):
    assert reason in refused(nrrd_with(tmp_path / "a.nrrd", b"space: left-posterior-superior", new))


def test_a_nrrd_in_mm_is_read(tmp_path):
    new = b'space: left-posterior-superior\nspace units: "mm" "mm" "mm"'
    load_volume(nrrd_with(tmp_path / "a.nrrd", b"space: left-posterior-superior", new))


def test_what_is_said_of_a_file_is_true(tmp_path):
    sitk.WriteImage(itk_image(), tmp_path / "a.mha")
    (tmp_path / "a.mha").write_bytes(b"Comment = made\n" + (tmp_path / "a.mha").read_bytes())
    assert_reads_like(tmp_path / "a.mha", save(tmp_path / "a.nii", ijk()))
    for ending in ("mha", "nrrd"):
        (tmp_path / f"b.{ending}.gz").write_bytes(gzip.compress(sitk_bytes(tmp_path / f"b.{ending}")))
        assert "compressed as a whole: unpack it" in refused(tmp_path / f"b.{ending}.gz")
    for head, kind in ((b"GIF89a", "GIF"), (b"BM\x36\0\0\0\0\0\0\0", "BMP"), (b"RIFF\0\0\0\0WEBPVP8 ", "WebP")):
        (tmp_path / "p.nii").write_bytes(head + bytes(400))
        assert f"it is a {kind}" in refused(tmp_path / "p.nii")


def sitk_bytes(path):
    sitk.WriteImage(itk_image(), path)
    return path.read_bytes()


def test_doubts_about_a_volume_name_no_dicom_tags(tmp_path):
    volume = read_nifti(save(tmp_path / "a.nii", ijk() + 1024), WINDOW, 5, values_are="hu")
    (doubt, *_) = volume.doubts
    assert "HU + 1024" in doubt.words and "rescale intercept" in doubt.words and "(0028" not in doubt.words
