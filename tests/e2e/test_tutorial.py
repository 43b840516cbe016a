"""Run the commands of docs/tutorial.md exactly as written, one block after the other."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.factories.workspace import ROOT

pytestmark = pytest.mark.long


def test_the_commands_of_the_tutorial_run(tmp_path):
    for part in ("workflow", "config", "envs", "profiles"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", tmp_path)
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 8
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-6000:]}"
    assert (tmp_path / "results" / "mine" / "report" / "index.html").is_file()
    assert len((tmp_path / "results" / "new" / "predictions.tsv").read_text().splitlines()) > 1
