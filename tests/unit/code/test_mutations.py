"""Random edits of the library: one that changes what a program makes has changed the program's digest.

Each edit is tried on one program of a tiny run that loads the edited module. What stops a program makes no result.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.factories.workspace import ROOT
from tests.unit.code.tiny_run import PROGRAMS, STAND_INS, commands_of, make_tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A folder with a tiny run and the commands of its jobs."""
    folder = tmp_path_factory.mktemp("mutations")
    (folder / "run").mkdir()
    commands = commands_of(make_tiny_run(folder / "run"))
    (folder / "commands.json").write_text(json.dumps([asdict(command) for command in commands]))
    return folder


def outcomes_of(folder: Path, edits: int, first: int) -> list[dict]:
    """What so many edits did, by the seeds from `first` on."""
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "workflow" / "scripts")])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.unit.code.laboratory"),
            *(str(folder), str(edits), str(os.cpu_count() or 1), str(first)),
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith("LUNGSIGHT_")}
        | one_thread
        | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = sorted(folder.glob("outcomes-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def check(folder: Path, outcomes: list[dict]) -> None:
    count = Counter((outcome["digest"], outcome["result"]) for outcome in outcomes)
    print(
        f"\n{len(outcomes)} edits, {count.total() - count[True, '']} tried. Digest and result changed:"
        f" {count[True, 'other']}; the result alone: {count[False, 'other']}; the digest alone: {count[True, 'same']};"
        f" neither: {count[False, 'same']}; the program stopped: {count[True, 'none'] + count[False, 'none']}"
    )
    missed = [outcome for outcome in outcomes if outcome["result"] == "other" and not outcome["digest"]]
    assert not missed, f"a result changed and the digest did not: {json.dumps(missed, indent=1)}"
    # Neither side is empty: many of the edits change a result, and many leave the digest.
    assert count[True, "other"] >= len(outcomes) / 100
    assert count[False, "same"] >= len(outcomes) / 10
    examined = {command["program"] for command in json.loads((folder / "examined.json").read_text())}
    assert examined == set(PROGRAMS) - set(STAND_INS), "the others do not make the same twice"


def test_an_edit_that_changes_a_result_changes_the_digest(run):
    outcomes = outcomes_of(run, 200, first=0)
    assert len(outcomes) == 200
    check(run, outcomes)


@pytest.mark.long
def test_many_edits_that_change_a_result_change_the_digest(run, tmp_path):
    for name in ("run", "commands.json"):
        (tmp_path / name).symlink_to(run / name)
    check(tmp_path, outcomes_of(tmp_path, 8000, first=1000))
