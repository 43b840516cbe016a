"""Print the tables of docs/real-trial.md from finished runs of the trial, and compute the intervals of AUC once more.

python benchmarks/trial_study.py results/real-trial results/real-trial-back [--resamples 2000]

Each table is in Markdown and comes from files of report/ as they are. The last table draws patients again with other
code and another random generator: scikit-learn's AUC of each draw, percentiles of NumPy. It says how far its intervals
lie from those of the run.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

MODEL = ["pipeline", "stage"]


def read(run: Path, name: str) -> pd.DataFrame:
    """Read a table of a run's report."""
    return pd.read_csv(run / f"report/{name}.tsv", sep="\t")


def with_interval(table: pd.DataFrame, name: str, digits: int = 2) -> pd.Series:
    """Write a column with its interval: 0.91 (0.85–0.96)."""
    return table.apply(
        lambda row: f"{row[name]:.{digits}f} ({row[f'{name}_lo']:.{digits}f}–{row[f'{name}_hi']:.{digits}f})", axis=1
    )


def results(run: Path) -> pd.DataFrame:
    """Show every model on every cohort, by slice and by patient."""
    metrics = read(run, "metrics")
    shown = metrics[[*MODEL, "cohort", "unit", "n"]].copy()
    for name in ("roc_auc", "accuracy"):
        shown[name] = with_interval(metrics, name)
    return shown


def verdicts(run: Path) -> pd.DataFrame:
    """Show what each model looks at, and the numbers behind it."""
    table = read(run, "verdicts")
    shown = table[[*MODEL, "verdict", "rule"]].copy()
    for name in ("auc", "background", "swap", "enrichment", "making"):
        shown[name] = with_interval(table, name)
    return shown.assign(
        trace=table["making_trace"],
        left_out=[f"{lost} of {n}" for lost, n in zip(table["slices_left_out"], table["slices"], strict=True)],
    )


def interventions(run: Path) -> pd.DataFrame:
    """Show the AUC by patient with a part of the slice replaced: a column for each model."""
    audit = read(run, "audit")
    rows = audit[(audit["test"] == "intervention") & (audit["measure"] == "roc_auc") & (audit["unit"] == "patient")]
    models = rows["pipeline"] + ", stage " + rows["stage"].astype(int).astype(str)
    cells = pd.DataFrame({"variant": rows["variant"], "model": models, "auc": with_interval(rows, "value")})
    return cells.pivot(index="variant", columns="model", values="auc").reindex(rows["variant"].unique()).reset_index()


def making(run: Path) -> pd.DataFrame:
    """Rank what tells the label and the cohort without a lung: the six best of each."""
    table = read(run, "forensics").dropna(subset=["auc"])
    best = table.sort_values("auc", ascending=False).groupby(["cohort", "tells"], sort=False).head(6)
    return best[["cohort", "tells", "trace", "patients", "auc", "p_holm", "patients_known"]].sort_values(
        ["cohort", "tells", "auc"], ascending=[True, True, False]
    )


def left_out(run: Path) -> pd.DataFrame:
    """Count what quality control left out of each class."""
    table = read(run, "selection")
    return table[["cohort", "excluded_by", "framework", "label", "n", "excluded", "p_holm"]]


def interval_again(predictions: pd.DataFrame, positive: str, resamples: int, seed: int) -> tuple[float, float, float]:
    """Compute the AUC of test slices with its interval over patients, by other code than the run's."""
    test = predictions[predictions["split"] == "test"]
    truth, score = (test["label"] == positive).to_numpy(), test["probability"].to_numpy()
    rows = [np.flatnonzero(test["patient"] == patient) for patient in test["patient"].unique()]
    rng, drawn = np.random.Generator(np.random.MT19937(seed)), []
    for _ in range(resamples):
        chosen = np.concatenate([rows[number] for number in rng.integers(0, len(rows), len(rows))])
        if 0 < truth[chosen].sum() < len(chosen):
            drawn.append(roc_auc_score(truth[chosen], score[chosen]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(roc_auc_score(truth, score)), float(low), float(high)


def again(run: Path, resamples: int) -> pd.DataFrame:
    """Compare the slice rows of metrics.tsv with `interval_again`."""
    metrics = read(run, "metrics")
    rows = []
    for row in metrics[metrics["unit"] == "slice"].to_dict("records"):
        path = run / f"models/{row['pipeline']}/stage{row['stage']}/predictions/{row['cohort']}.tsv"
        predictions = pd.read_csv(path, sep="\t")
        found = interval_again(predictions, positive_of(run), resamples, seed=20)
        apart = np.abs(np.subtract(found, [row["roc_auc"], row["roc_auc_lo"], row["roc_auc_hi"]]))
        rows.append(
            {name: row[name] for name in (*MODEL, "cohort")} | dict(zip(("auc", "low", "high"), apart, strict=True))
        )
    return pd.DataFrame(rows)


def positive_of(run: Path) -> str:
    """Name the positive class: the first that report/confusion.tsv counts."""
    return str(read(run, "confusion")["true"].iloc[0])


TABLES = {
    "Results": results,
    "Verdicts": verdicts,
    "Parts replaced, AUC by patient": interventions,
    "What the making tells": making,
    "Left out": left_out,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--resamples", type=int, default=2000)
    args = parser.parse_args()
    for run in args.runs:
        print(f"\n# {run.name}")
        for title, table_of in TABLES.items():
            print(f"\n## {title}\n\n{table_of(run).to_markdown(index=False, floatfmt='.3f')}")
        print(
            f"\n## Intervals by other code: distance to the run's\n\n{again(run, args.resamples).round(4).to_string()}"
        )


if __name__ == "__main__":
    main()
