"""Files that are left out of a series must not be slices of it: half a scan is no scan."""

import gzip

import numpy as np
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from tests.factories.dicom import changed, converted, made_hu, made_series, refusal, save_series, uid

OTHER = {
    "no HU": {"RescaleType": "MGML"},
    "resliced": {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
    "another class": {"SOPClassUID": SecondaryCaptureImageStorage},
    "another modality": {"Modality": "MR"},
}
SHARES = {
    "every second": range(1, 24, 2),
    "two of three": [k for k in range(24) if k % 3],
    "the last": range(14, 24),
    "the last one": [23],
    "the first": range(6),
}


def series():
    return made_series(made_hu(n=24, columns=64))


@pytest.mark.parametrize("other", OTHER)
@pytest.mark.parametrize("share", SHARES)
def test_slices_of_another_kind_within_the_stack(tmp_path, share, other):
    said = refusal(save_series(tmp_path, changed(series(), SHARES[share], **OTHER[other])))
    assert said.startswith(f"{len(SHARES[share])} files that are left out")
    assert "(left out" in said and "continue or fill the stack" in said


@pytest.mark.parametrize("kernels", [("SOFT", "LUNG"), (["B30f", "1"], ["B30f", "2"]), ("A", "B", "C")])
def test_kernels_that_alternate(tmp_path, kernels):
    datasets = series()
    for place, dataset in enumerate(datasets):
        dataset.ConvolutionKernel = kernels[place % len(kernels)]
    said = refusal(save_series(tmp_path, datasets))
    assert said.startswith("ConvolutionKernel (0018,1210) changes") and "fill the gaps" in said


GOOD = {
    "the same places": lambda: changed(made_series(made_hu(seed=1)), range(8), **OTHER["resliced"]),
    "another series": lambda: changed(
        made_series(made_hu(seed=1), origin=(-11.5, -23.25, 101), series="b"), range(8), **OTHER["resliced"]
    ),
    "thick slabs at places of their own": lambda: changed(
        made_series(made_hu(n=4, seed=1), origin=(-11.5, -23.25, 100.7), step=5.0), range(4), **OTHER["resliced"]
    ),
    "another direction": lambda: changed(
        made_series(made_hu(seed=1), orientation=(1, 0, 0, 0, 0, -1)), range(8), **OTHER["resliced"]
    ),
    "no place": lambda: [
        dataset for dataset in changed(made_series(made_hu(n=1)), [0], **OTHER["another class"]) if without(dataset)
    ],
}


def without(dataset):
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    return dataset


@pytest.mark.parametrize("name", GOOD)
def test_other_images_of_a_whole_series_are_left_out(tmp_path, name):
    volume = converted(save_series(tmp_path, [*made_series(), *GOOD[name]()]))
    assert volume.voxels.shape[2] == 8 and volume.notes[0].startswith("left out ")


def test_a_thin_and_a_thick_reconstruction_under_one_uid(tmp_path):
    """The middle of a thick slice may lie between those of the thin ones, or on one of them."""
    for name, offset in (("on", 0.0), ("between", 2.5), ("half", 0.5)):
        thick = made_series(
            made_hu(n=5, columns=64, seed=1), origin=(-11.5, -23.25, 100 + offset), step=5.0, thickness=5.0
        )
        changed(thick, range(5), ConvolutionKernel="LUNG")
        thin = made_series(made_hu(n=25, columns=64), step=1.0, thickness=1.0)
        assert converted(save_series(tmp_path / name, [*thin, *thick])).voxels.shape[2] == 25


def test_every_slice_a_series_of_its_own(tmp_path):
    datasets = made_series()
    for place, dataset in enumerate(datasets):
        dataset.SeriesInstanceUID = uid("of its own", place)
    assert "every slice names a SeriesInstanceUID (0020,000E) of its own" in refusal(save_series(tmp_path, datasets))


def test_the_whole_series_is_unchanged(tmp_path):
    right = ((np.clip(made_hu(), -1250, 250) + 1250) / 1500).transpose(2, 1, 0)[::-1, ::-1]
    volume = converted(save_series(tmp_path, made_series()))
    np.testing.assert_allclose(volume.voxels / volume.max_code, right, atol=1e-12)


def zeroed(raw):
    return bytes(140) + raw[140:]


LOST = {
    "a gzip stream": gzip.compress,
    "a Git LFS pointer": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4000\n",
    "zeros alone": lambda raw: bytes(len(raw)),
    "damaged or cut off": zeroed,
    "zeros alone ": lambda raw: raw[:100],  # its preamble
    "a zip archive": lambda raw: b"PK\x03\x04" + raw,
    "a PNG": lambda raw: b"\x89PNG\r\n\x1a\n" + raw,
}


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("ending", [".dcm", ".IMA", ""])
def test_a_last_slice_that_is_no_dicom_file_is_not_left_out(tmp_path, kind, ending):
    folder = save_series(tmp_path, made_series())
    for path in list(folder.iterdir()):
        path.rename(path.with_suffix(ending))
    last = (folder / "008.dcm").with_suffix(ending)
    last.write_bytes(LOST[kind](last.read_bytes()))
    assert refusal(folder).startswith(f"file 8 is named like a slice and is no DICOM file: {kind.strip()}")


def test_slices_whose_names_have_nothing_in_common(tmp_path):
    folder = save_series(tmp_path, made_series())
    for path, letter in zip(sorted(folder.iterdir()), "abcdefgh", strict=True):
        path.rename(folder / f"{letter}.dcm")
    (folder / "h.dcm").write_bytes(gzip.compress((folder / "h.dcm").read_bytes()))
    assert refusal(folder).startswith("file 8 is named like a slice and is no DICOM file: a gzip stream")


def test_other_files_beside_a_series_are_left_out(tmp_path):
    folder = save_series(tmp_path, made_series())
    for name in ("README", "notes.txt", "._008.dcm", "DICOMDIR", "008.dcm.json"):
        (folder / name).write_bytes(b"a note on this scan, longer than a tag")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "001.dcm").write_bytes(b"a shadow file of an archiver")
    volume = converted(folder)
    assert volume.voxels.shape[2] == 8 and volume.notes == ["left out 6 × not DICOM"]
