"""Measure on planted truth what replicates tell: the spread over seeds, and the verdict on maps that do not repeat.

python benchmarks/replicates.py spread --networks 20 --out spread.tsv
python benchmarks/replicates.py verdict --seeds 303 308 --out verdicts.tsv
"""
# ruff: noqa: E402

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

import pandas as pd
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from benchmarks.lesion_maps import with_shuffled_labels
from benchmarks.planted_truth import (
    BACKBONE,
    PATIENTS,
    RESAMPLES,
    SETTINGS,
    examine,
    test_slices_of,
    train_on,
)
from lungsight.audit.model_audit import spread_sample
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.replicate_networks import maps_of_replicates
from lungsight.audit.replicate_table import ABOVE_RANDOM, map_rows
from lungsight.audit.rows import Estimate
from lungsight.audit.verdict import Verdict, decide
from lungsight.demo.cohort import POSITIVE
from lungsight.demo.planted import PLANTED_SCENARIOS, Planted, plant
from lungsight.evaluation.replicates import spread_of
from lungsight.explain.explanation import SliceImages
from lungsight.training import backbones
from lungsight.training.device import prepare_device

SAMPLE = 48  # slices whose maps are compared
SMALL = replace(SETTINGS, sample=8, draws=1, steps=4)  # of the audit; the verdict needs little of its sample here
FEWER = {**PATIENTS, "train": 40}
REPLICATES = 3
# What the replicates of a model learned: the same labels from another seed, or labels of their own. Of the second kind
# nothing is found again by training, and that is known.
SAME, OWN = "the same labels", "random labels of their own"
HARD = {**PATIENTS, "train": 24}  # few patients to learn from, so that seeds differ
GROUP = 5  # replicates of one run


def network(planted: Planted, seed: int) -> ModelOutputs:
    """Train a network; the seed draws its start and its batches, as the seed of a replicate does."""
    return ModelOutputs(train_on(planted, seed), backbones.load(BACKBONE))


def sample_of(planted: Planted) -> SliceImages:
    """Give the test slices whose maps are compared."""
    slices = test_slices_of(planted)
    return slices.take(spread_sample(len(slices.table), SAMPLE))


def rows_of(networks: list[ModelOutputs], planted: Planted, seed: int) -> pd.DataFrame:
    """Give the rows of maps of report/replicates.tsv, by metric."""
    maps = maps_of_replicates(networks, sample_of(planted), seed)
    return pd.DataFrame(map_rows(maps, [], RESAMPLES, seed)).set_index("metric")


def auc_of(outputs: ModelOutputs, slices: SliceImages) -> float:
    """Compute the AUC by patient, from the mean probability of a patient's slices."""
    table = slices.table.assign(probability=expit(outputs(slices.images).logits[:, 0]))
    by_patient = table.groupby("patient").agg({"label": "first", "probability": "mean"})
    return float(roc_auc_score(by_patient["label"] == POSITIVE, by_patient["probability"]))


def spread(args: argparse.Namespace) -> None:
    """Train independent networks on one cohort, and compare what groups of GROUP replicates tell with all of them."""
    planted = plant(PLANTED_SCENARIOS["lesions"], args.cohort, **HARD)
    slices, networks, aucs = test_slices_of(planted), [], []
    for number in range(args.networks):
        networks.append(network(planted, args.cohort + number))
        aucs.append(auc_of(networks[-1], slices))
        print(f"network {number + 1}: AUC {aucs[-1]:.3f}", flush=True)
    groups = {"all": networks} | {
        f"{start + 1} to {start + GROUP}": networks[start : start + GROUP]
        for start in range(0, args.networks - GROUP + 1, GROUP)
    }
    rows = []
    for name, group in groups.items():
        first = 0 if name == "all" else int(name.split()[0]) - 1
        of_maps = rows_of(group, planted, args.cohort)
        similar, mass = of_maps.loc["repeatability_spearman"], of_maps.loc["lung_mass"]
        auc = spread_of(aucs[first : first + len(group)])
        rows.append(
            {
                **{"networks": name, "auc_mean": auc.mean, "auc_sd": auc.sd, "auc_min": auc.min, "auc_max": auc.max},
                **{"spearman": similar["mean"], "ssim": of_maps.loc["repeatability_ssim", "mean"]},
                **{"lung_mass_mean": mass["mean"], "lung_mass_sd": mass["sd"]},
            }
        )
        pd.DataFrame(rows).round(3).to_csv(args.out, sep="\t", index=False)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


def judged(scenario: str, seed: int) -> Iterator[tuple[dict, Verdict]]:
    """Judge one model with the rules of the verdict, once with replicates that learned SAME and once OWN.

    Yields
    ------
    A row of the table, and the verdict.
    """
    planted = plant(PLANTED_SCENARIOS[scenario], seed, **FEWER)
    first = network(planted, seed)
    found = examine(first, test_slices_of(planted), "whole", seed, SMALL)
    for learned in (SAME, OWN):
        others = [
            network(planted if learned == SAME else with_shuffled_labels(planted, seed + k), seed + k)
            for k in range(1, REPLICATES)
        ]
        of_maps = rows_of([first, *others], planted, seed)
        above = Estimate(*of_maps.loc[ABOVE_RANDOM, ["value", "value_lo", "value_hi"]].astype(float))
        with_rule = decide(found.evidence._replace(repeatability=above))
        row = {
            **{"scenario": scenario, "seed": seed, "replicates learned": learned},
            **{"before": found.verdict.conclusion, "verdict": with_rule.conclusion, "rule": with_rule.rule},
            "repeatability": of_maps.loc["repeatability_spearman", "value"],
            "random_networks": of_maps.loc["random_networks_spearman", "value"],
            **{"above": above.value, "above_lo": above.low, "above_hi": above.high},
        }
        yield row, with_rule


def verdict(args: argparse.Namespace) -> None:
    """Judge models of planted truth, and count the verdicts."""
    rows = []
    for seed in range(args.seeds[0], args.seeds[1] + 1):
        for scenario in args.scenarios:
            for row, given in judged(scenario, seed):
                rows.append(row)
                print(f"{scenario}, seed {seed}, {row['replicates learned']}: {given.sentence}", flush=True)
                pd.DataFrame(rows).round(3).to_csv(args.out, sep="\t", index=False)
    table = pd.DataFrame(rows)
    print(pd.crosstab([table["scenario"], table["replicates learned"], table["before"]], table["verdict"]).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    of_spread = commands.add_parser("spread")
    of_spread.add_argument("--networks", type=int, default=20)
    of_spread.add_argument("--cohort", type=int, default=401, help="seed of the phantoms, and of the first network")
    of_verdict = commands.add_parser("verdict")
    of_verdict.add_argument("--seeds", nargs=2, type=int, default=[303, 308], help="the first and the last")
    of_verdict.add_argument(
        "--scenarios", nargs="+", choices=list(PLANTED_SCENARIOS), default=["lesions", "mark alone"]
    )
    for command, run in ((of_spread, spread), (of_verdict, verdict)):
        command.add_argument("--out", type=Path, required=True, help="table; rewritten as it grows")
        command.set_defaults(run=run)
    args = parser.parse_args()
    prepare_device(threads=1, seed=0)
    args.run(args)


if __name__ == "__main__":
    main()
