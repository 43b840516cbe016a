"""The settings of TensorFlow with and without a GPU; the GPUs are stand-ins."""

import pytest
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.training.device import check_gpu, prepare_device

GPU = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Record the calls of TensorFlow's settings, in order; none takes effect."""
    recorded: list[tuple] = []

    def record(place: object, name: str) -> None:
        monkeypatch.setattr(place, name, lambda *arguments: recorded.append((name, *arguments)))

    for name in ("set_intra_op_parallelism_threads", "set_inter_op_parallelism_threads"):
        record(tf.config.threading, name)
    record(tf.config.experimental, "enable_op_determinism")
    record(tf.config.experimental, "set_memory_growth")
    record(tf.config.optimizer, "set_experimental_options")
    return recorded


@pytest.mark.parametrize(("gpus", "device"), [([GPU], "gpu"), ([GPU, GPU], "gpu"), ([], "cpu")])
def test_memory_of_every_gpu_grows_as_needed(monkeypatch, calls, gpus, device):
    """Several trainings can then share a GPU; TensorFlow would otherwise take all of its memory at once."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    assert prepare_device(threads=3, seed=1) == device
    assert [call for call in calls if call[0] == "set_memory_growth"] == [("set_memory_growth", GPU, True)] * len(gpus)
    assert ("set_intra_op_parallelism_threads", 3) in calls and ("enable_op_determinism",) in calls
    assert bool([call for call in calls if call[0] == "set_experimental_options"]) == (device == "cpu")


def test_a_configured_gpu_that_tensorflow_does_not_see_stops_the_training(monkeypatch):
    for wanted, gpus in (("0", []), ("1", [GPU]), (None, [])):
        monkeypatch.delenv("LUNGSIGHT_GPUS", raising=False)
        if wanted is not None:
            monkeypatch.setenv("LUNGSIGHT_GPUS", wanted)
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind, gpus=gpus: gpus)
        check_gpu()
    monkeypatch.setenv("LUNGSIGHT_GPUS", "1")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(UserError, match=r"training\.gpus is 1, and TensorFlow sees no GPU.*set training\.gpus: 0"):
        check_gpu()
