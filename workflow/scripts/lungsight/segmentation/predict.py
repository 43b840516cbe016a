"""Predict lung masks with a trained two-dimensional nnU-Net, many cases in one process.

Preprocessing, the network and the way back to the image grid are nnU-Net's own functions. Its predictor is not used.
It imports a compiler and every trainer of nnU-Net, which takes seconds, and it gives all cores to one slice after the
other. The sliding window here computes the same sums in the same precision, with a slice on every core.

References
----------
nnunetv2/inference/predict_from_raw_data.py of https://github.com/MIC-DKFZ/nnUNet, version 2.8.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from itertools import combinations, product
from pathlib import Path
from typing import cast

import numpy as np
import torch
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from lungsight.errors import BadCase, UserError
from lungsight.segmentation.model import load_checkpoint
from lungsight.segmentation.model_folder import CHECKPOINT, folds_of, lung_labels, read_descriptions
from lungsight.segmentation.nnunet import device_of_this_machine, nnunet_environment
from lungsight.segmentation.volumes import Image

MOST_SLICES_STACKED = 64
SLICES_AT_ONCE_ON_GPU = 16
# nnU-Net's values: windows overlap by half, and count less towards their edges.
WINDOW_STEP, SIGMA, HIGHEST_WEIGHT = 0.5, 1 / 8, 10


@dataclass(frozen=True)
class Predictor:
    """A model folder in memory.

    Attributes
    ----------
    networks
        One for each fold.
    plans, configuration, labels, dataset
        Arguments of nnU-Net's functions.
    mirrored
        The prediction averages over the plain input and over mirrored ones. Each entry holds the axes of one mirrored
        input, of a batch (slice, channel, row, column).
    device, threads
        Where the networks run, and on how many cores of a CPU.
    """

    networks: list[torch.nn.Module]
    plans: PlansManager
    configuration: ConfigurationManager
    labels: LabelManager
    dataset: dict
    mirrored: list[tuple[int, ...]]
    device: torch.device
    threads: int


def _mirrored(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """List every combination of nnU-Net's mirroring axes (0: rows, 1: columns), as axes of a batch."""
    counts = range(1, len(axes) + 1)
    return [tuple(axis + 2 for axis in chosen) for count in counts for chosen in combinations(axes, count)]


def load_predictor(model: Path, mirroring: bool, threads: int) -> Predictor:
    """Build the networks of an nnU-Net model folder from its plans and load their weights.

    Parameters
    ----------
    model
        The model folder.
    mirroring
        Average over mirrored inputs too, which takes four times as long.
    threads
        Of PyTorch, on a CPU.

    Raises
    ------
    RuntimeError, KeyError, TypeError
        If the weights are not of the network that the plans describe.
    """
    torch.set_num_threads(threads)
    device = device_of_this_machine()
    descriptions, dataset = read_descriptions(model)
    checkpoints = [load_checkpoint(fold / CHECKPOINT) for fold in folds_of(model)]
    with nnunet_environment():
        plans = PlansManager(descriptions)
        configuration = plans.get_configuration(checkpoints[0]["init_args"]["configuration"])
        labels = plans.get_label_manager(dataset)
        networks = [_network(configuration, labels, fold["network_weights"]).to(device) for fold in checkpoints]
    axes = checkpoints[0]["inference_allowed_mirroring_axes"] if mirroring else None
    return Predictor(networks, plans, configuration, labels, dataset, _mirrored(axes or ()), device, threads)


def _network(configuration: ConfigurationManager, labels: LabelManager, weights: dict) -> torch.nn.Module:
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        input_channels=1,
        output_channels=labels.num_segmentation_heads,
        allow_init=False,
        deep_supervision=False,
    )
    network.load_state_dict(weights)
    return network.eval()


def check_weights(model: Path) -> int:
    """Check that the weights of every fold fit the plans of a model folder, and return the number of folds."""
    try:
        return len(load_predictor(model, mirroring=False, threads=1).networks)
    except (KeyError, RuntimeError, TypeError) as error:
        raise UserError(
            "segmentation.model: its weights do not fit the network that its plans.json describes. A trainer that "
            f"builds a network of its own cannot be used here.\n{error}"
        ) from error


def assumed_spacing(predictor: Predictor, shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Return the spacing in mm along i, j, k that an image without one is assumed to have.

    Its longer edge is taken to show as much as that of a training image.
    """
    plan = predictor.configuration
    field_of_view = max(np.multiply(plan.median_image_size_in_voxels, plan.spacing))
    pixel = float(field_of_view / max(shape[:2]))
    return (pixel, pixel, pixel)


def _windows(predictor: Predictor, shape: tuple[int, ...]) -> Iterator[tuple]:
    """Yield the places of the network's window on slices of `shape`, as indices of the last two axes."""
    patch = tuple(predictor.configuration.patch_size)
    for corner in product(*compute_steps_for_sliding_window(shape, patch, WINDOW_STEP)):
        yield (..., *(slice(start, start + size) for start, size in zip(corner, patch, strict=True)))


def _window_logits(predictor: Predictor, network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Compute the logits of one window: (slices, 1, rows, columns) → (slices, labels, rows, columns)."""
    logits = network(inputs)
    for axes in predictor.mirrored:
        logits += torch.flip(network(torch.flip(inputs, axes)), axes)
    return logits / (1 + len(predictor.mirrored))


def _fold_logits(predictor: Predictor, network: torch.nn.Module, slices: torch.Tensor) -> torch.Tensor:
    """Compute one network's logits: float32 (slices, 1, rows, columns) → float16 (slices, labels, rows, columns)."""
    patch = tuple(predictor.configuration.patch_size)
    padded, inside = pad_nd_image(slices, patch, "constant", {"value": 0}, return_slicer=True)
    padded = cast("torch.Tensor", padded)  # as `slices` is
    weight = compute_gaussian(patch, SIGMA, HIGHEST_WEIGHT, device=slices.device)
    shape = padded.shape[2:]
    summed = weight.new_zeros((len(slices), predictor.labels.num_segmentation_heads, *shape))
    weights = weight.new_zeros(shape)
    for window in _windows(predictor, shape):
        summed[window] += _window_logits(predictor, network, padded[window]) * weight
        weights[window] += weight
    return (summed / weights)[(slice(None), slice(None), *inside[2:])]


@torch.inference_mode()
def _slice_logits(predictor: Predictor, slices: torch.Tensor) -> torch.Tensor:
    """Average the logits of all folds; slices as for `_fold_logits`."""
    slices = slices.to(predictor.device)
    with torch.autocast(predictor.device.type, enabled=predictor.device.type == "cuda"):
        folds = [_fold_logits(predictor, network, slices) for network in predictor.networks]
    return (reduce(torch.add, folds) / len(folds)).cpu()


def predict_logits(predictor: Predictor, data: torch.Tensor) -> torch.Tensor:
    """Compute the logits of a preprocessed volume: float32 (1, k, rows, columns) → float16 (labels, k, rows, columns).

    nnU-Net sums in float16 too, so that ties are broken the same way. On a CPU every slice has one thread. Several
    threads of one slice would wait for each other, and far longer where other jobs use the cores.
    """
    on_cpu = predictor.device.type == "cpu"
    batches = data[0, :, None].split(1 if on_cpu else SLICES_AT_ONCE_ON_GPU)
    workers = predictor.threads if on_cpu else 1
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        logits = list(pool.map(partial(_slice_logits, predictor), batches))
    return torch.cat(logits).transpose(0, 1)


def predict_mask(predictor: Predictor, volume: np.ndarray, spacing: tuple[float, float, float] | None) -> np.ndarray:
    """Predict the lung mask of a volume, equal to that of nnU-Net's own prediction.

    Parameters
    ----------
    volume : (i, j, k) float32 in [0, 1]
    spacing
        mm along i, j, k; None if it is unknown.

    Returns
    -------
    (i, j, k) bool

    Raises
    ------
    BadCase
        If an output of the network is not finite.
    """
    if not volume.any():  # nnU-Net crops to what is not zero, and fails if nothing is left
        return np.zeros(volume.shape, dtype=bool)
    spacing = spacing or assumed_spacing(predictor, volume.shape)
    plans, configuration = predictor.plans, predictor.configuration
    data, _, properties = configuration.preprocessor_class(verbose=False).run_case_npy(
        volume.transpose(2, 1, 0)[None], None, {"spacing": list(spacing[::-1])}, plans, configuration, predictor.dataset
    )
    logits = predict_logits(predictor, torch.from_numpy(data))
    if not logits.sum(dtype=torch.float32).isfinite():
        raise BadCase("The network's answer is not finite.")
    labels = convert_predicted_logits_to_segmentation_with_correct_shape(
        logits, plans, configuration, predictor.labels, properties, num_threads_torch=predictor.threads
    )
    labels = cast("np.ndarray", labels)  # a pair only where probabilities are asked for
    return np.isin(labels.transpose(2, 1, 0), lung_labels(predictor.dataset))


def _extent(plane: np.ndarray) -> tuple[int, ...]:
    """Return the first and last row and column that are not zero: nnU-Net crops to them."""
    edges = [np.flatnonzero(plane.any(axis=axis)) for axis in (1, 0)]
    return tuple(int(edge[end]) for edge in edges for end in (0, -1)) if plane.any() else ()


def predict_masks(predictor: Predictor, images: Iterable[Image]) -> Iterator[tuple[Image, np.ndarray]]:
    """Yield every image with its mask, (i, j, k) bool.

    Single slices come last: those of equal size are predicted together, in stacks. Only slices that nnU-Net would crop
    and resample in the same way share a stack, so that each mask is the same as if it was predicted alone.
    """
    stacks: dict[tuple, list[Image]] = {}
    for image in images:
        if image.volume.shape[2] > 1:
            yield image, predict_mask(predictor, image.volume, image.spacing)
            continue
        key = (image.volume.shape, image.spacing, _extent(image.volume[:, :, 0]))
        stacks.setdefault(key, []).append(image)
        if len(stacks[key]) == MOST_SLICES_STACKED:
            yield from _predict_stack(predictor, stacks.pop(key))
    for stack in stacks.values():
        yield from _predict_stack(predictor, stack)


def _predict_stack(predictor: Predictor, stack: list[Image]) -> Iterator[tuple[Image, np.ndarray]]:
    volume = np.concatenate([image.volume for image in stack], axis=2)
    mask = predict_mask(predictor, volume, stack[0].spacing)
    yield from zip(stack, np.split(mask, len(stack), axis=2), strict=True)
