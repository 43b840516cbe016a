"""A stand-in for conda, put on PATH under its name where a test asks for --use-conda and no real conda is at hand.

It answers what Snakemake 9 asks of conda, and nothing else. `env create` makes a virtual environment of the Python that
runs this file: with STAND_IN_CONDA=pins the pins of the environment file are installed into it and nothing besides what
they need; otherwise its python is the one of the tests, and writes down each program that it is asked to run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

# Like conda's own: sourced by the shell, the environment's folder as its argument.
ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n'
RECORDING_PYTHON = """#!/bin/sh
echo "$1" >> "{prefix}/programs.txt"
exec "{python}" "$@"
"""


def install(folder: Path) -> Path:
    """Put the stand-in into `folder`; returns the folder that belongs on PATH."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (programs / "conda").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n', encoding="utf-8")
    (programs / "conda").chmod(0o755)
    (programs / "activate").write_text(ACTIVATE, encoding="utf-8")
    return programs


def pins_of(file: Path) -> list[str]:
    """The packages that an environment file asks pip for."""
    dependencies = yaml.safe_load(file.read_text(encoding="utf-8"))["dependencies"]
    return next(part["pip"] for part in dependencies if isinstance(part, dict))


def create(file: Path, prefix: Path) -> None:
    """Make the environment that `conda env create --file FILE --prefix PREFIX` would."""
    if os.environ.get("STAND_IN_CONDA") == "pins":
        subprocess.run([sys.executable, "-m", "venv", str(prefix)], check=True)
        pip = [str(prefix / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *pins_of(file)], check=True)
        return
    python = prefix / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(RECORDING_PYTHON.format(prefix=prefix, python=sys.executable), encoding="utf-8")
    python.chmod(0o755)


def main(arguments: list[str]) -> None:
    match arguments:
        case ["--version"]:
            print("conda 24.11.0")
        case ["info", "--json"]:
            print(json.dumps({"conda_prefix": os.environ["STAND_IN_CONDA_PREFIX"], "platform": "linux-64"}))
        case ["config", "--get", "channel_priority", "--json"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["env", "create", "--quiet", "--no-default-packages", "--file", file, "--prefix", prefix]:
            create(Path(file), Path(prefix))
        case ["clean", *_]:  # nothing is kept to be cleaned
            pass
        case _:
            sys.exit(f"the stand-in for conda does not know: conda {' '.join(arguments)}")


if __name__ == "__main__":
    main(sys.argv[1:])
