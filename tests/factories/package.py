"""A made run that lacks nothing of what a package needs, and a package of it."""

import json
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

from lungsight.config_check import complete_config
from lungsight.files import write_text
from lungsight.package.contents import missing_files
from lungsight.package.package import PackageSettings
from lungsight.package.public_config import public_config
from lungsight.run_description import RunDescription, describe_run

ROLES = {"lungs": "segmentation", "open": "public", "clinic": "target", "far": "external"}
SETTINGS = {
    "pipelines": {"frameworks": ["whole", "segmented"], "backbones": ["small_cnn"], "weights": ["scratch"]},
    "explain": {"overlays": 1},
    "leakage": {"pipelines": []},  # made runs have no predictions of it
    "report": {"bootstrap": 100},
}


def complete_run(folder: Path, run: RunDescription) -> None:
    """Write a text for every file that a made run lacks of a finished one: pages, models, settings."""
    for name in missing_files(folder, run):
        write_text(folder / name, f"made {name}\n")


def package_settings(results: str, config: dict, archive: str = "made.crate.zip") -> PackageSettings:
    """Describe a package as the rule does. config: as a user writes it, without `results`."""
    filled = complete_config({"results": results} | config)
    return PackageSettings(results, describe_run(filled), public_config(filled), "9.27.1", archive)


def record_job(metadata: Path, results: str, output: str, **record: object) -> None:
    """Record a job as Snakemake does: a file named after its output. record: over a made one."""
    made = {
        **{"rule": "train_stage", "input": [], "log": [], "starttime": 1_700_000_000.5, "endtime": 1_700_000_060.9},
        **{"shellcmd": "python --root /home/somebody", "incomplete": False},
    }
    metadata.mkdir(parents=True, exist_ok=True)
    name = urlsafe_b64encode(f"{results}/{output}".encode()).decode()
    (metadata / name).write_text(json.dumps(made | record), encoding="utf-8")


def edited(package: Path, name: str, old: str, new: str) -> Path:
    """Copy a package with one replacement in one of its files, as somebody would who edits a table by hand."""
    copy = package.with_name(f"edited-{package.name}")
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(copy, "w") as target:
        for member in source.namelist():
            content = source.read(member)
            if member == name:
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode(), 1)
            target.writestr(member, content)
    return copy


def without(package: Path, name: str) -> Path:
    """Copy a package without one of its files."""
    copy = package.with_name(f"without-{package.name}")
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(copy, "w") as target:
        for member in source.namelist():
            if member != name:
                target.writestr(member, source.read(member))
    return copy
