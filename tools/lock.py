"""Write requirements.lock from the extras of pyproject.toml: names, versions and hashes only.

`make lock` keeps the versions that are locked already; `make lock UPGRADE=1` takes the newest that pyproject.toml
allows.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("workflow", "intake", "nnunet", "keras", "report", "dev", "docs")


def compile_command(output: Path) -> list[str]:
    """The command that resolves EXTRAS into output; the package source is the caller's own, and is not written down."""
    extras = [argument for extra in EXTRAS for argument in ("--extra", extra)]
    return [
        *(str(Path(sys.executable).with_name("uv")), "pip", "compile", "pyproject.toml", *extras),
        *("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28", "--generate-hashes"),
        *("--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate", "--quiet"),
        *("--output-file", str(output)),
    ]


def main() -> None:
    upgrade = ["--upgrade"] if os.environ.get("UPGRADE") else []
    subprocess.run([*compile_command(ROOT / "requirements.lock"), *upgrade], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
