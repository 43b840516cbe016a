"""What a rule's program imports is in the environment of its rule: by syntax trees and pins, nothing is built.

tests/e2e/test_conda.py builds the environments and runs in them; this finds the same mistake in a second.
"""

import ast
import re
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lungsight.segmentation.lung_tools import TOOLS
from tests.factories.workspace import ROOT
from tests.unit.test_upkeep import rules_with_a_program

SCRIPTS = ROOT / "workflow" / "scripts"
PACKAGE = "lungsight"
PROVIDERS = metadata.packages_distributions()  # what can be imported → the distributions that bring it


@cache
def with_dependencies(distribution: str) -> frozenset[str]:
    """Return a distribution and all that is installed with it, by canonical name."""
    needed, waiting = set(), [canonicalize_name(distribution)]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        try:
            needs = map(Requirement, metadata.requires(name) or [])
        except metadata.PackageNotFoundError:  # for another system or Python
            continue
        waiting += [
            canonicalize_name(need.name) for need in needs if not need.marker or need.marker.evaluate({"extra": ""})
        ]
    return frozenset(needed)


@cache
def installed_in(environment: str) -> frozenset[str]:
    """Return the distributions of an environment file with all that they need."""
    text = (ROOT / "envs" / f"{environment}.yaml").read_text(encoding="utf-8")
    pins = next(part["pip"] for part in yaml.safe_load(text)["dependencies"] if isinstance(part, dict))
    return frozenset().union(*(with_dependencies(Requirement(pin).name) for pin in pins))


def imports_at_once(path: Path) -> set[str]:
    """Return the modules that a file imports when it is loaded, without those that its functions import."""
    names, waiting = set(), list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif not isinstance(node, ast.FunctionDef):
            waiting += ast.iter_child_nodes(node)
    return names


def packages_of(program: str) -> set[str]:
    """Return the packages beyond the standard library and lungsight that a program needs to start."""
    files_read, waiting = set(), [SCRIPTS / f"{program}.py"]
    names: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path not in files_read:
            files_read.add(path)
            imported = imports_at_once(path)
            names |= imported
            own = [SCRIPTS.joinpath(*name.split(".")) for name in imported if name.split(".")[0] == PACKAGE]
            files = [file for place in own for file in (place.with_suffix(".py"), place / "__init__.py")]
            waiting += [file for file in files if file.is_file()]
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - {PACKAGE}


RULES = dict(rules_with_a_program())


def environments_of(rule: str) -> list[str]:
    """Return the environments that a rule may run in: one, or that of any lung segmentation tool."""
    environment = re.search(r'conda:\s+f?"../../envs/(\w+|{LUNG_TOOL})\.yaml"', RULES[rule])[1]
    return list(TOOLS) if environment == "{LUNG_TOOL}" else [environment]


@pytest.mark.parametrize(("rule", "environment"), [(rule, name) for rule in RULES for name in environments_of(rule)])
def test_an_environment_holds_what_its_programs_import(rule, environment):
    for name in sorted(packages_of(rule)):
        brought_by = {canonicalize_name(provider) for provider in PROVIDERS.get(name, [])}
        assert brought_by & installed_in(environment), f"{rule}: {name} is not in envs/{environment}.yaml"
