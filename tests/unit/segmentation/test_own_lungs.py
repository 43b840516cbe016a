"""Take the user's lung masks in three formats onto the grid of their scans; refuse others with a reason, one by one."""

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

from lungsight.config_check import complete_config
from lungsight.demo.cohort import truth_path, write_cohort
from lungsight.intake.cases import Folders, Intake, convert_shard
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.intake.geometry import image_to_slice
from lungsight.segmentation.own_lungs import take_masks
from tests.unit.intake.test_masks import made_segmentation

KEY, PATIENTS, PICTURES = b"key", 2, 8


class Cohort:
    """A converted phantom cohort, and a folder for masks of the user's."""

    def __init__(self, folder: Path, format: str) -> None:
        entry = {"role": "target", "format": format, "root": "root", "table": "table.tsv"}
        phantom = {"seed": 3, "patients": PATIENTS, "slices": 8, "matrix": 128}
        config = complete_config({"results": "results/x", "cohorts": {"made": entry | {"phantom": phantom}}})
        self.root = folder / "root"
        write_cohort(self.root, "made", config["cohorts"]["made"], tuple(config["intake"]["window"]))
        self.intake = Intake("made", format, self.root, 5, config["intake"] | {"png_size": 160}, KEY)
        found = self.root.glob("*/*.png") if format == "png" else self.root.glob("*/ct")
        self.paths = sorted(path.relative_to(self.root).as_posix() for path in found)
        self.nifti = folder / "nifti"
        cases, _ = convert_shard([self.row(path, "") for path in self.paths], self.intake, Folders(self.nifti))
        assert {case["status"] for case in cases} == {"ok"}

    def row(self, path: str, lungs: str) -> TableRow:
        return TableRow(self.paths.index(path) + 1, "P", path, "Covid-19", "", "", "", lungs=lungs)

    def truth(self, path: str) -> nibabel.Nifti1Image:
        return nibabel.load(truth_path(self.root, path))

    def take(self, masks: Path, *named: tuple[str, str]) -> tuple[list[dict], list[Path]]:
        masks.mkdir()
        rows = [self.row(*pair) for pair in named]
        taken = list(take_masks(rows, self.intake, self.nifti, masks, 1))
        return taken, [masks / f"{case_of(KEY, 'made', row.path)}.nii.gz" for row in rows]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return Cohort(tmp_path_factory.mktemp("scans"), "dicom")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return Cohort(tmp_path_factory.mktemp("pictures"), "png")


def saved(cohort: Cohort, name: str, labels: np.ndarray, affine: np.ndarray) -> str:
    nibabel.save(nibabel.Nifti1Image(labels.astype(np.uint8), affine), cohort.root / name)
    return name


def lungs_of(cohort: Cohort, path: str) -> tuple[np.ndarray, np.ndarray]:
    image = cohort.truth(path)
    return np.asarray(image.dataobj) > 0, image.affine


def saved_segmentation(cohort: Cohort, path: str, name: str, patient: str = "") -> str:
    """A DICOM SEG of the true lungs on the series, by highdicom."""
    series = [pydicom.dcmread(file) for file in (cohort.root / path).iterdir()]
    series.sort(key=lambda dataset: float(dataset.ImagePositionPatient[2]))
    for dataset in series:
        dataset.PatientBirthDate, dataset.PatientSex, dataset.ReferringPhysicianName = "", "", ""
        dataset.PatientID = patient or dataset.PatientID
    mask, _ = lungs_of(cohort, path)
    planes = np.stack([mask[::-1, ::-1, k].T for k in range(mask.shape[2])])
    made_segmentation(series, {"Lungs": planes}).save_as(cohort.root / name)
    return name


def test_masks_of_scans_come_as_nifti_and_seg(scans: Cohort, tmp_path: Path) -> None:
    first, second = scans.paths
    mask, affine = lungs_of(scans, first)
    # The axes that other tools write: from the head down, columns to the left.
    turned = affine @ np.array(
        [[-1, 0, 0, mask.shape[0] - 1], [0, 1, 0, 0], [0, 0, -1, mask.shape[2] - 1], [0, 0, 0, 1]]
    )
    name = saved(scans, "own.nii.gz", mask[::-1, :, ::-1], turned)
    taken, files = scans.take(tmp_path / "m", (first, name), (second, saved_segmentation(scans, second, "own.dcm")))
    assert [(row["status"], row["reason"]) for row in taken] == [("taken", "")] * 2
    assert min(row["classical_dice"] for row in taken) > 0.9
    for path, file in zip((first, second), files, strict=True):
        truth, _ = lungs_of(scans, path)
        np.testing.assert_array_equal(np.asarray(nibabel.load(file).dataobj), truth)
        # A second reader: the mask lies, in mm, where the volume that it belongs to lies.
        image, volume = (sitk.ReadImage(str(place)) for place in (file, scans.nifti / file.name))
        for part in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
            np.testing.assert_allclose(getattr(image, part)(), getattr(volume, part)(), atol=1e-4)
    # And the user's own file, read by that reader and laid on the grid, marks the same voxels.
    resampled = sitk.Resample(
        sitk.ReadImage(str(scans.root / name)),
        sitk.ReadImage(str(files[0])),
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
    )
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(resampled), sitk.GetArrayFromImage(sitk.ReadImage(str(files[0])))
    )


def test_masks_of_pictures_are_resized_as_their_pictures(pictures: Cohort, tmp_path: Path) -> None:
    path = next(path for path in pictures.paths if path.endswith("_5.png"))
    mask, _ = lungs_of(pictures, path)
    picture = 255 * np.ascontiguousarray(mask[::-1, ::-1, 0].T).astype(np.uint8)
    Image.fromarray(picture).save(pictures.root / "own.png")
    [row], [file] = pictures.take(tmp_path / "m", (path, "own.png"))
    assert (row["status"], row["reason"]) == ("taken", "") and row["classical_dice"] > 0.9
    wanted = np.asarray(Image.fromarray(picture).resize((160, 160), Image.Resampling.NEAREST)) > 0
    np.testing.assert_array_equal(np.asarray(nibabel.load(file).dataobj)[:, :, 0], image_to_slice(wanted))


def test_a_mask_that_cannot_be_used_is_refused_and_the_next_is_taken(scans: Cohort, tmp_path: Path) -> None:
    first, second = scans.paths
    mask, affine = lungs_of(scans, first)
    moved = affine.copy()
    moved[0, 3] += 7
    (scans.root / "torn.nii.gz").write_bytes(b"\x1f\x8b" + b"0" * 40)
    beside = np.zeros_like(mask)
    beside[4:30, 60:68, 1:7] = True  # at the side of the body
    named = {
        saved(scans, "cropped.nii", mask[4:], affine): "does not lie on the image's grid",
        saved(scans, "moved.nii", mask, moved): "does not lie on the image's grid",
        saved(scans, "empty.nii", 0 * mask, affine): "the mask is empty",
        saved(scans, "inverted.nii", ~mask, affine): "more than half of the image",
        saved(
            scans, "beside.nii", beside, affine
        ): "the mask lies beside the lungs: is it of another patient or scan, or inverted? Its Dice",
        saved_segmentation(scans, first, "other.dcm", patient="somebody else"): "the mask is of another patient",
        "torn.nii.gz": "the mask is truncated or damaged",
        "absent.nii": "the mask is not there any more",
    }
    good = saved(scans, "good.nii", *lungs_of(scans, second))
    taken, files = scans.take(tmp_path / "m", *((first, name) for name in named), (second, good))
    for row, wanted in zip(taken, named.values(), strict=False):
        assert row["status"] == "refused" and wanted in row["reason"]
    assert taken[-1]["status"] == "taken"
    assert [file.name for file in (tmp_path / "m").iterdir()] == [files[-1].name]


def test_the_mask_of_another_picture_is_found_by_its_dice(pictures: Cohort, tmp_path: Path) -> None:
    """A picture has no header: only its pixels say that a mask is not its own."""
    path = next(path for path in pictures.paths if path.endswith("_5.png"))
    mask, _ = lungs_of(pictures, path)
    picture = np.ascontiguousarray(mask[::-1, ::-1, 0].T)
    half = np.roll(picture, picture.shape[1] // 2, axis=1) & ~picture
    for name, pixels in (("other", half), ("inverted", ~picture), ("black", 0 * picture)):
        Image.fromarray(255 * pixels.astype(np.uint8)).save(pictures.root / f"{name}.png")
    taken, _ = pictures.take(tmp_path / "m", *((path, f"{name}.png") for name in ("other", "inverted", "black")))
    assert [row["status"] for row in taken] == ["refused"] * 3
    assert "beside the lungs: is it of another patient or scan, or inverted? Its Dice" in taken[0]["reason"]
    assert taken[0]["classical_dice"] < 0.1 and taken[1]["classical_dice"] < 0.1
    assert taken[2]["reason"] == "the mask is empty"
