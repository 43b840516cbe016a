"""Test the tiny run under faults: run again, it completes with the same report as an undisturbed run.

Programs and Snakemake are killed at any moment, the disk is full or becomes read-only, or a shard fails.
LUNGSIGHT_KILLS=N changes the number of kills, LUNGSIGHT_KILLS_SEED their moments.
"""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from tests.e2e.processes import command_of, programs_in
from tests.e2e.test_tiny import report_tables, tiny_under_the_same_key
from tests.factories.workspace import Workspace

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("LUNGSIGHT_KILLS", "30"))
SEED = int(os.environ.get("LUNGSIGHT_KILLS_SEED", "1"))
RUN = ("--cores", "2", "--rerun-incomplete", "all")
SMALL_DISK, LARGE_DISK = "12m", "4g"
LONGEST_DELAY = 30  # seconds; if it were shorter than the longest job, most kills would hit that job
PATIENCE = 600  # seconds to wait for the jobs that run beside a killed one


def run_with_a_kill(workspace: Workspace, moments: random.Random) -> str:
    """Run, kill -9 Snakemake or a program some seconds after the first program began, and return what was killed.

    Return "nothing" where the run ended first.
    """
    workspace.snakemake("--unlock", "all")  # what a user does after a kill
    process = workspace.start(*RUN)
    delay = moments.uniform(0, LONGEST_DELAY)
    of_snakemake = moments.random() < 0.5
    begun = None
    while process.poll() is None:
        programs = programs_in(workspace.folder)
        begun = begun or (time.monotonic() if programs else None)
        if begun and time.monotonic() - begun >= delay:
            victim = process.pid if of_snakemake else moments.choice(sorted(programs) or [0])
            if victim:
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                name = "Snakemake" if of_snakemake else programs[victim]
                try:
                    process.wait(timeout=PATIENCE)
                except subprocess.TimeoutExpired:
                    pytest.fail(f"{name} was killed, and {PATIENCE} s later there run {programs_in(workspace.folder)}")
                return name
        time.sleep(0.05)
    return "nothing"


def test_a_killed_run_completes_with_the_same_report(tiny, tmp_path):
    moments = random.Random(SEED)
    killed: list[str] = []
    runs = 0
    while len(killed) < KILLS:
        runs += 1
        workspace = tiny_under_the_same_key(tmp_path / f"run{runs}", tiny)
        while len(killed) < KILLS and (victim := run_with_a_kill(workspace, moments)) != "nothing":
            killed.append(victim)
        workspace.snakemake("--unlock", "all")
        done = workspace.snakemake(*RUN)
        assert done.returncode == 0, (killed, done.stdout[-8000:])
        assert report_tables(workspace) == report_tables(tiny), killed
        assert "Nothing to be done" in workspace.snakemake("-n", "all").stdout, killed
        shutil.rmtree(workspace.folder)
    print(f"{len(killed)} kills in {runs} runs: {', '.join(killed)}")


def test_a_killed_snakemake_leaves_no_program(tiny, tmp_path):
    workspace = tiny_under_the_same_key(tmp_path / "run", tiny)
    process = workspace.start(*RUN)
    while process.poll() is None and not programs_in(workspace.folder):
        time.sleep(0.1)
    assert process.poll() is None
    process.kill()
    process.wait()
    end = time.monotonic() + 30
    while programs_in(workspace.folder) and time.monotonic() < end:
        time.sleep(0.2)
    assert programs_in(workspace.folder) == {}


@pytest.fixture
def small_disk(tiny, tmp_path):
    """Put the results of a run on a separate disk that is too small; yield the run and a function that remounts."""
    workspace = tiny_under_the_same_key(tmp_path / "run", tiny)
    disk = workspace.folder / "results"
    options = ["-t", "tmpfs", "-o", f"size={SMALL_DISK}", "lungsight-test"]
    mounted = subprocess.run(["mount", *options, str(disk)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk of a chosen size: {mounted.stderr.strip() or 'mount needs root'}")
    workspace.private_folder.mkdir(mode=0o700)
    shutil.copy2(tiny.private_folder / "key", workspace.private_folder / "key")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)

    yield workspace, remount
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_a_read_only_one_and_a_failing_shard(tiny, small_disk):
    workspace, remount = small_disk

    assert workspace.snakemake(*RUN).returncode != 0, "the disk was meant to be too small"
    assert not (workspace.run_folder / "report" / "metrics.tsv").exists()

    remount(f"ro,size={LARGE_DISK}")
    done = workspace.snakemake(*RUN)
    assert done.returncode != 0
    assert "Read-only file system" in done.stdout, done.stdout[-4000:]

    remount(f"rw,size={LARGE_DISK}")
    masks = workspace.run_folder / "segmentation" / "masks"
    # Snakemake makes the shard again only if its dependants are missing too, whether or not it was made before.
    for made in (masks / "hospital" / "001", workspace.run_folder / "training" / "images" / "hospital"):
        shutil.rmtree(made, ignore_errors=True)
    process = workspace.start("--keep-going", *RUN)
    while process.poll() is None:
        for pid, rule in programs_in(workspace.folder).items():
            if rule == "segment_shard" and "hospital/nifti/001" in command_of(pid):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    assert process.returncode != 0
    assert (masks / "hospital" / "000").is_dir() and (masks / "curated" / "000").is_dir(), "the others went on"
    assert not (masks / "hospital" / "001").exists(), "the killed job's partial output must not count as complete"

    done = workspace.snakemake(*RUN)
    assert done.returncode == 0, done.stdout[-8000:]
    assert report_tables(workspace) == report_tables(tiny)
