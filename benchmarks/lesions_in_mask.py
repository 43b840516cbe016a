"""Measure how much of the lesions lies inside the lung mask, on phantoms whose lungs and lesions are known.

python benchmarks/lesions_in_mask.py [--patients 8] [--seed 701]                 the classical method
python benchmarks/lesions_in_mask.py --networks [--epochs 3] [--threads 2]       two networks as well

With --networks, two small nnU-Nets are trained on phantoms without any disease: one as it is, one with
`segmentation.lesion_augmentation`. Seeds of the measured phantoms are in neither training.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.demo.anatomy import Phantom, thorax  # noqa: E402
from lungsight.segmentation.agreement import dice  # noqa: E402
from lungsight.segmentation.classical import lung_mask  # noqa: E402

DISEASES = ("none", "covid", "nodule", "tumour")
MATRIX, SLICES = 128, 8
TRAINED_ON, FIRST_TRAINED = {"train": 6, "val": 1}, 1
SCHEDULE = {"trainer": "thesis", "learning_rate": 0.001, "iterations": 40, "validation_iterations": 2, "seed": 0}

Method = Callable[[np.ndarray, tuple[float, float, float]], np.ndarray]


def phantom(seed: int, disease: str) -> tuple[Phantom, np.ndarray]:
    """Make a patient, and the volume that intake makes of it."""
    made = thorax(seed=seed, matrix=MATRIX, slices=SLICES, scanner="alpha" if seed % 2 else "beta", disease=disease)
    return made, np.clip((made.hu + 1250) / 1500, 0, 1).astype(np.float32)


def rows_of(name: str, method: Method, seeds: range) -> list[dict]:
    """Measure a method on patients with each disease."""
    rows = []
    for disease in DISEASES:
        agreement, inside = [], []
        for seed in seeds:
            made, volume = phantom(seed, disease)
            mask = method(volume, made.spacing)
            agreement.append(dice(made.lung, mask))
            if made.lesion.any():
                inside.append(np.count_nonzero(mask & made.lesion) / np.count_nonzero(made.lesion))
        rows.append(
            {"method": name, "disease": disease, "Dice": np.mean(agreement), "lowest": min(agreement)}
            | {"lesion inside": np.mean(inside) if inside else np.nan, "least": min(inside, default=np.nan)}
        )
    return rows


def write_training(folder: Path) -> pd.DataFrame:
    """Write healthy phantoms as intake does; return the table of cases."""
    rows = []
    for part in ("images", "truth"):
        (folder / part / "000").mkdir(parents=True)
    for number, split in enumerate(name for name, count in TRAINED_ON.items() for _ in range(count)):
        made, volume = phantom(FIRST_TRAINED + number, "none")
        for part, values in (("images", volume), ("truth", made.lung.astype(np.uint8))):
            nibabel.save(nibabel.Nifti1Image(values, made.affine), folder / part / "000" / f"{number}.nii.gz")
        rows.append({"case": str(number), "row": number + 1, "shard": "000", "split": split})
    return pd.DataFrame(rows)


def trained(folder: Path, cases: pd.DataFrame, lesions: bool, epochs: int, threads: int) -> Method:
    """Train a small network on the cases below `folder`."""
    from lungsight.segmentation import dataset
    from lungsight.segmentation.predict import load_predictor, predict_mask
    from lungsight.segmentation.train import publish_model, train

    own = folder / f"lesions-{lesions}"
    dataset.write_raw_dataset(own / "raw", cases, folder / "images", folder / "truth")
    diseased = dataset.add_lesions(own / "raw", cases, 0) if lesions else []
    dataset.plan_and_preprocess(own, 4, [96, 96], 16, workers=threads)
    dataset.write_split(own, cases, diseased)
    settings = SCHEDULE | {"epochs": epochs}
    publish_model(train(own / "preprocessed", own / "results", settings, threads), own / "model", settings)
    return partial(predict_mask, load_predictor(own / "model", mirroring=False, threads=threads))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=8, help="of each disease")
    parser.add_argument("--seed", type=int, default=701, help="of the first patient")
    parser.add_argument("--networks", action="store_true", help="train and measure two networks as well")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    seeds = range(args.seed, args.seed + args.patients)
    rows = rows_of("classical", lung_mask, seeds)
    if args.networks:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            cases = write_training(folder)
            for lesions, name in ((False, "nnU-Net"), (True, "nnU-Net, lesions pasted")):
                rows += rows_of(name, trained(folder, cases, lesions, args.epochs, args.threads), seeds)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
