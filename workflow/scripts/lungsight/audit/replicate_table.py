"""Make report/replicates.tsv: how far the replicates of every model differ, in what they predict and where they look.

Performance
    Each metric of report/metrics.tsv over the replicates, beside the interval of the run's own model. `rank` is the
    place by AUC among all pipelines of a stage, within each replicate.
Maps, on the same test slices and of the same class
    repeatability: pairs of replicates. reproducibility: pairs with the same replicate of another backbone.
    random_networks: pairs of networks with random weights, which share nothing but the architecture.
    random_map: pairs of maps of random numbers. average_lung: every replicate's maps with the average lung mask.
    repeatability_above_random: repeatability minus what as many random networks exceed once in twenty times. The
    verdict looks at it: random networks are alike by chance, some much more than others.
    lung_mass and enrichment of every replicate, and of these baselines.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from lungsight.audit.replicate_maps import ReplicateMaps, load_replicate_maps
from lungsight.evaluation.intervals import FloatArray, mean_with_interval
from lungsight.evaluation.metrics import ENDS
from lungsight.evaluation.replicates import ranks_in_each, spread_of
from lungsight.explain.map_stability import (
    SIMILARITIES,
    average_lung,
    comparable,
    mean_over_pairs,
    random_maps,
    similarities_of,
)
from lungsight.explain.resample import upsample_bilinear
from lungsight.explain.saliency_metrics import enrichment, lung_mass
from lungsight.files import read_json
from lungsight.layout import REPLICATE_MAPS
from lungsight.run_description import RunDescription, cohort_of_stage, models_of
from lungsight.tables import columns_of
from lungsight.training.pipelines import Pipeline, model_columns
from lungsight.training.replicates import names_of_replicates

Row = dict[str, Any]
Model = tuple[str, int]
RANK = "rank"
ABOVE_RANDOM = "repeatability_above_random_spearman"
EXCEEDED_BY_FEW = 0.95  # quantile over groups of random networks
MOST_GROUPS = 2000  # of random networks; of more, so many are drawn
ON_LUNG = {"lung_mass": lung_mass, "enrichment": enrichment}


def spread_columns(values: "Sequence[float] | FloatArray") -> Row:
    """Give mean, sd, min and max of some values, under the columns of the table."""
    found = spread_of(values)
    return {"mean": found.mean, "sd": found.sd, "min": found.min, "max": found.max}


def performance_rows(evaluated: Sequence[Sequence[Mapping[str, Any]]]) -> list[Row]:
    """Summarise the metrics of the replicates of one model.

    Parameters
    ----------
    evaluated
        `rows` of the metrics.json of every replicate, the run's own model first: the same cohorts and units in each.
    """
    rows: list[Row] = []
    for same in zip(*evaluated, strict=True):
        own, n = same[0], len(same)
        for metric in (name for name in own if f"{name}_lo" in own):
            values = [np.nan if row[metric] is None else float(row[metric]) for row in same]
            of_own = {f"value{end}": own[f"{metric}{end}"] for end in ENDS}
            place = {"cohort": own["cohort"], "unit": own["unit"], "metric": metric}
            rows.append({**place, **of_own, **spread_columns(values), "replicates": n, "n": own["n"]})
    return rows


def rank_rows(aucs: Mapping[str, Sequence[float]], cohort: str) -> dict[str, Row]:
    """Rank the pipelines of a stage by AUC within each replicate.

    Parameters
    ----------
    aucs
        By pipeline, the AUC by patient of every replicate, the run's own model first.
    cohort
        That the stage is trained on.

    Returns
    -------
    A row for each pipeline.
    """
    ranks = ranks_in_each(np.array(list(aucs.values()), np.float64).T)
    place = {"cohort": cohort, "unit": "patient", "metric": RANK}
    return {
        name: {**place, "value": int(own[0]), **spread_columns(own.astype(float)), "replicates": len(own)}
        for name, own in zip(aucs, ranks.T, strict=True)
    }


def mean_of_each(values: np.ndarray) -> np.ndarray:
    """Average (networks or pairs, n) over slices, NaN where one has no value for any."""
    return mean_over_pairs(values.T)


def chance_level(random: np.ndarray, networks: int, replicates: int) -> float:
    """Compute how alike as many random networks as there are replicates are once in twenty times.

    Parameters
    ----------
    random
        Similarities of all pairs of random networks, (pairs, n), in the order of `itertools.combinations`.
    networks
        Random networks.
    replicates
        Of a model. Each group of so many random networks gives the mean over its pairs, as the replicates do.

    Returns
    -------
    The quantile EXCEEDED_BY_FEW over the groups; NaN where none can be compared: then nothing is known of chance.
    """
    alike = np.full((networks, networks), np.nan)
    alike[np.triu_indices(networks, 1)] = mean_of_each(random)
    size, rng = min(replicates, networks), np.random.default_rng(0)
    if comb(networks, size) <= MOST_GROUPS:
        groups = np.array(list(combinations(range(networks), size)))
    else:
        groups = np.sort(rng.permuted(np.tile(np.arange(networks), (MOST_GROUPS, 1)), axis=1)[:, :size], axis=1)
    first, second = np.triu_indices(size, 1)
    of_groups = mean_over_pairs(alike[groups[:, first], groups[:, second]].T)
    known = of_groups[~np.isnan(of_groups)]
    return float(np.quantile(known, EXCEEDED_BY_FEW)) if known.size else np.nan


def _similarity_rows(
    metric: str, similarities: Mapping[str, np.ndarray], patients: "pd.Series[str]", resamples: int, seed: int
) -> Iterator[Row]:
    """Yield a row for each measure of similarities, (pairs, n) each; none where there is no pair."""
    for name, values in similarities.items():
        if len(values):
            by_slice = mean_over_pairs(values)
            yield {
                **_measured(f"{metric}_{name}", by_slice, patients, resamples, seed),
                **spread_columns(mean_of_each(values)),
                "pairs": len(values),
            }


def _measured(metric: str, by_slice: np.ndarray, patients: "pd.Series[str]", resamples: int, seed: int) -> Row:
    """Give a number of maps, the mean over slices with its interval over patients."""
    estimate = mean_with_interval(by_slice[:, None], patients, resamples, seed)
    ends = {f"value{end}": float(part[0]) for end, part in zip(ENDS, estimate, strict=True)}
    return {"unit": "slice", "metric": metric, **ends, "n": int((~np.isnan(by_slice)).sum())}


def _on_lung_rows(
    maps: Mapping[str, np.ndarray], lung: np.ndarray, patients: "pd.Series[str]", resamples: int, seed: int
) -> Iterator[Row]:
    """Yield lung mass and enrichment of stacks of maps, (networks, n, h, w) each, by what begins their metric."""
    for start, networks in maps.items():
        large = [upsample_bilinear(each, lung.shape[1:]) for each in networks]
        for name, compute in ON_LUNG.items():
            values = np.stack([compute(each, lung) for each in large])
            # Of replicates the run's own model stands first; baselines have no first network.
            own = values[0] if start == "" else mean_over_pairs(values)
            yield {
                **_measured(f"{start}{name}", own, patients, resamples, seed),
                **spread_columns(mean_of_each(values)),
            }


def rows_of_same_slices(first: ReplicateMaps, second: ReplicateMaps) -> tuple[np.ndarray, np.ndarray]:
    """Find the slices that both have, as rows of each; none where the two show another part of the slice."""
    place = pd.Index(second.slices).get_indexer(pd.Index(first.slices))
    of_first = np.flatnonzero(place >= 0)
    of_second = place[of_first]
    same_part = np.array_equal(first.lung[of_first], second.lung[of_second])
    return (of_first, of_second) if same_part else (of_first[:0], of_second[:0])


def map_rows(maps: ReplicateMaps, others: Sequence[ReplicateMaps], resamples: int, seed: int) -> list[Row]:
    """Measure how alike the maps of one model's replicates are.

    Parameters
    ----------
    maps
        Of the model.
    others
        Of the pipelines that differ from it by their backbone alone.
    resamples, seed
        Of the intervals, and of the maps of random numbers.

    Returns
    -------
    Rows without the model's columns and without `cohort`; none where there is no slice.
    """
    if not len(maps.slices):
        return []
    patients = cast("pd.Series[str]", pd.Series(maps.patients))
    n, how = len(maps.slices), (resamples, seed)
    trained, random = ([comparable(each) for each in stack] for stack in (maps.trained, maps.random))
    drawn = random_maps(maps.random.shape, seed)
    average = average_lung(maps.lung)
    compared = {
        "repeatability": similarities_of(combinations(trained, 2), n),
        "random_networks": similarities_of(combinations(random, 2), n),
        "random_map": similarities_of(combinations([comparable(each) for each in drawn], 2), n),
        "average_lung": similarities_of(((each, average) for each in trained), n),
        "reproducibility": reproducibilities(maps, others),
    }
    rows = [row for name, found in compared.items() for row in _similarity_rows(name, found, patients, *how)]
    for name in SIMILARITIES:
        chance = chance_level(compared["random_networks"][name], len(random), len(trained))
        above = mean_over_pairs(compared["repeatability"][name]) - chance
        rows.append(_measured(f"repeatability_above_random_{name}", above, patients, *how))
    of_lung = {"": maps.trained, "random_networks_": maps.random, "random_map_": drawn, "average_lung_": average[None]}
    rows += _on_lung_rows(of_lung, maps.lung, patients, *how)
    return [{"replicates": len(maps.trained), **row} for row in rows]


def reproducibilities(maps: ReplicateMaps, others: Sequence[ReplicateMaps]) -> dict[str, np.ndarray]:
    """Compare every replicate with the same replicate of other backbones.

    Returns
    -------
    By measure, (pairs, n); NaN where another backbone has no map of a slice.
    """
    found: dict[str, list[np.ndarray]] = {name: [np.empty((0, len(maps.slices)))] for name in SIMILARITIES}
    for other in others:
        own_rows, other_rows = rows_of_same_slices(maps, other)
        if not own_rows.size:
            continue
        own, theirs = maps.take(own_rows), other.take(other_rows)
        pairs = ((comparable(a), comparable(b)) for a, b in zip(own.trained, theirs.trained, strict=True))
        for name, values in similarities_of(pairs, len(own_rows)).items():
            of_all = np.full((len(values), len(maps.slices)), np.nan)
            of_all[:, own_rows] = values
            found[name].append(of_all)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def other_backbones(pipeline: str, pipelines: Sequence[str]) -> list[str]:
    """List the pipelines that differ from one by their backbone alone."""
    own = Pipeline.parse(pipeline)
    return [
        name
        for name in pipelines
        if name != pipeline and Pipeline.parse(name)._replace(architecture=own.architecture) == own
    ]


def read_replicates(results: Path, run: RunDescription) -> pd.DataFrame:
    """Make report/replicates.tsv from the metrics and the maps of all replicates.

    Parameters
    ----------
    results
        The run's folder.
    run
        The run's description.
    """
    models = models_of(run)
    performance = {model: performance_rows(_read_metrics(results, model, run["replicates"])) for model in models}
    ranks = {stage: _ranks_of_stage(results, run, stage) for stage in run["stages"]}
    maps = {model: load_replicate_maps(replicate_maps_file(results, *model)) for model in models}
    rows: list[Row] = []
    for name, stage in models:
        of_stage = [other for other, of in models if of == stage]
        others = [maps[other, stage] for other in other_backbones(name, of_stage)]
        of_maps = map_rows(maps[name, stage], others, run["bootstrap"], run["seed"])
        cohort = {"cohort": cohort_of_stage(run, stage)}
        found = [*performance[name, stage], ranks[stage][name], *(cohort | row for row in of_maps)]
        rows += [{**model_columns(name, stage), **row} for row in found]
    return pd.DataFrame(rows, columns=columns_of("replicates"))


def replicate_maps_file(results: Path, pipeline: str, stage: int) -> Path:
    """Return where a run keeps the maps of the replicates of a model."""
    return results / "explain" / pipeline / f"stage{stage}" / REPLICATE_MAPS


def _read_metrics(results: Path, model: Model, replicates: int) -> list[list[Row]]:
    """Read `rows` of the metrics.json of every replicate of a model."""
    names = names_of_replicates(model[0], replicates)
    return [read_json(results / f"models/{name}/stage{model[1]}/metrics.json")["rows"] for name in names]


def _ranks_of_stage(results: Path, run: RunDescription, stage: int) -> dict[str, Row]:
    cohort = cohort_of_stage(run, stage)
    aucs: dict[str, list[float]] = {}
    for name in (name for name, of in models_of(run) if of == stage):
        for rows in _read_metrics(results, (name, stage), run["replicates"]):
            [auc] = [row["roc_auc"] for row in rows if row["cohort"] == cohort and row["unit"] == "patient"]
            aucs.setdefault(name, []).append(np.nan if auc is None else auc)
    return rank_rows(aucs, cohort)
