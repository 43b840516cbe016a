"""Make cohorts of phantoms: the rows of their table, and their files as a hospital or a public collection has them.

`cohort` is always one entry of a completed config (`lungsight.config_check.complete_config`). Below the root:

    segmentation, dicom   P001/ct/*.dcm  P001/rtstruct.dcm
    labelled, dicom       P001/ct/*.dcm
    labelled, nifti       P001/ct.nii.gz              int16 HU
    labelled, png         alpha/P001_1.png …          three sources, each with its own image size and habits
    lesions/              <path>: lesion masks of a labelled cohort, NIfTI, for pictures PNG
    truth/                <path without its ending>.nii.gz: uint8, 0 background, 1 lung, 2 lesion, on canonical axes
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image

from lungsight.demo.anatomy import Phantom, thorax
from lungsight.demo.dicom_writer import stored_hu, write_ct_series, write_rtstruct
from lungsight.errors import UserError
from lungsight.intake.cohort_table import read_cohort_table
from lungsight.intake.geometry import slice_to_image
from lungsight.parallel import in_processes
from lungsight.program import progress

POSITIVE, NEGATIVE = "Covid-19", "Non Covid"
# Class in the table → disease of its patients. About half of those who have none have a nodule where it is not normal.
DISEASE_OF = {POSITIVE: "covid", NEGATIVE: "none", "CAP": "pneumonia", "Normal": "none"}
SITES = ("alpha", "beta", "gamma")
LESION = 2  # in the truth
# Rows and columns at each site, as a share of the configured matrix.
SITE_SIZES = {"alpha": 1.0, "beta": 1.17, "gamma": 0.84}


def patient_id(number: int) -> str:
    """Name the patient `number`, counted from 0."""
    return f"P{number + 1:03d}"


def classes_of(cohort: dict[str, Any]) -> list[str]:
    """List the classes of a phantom cohort as its table words them, in the order in which patients have them."""
    return cohort["phantom"].get("classes", [POSITIVE, NEGATIVE])


def label_of(number: int, classes: Sequence[str] = (POSITIVE, NEGATIVE)) -> str:
    """Assign a class: they take turns."""
    return classes[number % len(classes)]


def _site_of(number: int, cohort: dict[str, Any]) -> str:
    """Assign a site: it changes when every class has had its turn, so that each site has all of them."""
    return SITES[number // len(classes_of(cohort)) % len(SITES)]


def _rows_of(number: int, cohort: dict[str, Any]) -> list[dict]:
    """List the table rows of one patient."""
    patient, phantom = patient_id(number), cohort["phantom"]
    if cohort["role"] == "segmentation":
        return [{"patient": patient, "path": f"{patient}/ct", "mask": f"{patient}/rtstruct.dcm"}]
    label = label_of(number, classes_of(cohort))
    if cohort["format"] == "png":
        source = _site_of(number, cohort)
        names = [f"{source}/{patient}_{image}.png" for image in range(1, phantom["slices"] + 1)]
    else:
        source = phantom["scanner"]
        names = [f"{patient}/ct" if cohort["format"] == "dicom" else f"{patient}/ct.nii.gz"]
    return [
        {"patient": patient, "path": name, "label": label, "source": source, "lesion": _lesion_path(name)}
        for name in names
    ]


def _lesion_path(path: str) -> str:
    """Locate the lesion mask of the image or series at `path`, both relative to the root."""
    return f"lesions/{path}" if path.endswith((".png", ".nii.gz")) else f"lesions/{path}.nii.gz"


def cohort_table(name: str, cohort: dict[str, Any]) -> list[dict]:
    """List the rows of the table of a phantom cohort, without making an image.

    Raises
    ------
    UserError
        If such a cohort cannot be made.
    """
    if cohort["role"] == "segmentation" and cohort["format"] != "dicom":
        raise UserError(
            f"cohorts.{name}: phantoms with contours are made as DICOM with an RTSTRUCT; set format: dicom."
        )
    return [row for number in range(cohort["phantom"]["patients"]) for row in _rows_of(number, cohort)]


def check_table_fits(name: str, cohort: dict[str, Any], labels: dict[str, list[str]]) -> None:
    """Raise UserError if a row of the cohort's table does not fit the phantoms that its config describes."""
    made = {row["path"]: row for row in cohort_table(name, cohort)}
    classes = _names_of_classes(name, cohort, labels)
    wrong = []
    for row in read_cohort_table(name, cohort, labels):
        expected = made.get(row.path)
        if expected is None:
            wrong.append(f"row {row.row}: no phantom has the path {row.path!r}.")
        elif row.mask != expected.get("mask", "") or row.label != classes.get(expected.get("label", ""), ""):
            wrong.append(f"row {row.row}: the phantom at {row.path!r} has another label or mask.")
        elif row.lesion not in ("", expected.get("lesion")):
            wrong.append(f"row {row.row}: the phantom at {row.path!r} has another lesion mask.")
    if wrong:
        more = f"\n  … and {len(wrong) - 5} more." if len(wrong) > 5 else ""
        raise UserError(
            f"{cohort['table']} does not fit cohorts.{name}.phantom:\n  " + "\n  ".join(wrong[:5]) + more + "\n"
            "Write it anew with `python tools/demo_tables.py CONFIG`, or correct the config."
        )


def _names_of_classes(name: str, cohort: dict[str, Any], labels: dict[str, list[str]]) -> dict[str, str]:
    """Find the config's class of each class of the phantoms: two by their order, others by their words."""
    if "classes" not in cohort["phantom"] and len(labels) == 2:
        return dict(zip((POSITIVE, NEGATIVE), labels, strict=True))
    found = {
        word: next((label for label, words in labels.items() if word in (label, *words)), "")
        for word in classes_of(cohort)
    }
    if missing := [word for word, label in found.items() if not label]:
        raise UserError(f"cohorts.{name}.phantom: no class of labels has the word {' or '.join(missing)}.")
    return found


def truth_path(root: Path, path: str) -> Path:
    """Locate the true labels of the image or series at `path`, relative to the root."""
    name = path.removesuffix(".png").removesuffix(".nii.gz")
    return Path(root) / "truth" / f"{name}.nii.gz"


def disease_of(number: int, cohort: dict[str, Any]) -> str:
    """Assign a disease by the class. About half of those who have none have a nodule, where they are not normal."""
    if cohort["role"] == "segmentation":
        return "tumour"
    label = label_of(number, classes_of(cohort))
    if label != NEGATIVE:
        return DISEASE_OF[label]
    draw = np.random.default_rng([cohort["phantom"]["seed"], number, 1]).random()
    return "nodule" if draw < 0.5 else "none"


def is_marked(number: int, cohort: dict[str, Any]) -> bool:
    """Draw whether a patient has the planted mark: P(mark | positive) = (1 + s)/2, P(mark | negative) = (1 − s)/2.

    Positive is the first class of the phantoms, negative any other.
    """
    shortcut = cohort["phantom"]["shortcut"]
    if not shortcut["enabled"] or cohort["role"] == "segmentation":
        return False
    sign = 1 if number % len(classes_of(cohort)) == 0 else -1
    draw = np.random.default_rng([cohort["phantom"]["seed"], number, 2]).random()
    return bool(draw < (1 + sign * shortcut["strength"]) / 2)


def patient_seed(number: int, cohort: dict[str, Any]) -> int:
    """Derive the seed of one patient. Cohorts of different seeds share nobody."""
    return int(np.random.SeedSequence([cohort["phantom"]["seed"], number]).generate_state(1)[0])


def phantom_of(number: int, cohort: dict[str, Any]) -> Phantom:
    """Scan patient `number` of the cohort; in a PNG cohort the lung region, on the scanner of the patient's site."""
    settings = cohort["phantom"]
    make = partial(
        thorax,
        patient_seed(number, cohort),
        slices=settings["slices"],
        disease=disease_of(number, cohort),
        mark=is_marked(number, cohort),
    )
    if cohort["format"] != "png":
        return make(matrix=settings["matrix"], scanner=settings["scanner"])
    site = _site_of(number, cohort)
    return make(matrix=round(settings["matrix"] * SITE_SIZES[site]), scanner=site, lungs_only=True)


def truth_labels(phantom: Phantom) -> np.ndarray:
    """Label the voxels of a phantom, (i, j, k) uint8: 0 is background, 1 lung, 2 (LESION) lesion."""
    return phantom.lung.astype(np.uint8) + phantom.lesion


def _save_nifti(path: Path, volume: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume, affine), path)


def _write_dicom(root: Path, number: int, name: str, cohort: dict[str, Any]) -> None:
    phantom, patient = phantom_of(number, cohort), patient_id(number)
    identity = f"{name}/{cohort['phantom']['seed']}/{number}"
    for row in _rows_of(number, cohort):
        write_ct_series(root / row["path"], phantom, identity, patient)
        if "mask" in row:
            write_rtstruct(root / row["mask"], phantom, identity, patient)
        if "lesion" in row:
            _save_nifti(root / row["lesion"], phantom.lesion.astype(np.uint8), phantom.affine)
        _save_nifti(truth_path(root, row["path"]), truth_labels(phantom), phantom.affine)


def _write_nifti(root: Path, number: int, name: str, cohort: dict[str, Any]) -> None:
    phantom = phantom_of(number, cohort)
    for row in _rows_of(number, cohort):
        _save_nifti(root / row["path"], stored_hu(phantom), phantom.affine)
        _save_nifti(root / row["lesion"], phantom.lesion.astype(np.uint8), phantom.affine)
        _save_nifti(truth_path(root, row["path"]), truth_labels(phantom), phantom.affine)


def _crop_at_site(number: int, cohort: dict[str, Any], size: int) -> tuple[slice, slice]:
    """Choose the part (i, j) of an image that is kept: at one site people cut off sides and table by eye."""
    if _site_of(number, cohort) != "beta":
        return slice(None), slice(None)
    cut = np.random.default_rng([cohort["phantom"]["seed"], number, 3]).uniform((0.0, 0.03), (0.03, 0.15)) * size
    margin, bottom = (int(pixels) for pixels in cut)
    return slice(margin, size - margin), slice(bottom, None)


def _as_picture(plane: np.ndarray) -> Image.Image:
    """Turn a plane (i, j) uint8 into a picture as radiologists look at it."""
    return Image.fromarray(np.ascontiguousarray(slice_to_image(plane)))


def _write_png(root: Path, number: int, name: str, cohort: dict[str, Any], window: tuple[float, float]) -> None:
    phantom = phantom_of(number, cohort)
    low, high = window
    kept = _crop_at_site(number, cohort, phantom.hu.shape[0])
    grey = np.rint(255 * np.clip((phantom.hu[kept] - low) / (high - low), 0, 1)).astype(np.uint8)
    labels = truth_labels(phantom)[kept]
    # Some viewers export grey images as colour images.
    turn = number // (len(classes_of(cohort)) * len(SITES))
    mode = "RGB" if _site_of(number, cohort) == "gamma" and turn % 2 == 0 else "L"
    affine = np.diag([*phantom.spacing, 1.0])
    for k, row in enumerate(_rows_of(number, cohort)):
        lesion = 255 * (labels[:, :, k] == LESION).astype(np.uint8)
        pictures = {"path": _as_picture(grey[:, :, k]).convert(mode), "lesion": _as_picture(lesion)}
        for column, picture in pictures.items():
            path = root / row[column]
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path, compress_level=1)
        _save_nifti(truth_path(root, row["path"]), labels[:, :, k : k + 1], affine)


def _writer(root: Path, name: str, cohort: dict[str, Any], window: tuple[float, float]) -> Callable[[int], None]:
    """Choose the function that writes one patient, by number."""
    writers = {"dicom": _write_dicom, "nifti": _write_nifti, "png": partial(_write_png, window=window)}
    return partial(writers[cohort["format"]], Path(root), name=name, cohort=cohort)


def write_cohort(root: Path, name: str, cohort: dict[str, Any], window: tuple[float, float], threads: int = 1) -> None:
    """Make all files of a phantom cohort.

    Parameters
    ----------
    root : Path
        Folder to fill.
    name : str
        The cohort's name in the config.
    cohort : dict
    window : (float, float)
        HU that become black and white in a PNG cohort.
    threads : int
        Processes.

    Raises
    ------
    UserError
        As `cohort_table` does.
    """
    cohort_table(name, cohort)
    numbers = range(cohort["phantom"]["patients"])
    write = _writer(root, name, cohort, window)
    for _ in progress(in_processes(write, numbers, threads), "patients", total=len(numbers)):
        pass
