"""Share one finished run on tiny phantoms between the tests that read or repeat it."""

import pytest

from tests.e2e.test_tiny import tiny_workspace
from tests.factories.workspace import Workspace


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Workspace:
    """Return the finished run. A test that changes it must restore it."""
    workspace = tiny_workspace(tmp_path_factory.mktemp("tiny"))
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "all")
    assert done.returncode == 0, done.stdout[-8000:]
    return workspace
