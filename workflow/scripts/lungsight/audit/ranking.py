"""report/systems.tsv: all pipelines of a run, ranked, with what decides between them and what papers print.

Ranked is by the AUC by patient on the test split of the cohort that a stage is trained on. Each pipeline is compared
with the first of its stage on the same patients; since the first was chosen by these very numbers, such differences
flatter it a little.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.evaluation.performance_differences import holm, paired_rows
from lungsight.files import read_json
from lungsight.run_description import cohort_of_stage
from lungsight.tables import columns_of, read_table
from lungsight.training.pipelines import Pipeline
from lungsight.training.provenance import bag_size_of
from lungsight.training.regions import WHOLE_IMAGE

MEASURED = ("n", "roc_auc", "roc_auc_lo", "roc_auc_hi", "accuracy", "accuracy_lo", "accuracy_hi", "brier", "ece")
LOOKS = ("enrichment", "enrichment_lo", "enrichment_hi", "lung_mass")
DIFFERENCE = ("difference", "difference_lo", "difference_hi", "p")
PRINTED = ("accuracy", "precision", "recall", "unnamed")


def ranked(metrics: pd.DataFrame, stage: int, cohort: str) -> pd.DataFrame:
    """The rows by patient of one evaluation, the highest AUC first, an undefined one last.

    Equals share their rank and stay in order.
    """
    chosen = (metrics["stage"] == stage) & (metrics["cohort"] == cohort) & (metrics["unit"] == "patient")
    rows = metrics[chosen].sort_values("roc_auc", ascending=False, kind="stable", na_position="last")
    places = rows["roc_auc"].rank(method="min", ascending=False, na_option="bottom")
    return rows.assign(rank=places.astype(int)).reset_index(drop=True)


def differences_to_first(
    pipelines: list[str], predictions: Mapping[str, pd.DataFrame], positive: str, resamples: int, seed: int
) -> pd.DataFrame:
    """DIFFERENCE and p_holm of the AUC by patient of every pipeline but the first, which has none; a row for each.

    pipelines: in their rank's order. predictions: of one cohort, by pipeline.
    """
    first, *others = pipelines
    rows = [dict.fromkeys(DIFFERENCE, np.nan)]
    for other in others:
        found = paired_rows(predictions[first], predictions[other], "patient", positive, resamples, seed)
        by_metric = {row["metric"]: row for row in found}
        rows.append({name: by_metric["roc_auc"][name] if by_metric else np.nan for name in DIFFERENCE})
    table = pd.DataFrame(rows, index=pipelines)
    return table.assign(p_holm=holm(table["p"].to_numpy(float)))


def what_it_is(provenance: dict) -> dict[str, object]:
    """Network, region, answer and parameters of a model, by its provenance."""
    return {
        "network": provenance["backbone"],
        "region": provenance["settings"].get("region", WHOLE_IMAGE),
        "answer": "mean" if bag_size_of(provenance) == 1 else "pooled",
        "parameters": provenance["model"]["parameters"],
    }


def printed_numbers(printed: pd.DataFrame) -> pd.DataFrame:
    """Columns printed_accuracy … and printed_note by system. printed: as config/table-2-2.tsv."""
    wide = printed.pivot(index="system", columns="metric", values="value").reindex(columns=PRINTED)
    noted = printed[printed["note"] != ""].drop_duplicates(["system", "note"])
    return wide.assign(note=noted.groupby("system")["note"].agg("; ".join)).fillna({"note": ""}).add_prefix("printed_")


def ranking_table(results: Path, facts: dict, printed: pd.DataFrame) -> pd.DataFrame:
    """report/systems.tsv. results: the run's folder. facts: as `facts_of`. printed: as config/table-2-2.tsv."""
    metrics = read_table(results / "report/metrics.tsv", "metrics")
    saliency = read_table(results / "report/saliency.tsv", "report_saliency")
    saliency = saliency[saliency["outcome"] == "all"].set_index(["pipeline", "stage"])[list(LOOKS)]
    verdicts = read_table(results / "report/verdicts.tsv", "verdicts").set_index(["pipeline", "stage"])["verdict"]
    numbers, tables = printed_numbers(printed), []
    for stage in facts["stages"]:
        cohort = cohort_of_stage(facts, stage)
        rows = ranked(metrics, stage, cohort)[["pipeline", "rank", *MEASURED]]
        folders = {name: results / f"models/{name}/stage{stage}" for name in rows["pipeline"]}
        predictions = {
            name: read_table(folder / f"predictions/{cohort}.tsv", "predictions") for name, folder in folders.items()
        }
        to_first = differences_to_first(
            list(folders), predictions, facts["labels"][0], facts["bootstrap"], facts["seed"]
        )
        described = pd.DataFrame(
            [
                {
                    **{"pipeline": name, **Pipeline.parse(name).columns, "stage": stage, "cohort": cohort},
                    **what_it_is(read_json(folder / "provenance.json")),
                }
                for name, folder in folders.items()
            ]
        )
        rows = rows.merge(described, on="pipeline").join(to_first, on="pipeline")
        tables.append(rows.join(saliency, on=["pipeline", "stage"]).join(verdicts, on=["pipeline", "stage"]))
    table = pd.concat(tables, ignore_index=True).join(numbers, on="backbone").fillna({"printed_note": ""})
    papers = [facts["systems"].get(word, {"paper": ""})["paper"] for word in table["backbone"]]
    return table.assign(paper=papers)[columns_of("systems")]
