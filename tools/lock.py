"""Write requirements.lock and tests/bucket.lock from the extras of pyproject.toml: names, versions and hashes only.

`make lock` keeps the locked versions. `make lock UPGRADE=1` takes the newest versions that pyproject.toml allows. One
lock serves every Python of PYTHONS. It is resolved on the oldest; the program stops where another Python needs more.

The client of S3 needs an older python-dateutil than the rest. tests/bucket.lock holds what its tests need and
requirements.lock lacks, to be installed into a folder beside .venv (`make test-bucket`).
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
BUCKET_EXTRAS = ("s3", "s3-test")
OLDER_FOR_BUCKET = "python-dateutil"
PYTHONS = ("3.11", "3.12", "3.13")


def compile_command(output: Path, python: str, extras: tuple[str, ...] = EXTRAS) -> list[str]:
    """Build the command that resolves extras into `output`. The lock does not name the package index."""
    named = [argument for extra in extras for argument in ("--extra", extra)]
    return [
        *(str(Path(sys.executable).with_name("uv")), "pip", "compile", "pyproject.toml", *named),
        *("--python-version", python, "--python-platform", "x86_64-manylinux_2_28", "--generate-hashes"),
        *("--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate", "--quiet"),
        *("--output-file", str(output)),
    ]


def pins(lock: Path) -> set[str]:
    """Read `name==version` of every package in a lock."""
    return set(re.findall(r"^[a-z0-9._-]+==[^ ]+", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))


def entries(lock: Path) -> list[str]:
    """Split a lock into its packages, each with its hashes."""
    return re.findall(r"^[a-z0-9._-]+==.*\n(?: .*\n)*", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)


def lock_bucket(lock: Path, output: Path, python: str, upgrade: list[str]) -> None:
    """Write what BUCKET_EXTRAS need and `lock` lacks, with the versions of `lock` but for one package."""
    with TemporaryDirectory() as folder:
        constraints, resolved = Path(folder, "constraints.txt"), Path(shutil.copy(output, folder))
        constraints.write_text(
            "\n".join(pin for pin in pins(lock) if not pin.startswith(f"{OLDER_FOR_BUCKET}==")), encoding="utf-8"
        )
        command = [*compile_command(resolved, python, BUCKET_EXTRAS), *upgrade, "--constraints", str(constraints)]
        subprocess.run(command, cwd=ROOT, check=True)
        new = [entry for entry in entries(resolved) if entry.split()[0] not in pins(lock)]
    output.write_text("".join(new), encoding="utf-8")


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
    lock_bucket(lock, ROOT / "tests" / "bucket.lock", oldest, upgrade)
    for python in others:
        if missing := missing_pins(lock, python):
            sys.exit(f"Python {python} needs what Python {oldest} does not: {', '.join(sorted(missing))}.")
        print(f"Python {python}: the lock holds all that it needs.")


if __name__ == "__main__":
    main()
