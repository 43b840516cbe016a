"""Set up TensorFlow before anything is built: deterministic, on the cores that the rule was given."""

import os

import keras
import tensorflow as tf

from lungsight.errors import UserError


def prepare_device(threads: int, seed: int) -> str:
    """Set threads, seeds and determinism. Call it once, first.

    Two operations may run at once: on two cores DenseNet-201 trains a tenth faster, with the same numbers, since the
    order of sums is fixed within an operation. On a CPU, Grappler's graph rewriting is left out: it takes seconds for
    DenseNet-201 and gains nothing there.

    Returns
    -------
    The device class, "gpu" or "cpu".
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(min(threads, 2))
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    return "gpu" if gpus else "cpu"


def check_gpu() -> None:
    """Raise UserError where the config asks for a GPU ($LUNGSIGHT_GPUS) and TensorFlow sees none on this machine."""
    wanted = int(os.environ.get("LUNGSIGHT_GPUS", "0"))
    if wanted and not tf.config.list_physical_devices("GPU"):
        raise UserError(
            f"training.gpus is {wanted}, and TensorFlow sees no GPU on this machine. See whether nvidia-smi lists one,"
            " and whether the CUDA libraries of the extra gpu are installed (docs/cluster.md), or set training.gpus: 0"
            " to train on the processor."
        )


def start_anew(seed: int) -> None:
    """Forget the networks that this process has built, and set all seeds: the next depends on none before it."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
