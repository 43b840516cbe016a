"""The scheduler looks at the ready jobs when a job ends, and not many times a second."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lungsight.scheduling import look_when_a_job_ends
from tests.factories.workspace import ROOT

JOBS = 10
SNAKEFILE = f"""
import sys
sys.path.insert(0, {str(ROOT / "workflow" / "scripts")!r})
from lungsight.scheduling import look_when_a_job_ends

onstart:
    if config["mended"]:
        look_when_a_job_ends(workflow.scheduler)

rule all:
    input: expand("{{n}}.txt", n=range({JOBS}))

rule one:
    output: "{{n}}.txt"
    shell: "sleep 0.4; touch {{output}}"
"""


def looks(folder: Path, mended: int) -> int:
    """Run JOBS jobs one after the other, and count how often the scheduler looked at those that were ready."""
    (folder / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    command = ["--cores", "1", "--scheduler", "greedy", "--verbose", "--config", f"mended={mended}"]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("snakemake")), *command], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return len(re.findall(r"Ready jobs: ", done.stdout + done.stderr))


def test_one_look_for_each_job(tmp_path):
    assert looks(tmp_path, mended=1) <= JOBS + 2  # `all` is a job as well


def test_snakemake_alone_looks_more_often(tmp_path):
    """If this fails, Snakemake has mended it, and lungsight.scheduling can go."""
    assert looks(tmp_path, mended=0) > JOBS + 8


@pytest.mark.parametrize(("jobs", "timespan", "stays"), [(100, 1, False), (50, 1, True), (100, 60, True)])
def test_a_limit_that_the_user_has_set_stays(jobs, timespan, stays):
    scheduler = SimpleNamespace(job_rate_limiter=SimpleNamespace(max_jobs=jobs, timespan=timespan))
    look_when_a_job_ends(scheduler)
    assert (scheduler.job_rate_limiter is not None) == stays


def test_a_dry_run_has_no_limit():
    scheduler = SimpleNamespace(job_rate_limiter=None)
    look_when_a_job_ends(scheduler)
    assert scheduler.job_rate_limiter is None
