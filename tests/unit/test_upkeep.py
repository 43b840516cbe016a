"""Derived files follow their source, and every rule has a test."""

import ast
import re
import shutil
import subprocess
import sys
from itertools import chain

import pytest
import yaml
from packaging.requirements import Requirement

from lungsight.config import config_schema
from lungsight.config_check import complete_config
from lungsight.resources import DERIVED, HOLDS_IMAGES
from tests.factories.workspace import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import tomllib

import config_docs
import generate_envs
import lock
import table_rows
import version


def test_environments_follow_pyproject():
    for path, text in generate_envs.environments().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make envs`"


def test_lock_holds_every_pin_of_pyproject():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9._-]+)==([^ ]+)", text, flags=re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [pin for extra in lock.EXTRAS for pin in project["optional-dependencies"][extra]] + project["dependencies"]
    for pin in map(Requirement, pins):
        assert str(pin.specifier) == f"=={locked[pin.name.lower()]}", f"{pin}: run `make lock`"


def test_lock_of_the_bucket_holds_what_the_other_lacks():
    def pins_of(extras):
        return [pin for extra in extras for pin in project["optional-dependencies"][extra]]

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "tests" / "bucket.lock").read_text(encoding="utf-8")
    ours, others = lock.pins(ROOT / "tests" / "bucket.lock"), lock.pins(ROOT / "requirements.lock")
    assert not ours & others and len(ours) == text.count("==")
    wanted = [re.sub(r"\[.*\]", "", pin) for pin in pins_of(lock.BUCKET_EXTRAS)]
    assert set(wanted) <= ours | others, "run `make lock`"
    older = {pin.split("==")[0] for pin in ours} & {pin.split("==")[0] for pin in others}
    assert older == {lock.OLDER_FOR_BUCKET}, "another version would shadow what everything else uses"


def test_the_version_is_the_same_everywhere():
    assert len(set(version.versions().values())) == 1


def test_one_command_sets_the_version_everywhere(tmp_path):
    for name in [*version.PLACES, "CHANGELOG.md"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    version.set_version("9.0.1", "2030-01-31", tmp_path)
    assert set(version.versions(tmp_path).values()) == {"9.0.1"}
    assert 'date-released: "2030-01-31"' in (tmp_path / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (tmp_path / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]\n\n## [9.0.1] - 2030-01-31\n\n### Added" in changelog
    for wrong in ("9.0", "9.0.1", "8.9.9"):
        with pytest.raises(ValueError, match=r"is no version|is not above"):
            version.set_version(wrong, "2030-01-31", tmp_path)


@pytest.mark.parametrize("name", ["requirements.lock", "tests/bucket.lock"])
def test_lock_names_no_package_source(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|file:|--(extra-)?index|--find-links", text)


def test_config_readme_explains_every_key():
    text = config_docs.README.read_text(encoding="utf-8")
    assert config_docs.with_key_table(text) == text, "config/README.md: run `make config-docs`"


def test_row_types_follow_the_schemas():
    assert table_rows.ROWS.read_text(encoding="utf-8") == table_rows.row_types(), "run tools/table_rows.py"


@pytest.mark.parametrize("name", ["config", "demo", "demo-quick"])
def test_shipped_config_fits_the_schema(name):
    config = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    complete_config(config)


def test_thesis_settings_are_the_defaults():
    """config.yaml holds the settings of the thesis; a key that is left out has the same value."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    bare = complete_config({"results": config["results"], "cohorts": config["cohorts"]})
    assert complete_config(config) == bare


def test_every_key_has_a_meaning():
    def keys(schema, prefix=""):
        for name, part in schema.get("properties", {}).items():
            yield f"{prefix}{name}", part
            yield from keys(part, f"{prefix}{name}.")
        if isinstance(schema.get("additionalProperties"), dict):
            yield from keys(schema["additionalProperties"], f"{prefix}<name>.")

    assert [name for name, part in keys(config_schema()) if not part.get("description")] == []


def all_rules():
    """(name, text) of every rule."""
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        rule = r"^( *)(?:use rule \w+ as|rule) (\w+)(?: with)?:\n((?:\1 +.*\n|\n)+)"
        yield from ((name, body) for _, name, body in re.findall(rule, text, flags=re.MULTILINE))


def rules_with_a_program():
    yield from ((name, body) for name, body in all_rules() if "shell:" in body)


def test_what_jobs_that_are_done_ahead_need_is_made_before_the_trainings():
    """Else the process of a training finds nothing to go on with, and every one of these jobs starts TensorFlow."""
    needed = {"convert", "gather_cohort", "segment_shard", "qc_scores", "qc_manifest", "kept_slices", "make_split"}
    needed |= {"take_lungs", "image_cache", "image_index"}
    early = {name for name, body in all_rules() if "priority: BEFORE_TRAININGS" in body}
    assert needed - early == set()


def profile_of(name):
    return yaml.safe_load((ROOT / "profiles" / name / "profile.yaml").read_text(encoding="utf-8"))


def test_the_profiles_of_clusters_name_rules_that_exist():
    slurm = profile_of("slurm")
    named = {*slurm["set-resources"], *slurm["slurm-array-jobs"].split(","), *profile_of("kubernetes")["set-resources"]}
    assert named <= {name for name, body in all_rules() if "shell:" in body} | set(chain(*DERIVED.values()))


def test_a_rule_whose_benchmarks_lie_with_those_of_another_is_known_as_derived():
    found = {}
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        for base, name, body in re.findall(r"use rule (\w+) as (\w+) with:\n((?: +.*\n|\n)+)", text):
            if f"/benchmarks/{base}/" in body:
                found[base] = (*found.get(base, ()), name)
    assert found == DERIVED


def test_rules_that_hold_images_are_those_to_which_the_profiles_give_memory():
    given = {rule for rule, asked in profile_of("slurm")["set-resources"].items() if "mem_mb" in asked}
    assert given - set(chain(*DERIVED.values())) == HOLDS_IMAGES


def test_an_array_asks_for_all_jobs_what_its_first_asks_for():
    """So the plugin does it: what a rule of arrays asks for may differ by the attempt, not by the job."""
    slurm = profile_of("slurm")
    for rule in slurm["slurm-array-jobs"].split(","):
        for asked in slurm["set-resources"][rule].values():
            assert re.fullmatch(r"\d+( \* attempt)?", str(asked)), rule


def test_the_profiles_of_clusters_ask_for_the_same():
    """Time apart, which a Kubernetes job has none of."""
    slurm, kubernetes = (profile_of(name) for name in ("slurm", "kubernetes"))
    for asked in (slurm["default-resources"], *slurm["set-resources"].values()):
        asked.pop("runtime", None)
    assert {rule: asked for rule, asked in slurm["set-resources"].items() if asked} == kubernetes["set-resources"]
    assert slurm["default-resources"].items() <= kubernetes["default-resources"].items()


def test_every_rule_has_a_test_of_its_name():
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "rules").glob("test_*.py"))
    untested = {name for name, _ in all_rules() if not re.search(rf"^def test_{name}\b", tests, re.MULTILINE)}
    assert untested == set()


def test_every_rule_has_its_program_log_and_benchmark():
    for name, body in rules_with_a_program():
        assert (ROOT / "workflow" / "scripts" / f"{name}.py").is_file(), name
        if "localrule: True" not in body:  # a few lines of Python, or a program that writes to the terminal
            assert "log:" in body, f"{name} has no log"
            assert "benchmark:" in body, f"{name} has no benchmark"


def test_a_rule_is_read_in_seconds():
    """No function without a name, and a command of at most three lines."""
    for name, body in all_rules():
        assert "lambda" not in body, name
        command = re.search(r"shell:\n((?: +.*\n)+)", body)
        lines = [line for line in command[1].splitlines() if not line.strip().startswith("#")] if command else []
        assert len(lines) <= 3, name


def test_a_program_has_few_arguments_and_explains_them():
    for name, _ in rules_with_a_program():
        tree = ast.parse((ROOT / "workflow" / "scripts" / f"{name}.py").read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        added = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"]
        assert len(added) <= 8, name
        for call in added:
            assert any(keyword.arg == "help" for keyword in call.keywords), (name, ast.unparse(call))


def test_only_own_data_is_committed():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert not re.findall(r"\S+\.(?:dcm|nii|nii\.gz|keras|h5|pth)\n", listed)


def test_parameters_name_folders_of_the_run_where_they_lie_on_this_machine():
    """With results in a bucket, a job finds its files below another folder: `folder`, `here`, `folders_here` say where.

    What no rule declares stays where it is: checkpoints, and the page that a message names.
    """
    folders = r"\b(RESULTS|COHORT|SHARD|MASKS|IMAGES|MODEL|EXPLANATION|CONDITIONS|CONDITIONS_AGAIN)\b"
    undeclared, wrong = ("checkpoints=", "unfinished=", "page="), []
    for name, body in rules_with_a_program():
        params = body.partition("params:\n")[2].partition("shell:")[0]
        named = [line.strip() for line in params.splitlines() if re.search(folders, line)]
        wrong += [f"{name}: {line}" for line in named if not re.search(r"folder\(|here\(", line)]
    assert [line for line in wrong if not line.partition(": ")[2].startswith(undeclared)] == []
