"""A made run that lacks nothing of what a package needs, and a package of it."""

import json
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pandas as pd

from lungsight.checklists.patient_flow import flow_rows
from lungsight.config_check import complete_config
from lungsight.evaluation.class_tables import class_rows, cohort_confusion_rows, temperatures_of
from lungsight.files import write_text
from lungsight.package.archive import MANIFEST, manifest_of
from lungsight.package.contents import missing_files
from lungsight.package.package import PackageSettings
from lungsight.package.public_config import public_config
from lungsight.run_description import (
    RunDescription,
    cohort_of_stage,
    cohorts_of,
    describe_run,
    input_views_of,
    labelled_cohorts_of,
    models_of,
)
from lungsight.tables import columns_of, read_table, table_schema, types_of, write_table
from lungsight.training.pipelines import model_columns

ROLES = {"lungs": "segmentation", "open": "public", "clinic": "target", "far": "external"}
SETTINGS = {
    "pipelines": {
        **{"frameworks": ["whole", "segmented"], "backbones": ["small_cnn"], "weights": ["scratch"]},
        "ensembles": {"both": ["whole-small_cnn-scratch", "segmented-small_cnn-scratch"]},
    },
    "explain": {"overlays": 1},
    "leakage": {"pipelines": []},  # made runs have no predictions of it
    "report": {"bootstrap": 100},
}


def made_counts(folder: Path, run: RunDescription) -> None:
    """Write report/{flow,classes,confusion}.tsv of a made run."""
    flow, by_class, confusion = [], [], []
    for cohort in cohorts_of(run):
        cases = read_table(folder / f"cohorts/{cohort}/cases.tsv", "cases")
        slices = manifest = None
        splits = {}
        if cohort in labelled_cohorts_of(run):
            slices = read_table(folder / f"cohorts/{cohort}/slices.tsv", "slices")
            manifest = read_table(folder / f"qc/{cohort}/manifest.tsv", "manifest")
            views = input_views_of(run)
            splits = {view: read_table(folder / f"splits/{cohort}/{view}.tsv", "split") for view in views}
        flow += flow_rows(cohort, cases, slices, manifest, splits, input_views_of(run))
    labels = run["labels"]
    own = {(name, stage): folder / f"models/{name}/stage{stage}/predictions" for name, stage in models_of(run)}
    temperatures = {
        key: temperatures_of(read_table(of_model / f"{cohort_of_stage(run, key[1])}.tsv", "predictions"), labels)
        for key, of_model in own.items()
    }
    for name, stage in models_of(run):
        for path in sorted(own[name, stage].glob("*.tsv")):
            table, model = read_table(path, "predictions"), {**model_columns(name, stage), "cohort": path.stem}
            rows = class_rows(table, temperatures[name, stage], labels, None, run["bootstrap"], run["seed"])
            by_class += [model | row for row in rows]
            confusion += [model | row for row in cohort_confusion_rows(table, labels, None)]
    made_traces(folder, run)
    for table, rows in {"flow": flow, "classes": by_class, "confusion": confusion}.items():
        write_table(folder / f"report/{table}.tsv", rows, schema=table)


def made_traces(folder: Path, run: RunDescription) -> None:
    """Write cohorts/<cohort>/forensics.tsv, from which the rows about the making follow: here nothing was measured."""
    words = {name for name, column in table_schema("forensics")["properties"].items() if "string" in types_of(column)}
    for cohort in labelled_cohorts_of(run):
        slices = read_table(folder / f"cohorts/{cohort}/slices.tsv", "slices")["slice"]
        columns = {name: "" if name in words else None for name in columns_of("forensics") if name != "slice"}
        table = pd.DataFrame({"slice": slices, **columns})
        table.to_csv(folder / f"cohorts/{cohort}/forensics.tsv", sep="\t", index=False)


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
    with zipfile.ZipFile(package) as archive:
        content = archive.read(name)
    assert old.encode() in content
    return replaced(package, name, content.replace(old.encode(), new.encode(), 1))


def replaced(package: Path, name: str, content: bytes, forged: bool = False) -> Path:
    """Copy a package with another content of one of its files. forged: with a manifest that knows it."""
    with zipfile.ZipFile(package) as archive:
        contents = {member: archive.read(member) for member in archive.namelist()} | {name: content}
    if forged:
        contents[MANIFEST] = manifest_of({member: held for member, held in contents.items() if member != MANIFEST})
    return repacked(package, contents, "edited")


def repacked(package: Path, contents: dict[str, bytes], prefix: str) -> Path:
    """Write a zip file beside a package."""
    copy = package.with_name(f"{prefix}-{package.name}")
    with zipfile.ZipFile(copy, "w") as target:
        for member, held in contents.items():
            target.writestr(member, held)
    return copy


def without(package: Path, name: str) -> Path:
    """Copy a package without one of its files."""
    copy = package.with_name(f"without-{package.name}")
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(copy, "w") as target:
        for member in source.namelist():
            if member != name:
                target.writestr(member, source.read(member))
    return copy
