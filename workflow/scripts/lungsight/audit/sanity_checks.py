"""Does a map depend on what the model learned, and does it mark what the answer rests on?

parameter randomisation   the layers are re-initialised from the output down, block by block, each block on top of
(Adebayo 2018)            those before; the maps' Spearman correlation with the trained model's maps, averaged over
                          draws and slices. Maps that stay alike when nothing learned is left explain nothing.
deletion, insertion       the hottest pixels are replaced by the mean grey, or put onto the blurred slice, in equal
(RISE, Petsiuk 2018)      steps; the area under the probability of the class that was predicted, less the area for
                          a map of random numbers at the same resolution. Good: deletion below 0, insertion above.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import pandas as pd
from scipy.stats import rankdata

from lungsight.audit.interventions import InterventionBatch, blurred, flat_level
from lungsight.audit.model_outputs import Answers, ModelOutputs
from lungsight.audit.rows import FULLY_RANDOMISED, audit_row
from lungsight.evaluation.intervals import mean_with_interval
from lungsight.evaluation.metrics import THRESHOLD
from lungsight.explain.resample import upsample_bilinear
from lungsight.explain.saliency_metrics import enrichment


def blocks_of(model: keras.Model) -> dict[str, list[keras.layers.Layer]]:
    """Layers with weights, grouped from the output down: "head", then by the stride of what they give out."""
    size = model.input_shape[1]
    blocks: dict[str, list[keras.layers.Layer]] = {}
    for layer in reversed(model.layers):
        if layer.weights:
            shape = layer.output.shape
            # A map of one pixel, as of squeeze and excitation, belongs to the block that it weighs.
            name = (
                f"stride {round(size / shape[1])}"
                if len(shape) == 4 and shape[1] > 1
                else next(reversed(blocks), "head")
            )
            blocks.setdefault(name, []).append(layer)
    return blocks


def fresh_values(variable: keras.Variable, rng: np.random.Generator) -> np.ndarray:
    """What a variable starts from: kernels uniform after Glorot 2010, scales and variances 1, all others 0."""
    shape = tuple(variable.shape)
    if len(shape) > 1:
        limit = np.sqrt(6 / (np.prod(shape[:-2]) * (shape[-2] + shape[-1])))
        return limit * (2 * rng.random(shape, dtype=np.float32) - 1)
    one = variable.name in ("gamma", "moving_variance", "variance")
    return np.full(shape, float(one), dtype=np.float32)


def randomise(layers: list[keras.layers.Layer], rng: np.random.Generator) -> None:
    """Give every variable of the layers a fresh value, in place."""
    for layer in layers:
        for variable in layer.weights:
            variable.assign(fresh_values(variable, rng))


@contextmanager
def restored(model: keras.Model) -> Iterator[None]:
    """Afterwards every variable of the model has the value that it had before."""
    before = [variable.numpy() for variable in model.variables]
    try:
        yield
    finally:
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman correlation of maps (n, h, w) pairwise, (n,); NaN where one of the two is constant."""
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    spread = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    return np.divide((centred[0] * centred[1]).sum(axis=1), spread, out=np.full(len(first), np.nan), where=spread > 0)


def prediction_sign(answers: Answers) -> np.ndarray:
    """(n,) ±1: which class the model chose."""
    return np.where(answers.probability >= THRESHOLD, 1.0, -1.0)


def _mean_row(test: str, variant: str, measure: str, values: np.ndarray, patients: pd.Series, **how: float) -> dict:
    """A row with the mean of values (n,) over the slices that have one. how: resamples, seed, chance."""
    mean, low, high = mean_with_interval(values[:, None], patients, how["resamples"], how["seed"])
    n = int((~np.isnan(values)).sum())
    reason = "" if n else "no map could be compared"
    interval = (float(low[0]), float(high[0]))
    return audit_row(
        *(test, variant, measure, float(mean[0]), interval), unit="slice", n=n, chance=how["chance"], reason=reason
    )


def randomisation_rows(
    probe: ModelOutputs, scene: InterventionBatch, patients: pd.Series, draws: int, resamples: int, seed: int
) -> list[dict]:
    """How much maps stay the same while the model is re-initialised, and the enrichment of a wholly random one.

    The class that a map speaks for stays the one that the trained model predicted. draws: re-initialisations.
    """
    blocks, trained = blocks_of(probe.model), probe(scene.images)
    sign = prediction_sign(trained)
    alike: dict[str, list[np.ndarray]] = {name: [] for name in blocks}
    enriched = []
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        with restored(probe.model):
            for name, layers in blocks.items():
                randomise(layers, rng)
                maps = probe(scene.images).maps(sign)
                alike[name].append(rank_correlation(trained.maps(sign), maps))
            enriched.append(enrichment(upsample_bilinear(maps, scene.lung.shape[1:]), scene.lung))
    how = {"resamples": resamples, "seed": seed}
    test = "randomisation"
    rows = [
        _mean_row(test, name, "rank_correlation", _mean_over_draws(found), patients, **how, chance=0.0)
        for name, found in [*alike.items(), (FULLY_RANDOMISED, list(alike.values())[-1])]
    ]
    return [
        *rows,
        _mean_row(test, FULLY_RANDOMISED, "enrichment", _mean_over_draws(enriched), patients, **how, chance=1.0),
    ]


def _mean_over_draws(found: list[np.ndarray]) -> np.ndarray:
    """Per slice the mean over the draws that gave a value, (n,); NaN where none did."""
    values = np.stack(found)
    known = ~np.isnan(values)
    return np.divide(
        np.where(known, values, 0).sum(axis=0),
        known.sum(axis=0),
        out=np.full(values.shape[1], np.nan),
        where=known.any(axis=0),
    )


def pixel_ranks(maps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """0 for the hottest pixel of each map (n, size, size) to 1 for the coldest, the same shape; ties in any order."""
    flat = maps.reshape(len(maps), -1)
    ties = rng.permuted(np.broadcast_to(np.arange(flat.shape[1]), flat.shape), axis=1)
    order = np.lexsort((ties, -flat), axis=1)
    ranks = np.empty(flat.shape)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(flat.shape[1]) / (flat.shape[1] - 1), flat.shape), axis=1)
    return ranks.reshape(maps.shape)


def area_under_steps(
    probe: ModelOutputs, ranks: np.ndarray, hot: np.ndarray, cold: np.ndarray, sign: np.ndarray, steps: int
) -> np.ndarray:
    """Area (n,) under the probability of the predicted class while pixels turn from `cold` to `hot`, hottest first."""
    curve = []
    for share in np.linspace(0, 1, steps + 1):
        images = np.where(ranks <= share, hot, cold) if share else cold
        curve.append(probe(np.clip(np.rint(images), 0, 255).astype(np.uint8)).probability_of(sign))
    return np.trapezoid(np.stack(curve), dx=1 / steps, axis=0)


def deletion_insertion_rows(
    probe: ModelOutputs, scene: InterventionBatch, patients: pd.Series, steps: int, resamples: int, seed: int
) -> list[dict]:
    """Areas for the maps, and their difference from those for random maps of the same resolution."""
    answers, rng = probe(scene.images), np.random.default_rng(seed)
    sign = prediction_sign(answers)
    size = scene.lung.shape[1:]
    maps = answers.maps(sign)
    ranks = {
        name: pixel_ranks(upsample_bilinear(each, size), rng)
        for name, each in (("map", maps), ("random", rng.random(maps.shape)))
    }
    empty = ~(maps > 0).any(axis=(1, 2))
    turns = {"deletion": (flat_level(scene), scene.images), "insertion": (scene.images, blurred(scene))}
    rows = []
    for test, (hot, cold) in turns.items():
        areas = {name: area_under_steps(probe, each, hot, cold, sign, steps) for name, each in ranks.items()}
        areas["map − random"] = areas["map"] - areas["random"]
        for name, values in areas.items():
            values[empty] = np.nan
            chance = 0.0 if name == "map − random" else np.nan
            how = {"resamples": resamples, "seed": seed, "chance": chance}
            rows.append(_mean_row(test, name, "area", values, patients, **how))
    return rows
