"""Run all replicates of a model, and networks with random weights, on the same slices."""

# Keras describes few of its types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import Iterable

import numpy as np

from lungsight.audit.replicate_maps import ReplicateMaps
from lungsight.audit.sanity_checks import RandomisableModel, blocks_of, randomise, restored
from lungsight.explain.explanation import SliceImages

# Of the baseline: enough groups of them, to know how alike as many as there are replicates are once in twenty times.
RANDOM_NETWORKS = 16


def maps_of_random_networks(
    outputs: RandomisableModel, images: np.ndarray, numbers: np.ndarray, seed: int, networks: int = RANDOM_NETWORKS
) -> np.ndarray:
    """Map images by a network whose every weight is drawn anew, several times: (networks, n, h, w).

    Parameters
    ----------
    outputs
        A trained model. Its variables have their values again at the end.
    images
        (n, size, size) uint8.
    numbers
        (n,), the class that each map explains.
    seed
        Of the weights.
    networks
        How many.
    """
    layers = [layer for block in blocks_of(outputs.model).values() for layer in block]
    maps: list[np.ndarray] = []
    with restored(outputs.model):
        for number in range(networks):
            randomise(layers, np.random.default_rng([seed, number]))
            maps.append(outputs(images).maps(numbers))
    return np.stack(maps).astype(np.float32)


def maps_of_replicates(replicates: Iterable[RandomisableModel], slices: SliceImages, seed: int) -> ReplicateMaps:
    """Map slices by every replicate, and by networks with random weights.

    Parameters
    ----------
    replicates
        The run's own model first. Each is asked for when the one before it is done, so one alone is in memory.
    slices
        With a lung in an accepted mask, n ≥ 1.
    seed
        Of the random weights.
    """
    images, trained = slices.images, list[np.ndarray]()
    numbers, random = np.zeros(0, int), np.zeros(0, np.float32)
    for outputs in replicates:
        predictions = outputs(images)
        if not trained:
            numbers = predictions.numbers
            random = maps_of_random_networks(outputs, images, numbers, seed)
        trained.append(predictions.maps(numbers).astype(np.float32))
    names, patients = (slices.table[name].to_numpy(str) for name in ("slice", "patient"))
    return ReplicateMaps(names, patients, slices.masks, np.stack(trained), random)
