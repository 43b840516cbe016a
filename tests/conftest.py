"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

from tests.workspace import ROOT


@pytest.fixture(scope="session")
def real_ct() -> Path:
    """The folder of real CT, or a skip where it is absent."""
    folder = Path(os.environ.get("LUNGSIGHT_CT", ROOT.parent / "shared" / "ct"))
    if not folder.is_dir():
        pytest.skip(f"no real CT: {folder} is absent (or name it in LUNGSIGHT_CT)")
    return folder
