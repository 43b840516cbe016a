"""Write requirements.lock from the extras of pyproject.toml: names, versions and hashes only.

`make lock` keeps the locked versions. `make lock UPGRADE=1` takes the newest versions that pyproject.toml allows. One
lock serves every Python of PYTHONS. It is resolved on the oldest; the program stops where another Python needs more.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("workflow", "intake", "nnunet", "keras", "report", "dev", "docs")
PYTHONS = ("3.11", "3.12", "3.13")


def compile_command(output: Path, python: str) -> list[str]:
    """Build the command that resolves EXTRAS into `output`. The lock does not name the package index."""
    extras = [argument for extra in EXTRAS for argument in ("--extra", extra)]
    return [
        *(str(Path(sys.executable).with_name("uv")), "pip", "compile", "pyproject.toml", *extras),
        *("--python-version", python, "--python-platform", "x86_64-manylinux_2_28", "--generate-hashes"),
        *("--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate", "--quiet"),
        *("--output-file", str(output)),
    ]


def pins(lock: Path) -> set[str]:
    """Read `name==version` of every package in a lock."""
    return set(re.findall(r"^[a-z0-9._-]+==[^ ]+", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))


def missing_pins(lock: Path, python: str) -> set[str]:
    """Resolve on another Python, with the locked versions where they fit, and list what the lock lacks."""
    with TemporaryDirectory() as folder:
        resolved = Path(shutil.copy(lock, folder))
        subprocess.run(compile_command(resolved, python), cwd=ROOT, check=True)
        return pins(resolved) - pins(lock)


def main() -> None:
    lock, (oldest, *others) = ROOT / "requirements.lock", PYTHONS
    upgrade = ["--upgrade"] if os.environ.get("UPGRADE") else []
    subprocess.run([*compile_command(lock, oldest), *upgrade], cwd=ROOT, check=True)
    for python in others:
        if missing := missing_pins(lock, python):
            sys.exit(f"Python {python} needs what Python {oldest} does not: {', '.join(sorted(missing))}.")
        print(f"Python {python}: the lock holds all that it needs.")


if __name__ == "__main__":
    main()
