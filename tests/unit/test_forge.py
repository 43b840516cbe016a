"""What the forge reads: workflows, forms and the entry of the workflow catalog."""

import re

import pytest
import yaml

from tests.factories.workspace import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps_of(path):
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_uses_major_versions_and_commands_that_exist(path):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    for step in steps_of(path):
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) if "uses" in step else "run" in step
        command = step.get("run", "").split()
        assert command[:1] != ["make"] or command[1] in targets, command
        assert command[:1] != [".ci/run"] or (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_lint_tests_and_docs_have_a_workflow():
    assert [path.stem for path in WORKFLOWS] == ["docs", "lint", "tests"]


def test_a_form_about_a_run_asks_for_privacy_first():
    for name in ("1-fault", "2-number"):
        form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8"))
        assert "may identify a patient" in form["body"][0]["attributes"]["value"]
        (box,) = [part for part in form["body"] if part["type"] == "checkboxes"]
        assert box["attributes"]["options"][0]["required"] is True


def test_the_catalog_finds_what_standardized_usage_wants():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage["software-stack-deployment"]["conda"] is True and usage["report"] is True
    assert (ROOT / "workflow" / "Snakefile").is_file() and (ROOT / "config" / "README.md").is_file()
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme and "workflow" in readme
