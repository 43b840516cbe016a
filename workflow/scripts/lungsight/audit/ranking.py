"""Rank all pipelines of a run, with what decides between them and what papers print: report/systems.tsv.

Pipelines are ranked by the AUC by patient on the test split of the cohort that a stage is trained on. Each is compared
with the first of its stage on the same patients. The first was chosen by these very numbers, so such differences
flatter it a little.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lungsight.evaluation.performance_differences import holm, paired_rows
from lungsight.files import read_json
from lungsight.run_description import RunDescription, cohort_of_stage
from lungsight.tables import columns_of, read_table
from lungsight.training.pipelines import Pipeline
from lungsight.training.provenance import bag_size_of
from lungsight.training.regions import WHOLE_IMAGE

MEASURED = ("n", "roc_auc", "roc_auc_lo", "roc_auc_hi", "accuracy", "accuracy_lo", "accuracy_hi", "brier", "ece")
SALIENCY = ("enrichment", "enrichment_lo", "enrichment_hi", "lung_mass")
DIFFERENCE = ("difference", "difference_lo", "difference_hi", "p")
PRINTED = ("accuracy", "precision", "recall", "unnamed")


def ranked(metrics: pd.DataFrame, stage: int, cohort: str) -> pd.DataFrame:
    """Rank the rows by patient of one evaluation by their AUC.

    Equal ones share their rank and keep their order. Undefined ones come last.
    """
    chosen = (metrics["stage"] == stage) & (metrics["cohort"] == cohort) & (metrics["unit"] == "patient")
    rows = metrics[chosen].sort_values("roc_auc", ascending=False, kind="stable", na_position="last")
    places = rows["roc_auc"].rank(method="min", ascending=False, na_option="bottom")
    return rows.assign(rank=places.astype(int)).reset_index(drop=True)


def differences_to_first(
    pipelines: list[str], predictions: Mapping[str, pd.DataFrame], positive: str, resamples: int, seed: int
) -> pd.DataFrame:
    """Compare the AUC by patient of every pipeline with that of the first.

    Parameters
    ----------
    pipelines
        In the order of their rank.
    predictions
        For one cohort, by pipeline.

    Returns
    -------
    pandas.DataFrame
        DIFFERENCE and p_holm, a row for each pipeline. The first has none.
    """
    first, *others = pipelines
    nothing = dict.fromkeys(DIFFERENCE, np.nan)
    rows = [nothing]
    for other in others:
        paired = paired_rows(predictions[first], predictions[other], "patient", positive, resamples, seed)
        of_auc = [row for row in paired if row["metric"] == "roc_auc"]
        rows.append({name: of_auc[0][name] for name in DIFFERENCE} if of_auc else nothing)
    table = pd.DataFrame(rows, index=pipelines)
    return table.assign(p_holm=holm(table["p"].to_numpy(float)))


def describe_model(provenance: dict[str, Any]) -> dict[str, Any]:
    """Give network, region, answer and number of parameters of a model, by its provenance.json."""
    return {
        "network": provenance["backbone"],
        "region": provenance["settings"].get("region", WHOLE_IMAGE),
        "answer": "mean" if bag_size_of(provenance) == 1 else "pooled",
        "parameters": provenance["model"]["parameters"],
    }


def printed_numbers(printed: pd.DataFrame) -> pd.DataFrame:
    """Give printed_accuracy … and printed_note of each published model. printed: as config/table-2-2.tsv."""
    wide = printed.pivot(index="system", columns="metric", values="value").reindex(columns=PRINTED)
    noted = printed[printed["note"] != ""].drop_duplicates(["system", "note"])
    return wide.assign(note=noted.groupby("system")["note"].agg("; ".join)).fillna({"note": ""}).add_prefix("printed_")


def ranking_table(results: Path, run: RunDescription, printed: pd.DataFrame) -> pd.DataFrame:
    """Make report/systems.tsv.

    Parameters
    ----------
    results
        The run's folder.
    run
        The run's description.
    printed
        As config/table-2-2.tsv.
    """
    metrics = read_table(results / "report/metrics.tsv", "metrics")
    saliency = read_table(results / "report/saliency.tsv", "report_saliency")
    saliency = saliency[saliency["outcome"] == "all"].set_index(["pipeline", "stage"])[list(SALIENCY)]
    verdicts = read_table(results / "report/verdicts.tsv", "verdicts").set_index(["pipeline", "stage"])["verdict"]
    stages = [_ranking_of_stage(results, run, metrics, stage) for stage in run["stages"]]
    table = pd.concat(stages, ignore_index=True)
    table = table.join(saliency, on=["pipeline", "stage"]).join(verdicts, on=["pipeline", "stage"])
    table = table.join(printed_numbers(printed), on="backbone").fillna({"printed_note": ""})
    papers = [run["systems"].get(word, {"paper": ""})["paper"] for word in table["backbone"]]
    return table.assign(paper=papers)[columns_of("systems")]


def _ranking_of_stage(results: Path, run: RunDescription, metrics: pd.DataFrame, stage: int) -> pd.DataFrame:
    """Rank the pipelines in one stage, each with its description and its difference to the first."""
    cohort = cohort_of_stage(run, stage)
    rows = ranked(metrics, stage, cohort)[["pipeline", "rank", *MEASURED]]
    folders = {str(name): results / f"models/{name}/stage{stage}" for name in rows["pipeline"]}
    predictions = {
        name: read_table(folder / f"predictions/{cohort}.tsv", "predictions") for name, folder in folders.items()
    }
    to_first = differences_to_first(list(folders), predictions, run["labels"][0], run["bootstrap"], run["seed"])
    described = pd.DataFrame(
        [
            {
                **{"pipeline": name, **Pipeline.parse(name).columns, "stage": stage, "cohort": cohort},
                **describe_model(read_json(folder / "provenance.json")),
            }
            for name, folder in folders.items()
        ]
    )
    return rows.merge(described, on="pipeline").join(to_first, on="pipeline")
