"""Import Keras without the libraries that it only offers to draw with or to wrap, and with oneDNN.

Import this module before Keras and TensorFlow.

Keras tries to import matplotlib and scikit-learn, goes on where they are absent, and no program here uses what it needs
them for. A third of the processor time that the import takes is theirs (docs/benchmarks.md).
"""

import os
import sys

UNUSED = ("matplotlib", "sklearn")


def load_keras() -> None:
    """Import Keras while what it does not need here looks absent; programs that need these import them as before."""
    hidden = [name for name in UNUSED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]  # what the import system takes for absent
    try:
        import keras  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]


# TensorFlow uses oneDNN by itself only on processors with instructions for neural networks. It is faster on others as
# well: ResNet-50 trains 1.7 times as fast (docs/benchmarks.md).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
load_keras()
