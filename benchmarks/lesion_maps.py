"""Measure whether saliency maps mark known lesions, and only in networks that learned the true labels.

python benchmarks/lesion_maps.py --seeds 101 110

Label randomisation after Adebayo 2018. The lesions of the phantoms are known to the pixel. Each seed trains three
networks: the first learns the true labels; the second learns them from another start; the third begins like the first
and learns random labels of the patients. Grad-CAM of the positive class is measured on positive test slices that show a
lesion. It is compared with the lesion's mask, by the metrics that every run computes against the lung, and with the
first network's maps, by rank correlation.
"""
# ruff: noqa: E402

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT)]

import numpy as np
import pandas as pd

from benchmarks.planted_truth import BACKBONE, planted_model, train_on
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.config import config_schema
from lungsight.demo.cohort import POSITIVE
from lungsight.demo.planted import Planted
from lungsight.evaluation.leakage_inflation.conditions import random_patient_labels
from lungsight.explain.map_stability import rank_correlation
from lungsight.explain.saliency_metrics import measure
from lungsight.training import backbones
from lungsight.training.device import prepare_device

IOU_LEVEL = config_schema()["properties"]["explain"]["properties"]["iou_level"]["default"]
METRICS = ("lung_mass", "lung_mass_reference", "enrichment", "pointing", "auc")  # here against the lesion
NETWORKS = TRUE, AGAIN, SHUFFLED = "true labels", "true labels, another start", "shuffled labels"


def with_shuffled_labels(planted: Planted, seed: int) -> Planted:
    """Give each training and validation patient a label that is independent of the true one."""
    table = planted.table
    labels = pd.concat([random_patient_labels(subset, seed) for _, subset in table.groupby("split", sort=False)])
    return replace(planted, table=table.assign(label=labels.where(table["split"] != "test", table["label"])))


def outputs_of(name: str, planted: Planted, seed: int) -> ModelOutputs:
    """Train one of NETWORKS but for TRUE, which is `planted_model`."""
    slices = with_shuffled_labels(planted, seed) if name == SHUFFLED else planted
    model = train_on(slices, seed + 1000 if name == AGAIN else seed)
    return ModelOutputs(model, backbones.load(BACKBONE))


def measured(seed: int, networks: Sequence[str] = NETWORKS) -> pd.DataFrame:
    """Make a row per network: means of METRICS against the lesion and of the rank correlation with the maps of TRUE.

    networks: TRUE first, then any others.
    """
    planted, of_true_labels = planted_model("lesions", seed)
    of_lesion = planted.lesion.any(axis=(1, 2)) & (planted.table["label"] == POSITIVE)
    shown = np.flatnonzero(of_lesion & (planted.table["split"] == "test"))
    maps, rows = {}, []
    for name in networks:
        outputs = of_true_labels if name == TRUE else outputs_of(name, planted, seed)
        maps[name] = outputs(planted.images[shown]).maps(np.ones(len(shown)))
        found = measure(maps[name], planted.lesion[shown], IOU_LEVEL)
        correlation = np.nan if name == TRUE else np.nanmean(rank_correlation(maps[TRUE], maps[name]))
        means = {metric.replace("lung", "lesion"): np.nanmean(found[metric]) for metric in METRICS}
        rows.append({"network": name, "seed": seed, "slices": len(shown), **means, "rank_correlation": correlation})
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
