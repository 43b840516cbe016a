"""Show on which inputs dcm2niix, dicom2nifti and SimpleITK are right, refuse, or are silently wrong.

python benchmarks/intake_peers.py --peers DIR

--peers: the bin folder of an environment with the packages dcm2niix, dicom2nifti and SimpleITK. Every input is a small
made series whose HU are known.

right    one volume, with the HU of the series in the right places, and its affine within 1e-3
refused  an error, or no volume
several  more than one volume; the user has to choose
WRONG    one volume and no error, but the volume is another one, or no volume can be right
"""

import argparse
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pydicom

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.plausibility import settle
from lungsight.intake.volume import Window, slope_of
from tests.factories.dicom import made_enhanced, made_hu, made_series, save_series, set_pixels

WINDOW = Window(-1250, 250)
Series = list[pydicom.Dataset]


def _with(datasets: Series, **values: object) -> Series:
    for dataset in datasets:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
    return datasets


def _without(datasets: Series, keyword: str) -> Series:
    for dataset in datasets:
        delattr(dataset, keyword)
    return datasets


def missing_slice() -> Series:
    datasets = made_series()
    del datasets[3]
    return datasets


def uneven() -> Series:
    datasets = made_series()
    for dataset in datasets[4:]:
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], dataset.ImagePositionPatient[2] + 1.5]
    return datasets


def interleaved() -> Series:
    first = made_series(made_hu(n=8), step=2.0)
    second = made_series(made_hu(n=8, seed=9), origin=(-11.5, -23.25, 101.0), step=2.0)
    return [*first, *_with(second, AcquisitionNumber=2)]


def one_place_two_images() -> Series:
    return [*made_series(), *_with(made_series(made_hu(seed=9))[3:4], SOPInstanceUID="1.2.3.4")]


def tilted() -> Series:
    datasets = made_series()
    for k, dataset in enumerate(datasets):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y + 0.5 * k, z]
    return datasets


def duplicate_slice() -> Series:
    return [*made_series(), *_with(made_series()[3:4], SOPInstanceUID="1.2.3.4")]


def own_slopes() -> Series:
    datasets = made_series()
    for k, dataset in enumerate(datasets):
        hu = made_hu()[k]
        dataset.RescaleSlope = 1 + k % 2
        set_pixels(dataset, np.rint((hu + 1024) / (1 + k % 2)).astype(np.int16))
    return datasets


def same_uid() -> Series:
    datasets = made_series()
    for dataset in datasets:
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    return datasets


def other_sizes() -> Series:
    return [*made_series()[:7], *made_series(made_hu(rows=30, columns=32))[7:]]


def even_hu() -> np.ndarray:
    """Return the HU that `own_slopes` stores: in every other slice, HU + 1024 is even."""
    hu = made_hu()
    hu[1::2] = np.rint((hu[1::2] + 1024) / 2).astype(int) * 2 - 1024
    return hu


def _shifted(offset: int) -> Series:
    """Store HU + offset, and a rescale that does not take it away again."""
    return made_series(made_hu() + offset)


def windowed_8_bit() -> Series:
    return made_series(np.rint((np.clip(made_hu(), -1250, 250) + 1250) / 1500 * 255).astype(int))


def wrapped() -> Series:
    return made_series(np.where(made_hu() < 0, made_hu() + 4096, made_hu()))


def bright_padding() -> Series:
    datasets = made_series(padded_hu(3071))
    for dataset in datasets:
        dataset.add_new("PixelPaddingValue", "SS", 4095)
    return datasets


def padded_hu(value: int) -> np.ndarray:
    """Return HU whose corners hold the value of padding."""
    hu = made_hu()
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        hu[:, row, column] = value
    return hu


def three_passes() -> Series:
    datasets = made_series(made_hu(n=18))
    for index, dataset in enumerate(datasets):
        dataset.InstanceNumber, dataset.AcquisitionTime = 1 + index // 3 + 6 * (index % 3), f"10100{index % 3}"
    return datasets


def two_patients() -> Series:
    return made_series()[:4] + _with(made_series()[4:], PatientID="MRN-4712")


def two_frames() -> Series:
    return made_series()[:4] + _with(made_series()[4:], FrameOfReferenceUID="1.2.3.5")


def some_without_kernel() -> Series:
    return made_series()[:5] + _without(made_series()[5:], "ConvolutionKernel")


def turned() -> Series:
    angle = np.deg2rad(0.12)
    vectors = [
        float(value) for value in np.round([np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0], 6)
    ]
    return made_series()[:5] + _with(made_series()[5:], ImageOrientationPatient=vectors)


def in_metres() -> Series:
    datasets = made_series()
    for dataset in datasets:
        dataset.ImagePositionPatient = [round(float(value) / 1000, 6) for value in dataset.ImagePositionPatient]
    return datasets


def enhanced_without_rescale() -> Series:
    enhanced = made_enhanced(made_series())
    for frame in enhanced.PerFrameFunctionalGroupsSequence:
        del frame.PixelValueTransformationSequence
    return [enhanced]


def _rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


# Input → the files, and the right HU; None where no volume can be right.
INPUTS: dict[str, tuple[Callable[[], Series], np.ndarray | None]] = {
    "files in reverse order": (lambda: made_series()[::-1], made_hu()),
    "an identical slice twice": (duplicate_slice, made_hu()),
    "one place, two images": (one_place_two_images, None),
    "two acquisitions interleaved": (interleaved, None),
    "a slice is missing": (missing_slice, None),
    "uneven spacing": (uneven, None),
    "tilted gantry": (tilted, None),
    "slices of another size": (other_sizes, None),
    "no PixelSpacing": (lambda: _without(made_series(), "PixelSpacing"), None),
    "no ImagePositionPatient": (lambda: _without(made_series(), "ImagePositionPatient"), None),
    "no rescale": (lambda: _without(_without(made_series(), "RescaleSlope"), "RescaleIntercept"), None),
    "a slope for every slice": (own_slopes, even_hu()),
    "MONOCHROME1": (lambda: _with(made_series(), PhotometricInterpretation="MONOCHROME1"), made_hu()),
    "one SOPInstanceUID in all files": (same_uid, made_hu()),
    "feet first, turned": (
        lambda: made_series(orientation=(-1, 0, 0, 0, 1, 0), origin=(11.5, -23.25, 100.0), step=-2.0),
        made_hu(),
    ),
    "oblique": (lambda: made_series(orientation=(1, 0, 0, 0, 0.96, 0.28)), made_hu()),
    "HU + 1024: an intercept of 0": (lambda: _shifted(1024), None),
    "intercept applied twice": (lambda: _shifted(-1024), None),
    "12 bits wrapped": (wrapped, None),
    "a windowed 8-bit picture as CT": (windowed_8_bit, None),
    "RescaleType of a material map": (lambda: _with(made_series(), RescaleType="Z_EFF"), None),
    "PixelPaddingValue 4095": (bright_padding, padded_hu(-2000)),
    "three passes interleaved": (three_passes, None),
    "two patients under one UID": (two_patients, None),
    "two frames of reference": (two_frames, None),
    "a third lacks its kernel": (some_without_kernel, made_hu()),
    "a third is turned by 0.12°": (turned, None),
    "positions in metres": (in_metres, None),
    "Enhanced CT, frames in reverse": (lambda: [made_enhanced(made_series()[::-1])], made_hu()),
    "Enhanced CT in two files": (
        lambda: [made_enhanced(made_series()[:4], (1, 2)), made_enhanced(made_series()[4:], (2, 2))],
        made_hu(),
    ),
    "Enhanced CT, tilted gantry": (lambda: [made_enhanced(tilted())], None),
    "Enhanced CT without rescale": (enhanced_without_rescale, None),
    "a slice is cut in its header": (made_series, None),
    "files without preamble": (made_series, made_hu()),
}
# Input → what is done to its files afterwards.
AFTERWARDS: dict[str, Callable[[Path], None]] = {
    "a slice is cut in its header": lambda folder: _rewrite(folder / "008.dcm", lambda raw: raw[:600]),
    "files without preamble": lambda folder: [
        _rewrite(path, lambda raw: raw[raw.index(b"\x08\x00\x08\x00CS") :]) for path in sorted(folder.iterdir())
    ],
}
ITK = """
import sys, SimpleITK
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(sys.argv[1])
SimpleITK.WriteImage(SimpleITK.ReadImage(names), sys.argv[2] + "/volume.nii.gz")
"""
DICOM2NIFTI = """
import sys, dicom2nifti
dicom2nifti.dicom_series_to_nifti(sys.argv[1], sys.argv[2] + "/volume.nii.gz", reorient_nifti=False)
"""


def written_by(command: list[str], out: Path) -> list[nibabel.Nifti1Image]:
    """Run a command and read the volumes that it wrote; none if it failed."""
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    return [] if done.returncode else [nibabel.load(path) for path in sorted(out.glob("*.nii.gz"))]


def by_lungsight(folder: Path) -> list[nibabel.Nifti1Image]:
    try:
        volume = read_dicom(folder, folder, WINDOW, 5)
        settle(volume.doubts, "refuse")
    except BadCase:
        return []
    values = volume.voxels * float(slope_of(volume.max_code)) * 1500 - 1250
    return [nibabel.Nifti1Image(values, volume.affine)]


def verdict(images: list[nibabel.Nifti1Image], hu: np.ndarray | None, affine: np.ndarray | None) -> str:
    """Compare volumes with the right HU and affine, after turning axes and windowing HU."""
    if not images:
        return "refused"
    if len(images) > 1:
        return "several"
    if hu is None:
        return "WRONG"
    image = nibabel.as_closest_canonical(images[0])
    clipped = np.clip(hu, -1250, 250).transpose(2, 1, 0).astype(np.float32)
    wanted = nibabel.as_closest_canonical(nibabel.Nifti1Image(clipped, affine))
    values = np.clip(image.get_fdata(), -1250, 250)
    right = values.shape == wanted.shape and np.abs(values - wanted.get_fdata()).max() < 0.1
    return "right" if right and np.allclose(image.affine, wanted.affine, atol=1e-3) else "WRONG"


def affine_of(datasets: Series) -> np.ndarray:
    """Return the affine from the index [column, row, slice], in the order of `made_hu`, to mm in RAS."""
    ordered = sorted(datasets, key=lambda dataset: dataset.InstanceNumber)
    first, last = ordered[0], ordered[-1]
    row, column = np.reshape(first.ImageOrientationPatient, (2, 3)).astype(float)
    start, end = (np.array(dataset.ImagePositionPatient, float) for dataset in (first, last))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * first.PixelSpacing[1], column * first.PixelSpacing[0]
    affine[:3, 2], affine[:3, 3] = (end - start) / (len(made_hu()) - 1), start
    return np.diag([-1.0, -1, 1, 1]) @ affine


def compare(name: str, peers: Path) -> dict[str, str]:
    make, hu = INPUTS[name]
    with tempfile.TemporaryDirectory() as place:
        datasets = make()
        folder = save_series(Path(place) / "series", datasets)
        AFTERWARDS.get(name, lambda _: None)(folder)
        placed = datasets if "InstanceNumber" in datasets[0] else made_series()  # frames lie where the slices lay
        affine = affine_of(placed) if hu is not None else None
        row = {"input": name, "lungsight": verdict(by_lungsight(folder), hu, affine)}
        for peer in ("dcm2niix", "dicom2nifti", "SimpleITK"):
            out = Path(place) / peer
            out.mkdir()
            program = [str(peers / "python"), "-c", ITK if peer == "SimpleITK" else DICOM2NIFTI, str(folder), str(out)]
            if peer == "dcm2niix":
                program = [str(peers / "dcm2niix"), "-z", "y", "-b", "n", "-o", str(out), str(folder)]
            row[peer] = verdict(written_by(program, out), hu, affine)
    return row


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--peers", type=Path, required=True)
    peers = arguments.parse_args().peers
    warnings.simplefilter("ignore")
    table = pd.DataFrame([compare(name, peers) for name in INPUTS])
    print("|", " | ".join(table.columns), "|\n|" + "---|" * len(table.columns))
    for row in table.to_numpy():
        print("|", " | ".join(row), "|")


if __name__ == "__main__":
    main()
