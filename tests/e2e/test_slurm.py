"""Run the tiny workflow on a real Slurm of one node, while a job and the node's daemon are killed."""

import os
import re
import signal
import time

import pytest

from tests.e2e.processes import programs_in
from tests.e2e.slurm_cluster import SlurmCluster, why_not
from tests.e2e.test_tiny import report_tables, tiny_under_the_same_key
from tests.factories.workspace import ROOT

pytestmark = pytest.mark.long

AT_MOST = 45 * 60.0  # seconds


@pytest.fixture
def cluster(tmp_path):
    if reason := why_not():
        pytest.skip(reason)
    with SlurmCluster(tmp_path / "slurm") as running:
        yield running


def wait_for(found, process, seconds: float = AT_MOST):
    """Call `found` every half second while the process runs; return its first true value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if value := found():
            return value
        time.sleep(0.5)
    raise AssertionError(f"the run ended with {process.poll()}, or {seconds} s passed")


def test_a_run_on_slurm_survives_a_killed_job_and_a_killed_node(cluster, tiny, tmp_path):
    workspace = tiny_under_the_same_key(tmp_path / "run", tiny)
    workspace.environment = cluster.environment
    process = workspace.start(
        *("--profile", str(ROOT / "profiles" / "slurm"), "--slurm-no-account"),
        *("--slurm-init-seconds-before-status-checks", "5", "all"),
    )
    try:
        trainings = wait_for(
            lambda: [pid for pid, rule in programs_in(workspace.folder).items() if rule == "train_stage"], process
        )
        os.kill(trainings[0], signal.SIGKILL)
        wait_for(lambda: trainings[0] not in programs_in(workspace.folder), process, 60)

        wait_for(lambda: programs_in(workspace.folder), process)
        cluster.kill_node()
        time.sleep(5)
        cluster.start_node()

        assert process.wait(timeout=AT_MOST) == 0
    finally:
        if process.poll() is None:
            process.kill()

    output = (workspace.folder / "snakemake.log").read_text(encoding="utf-8")
    first, second = (f"mem_mb={16_000 * attempt}" for attempt in (1, 2))
    of_trainings = re.findall(r"^rule train_stage:\n(?:    .*\n)*", output, flags=re.MULTILINE)
    assert any(first in job for job in of_trainings), output[-4000:]
    assert any(second in job for job in of_trainings), "the job that was killed did not come back with more memory"
    assert report_tables(workspace) == report_tables(tiny)
