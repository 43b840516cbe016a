"""Predict lung masks with a trained nnU-Net, many cases in one process."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Thread
from unittest import mock

import numpy as np
import torch
from nnunetv2.inference import predict_from_raw_data
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from lungsight.errors import UserError
from lungsight.segmentation.model_folder import lung_labels
from lungsight.segmentation.nnunet import device_of_this_machine, nnunet_environment
from lungsight.segmentation.volumes import Image

MOST_SLICES_STACKED = 64


def load_predictor(model: Path, mirroring: bool, threads: int) -> nnUNetPredictor:
    """A predictor with the weights of the nnU-Net model folder `model`.

    mirroring: average over mirrored inputs, for four times the time. threads: of PyTorch, on a CPU.
    """
    torch.set_num_threads(threads)
    with nnunet_environment():
        predictor = nnUNetPredictor(use_mirroring=mirroring, device=device_of_this_machine(), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(model), use_folds=None)
    return predictor


def check_weights(model: Path) -> int:
    """Raise UserError unless the weights of every fold of a model folder fit its plans. Returns the number of folds."""
    try:
        predictor = load_predictor(model, mirroring=False, threads=1)
        for weights in predictor.list_of_parameters:
            predictor.network.load_state_dict(weights)
    except (KeyError, RuntimeError, TypeError) as error:
        raise UserError(
            "segmentation.model: its weights do not fit the network that its plans.json describes. A trainer that "
            f"builds a network of its own cannot be used here.\n{error}"
        ) from error
    return len(predictor.list_of_parameters)


def assumed_spacing(predictor: nnUNetPredictor, shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Spacing, in mm along i, j, k, of an image that has none: its longer edge shows what a training image shows."""
    plan = predictor.configuration_manager
    field_of_view = max(np.multiply(plan.median_image_size_in_voxels, plan.spacing))
    pixel = float(field_of_view / max(shape[:2]))
    return (pixel, pixel, pixel)


class _CopyingThread(Thread):
    """Where nnU-Net copies the next slice while the network works; on one core.

    With a team of threads of its own there would be more of them than cores, and OpenMP then lets waiting threads sleep
    instead of spin: the network on two cores was as slow as on one.
    """

    def run(self) -> None:
        torch.set_num_threads(1)  # of this thread; others keep theirs
        super().run()


def predict_mask(
    predictor: nnUNetPredictor, volume: np.ndarray, spacing: tuple[float, float, float] | None
) -> np.ndarray:
    """The lung mask of a volume, (i, j, k) bool, as nnU-Net's own prediction gives it."""
    if not volume.any():  # nnU-Net crops to what is not zero, and fails where nothing is left
        return np.zeros(volume.shape, dtype=bool)
    spacing = spacing or assumed_spacing(predictor, volume.shape)
    with mock.patch.object(predict_from_raw_data, "Thread", _CopyingThread):
        labels = predictor.predict_single_npy_array(volume.transpose(2, 1, 0)[None], {"spacing": list(spacing[::-1])})
    return np.isin(labels.transpose(2, 1, 0), lung_labels(predictor.dataset_json))


def _extent(plane: np.ndarray) -> tuple[int, ...]:
    """First and last row and column that are not zero: nnU-Net crops to them."""
    edges = [np.flatnonzero(plane.any(axis=axis)) for axis in (1, 0)]
    return tuple(int(edge[end]) for edge in edges for end in (0, -1)) if plane.any() else ()


def predict_masks(predictor: nnUNetPredictor, images: Iterable[Image]) -> Iterator[tuple[Image, np.ndarray]]:
    """Every image with its mask, (i, j, k) bool; single slices alike in size come after the volumes, in stacks.

    Only slices that nnU-Net would crop and resample in the same way share a stack, so that their masks are the same as
    one by one.
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


def _predict_stack(predictor: nnUNetPredictor, stack: list[Image]) -> Iterator[tuple[Image, np.ndarray]]:
    volume = np.concatenate([image.volume for image in stack], axis=2)
    mask = predict_mask(predictor, volume, stack[0].spacing)
    yield from zip(stack, np.split(mask, len(stack), axis=2), strict=True)
