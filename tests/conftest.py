"""Fixtures for all tests.

All tests share one process, which no program of the workflow does: TensorFlow and PyTorch meet only here, and PyTorch's
compiler (triton) crashes the process when it is loaded after TensorFlow. So it is loaded first.
"""

import os
from pathlib import Path

import pytest
import triton  # noqa: F401  # see the docstring

from tests.factories.workspace import ROOT


@pytest.fixture(scope="session")
def real_ct() -> Path:
    """The folder of real CT, or a skip where it is absent."""
    folder = Path(os.environ.get("LUNGSIGHT_CT", ROOT.parent / "shared" / "ct"))
    if not folder.is_dir():
        pytest.skip(f"no real CT: {folder} is absent (or name it in LUNGSIGHT_CT)")
    return folder
