"""lungsight as a module: a second workflow gives it a config, a prefix and a results folder of its own."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lungsight.tables import read_table
from tests.e2e.test_tiny import tiny_workspace
from tests.factories.workspace import ROOT, Workspace
from tests.rules.test_intake import hospital

WORKFLOW = ROOT / "workflow" / "Snakefile"
PAGE = (ROOT / "docs" / "module.md").read_text(encoding="utf-8")
STUDY = re.search(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[1]
PREFIX = "study/lungs"


def study(tmp_path, prefix=PREFIX):
    """The workflow of docs/module.md: it counts the cases of a cohort of two good series and a bad one."""
    own = hospital(tmp_path)
    results = "results/mine"
    config = {"key of the study": 1, "lungsight": {"results": results, **own.config}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    text = STUDY.replace("lungsight/workflow/Snakefile", str(WORKFLOW))
    if not prefix:
        text = text.replace(f'    prefix:\n        "{PREFIX}"\n', "").replace(f"{PREFIX}/", "")
    (tmp_path / "study.smk").write_text(text, encoding="utf-8")
    return Workspace(tmp_path, {}, results=str(Path(prefix, results)), snakefile=tmp_path / "study.smk")


def jobs_planned(text):
    """The jobs of a dry run: rule → how often."""
    table = re.search(r"job +count\n-+ +-+\n((?:\S+ +\d+\n)+)", text)
    return {rule: int(count) for rule, count in (line.split() for line in table[1].splitlines())}


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_a_module_takes_in_a_cohort(tmp_path, prefix):
    workspace = study(tmp_path, prefix)
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", configured=False)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "cases.txt").read_text().strip() == "3"
    cases = read_table(workspace.run_folder / "cohorts" / "hospital" / "cases.tsv", "cases")
    assert cases["status"].tolist() == ["ok", "ok", "rejected"]
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("mine*")}
    assert made == {str(Path(prefix, "results", name)) for name in ("mine", "mine.private")}
    again = workspace.snakemake("--cores", "2", "--dry-run", configured=False)
    assert "Nothing to be done" in again.stdout, again.stdout


def test_a_module_and_both_entries_plan_the_same_run(tmp_path):
    """Of everything: three cohorts, both stages, the report. No target is named, so that the default counts too."""
    workspace = tiny_workspace(tmp_path)
    entry = jobs_planned(workspace.snakemake("--cores", "2", "--dry-run").stdout)
    assert entry["train_stage"] == 4 and entry["write_report"] == entry["all"] == 1
    workspace.snakefile = WORKFLOW
    assert jobs_planned(workspace.snakemake("--cores", "2", "--dry-run").stdout) == entry
    config = f"module lungsight:\n    snakefile: {str(WORKFLOW)!r}\n    config: config\n    prefix: 'sub'\n\n\n"
    workspace.snakefile = tmp_path / "study.smk"
    workspace.snakefile.write_text(config + "use rule * from lungsight as ct_*\n", encoding="utf-8")
    planned = jobs_planned(workspace.snakemake("--cores", "2", "--dry-run").stdout)
    assert planned == {rule if rule == "total" else f"ct_{rule}": count for rule, count in entry.items()}


def test_a_module_may_be_named_through_a_link(tmp_path):
    """The library lies where the link leads to, whatever lies beside the link."""
    workspace = study(tmp_path)
    (tmp_path / "lungsight").mkdir()
    (tmp_path / "lungsight" / "workflow").symlink_to(ROOT / "workflow")
    text = workspace.snakefile.read_text(encoding="utf-8")
    workspace.snakefile.write_text(text.replace(str(WORKFLOW), "lungsight/workflow/Snakefile"), encoding="utf-8")
    planned = workspace.snakemake("--cores", "2", "--dry-run", configured=False)
    assert planned.returncode == 0, planned.stdout
    assert jobs_planned(planned.stdout)["lungsight_convert"] >= 1


def test_a_module_is_unlocked_by_a_workflow_that_names_its_rules(tmp_path):
    workspace = study(tmp_path)
    named = "\n\nrule named:\n    input:\n        rules.lungsight_gather_cohort.output,\n"
    workspace.snakefile.write_text(workspace.snakefile.read_text(encoding="utf-8") + named, encoding="utf-8")
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    done = workspace.snakemake("--unlock", configured=False)
    assert done.returncode == 0 and "Unlocked working directory" in done.stdout, done.stdout


def git(folder, *arguments):
    subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", *arguments], cwd=folder, check=True)


def test_a_module_is_read_from_a_forge(tmp_path):
    """As `snakedeploy` writes it. What Snakemake would clone from the forge lies where it looks first."""
    workspace = study(tmp_path)
    origin = tmp_path / "origin"
    clone = tmp_path / "cache/snakemake/snakemake/source-cache/snakemake-git-cache/github.com/me/lungsight"
    for name in ("workflow", "config", "envs"):
        shutil.copytree(ROOT / name, origin / name, ignore=shutil.ignore_patterns("__pycache__"))
    git(origin, "init", "--quiet")
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "--message", "All")
    git(origin, "tag", "v1")
    git(origin, "commit", "--quiet", "--message", "Nothing that a result depends on", "--allow-empty")
    git(origin, "tag", "v2")
    git(origin, "clone", "--quiet", "--bare", str(origin), str(clone))
    workspace.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    text = workspace.snakefile.read_text(encoding="utf-8")

    def run(tag, *arguments):
        forge = f'github("me/lungsight", path="workflow/Snakefile", tag="{tag}")'
        workspace.snakefile.write_text(text.replace(f'"{WORKFLOW}"', forge), encoding="utf-8")
        return workspace.snakemake("--cores", "2", "--show-failed-logs", *arguments, configured=False)

    done = run("v1")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "cases.txt").read_text().strip() == "3"
    again = run("v2", "--dry-run")
    assert "Nothing to be done" in again.stdout, again.stdout
    commits = [path for path in (tmp_path / ".snakemake/lungsight").iterdir() if not path.is_symlink()]
    assert len(commits) == 2
