"""Measure how many scans of another kind `predict` flags, and how many of its own kind.

python benchmarks/out_of_distribution.py --pictures DIR --ct DIR --part judge --draws 5

--pictures is the folder `Data` of the public repository Coronavirus-Visualization-Team/CVT_COVID-CT-CNN, --ct the
folder of real CT that the tests read. All patients, papers and blocks of pictures are cut into two parts by a hash:
methods were chosen on the part `develop`, the figures of the docs are of the part `judge`. Each draw divides the
patients of a set: half for training, a quarter held out, a quarter that counts as new. It trains a small network, fits
the detector as the rule `model_reference` does, and asks for scans of every kind.
"""
# ruff: noqa: E402

import argparse
import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import keras
import numpy as np
import pandas as pd
import pydicom
from scipy import ndimage

from lungsight.demo.anatomy import Phantom, thorax
from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.image import load_grey
from lungsight.intake.quiet import quiet
from lungsight.intake.volume import AcquisitionMetadata, Volume, Window
from lungsight.predict.image_descriptors import GROUPS, describe_images
from lungsight.predict.network import PredictionNetwork
from lungsight.predict.out_of_distribution import (
    COMPARED,
    FEATURES,
    Described,
    TrainingDistribution,
    alarms_of,
    fit_training_distribution,
)
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.fit import TrainingPlan, fit
from lungsight.training.image_cache import resize_image
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import build_classifier, logits_of

SIZE = 96
WINDOW = (-1250.0, 250.0)
OTHER_WINDOW = (-160.0, 240.0)  # for the mediastinum
PHANTOMS, PLANES = 160, 5
MOST = 120  # scans of a set of new ones, evenly spread
BACKBONE, EPOCHS = "small_cnn", 6
HEAD = {"image_size": SIZE, "head_units": 32, "head_activation": "relu", "batch_norm_momentum": 0.8}


@dataclass(frozen=True)
class Scan:
    """One case. group: patient, paper or block of pictures. images: (n, SIZE, SIZE) uint8. facts: of cases.tsv."""

    group: str
    positive: bool
    images: np.ndarray
    kind: str
    facts: AcquisitionMetadata = field(default_factory=AcquisitionMetadata)

    @cached_property
    def descriptors(self) -> np.ndarray:
        return describe_images(self.images, np.arange(len(self.images)))


def part_of(group: str) -> str:
    """Put a group into a part, always the same."""
    return "judge" if zlib.crc32(group.encode()) % 2 else "develop"


# Pictures


def picture(path: Path, group: str, positive: bool) -> Scan | None:
    """Read a picture as intake does; None if it cannot be used."""
    try:
        grey = load_grey(path)
    except BadCase:
        return None
    facts = AcquisitionMetadata(rows=grey.shape[0], columns=grey.shape[1])
    return Scan(group, positive, resize_image(grey, SIZE)[None], "image", facts)


def pictures_of(folder: Path) -> dict[str, list[Scan]]:
    """Read both public sets: `papers` is COVID-CT of UCSD, `crops` SARS-CoV-2 CT-scan, whose patients are unknown."""
    sets: dict[str, list[Scan]] = {"papers": [], "crops": []}
    for name, positive in (("COVID", True), ("NonCOVID", False)):
        for path in sorted((folder / "master-data" / name).iterdir()):
            number = re.fullmatch(r"(?:Non-)?Covid \((\d+)\)\.png", path.name)
            paper = re.match(r"(\d{4}\.\d\d\.\d\d\.\d+|.+)-p\d+-", path.name) if positive else None
            other = None if positive else re.fullmatch(r"(\d+)(?:%\d+)?\.(?:jpg|png)", path.name)
            if number and int(number[1]) % 3 == 0:  # a third of them, to save time
                # Neighbouring numbers often show one patient.
                sets["crops"].append((path, f"{name} block {int(number[1]) // 30}", positive))
            elif paper or other:
                sets["papers"].append((path, f"{name} {(paper or other)[1]}", positive))
    return {name: [scan for entry in found if (scan := picture(*entry))] for name, found in sets.items()}


# Scans


def as_scan(volume: Volume, group: str, kind: str = "series", keep: slice = slice(None)) -> Scan:
    images = np.stack([resize_image(image, SIZE) for image in volume.images()][keep])
    return Scan(group, True, images, kind, volume.acquisition)


def real_scans(folder: Path) -> list[Scan]:
    """Read the real CT: every slice through the lungs as a scan of one slice, and whole series."""
    scans = []
    for name in ("lung_dx_A0002", "thorax_rt/CT"):
        whole = read_dicom(folder / name, folder, Window(*WINDOW), 1)
        n = whole.voxels.shape[2]
        scans.append(as_scan(whole, name, keep=slice(n // 5, n - n // 5)))
    files = [
        *lung_files(folder / "lung_dx_A0002"),
        *lung_files(folder / "thorax_rt/CT"),
        *sorted((folder / "sbu").rglob("*.dcm")),
        folder / "edge/wg04_chest_CT1/CT1_JLSL.dcm",
        *sorted((folder / "edge/lungmask_testdata").glob("*.dcm")),
    ]
    for path in files:
        try:
            volume = read_dicom(path, folder, Window(*WINDOW), 1)
        except BadCase:
            continue
        scans.append(as_scan(volume, str(path.parent.relative_to(folder))))
    return scans


def lung_files(folder: Path) -> list[Path]:
    """Take the files through the middle three fifths of a series, by slice position, at most 30."""

    def height(path: Path) -> float:
        return float(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])

    placed = sorted(folder.iterdir(), key=height)
    middle = placed[len(placed) // 5 : len(placed) - len(placed) // 5]
    return middle[:: max(1, len(middle) // 30)]


# Phantoms


def phantom(number: int, scanner: str = "alpha", lungs_only: bool = False) -> Phantom:
    disease = ("covid", "none", "covid", "nodule")[number % 4]
    return thorax(1000 + number, matrix=160, slices=PLANES, scanner=scanner, disease=disease, lungs_only=lungs_only)


def with_contrast(made: Phantom) -> Phantom:
    """Enhance heart and great vessels, between the lungs, and the vessels in the lungs."""
    hu = made.hu.copy()
    for k in range(hu.shape[2]):
        lung = made.lung[:, :, k]
        if not lung.any():
            continue
        i, j = (np.flatnonzero(lung.any(axis=axis)) for axis in (1, 0))
        between = np.zeros_like(lung)
        middle, width = (i[0] + i[-1]) // 2, max(1, (i[-1] - i[0]) // 6)
        between[middle - width : middle + width, j[0] + (j[-1] - j[0]) // 3 : j[-1]] = True
        blood = ~lung & between & (hu[:, :, k] > 0) & (hu[:, :, k] < 110)
        blood |= lung & (hu[:, :, k] > -150) & ~made.lesion[:, :, k]
        hu[:, :, k] += 180 * ndimage.gaussian_filter(blood.astype(np.float32), 0.7)
    return replace(made, hu=hu)


def phantom_scan(
    made: Phantom,
    number: int,
    window: tuple[float, float] = WINDOW,
    kind: str = "series",
    contrast: int = 0,
    crop: bool = False,
) -> Scan:
    """Turn a phantom into a scan; `crop` keeps the box of the lung, as people cut out pictures."""
    images = []
    low, high = window
    for k in range(made.hu.shape[2]):
        plane, lung = made.hu[:, :, k], made.lung[:, :, k]
        if not lung.any():
            continue
        if crop:
            i, j = (np.flatnonzero(lung.any(axis=axis)) for axis in (1, 0))
            plane = plane[max(i[0] - 6, 0) : i[-1] + 7, max(j[0] - 6, 0) : j[-1] + 7]
        grey = np.rint(255 * np.clip((plane - low) / (high - low), 0, 1)).astype(np.uint8)
        images.append(resize_image(np.ascontiguousarray(grey[::-1, ::-1].T), SIZE))
    facts = AcquisitionMetadata(rows=made.hu.shape[0], columns=made.hu.shape[1])
    if kind != "image":
        percentiles = np.percentile(made.hu, [1, 50, 99])
        facts = replace(
            facts,
            spacing_row=made.spacing[0],
            spacing_column=made.spacing[1],
            spacing_slice=made.spacing[2],
            slice_thickness=made.scanner.thickness,
            kvp=float(made.scanner.kvp),
            contrast=contrast,
            **dict(zip(("hu_p01", "hu_p50", "hu_p99"), map(float, percentiles), strict=True)),
        )
    return Scan(f"phantom {number}", number % 2 == 0, np.stack(images), kind, facts)


# Changes to pictures, on the images as they are


def changed(change: Callable[[np.ndarray], np.ndarray], scans: list[Scan]) -> list[Scan]:
    return [replace(scan, images=np.stack([change(image) for image in scan.images])) for scan in scans]


def narrow(image: np.ndarray) -> np.ndarray:
    """Show a picture in a window for soft tissue: what was dark turns black, what was bright white."""
    return np.clip((image.astype(float) - 150) * 255 / 75, 0, 255).astype(np.uint8)


def padded(image: np.ndarray) -> np.ndarray:
    """Set a crop into the frame of a full field of view: 60 % of its width, black around it."""
    inner, whole = resize_image(image, round(0.6 * SIZE)), np.zeros_like(image)
    start = (SIZE - len(inner)) // 2
    whole[start : start + len(inner), start : start + len(inner)] = inner
    return whole


def cropped(image: np.ndarray) -> np.ndarray:
    """Keep the middle 60 % of a full field of view."""
    cut = round(0.2 * SIZE)
    return resize_image(np.ascontiguousarray(image[cut:-cut, cut:-cut]), SIZE)


def sets_of(pictures: Path, ct: Path) -> dict[str, list[Scan]]:
    """Make every set of scans that PAIRS names."""
    full, cut, sharp = (
        [phantom(number, **options) for number in range(PHANTOMS)]
        for options in ({}, {"lungs_only": True}, {"scanner": "beta"})
    )

    def scans(made: list[Phantom], **options: Any) -> list[Scan]:
        return [phantom_scan(each, number, **options) for number, each in enumerate(made)]

    enhanced, enhanced_cut = ([with_contrast(each) for each in made] for made in (full, cut))
    hospital = real_scans(ct)
    sets = pictures_of(pictures) | {
        "hospital CT": hospital,
        "hospital CT, middle": changed(cropped, hospital),
        "phantoms": scans(full),
        "phantoms, lung cut out": scans(full, crop=True),
        "phantoms, soft-tissue window": scans(full, window=OTHER_WINDOW),
        "phantoms, contrast in the header": scans(enhanced, contrast=1),
        "phantoms, other scanner": scans(sharp),
        "pictures of phantoms": scans(cut, kind="image", crop=True),
        "pictures of phantoms, contrast": scans(enhanced_cut, kind="image", crop=True),
    }
    sets["phantoms, contrast, header silent"] = [
        replace(scan, facts=replace(scan.facts, contrast=None)) for scan in sets["phantoms, contrast in the header"]
    ]
    sets["pictures of whole phantoms"] = [
        replace(scan, kind="image", facts=AcquisitionMetadata(rows=scan.facts.rows, columns=scan.facts.columns))
        for scan in sets["phantoms"]
    ]
    for name in ("papers", "crops", "pictures of phantoms"):
        sets[f"{name}, soft-tissue window"] = changed(narrow, sets[name])
    for name in ("papers", "crops"):
        sets[f"{name}, black frame"] = changed(padded, sets[name])
    return sets


# Training set → (what differs, the new scans).
PAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    "papers": (
        ("pictures and DICOM", "hospital CT"),
        ("pictures and DICOM", "hospital CT, middle"),
        ("crops and full scans", "papers, black frame"),
        ("window", "papers, soft-tissue window"),
        ("phantoms and patients", "pictures of phantoms"),
        ("phantoms and patients", "pictures of whole phantoms"),
    ),
    "crops": (
        ("pictures and DICOM", "hospital CT"),
        ("pictures and DICOM", "hospital CT, middle"),
        ("crops and full scans", "crops, black frame"),
        ("window", "crops, soft-tissue window"),
        ("phantoms and patients", "pictures of phantoms"),
        ("phantoms and patients", "pictures of whole phantoms"),
        ("another collection", "papers"),
    ),
    "phantoms": (
        ("pictures and DICOM", "crops"),
        ("pictures and DICOM", "papers"),
        ("crops and full scans", "phantoms, lung cut out"),
        ("window", "phantoms, soft-tissue window"),
        ("contrast and none", "phantoms, contrast in the header"),
        ("contrast and none", "phantoms, contrast, header silent"),
        ("phantoms and patients", "hospital CT"),
        ("phantoms and patients", "hospital CT, middle"),
        ("scanner", "phantoms, other scanner"),
    ),
    "pictures of phantoms": (
        ("pictures and DICOM", "hospital CT"),
        ("crops and full scans", "pictures of whole phantoms"),
        ("window", "pictures of phantoms, soft-tissue window"),
        ("contrast and none", "pictures of phantoms, contrast"),
        ("phantoms and patients", "crops"),
        ("phantoms and patients", "papers"),
    ),
}


# Detector


@dataclass(frozen=True)
class Asked:
    """Scans with what the detector needs of them: a row of `cases` for each, and their described slices."""

    cases: pd.DataFrame
    slices: Described

    @classmethod
    def of(cls, scans: list[Scan], network: PredictionNetwork) -> "Asked":
        images = np.concatenate([scan.images for scan in scans])
        case = np.repeat([f"{number:05d}" for number in range(len(scans))], [len(scan.images) for scan in scans])
        rows = [
            {"case": f"{number:05d}", "patient": scan.group, "kind": scan.kind, **asdict(scan.facts)}
            for number, scan in enumerate(scans)
        ]
        cases = pd.DataFrame(rows)
        numbers = cases[[*COMPARED, "contrast"]].astype(float)
        described = Described(
            case, network(images, np.arange(len(images)))[1], np.concatenate([scan.descriptors for scan in scans])
        )
        return cls(cases.assign(**numbers), described)

    def flagged(self, distribution: TrainingDistribution) -> pd.DataFrame:
        """Return for each scan whether it is flagged, and whether it is by its images alone."""
        words = [
            {alarm.word for alarm in alarms_of(row, self.slices.choose(self.slices.case == row["case"]), distribution)}
            for row in self.cases.to_dict("records")
        ]
        by_image = {*GROUPS, FEATURES}
        found = {"any": [bool(each) for each in words], "images": [bool(each & by_image) for each in words]}
        return self.cases[["patient"]].assign(**found)


def trained_network(scans: list[Scan], subsets: list[str], seed: int) -> PredictionNetwork:
    """Train a small network to tell the classes of a set, whatever they are."""
    keras.utils.set_random_seed(seed)
    backbone = backbones.load(BACKBONE)
    model = build_classifier(backbone, HEAD)
    images = np.concatenate([scan.images for scan in scans])
    counts = [len(scan.images) for scan in scans]
    labels, of_slices = np.repeat([int(scan.positive) for scan in scans], counts), np.repeat(subsets, counts)
    training, validation = (
        LabelledImages(images, rows, labels[rows])
        for rows in (np.flatnonzero(of_slices == name) for name in ("train", "held out"))
    )
    plan = TrainingPlan(epochs=EPOCHS, batch_size=16, learning_rate=1e-3, seed=seed, recalibrate=True)
    fit(logits_of(model), backbone, binary_crossentropy, training, validation, plan)
    return PredictionNetwork(model, backbone)


def examine(sets: dict[str, list[Scan]], training: str, seed: int) -> list[dict]:
    """Fit the detector on one set and ask for all that is paired with it. Returns a row for each set of new scans."""
    groups = sorted({scan.group for scan in sets[training]})
    np.random.default_rng(seed).shuffle(groups)
    quarter = len(groups) // 4
    subset = dict.fromkeys(groups, "train") | dict.fromkeys(groups[:quarter], "new")
    subset |= dict.fromkeys(groups[quarter : 2 * quarter], "held out")
    network = trained_network(sets[training], [subset[scan.group] for scan in sets[training]], seed)
    train, held_out, own = (
        Asked.of([scan for scan in sets[training] if subset[scan.group] == name], network)
        for name in ("train", "held out", "new")
    )
    known = train.cases.assign(case="t" + train.cases["case"]), held_out.cases.assign(case="h" + held_out.cases["case"])
    slices = (replace(train.slices, case=np.char.add("t", train.slices.case)),)
    slices += (replace(held_out.slices, case=np.char.add("h", held_out.slices.case)),)
    distribution = fit_training_distribution(pd.concat(known, ignore_index=True), *slices)
    rows = []
    for differs, name in (("nothing: false alarms", training), *PAIRS[training]):
        # A variant of a scan that was trained on is not new.
        scans = [scan for scan in sets[name] if subset.get(scan.group, "new") == "new"]
        scans = scans[:: 1 + len(scans) // MOST]
        asked = own if name == training else Asked.of(scans, network)
        by_patient = asked.flagged(distribution).groupby("patient").mean()
        rows.append(
            {"trained on": training, "held out": distribution.patients, "differs in": differs, "new scans": name}
            | {"scans": len(asked.cases), "patients": len(by_patient)}
            | {"found %": 100 * by_patient["any"].mean(), "by images alone %": 100 * by_patient["images"].mean()}
        )
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--pictures", type=Path, required=True)
    arguments.add_argument("--ct", type=Path, required=True)
    arguments.add_argument("--part", choices=("develop", "judge"), default="judge")
    arguments.add_argument("--draws", type=int, default=5)
    args = arguments.parse_args()
    quiet()
    prepare_device(1, 1)
    sets = sets_of(args.pictures, args.ct)
    chosen = {name: [scan for scan in scans if part_of(scan.group) == args.part] for name, scans in sets.items()}
    rows = [row for training in PAIRS for seed in range(args.draws) for row in examine(chosen, training, seed)]
    table = pd.DataFrame(rows).groupby(["trained on", "differs in", "new scans"], sort=False).mean()
    print(table.round(0).astype(int).to_string())


if __name__ == "__main__":
    main()
