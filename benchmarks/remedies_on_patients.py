"""Ask whether a remedy raises the AUC on pictures of another origin, over the replicates of finished runs.

python benchmarks/remedies_on_patients.py results/real-trial-remedies results/real-trial-remedies-back

A run has one public and one target cohort, pipelines with remedies, and replicates
(`config/real-trial-remedies.yaml`). A row stands for a remedy in one of three places:

home     stage 1 on the test patients of the cohort that it was trained on
unseen   stage 1 on those of the target cohort, which it has not seen
adapted  stage 2 on those of the target cohort

Each number is the AUC by patient, the mean over the replicates, with the lowest and the highest of them. The difference
to the pipeline without a remedy is taken on the patients that both have, replicate by replicate. Its 95 % interval
draws patients; what trainings differ by stands beside it, as the lowest and the highest difference of a replicate.
Nothing is corrected for the number of comparisons.
"""
# ruff: noqa: E402

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

from benchmarks.trial_study import positive_of, read
from lungsight.audit.trace_classifier import auc_of_ranks
from lungsight.evaluation.aggregation import patient_level
from lungsight.evaluation.metrics import select_test_rows
from lungsight.layout import predictions_file
from lungsight.tables import read_table
from lungsight.training.pipelines import Pipeline

PATIENT = ["patient", "label"]


def places(run: Path) -> dict[str, tuple[int, str]]:
    """Name the stage and the cohort of each place. Stage 2 is measured on the target cohort alone."""
    metrics = read(run, "metrics")
    target = metrics.loc[metrics["stage"] == 2, "cohort"].iloc[0]
    public = metrics.loc[(metrics["stage"] == 1) & (metrics["cohort"] != target), "cohort"].iloc[0]
    return {"home": (1, public), "unseen": (1, target), "adapted": (2, target)}


def scores_of(run: Path, pipeline: str, stage: int, cohort: str) -> pd.DataFrame:
    """Read the probabilities of test patients: the index is patient and label, and each replicate has a column."""
    columns = {}
    for path in (run / "models").iterdir():
        trained = Pipeline.parse(path.name)
        if trained._replace(replicate=1).name == pipeline:
            predictions = read_table(predictions_file(path / f"stage{stage}", cohort), schema="predictions")
            scores = patient_level(select_test_rows(predictions)).set_index(PATIENT)["probability"]
            columns[trained.replicate] = scores
    return pd.DataFrame(columns).dropna()


def difference(remedied: pd.DataFrame, plain: pd.DataFrame, positive: str, resamples: int) -> dict[str, float]:
    """Compare two pipelines on the patients that both have.

    Parameters
    ----------
    remedied, plain
        Of `scores_of`, of the same replicates.
    positive
        Label of the positive class.
    resamples
        Of the interval.

    Returns
    -------
    dict
        difference of the mean AUC, low and high of its interval, and the least and the most of a replicate.
    """
    both = remedied.index.intersection(plain.index)
    truth = np.asarray(both.get_level_values("label") == positive)[:, None]
    first, second = (table.loc[both].sort_index(axis=1).to_numpy() for table in (remedied, plain))
    each = auc_of_ranks(first, truth) - auc_of_ranks(second, truth)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(resamples):
        rows = rng.integers(0, len(truth), len(truth))
        if 0 < truth[rows].sum() < len(truth):
            drawn.append((auc_of_ranks(first[rows], truth[rows]) - auc_of_ranks(second[rows], truth[rows])).mean())
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"difference": each.mean(), "low": low, "high": high, "least": each.min(), "most": each.max()}


def rows_of(run: Path, resamples: int) -> Iterator[dict]:
    """Make the rows of a run."""
    positive = positive_of(run)
    for row in read(run, "remedies").fillna({"compared_with": ""}).itertuples():
        for place, (stage, cohort) in places(run).items():
            own = scores_of(run, row.pipeline, stage, cohort)
            truth = np.asarray(own.index.get_level_values("label") == positive)[:, None]
            aucs = auc_of_ranks(own.to_numpy(), truth)
            found = {"remedy": row.remedy, "place": place, "cohort": cohort, "patients": len(own)}
            found |= {"auc": aucs.mean(), "lowest": aucs.min(), "highest": aucs.max()}
            if row.compared_with:
                found |= difference(own, scores_of(run, row.compared_with, stage, cohort), positive, resamples)
            yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--resamples", type=int, default=2000)
    args = parser.parse_args()
    for results in args.runs:
        if not (results / "report/remedies.tsv").is_file():
            sys.exit(f"{results} has no report/remedies.tsv. Give a finished run whose pipelines have remedies.")
        table = pd.DataFrame(rows_of(results, args.resamples))
        print(f"\n# {results.name}\n\n{table.to_markdown(index=False, floatfmt='.3f')}")


if __name__ == "__main__":
    main()
