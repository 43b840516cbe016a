"""Training: cached images, two-stage transfer learning, predictions and metrics."""

import os

# Messages of TensorFlow's C++ runtime stay away; errors still arrive as exceptions. It is read at TensorFlow's import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
