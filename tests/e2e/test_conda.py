"""Test --use-conda: every rule names the right environment, and each environment file suffices for its rules.

No real conda is at hand: stand_in_conda.py takes its place. The tests cover the flag, the files and their pins. They do
not show that conda itself can install them.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

from lungsight.segmentation import lung_tools
from tests.e2e import stand_in_conda
from tests.e2e.test_tiny import tiny_workspace
from tests.factories.workspace import ROOT
from tests.unit.test_upkeep import rules_with_a_program

TOOLS = ("intake", "nnunet", "keras", "report")
LARGE = ("nnunet", "keras")  # several GB each


def rules_by_tool() -> dict[str, list[str]]:
    """List the rules that name each environment."""
    found: dict[str, list[str]] = {tool: [] for tool in (*TOOLS, *lung_tools.TOOLS)}
    for name, body in rules_with_a_program():
        named = re.search(r'conda:\s+f?"../../envs/(\w+|{LUNG_TOOL})\.yaml"', body)
        assert named, f"{name} names no environment"
        for tool in lung_tools.TOOLS if named[1] == "{LUNG_TOOL}" else [named[1]]:
            found[tool].append(name)
    return found


def names_of_tests(rules: list[str]) -> list[str]:
    """List pytest's names of the tests of exactly these rules."""
    return [
        f"{path.relative_to(ROOT)}::test_{rule}"
        for path in sorted((ROOT / "tests" / "rules").glob("test_*.py"))
        for rule in rules
        if re.search(rf"^def test_{rule}\(", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]


def test_every_rule_names_an_environment_that_exists():
    assert all(rules_by_tool().values())
    assert {path.stem for path in (ROOT / "envs").glob("*.yaml")} == set(rules_by_tool())


def conda_environment(folder, pins: bool = False) -> dict[str, str]:
    """Set the variables so that the stand-in is the only conda."""
    programs = stand_in_conda.install(folder)
    path = os.pathsep.join([str(programs), "/usr/local/bin", "/usr/bin", "/bin"])
    more = {"STAND_IN_CONDA": "pins"} if pins else {}
    return {"PATH": path, "STAND_IN_CONDA_PREFIX": str(folder)} | more


def test_without_conda_the_message_says_what_to_do(tmp_path):
    workspace = tiny_workspace(tmp_path)
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("bash", "sh", "which", "env"):
        (bare / name).symlink_to(shutil.which(name))
    workspace.environment = {"PATH": str(bare)}
    done = workspace.snakemake("--use-conda", "-n", "all")
    assert done.returncode == 1
    assert "Install Miniforge" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.long
def test_programs_run_in_the_environment_of_their_rule(tmp_path):
    (tmp_path / "run").mkdir()
    workspace = tiny_workspace(tmp_path / "run")
    workspace.environment = conda_environment(tmp_path / "conda")

    planned = workspace.snakemake("--use-conda", "-n", "all").stdout
    named = set(re.findall(r"Conda environment \S*envs/(\w+)\.yaml will be created", planned))
    assert named == set(TOOLS)

    prefix = tmp_path / "environments"
    target = f"{workspace.results}/segmentation/split.tsv"
    done = workspace.snakemake("--use-conda", "--conda-prefix", str(prefix), "--cores", "2", target)
    assert done.returncode == 0, done.stdout[-6000:]
    programs = {}
    for file in prefix.glob("*.yaml"):
        tool = next(tool for tool in TOOLS if (ROOT / "envs" / f"{tool}.yaml").read_bytes() == file.read_bytes())
        started = (prefix / file.stem / "programs.txt").read_text(encoding="utf-8").split()
        programs[tool] = {os.path.basename(program).removesuffix(".py") for program in started}
    assert programs == {
        "intake": {"phantom_cohort", "convert_annotated", "gather_cohort"},
        "nnunet": {"segmentation_split"},
    }


@pytest.mark.long
@pytest.mark.parametrize("tool", TOOLS)
def test_the_pins_of_an_environment_are_enough(tool, tmp_path):
    """Build an environment from the file's pins alone, and run the tests of its rules in it."""
    if tool in LARGE and not os.environ.get("LUNGSIGHT_LARGE_ENVIRONMENTS"):
        pytest.skip("several GB to install: set LUNGSIGHT_LARGE_ENVIRONMENTS=1")
    options = f"--use-conda --conda-prefix {tmp_path / 'environments'}"
    environment = os.environ | conda_environment(tmp_path / "conda", pins=True)
    pytest_options = ["-q", "-x", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "tests")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *pytest_options, *names_of_tests(rules_by_tool()[tool])],
        cwd=ROOT,
        env=environment | {"LUNGSIGHT_SNAKEMAKE_OPTIONS": options},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    made = [path for path in (tmp_path / "environments").iterdir() if (path / "bin" / "python").exists()]
    assert made, "no environment was made"
