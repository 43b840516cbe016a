"""Do maps mark the lesions, and only where labels taught it? Networks on phantoms whose lesions are known to the pixel.

python benchmarks/lesion_maps.py --seeds 101 110

Label randomisation after Adebayo 2018: of each seed one network learns the true labels, a second the same from another
start, a third, from the first start, labels shuffled among the patients. Grad-CAM of the positive class is
compared on positive test slices that show a lesion: with the lesion's mask, by the metrics that every run measures
against the lung, and with the first network's maps, by rank correlation.
"""
# ruff: noqa: E402

import argparse
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT)]

import numpy as np
import pandas as pd

from benchmarks.planted_truth import BACKBONE, PATIENTS, train_on
from lungsight.config import config_schema
from lungsight.demo.cohort import POSITIVE
from lungsight.demo.planted import ARMS, Planted, plant
from lungsight.explain.probe import Probe
from lungsight.explain.saliency_metrics import measure
from lungsight.explain.sanity import rank_correlation
from lungsight.leakage_price.arms import shuffle_labels
from lungsight.training import backbones
from lungsight.training.device import prepare_device

IOU_LEVEL = config_schema()["properties"]["explain"]["properties"]["iou_level"]["default"]
METRICS = ("lung_mass", "lung_mass_reference", "enrichment", "pointing", "auc")  # here of the lesion
TRUE, AGAIN, SHUFFLED = "true labels", "true labels, another start", "shuffled labels"


def with_shuffled_labels(planted: Planted, seed: int) -> Planted:
    """The same slices; of train and of val each patient has a label that says nothing about the true one."""
    table = planted.table
    labels = pd.concat([shuffle_labels(side, seed) for _, side in table.groupby("split", sort=False)])
    return replace(planted, table=table.assign(label=labels.where(table["split"] != "test", table["label"])))


def maps_of_seed(seed: int, patients: dict[str, int] = PATIENTS) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Grad-CAM of the positive class by each network, (n, h, w), and the lesions, (n, size, size) bool."""
    planted = plant(ARMS["lesions"], seed, **patients)
    of_lesion = planted.lesion.any(axis=(1, 2)) & (planted.table["label"] == POSITIVE)
    shown = np.flatnonzero(of_lesion & (planted.table["split"] == "test"))
    trained = {
        TRUE: train_on(planted, seed),
        AGAIN: train_on(planted, seed + 1000),
        SHUFFLED: train_on(with_shuffled_labels(planted, seed), seed),
    }
    backbone, sign = backbones.load(BACKBONE), np.ones(len(shown))
    maps = {name: Probe(model, backbone)(planted.images[shown]).maps(sign) for name, model in trained.items()}
    return maps, planted.lesion[shown]


def measured(seed: int, patients: dict[str, int] = PATIENTS) -> pd.DataFrame:
    """A row per network: mean of METRICS against the lesion, and of the rank correlation with the maps of TRUE."""
    maps, lesions = maps_of_seed(seed, patients)
    rows = []
    for name, each in maps.items():
        found = measure(each, lesions, IOU_LEVEL)
        alike = np.nan if name == TRUE else np.nanmean(rank_correlation(maps[TRUE], each))
        means = {metric.replace("lung", "lesion"): np.nanmean(found[metric]) for metric in METRICS}
        rows.append({"network": name, "seed": seed, "slices": len(lesions), **means, "rank_correlation": alike})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs=2, type=int, default=[101, 110], help="the first and the last")
    args = parser.parse_args()
    prepare_device(threads=1, seed=0)
    table = pd.concat([measured(seed) for seed in range(args.seeds[0], args.seeds[1] + 1)])
    grouped = table.drop(columns=["seed", "slices"]).groupby("network", sort=False)
    print(f"{table['seed'].nunique()} seeds, {table['slices'].sum() // 3} slices; mean of the seeds' means")
    print(grouped.mean().round(3).to_string())
    for end in ("min", "max"):
        print(f"{end} of the seeds\n{grouped[['enrichment', 'rank_correlation']].agg(end).round(3).to_string()}")


if __name__ == "__main__":
    main()
