"""Write envs/*.yaml, one conda environment per tool, from the exact pins of pyproject.toml.

Python and pip come from conda. The packages come from pip, so that their versions are those of the lock.
"""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("intake", "nnunet", "keras", "report", "lungmask", "totalsegmentator")


def environment(tool: str, project: dict) -> str:
    """Return the text of one environment: the packages that every program needs, and those of the tool."""
    pins = sorted(set(project["dependencies"]) | set(project["optional-dependencies"][tool]))
    lines = [
        f"# {tool}: generated from pyproject.toml by `make envs`; do not edit.",
        "channels: [conda-forge, nodefaults]",
        "dependencies:",
        "  - python=3.11",
        "  - pip",
        "  - pip:",
        *(f"      - {pin}" for pin in pins),
    ]
    return "\n".join(lines) + "\n"


def environments() -> dict[Path, str]:
    """Return the text of every environment by its path."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {ROOT / "envs" / f"{tool}.yaml": environment(tool, project) for tool in TOOLS}


def main() -> None:
    for path, text in environments().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
