"""Stand in for conda: tests of --use-conda put this program on PATH, since no real conda is at hand.

It answers only the commands that Snakemake 9 gives to conda. With STAND_IN_CONDA=pins, `env create` makes a virtual
environment and installs the pins of the environment file and their dependencies. Without it, the python of the
environment is the one of the tests, and it records each program that it runs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

# Like conda's own: the shell sources it, with the environment's folder as argument.
ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n'
RECORDING_PYTHON = """#!/bin/sh
echo "$1" >> "{prefix}/programs.txt"
exec "{python}" "$@"
"""


def install(folder: Path) -> Path:
    """Put the stand-in into `folder`; return the folder for PATH."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (programs / "conda").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n', encoding="utf-8")
    (programs / "conda").chmod(0o755)
    (programs / "activate").write_text(ACTIVATE, encoding="utf-8")
    return programs


def pins_of(file: Path) -> list[str]:
    """Read the packages that an environment file gives to pip."""
    dependencies = yaml.safe_load(file.read_text(encoding="utf-8"))["dependencies"]
    return next(part["pip"] for part in dependencies if isinstance(part, dict))


def create(file: Path, prefix: Path) -> None:
    """Make the environment of `conda env create --file FILE --prefix PREFIX`."""
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
