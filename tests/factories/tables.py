"""Make small results of each package, so that a rule can be tested without the rules before it.

The images are ellipses: a body, two lungs, and in positive patients a bright disc inside the left lung.
"""

import hashlib
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from PIL import Image

from lungsight.files import write_text
from lungsight.intake.geometry import image_to_slice
from lungsight.privacy import key_of, pseudonym
from lungsight.tables import columns_of, write_table
from lungsight.training.image_cache import INDEX

KEY = b"made"
POSITIVE, NEGATIVE = "Covid-19", "Non Covid"
SHARD = "000"


def disc(size: int, row: float, column: float, height: float, width: float) -> np.ndarray:
    """Fill an ellipse: (size, size) bool. Centre and half axes are shares of the size."""
    rows, columns = (np.indices((size, size)) + 0.5) / size
    return ((rows - row) / height) ** 2 + ((columns - column) / width) ** 2 <= 1


def made_slice(size: int, positive: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw one axial slice: image uint8 and lung mask bool, both (size, size) in image order."""
    shift = rng.uniform(-0.02, 0.02)
    body = disc(size, 0.5, 0.5, 0.4, 0.46)
    lungs = disc(size, 0.5 + shift, 0.3, 0.26, 0.15) | disc(size, 0.5 + shift, 0.7, 0.26, 0.15)
    image = np.where(body, 220.0, 0.0)
    image[lungs] = 60
    if positive:
        image[disc(size, 0.6 + shift, 0.68, 0.09, 0.07) & lungs] = 160
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8), lungs


def save_volume(path: Path, images: list[np.ndarray], spacing: tuple[float, float, float] = (2.0, 2.0, 5.0)) -> None:
    """Stack images (feet first) into a canonical NIfTI; uint8 becomes [0, 1], bool becomes a uint8 mask."""
    volume = np.stack([image_to_slice(image) for image in images], axis=-1)
    volume = volume.astype(np.uint8) if volume.dtype == bool else volume.astype(np.float32) / 255
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([*spacing, 1.0])), path)


def made_cohort(
    run: Path, cohort: str, patients: int = 8, slices: int = 3, size: int = 64, seed: int = 1, png: bool = True
) -> pd.DataFrame:
    """Write cases.tsv, slices.tsv, nifti, png and predicted masks of a cohort; patients alternate positive, negative.

    Returns the slices table. The run gets a key: without one, its pseudonyms would fit no other.
    """
    key_of(Path(f"{run}.private") / "key")
    rng = np.random.default_rng(seed)
    folder = run / "cohorts" / cohort
    cases, rows = [], []
    for number in range(patients):
        label = POSITIVE if number % 2 == 0 else NEGATIVE
        case, patient = pseudonym(KEY, cohort, f"case {number}"), pseudonym(KEY, cohort, f"patient {number}")
        drawn = [made_slice(size, label == POSITIVE, rng) for _ in range(slices)]
        if png:  # a labelled cohort without lesion masks
            (folder / "lesions" / SHARD).mkdir(parents=True, exist_ok=True)
        save_volume(folder / "nifti" / SHARD / f"{case}.nii.gz", [image for image, _ in drawn])
        save_volume(run / "segmentation" / "masks" / cohort / SHARD / f"{case}.nii.gz", [mask for _, mask in drawn])
        cases.append(
            {
                **{"row": number + 1, "case": case, "patient": patient, "label": label, "source": cohort},
                **{"kind": "series", "n_slices": slices, "status": "ok", "reason": "", "shard": SHARD},
                **{"preassigned_split": "", "rows": size, "columns": size, "spacing_row": 2.0, "spacing_column": 2.0},
                **{"spacing_slice": 5.0, "slice_thickness": 5.0, "kvp": 120.0, "contrast": 0},
                **{"hu_p01": -1000.0, "hu_p50": -600.0, "hu_p99": 100.0},
            }
        )
        for z_index, (image, _) in enumerate(drawn):
            name = f"{case}-{z_index:04d}"
            path = f"png/{SHARD}/{name}.png" if png else ""
            if png:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(folder / path)
            sha256 = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
            identity = {"slice": name, "case": case, "patient": patient, "label": label, "source": cohort}
            rows.append(identity | {"z_index": z_index, "png": path, "sha256": sha256})
    write_table(folder / "cases.tsv", cases, schema="cases")
    closed_words = {"kernel": "soft", "manufacturer": "other", "transfer_syntax": "uncompressed", "lossy": 0}
    of_shard = pd.DataFrame(cases).assign(**closed_words)[columns_of("converted_cases")]
    write_table(folder / "shards" / SHARD / "cases.tsv", of_shard, schema="converted_cases")
    write_table(folder / "slices.tsv", rows, schema="slices")
    of_shard = pd.DataFrame(rows).assign(perceptual_hash="0" * 16, blank=0)[columns_of("converted_slices")]
    write_table(folder / "shards" / SHARD / "slices.tsv", of_shard, schema="converted_slices")
    if png:  # of a labelled cohort, age and sex may be known
        people = [{"case": row["case"], "age": "", "sex": ""} for row in cases]
        write_table(folder / "people.tsv", people, schema="people")
    return pd.DataFrame(rows)


def save_images(folder: Path, index: pd.DataFrame, **arrays: np.ndarray) -> None:
    """Write cached images of a cohort in one shard. index: `slice`, and other columns of `image_index`."""
    for name, pixels in arrays.items():
        (folder / SHARD).mkdir(parents=True, exist_ok=True)
        np.save(folder / SHARD / f"{name}.npy", pixels)
    write_table(folder / INDEX, index.assign(shard=SHARD, row=range(len(index))), schema="image_index")


def made_manifest(run: Path, cohort: str, slices: pd.DataFrame) -> None:
    """Write a QC manifest that keeps every slice for both input views."""
    scores = {
        **{"reason": "", "lung_fraction": 0.2, "components": 2, "largest_share": 0.5, "border_contact": 0.0},
        **{"solidity": 0.95, "holes": 0.0, "mean_intensity": 0.25, "soft_fraction": 0.02, "neighbour_dice": 0.9},
    }
    rows = [
        {"slice": name, "whole_keep": 1, "segmented_keep": 1, **scores, "decided_by": "auto"}
        for name in slices["slice"]
    ]
    save_manifest(run, cohort, pd.DataFrame(rows))


def save_manifest(run: Path, cohort: str, manifest: pd.DataFrame) -> None:
    """Write a manifest, and what each input view keeps by it."""
    write_table(run / "qc" / cohort / "manifest.tsv", manifest, schema="manifest")
    for view in ("whole", "segmented"):
        kept = manifest[["slice"]].assign(keep=manifest[f"{view}_keep"])
        write_table(run / "qc" / cohort / "kept" / f"{view}.tsv", kept, schema="kept")


def made_split(run: Path, cohort: str, input_view: str, slices: pd.DataFrame) -> pd.DataFrame:
    """Write a split by patient, checked: pairs of patients go to train, train, val, test in turn."""
    write_text(run / "splits" / cohort / "checked.txt", "made\n")
    patients = list(dict.fromkeys(slices["patient"]))
    subsets = {patient: ("train", "train", "val", "test")[(index // 2) % 4] for index, patient in enumerate(patients)}
    table = slices[["slice", "patient", "label"]].assign(split=slices["patient"].map(subsets))
    write_table(run / "splits" / cohort / f"{input_view}.tsv", table, schema="split")
    return table


def made_duplicates(run: Path, *groups: pd.DataFrame) -> pd.DataFrame:
    """Write a table of exact duplicates. Each group holds slices of one picture: slice, cohort, patient."""
    columns = ["slice", "cohort", "patient"]
    tables = [
        group[columns].assign(kind="exact", group=group["slice"].iloc[0], distance=0, label_conflict=0)
        for group in groups
    ]
    table = pd.concat(tables) if tables else pd.DataFrame(columns=columns_of("duplicates"))
    write_table(run / "cohorts" / "duplicates.tsv", table, schema="duplicates")
    return table
