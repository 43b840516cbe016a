"""Test whether maps depend on what the model learned, and mark what its prediction rests on: a value per slice.

Parameter randomisation (Adebayo 2018)
    The layers are re-initialised from the output down, block by block, each block on top of those before. Reported is
    the Spearman correlation of the maps with the trained model's, averaged over draws and slices. Maps that stay alike
    when nothing learned is left explain nothing.
Deletion and insertion (RISE, Petsiuk 2018)
    The hottest pixels are replaced by the mean grey, or put onto the blurred slice, in equal steps. Reported is the
    area under the probability of the predicted class, minus the area for a map of random numbers at the same
    resolution. Good maps lie below 0 in deletion and above 0 in insertion.

References
----------
Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.
Petsiuk et al., RISE: randomized input sampling for explanation of black-box models, BMVC 2018.
Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.
"""

# Keras describes few of its types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import keras
import numpy as np

from lungsight.audit.interventions import InterventionBatch, blurred, flat_level
from lungsight.audit.predictions import Predictor
from lungsight.audit.rows import DIFFERENCE, FULLY_RANDOMISED
from lungsight.explain.map_stability import rank_correlation
from lungsight.explain.resample import upsample_bilinear
from lungsight.explain.saliency_metrics import enrichment


class RandomisableModel(Predictor, Protocol):
    """A predictor whose results follow when the variables of its model get other values."""

    model: keras.Model


class SliceValues(NamedTuple):
    """What one variant of a test measured.

    Attributes
    ----------
    test, variant, measure
        As in sanity.tsv.
    values
        (n,) float64, one per slice; NaN where a slice has none.
    """

    test: str
    variant: str
    measure: str
    values: np.ndarray


def blocks_of(model: keras.Model) -> dict[str, list[keras.layers.Layer]]:
    """Group the layers with weights from the output down: "head", then by the stride of their output."""
    size = model.input_shape[1]
    blocks: dict[str, list[keras.layers.Layer]] = {}
    for layer in reversed(model.layers):
        if layer.weights:
            shape = layer.output.shape
            # A map of one pixel, as in squeeze and excitation, belongs to the block that it weighs.
            name = (
                f"stride {round(size / shape[1])}"
                if len(shape) == 4 and shape[1] > 1
                else next(reversed(blocks), "head")
            )
            blocks.setdefault(name, []).append(layer)
    return blocks


def fresh_values(variable: keras.Variable, rng: np.random.Generator) -> np.ndarray:
    """Draw the start values of a variable: kernels uniform after Glorot 2010, scales and variances 1, all others 0."""
    shape = tuple(variable.shape)
    if len(shape) > 1:
        limit = np.sqrt(6 / (np.prod(shape[:-2]) * (shape[-2] + shape[-1])))
        return limit * (2 * rng.random(shape, dtype=np.float32) - 1)
    starts_at_one = variable.name in ("gamma", "moving_variance", "variance")
    return np.full(shape, float(starts_at_one), dtype=np.float32)


def randomise(layers: list[keras.layers.Layer], rng: np.random.Generator) -> None:
    """Give every variable of the layers a fresh value, in place."""
    for layer in layers:
        for variable in layer.weights:
            variable.assign(fresh_values(variable, rng))


@contextmanager
def restored(model: keras.Model) -> Generator[None]:
    """Put back, at the end, the value that every variable of the model has now."""
    before = [variable.numpy() for variable in model.variables]
    try:
        yield
    finally:
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)


def randomisation_values(
    outputs: RandomisableModel, batch: InterventionBatch, draws: int, seed: int
) -> list[SliceValues]:
    """Measure how alike the maps stay while the model is re-initialised, and the enrichment of a fully random one.

    Every map speaks for the class that the trained model predicted.

    Parameters
    ----------
    outputs
        The model. Its variables have their values again at the end.
    batch
        n slices.
    draws
        How often the model is re-initialised.
    seed
        Of the fresh values.
    """
    blocks, trained = blocks_of(outputs.model), outputs(batch.images)
    numbers = trained.numbers
    correlations: dict[str, list[np.ndarray]] = {name: [] for name in blocks}
    enrichments: list[np.ndarray] = []
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        with restored(outputs.model):
            maps = trained.maps(numbers)
            for name, layers in blocks.items():
                randomise(layers, rng)
                maps = outputs(batch.images).maps(numbers)
                correlations[name].append(rank_correlation(trained.maps(numbers), maps))
            enrichments.append(enrichment(upsample_bilinear(maps, batch.lung.shape[1:]), batch.lung))
    test, by_block = "randomisation", {name: _mean_over_draws(drawn) for name, drawn in correlations.items()}
    by_block[FULLY_RANDOMISED] = list(by_block.values())[-1]
    return [
        *(SliceValues(test, name, "rank_correlation", values) for name, values in by_block.items()),
        SliceValues(test, FULLY_RANDOMISED, "enrichment", _mean_over_draws(enrichments)),
    ]


def _mean_over_draws(drawn: list[np.ndarray]) -> np.ndarray:
    """Average over the draws that gave a value, for each slice, (n,). NaN where none did."""
    values = np.stack(drawn)
    present = ~np.isnan(values)
    return np.divide(
        np.where(present, values, 0).sum(axis=0),
        present.sum(axis=0),
        out=np.full(values.shape[1], np.nan),
        where=present.any(axis=0),
    )


def pixel_ranks(maps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rank the pixels of each map (n, size, size): 0 for the hottest to 1 for the coldest. Ties get any order."""
    flat = maps.reshape(len(maps), -1)
    ties = rng.permuted(np.broadcast_to(np.arange(flat.shape[1]), flat.shape), axis=1)
    order = np.lexsort((ties, -flat), axis=1)
    ranks = np.empty(flat.shape)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(flat.shape[1]) / (flat.shape[1] - 1), flat.shape), axis=1)
    return ranks.reshape(maps.shape)


def area_under_steps(
    outputs: Predictor, ranks: np.ndarray, hot: np.ndarray, cold: np.ndarray, numbers: np.ndarray, steps: int
) -> np.ndarray:
    """Compute the area under the predicted class's probability while pixels turn from `cold` to `hot`.

    Parameters
    ----------
    ranks
        (n, size, size), as `pixel_ranks` gives them: the hottest pixels turn first.
    hot, cold
        Images (n, size, size).
    numbers
        (n,), the predicted class, as the network learns it.

    Returns
    -------
    numpy.ndarray
        (n,).
    """
    curve: list[np.ndarray] = []
    for share in np.linspace(0, 1, steps + 1):
        images = np.where(ranks <= share, hot, cold) if share else cold
        curve.append(outputs(np.clip(np.rint(images), 0, 255).astype(np.uint8)).probability_of(numbers))
    return np.trapezoid(np.stack(curve), dx=1 / steps, axis=0)


def deletion_insertion_values(outputs: Predictor, batch: InterventionBatch, steps: int, seed: int) -> list[SliceValues]:
    """Measure the areas for the maps, for random maps of the same resolution, and their difference."""
    predictions, rng = outputs(batch.images), np.random.default_rng(seed)
    numbers = predictions.numbers
    size = batch.lung.shape[1:]
    maps = predictions.maps(numbers)
    ranks = {
        name: pixel_ranks(upsample_bilinear(each, size), rng)
        for name, each in (("map", maps), ("random", rng.random(maps.shape)))
    }
    empty = ~(maps > 0).any(axis=(1, 2))
    turns = {"deletion": (flat_level(batch), batch.images), "insertion": (batch.images, blurred(batch))}
    measured: list[SliceValues] = []
    for test, (hot, cold) in turns.items():
        areas = {name: area_under_steps(outputs, each, hot, cold, numbers, steps) for name, each in ranks.items()}
        areas[DIFFERENCE] = areas["map"] - areas["random"]
        for name, values in areas.items():
            measured.append(SliceValues(test, name, "area", np.where(empty, np.nan, values)))
    return measured
