"""Ask whether a remedy raises the AUC on pictures of another origin, over the replicates of finished runs.

python benchmarks/remedies_on_patients.py results/real-trial-remedies results/real-trial-remedies-back

A run has one public and one target cohort, pipelines with remedies, and replicates
(`config/real-trial-remedies.yaml`). A row stands for a remedy in one of three places:

home     stage 1 on the test patients of the cohort that it was trained on
unseen   stage 1 on those of the target cohort, which it has not seen
adapted  stage 2 on those of the target cohort

Each number is the AUC by patient, the mean over the replicates. The difference to the pipeline without a remedy is
taken on the patients that both have, replicate by replicate. Its 95 % interval draws patients and replicates.
"""
# ruff: noqa: E402

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

from benchmarks.trial_study import positive_of, read
from lungsight.evaluation.aggregation import patient_level
from lungsight.evaluation.metrics import select_test_rows
from lungsight.layout import predictions_file
from lungsight.tables import read_table

PATIENT = ["patient", "label"]


def places(run: Path) -> dict[str, tuple[int, str]]:
    """Name the stage and the cohort of each place. Stage 2 is measured on the target cohort alone."""
    metrics = read(run, "metrics")
    target = metrics.loc[metrics["stage"] == 2, "cohort"].iloc[0]
    public = metrics.loc[(metrics["stage"] == 1) & (metrics["cohort"] != target), "cohort"].iloc[0]
    return {"home": (1, public), "unseen": (1, target), "adapted": (2, target)}


def scores_of(run: Path, pipeline: str, stage: int, cohort: str) -> pd.DataFrame:
    """Read the probabilities of test patients: the index is patient and label, and each replicate has a column."""
    names = [pipeline, *sorted(path.name for path in (run / "models").glob(f"{pipeline}-r[0-9]"))]
    columns = []
    for name in names:
        predictions = read_table(predictions_file(run / f"models/{name}/stage{stage}", cohort), schema="predictions")
        columns.append(patient_level(select_test_rows(predictions)).set_index(PATIENT)["probability"])
    return pd.concat(columns, axis=1, keys=range(1, len(names) + 1), join="inner")


def mean_auc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Average the AUC over replicates. positive: (n,) bool; scores: (n, replicates)."""
    return float(np.mean([roc_auc_score(positive, of_one) for of_one in scores.T]))


def difference(
    remedied: pd.DataFrame, plain: pd.DataFrame, positive: str, resamples: int
) -> tuple[float, float, float]:
    """Compare two pipelines on the patients that both have: the difference of their mean AUC, and its interval.

    Parameters
    ----------
    remedied, plain
        Of `scores_of`.
    positive
        Label of the positive class.
    resamples
        Of the interval.
    """
    both = remedied.index.intersection(plain.index)
    truth = np.asarray(both.get_level_values("label") == positive)
    scores = [table.loc[both].to_numpy() for table in (remedied, plain)]
    rng, drawn = np.random.default_rng(1), []
    for _ in range(resamples):
        patients = rng.integers(0, len(truth), len(truth))
        if 0 < truth[patients].sum() < len(truth):
            chosen = np.ix_(patients, rng.integers(0, plain.shape[1], plain.shape[1]))
            drawn.append(np.subtract(*(mean_auc(truth[patients], each[chosen]) for each in scores)))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(np.subtract(*(mean_auc(truth, each) for each in scores))), float(low), float(high)


def rows_of(run: Path, resamples: int) -> Iterator[dict]:
    """Make the rows of a run."""
    positive = positive_of(run)
    for row in read(run, "remedies").fillna({"compared_with": ""}).itertuples():
        for place, (stage, cohort) in places(run).items():
            own = scores_of(run, row.pipeline, stage, cohort)
            truth = np.asarray(own.index.get_level_values("label") == positive)
            aucs = [roc_auc_score(truth, own[number]) for number in own]
            found = {"remedy": row.remedy, "place": place, "cohort": cohort, "patients": len(own)}
            found |= {"auc": np.mean(aucs), "lowest": min(aucs), "highest": max(aucs)}
            if row.compared_with:
                plain = scores_of(run, row.compared_with, stage, cohort)
                ends = difference(own, plain, positive, resamples)
                found |= dict(zip(("difference", "low", "high"), ends, strict=True))
            yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--resamples", type=int, default=2000)
    args = parser.parse_args()
    for results in args.runs:
        table = pd.DataFrame(rows_of(results, args.resamples))
        print(f"\n# {results.name}\n\n{table.to_markdown(index=False, floatfmt='.3f')}")


if __name__ == "__main__":
    main()
