"""Unit tests share one process, which no program of the workflow does: TensorFlow and PyTorch meet only here."""

import triton  # noqa: F401  # PyTorch's compiler crashes the process when it is loaded after TensorFlow
