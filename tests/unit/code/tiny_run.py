"""A run so small that each of its programs takes a second: its scans, its config, and the commands of its jobs."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from PIL import Image

from lungsight.tables import columns_of, read_table, table_schema
from lungsight.tables import write_table as write_library_table
from tests.factories.dicom import made_series, save_series
from tests.factories.tables import NEGATIVE, POSITIVE, made_slice, save_volume
from tests.factories.workspace import ROOT, Workspace

# Those that take a second and load neither TensorFlow nor PyTorch. STAND_INS write what the networks would.
PROGRAMS = (
    *(
        "convert",
        "convert_annotated",
        "gather_cohort",
        "people_table",
        "find_duplicates",
        "segmentation_split",
        "segment_shard",
        "measure_forensics",
        "gather_forensics",
    ),
    *(
        "image_cache",
        "image_index",
        "qc_scores",
        "qc_manifest",
        "kept_slices",
        "qc_page",
        "make_split",
        "check_split",
        "split_overlap",
        "leakage_conditions",
    ),
    *(
        "metadata_classifier",
        "evaluate_model",
        "performance_differences",
        "evaluate_subgroups",
        "evaluation_tables",
        "selection_table",
        "run_settings",
    ),
    *("summarise_maps", "audit_intervals"),
    *("infer_cohort", "explain_stage", "audit_stage"),
)
PATIENTS, SLICES, SIZE = 8, 3, 64
# The columns of saliency.tsv that are no metrics.
OF_MANY_CLASSES = ("predicted", "explained", "explained_probability")
IDENTITY = ("slice", "patient", "label", "probability", "outcome", "empty", "reason", "margin_from")
SPACING = (5.0, 5.0, 5.0)
CONFIG = {
    "cohorts": {
        name: {"role": role, "format": kind, "root": f"data/{name}", "table": f"{name}.tsv", "shards": 1}
        for name, role, kind in (
            ("lungs", "segmentation", "nifti"),
            ("open", "public", "png"),
            ("clinic", "target", "dicom"),
        )
    },
    "min_slices": 3,
    "intake": {"png_size": SIZE, "threads": 1},
    "segmentation": {"method": "classical", "fractions": [0.5, 0.25, 0.25]},
    "splits": {"fractions": [0.5, 0.25, 0.25]},
    "training": {"image_size": 32},
    "pipelines": {"backbones": ["small_cnn"], "weights": ["scratch"]},
    "explain": {"overlays": 1, "margin_mm": 5},
    "report": {"bootstrap": 20},
}


@dataclass(frozen=True)
class Command:
    """What a job runs. arguments: of the program; outputs: paths that are not there before."""

    program: str
    arguments: list[str]
    outputs: list[str]


def write_table(path: Path, *rows: tuple[str, ...]) -> None:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def make_scans(folder: Path) -> None:
    """Three cohorts, one in each format; one case of each cannot be used, and two patients share a picture."""
    rng = np.random.default_rng(5)
    for name in CONFIG["cohorts"]:
        (folder / "data" / name).mkdir(parents=True)
    rows = {name: [("patient", "path", "label", "source")] for name in CONFIG["cohorts"]}
    rows["lungs"] = [("patient", "path", "mask")]
    for number in range(PATIENTS):
        label = (POSITIVE, NEGATIVE)[number % 2]
        for name in CONFIG["cohorts"]:
            drawn = [made_slice(SIZE, label == POSITIVE, rng) for _ in range(SLICES)]
            images, masks = zip(*drawn, strict=True)
            place = folder / "data" / name
            if name == "open":
                for k, image in enumerate(images if number else images[:1]):
                    Image.fromarray(image).save(place / f"{number}-{k}.png")
                    rows[name].append((f"P{number}", f"{number}-{k}.png", label, "north" if number < 4 else "south"))
            elif name == "clinic":
                hu = np.stack(images) / 255.0 * 1500 - 1250
                save_series(place / str(number), made_series(hu, spacing=(5.0, 5.0), step=5.0, series=f"s{number}"))
                rows[name].append((f"P{number}", str(number), label, "clinic"))
            else:
                save_volume(place / f"{number}.nii.gz", list(images), SPACING)
                save_volume(place / f"mask-{number}.nii.gz", list(masks), SPACING)
                rows[name].append((f"P{number}", f"{number}.nii.gz", f"mask-{number}.nii.gz"))
    (folder / "data" / "open" / "torn.png").write_bytes((folder / "data" / "open" / "1-0.png").read_bytes()[:200])
    Image.open(folder / "data" / "open" / "1-0.png").save(folder / "data" / "open" / "again.png")
    rows["open"] += [("P1", "torn.png", NEGATIVE, "north"), ("P6", "again.png", POSITIVE, "south")]
    save_series(folder / "data" / "clinic" / "short", made_series(series="short")[:2])
    rows["clinic"].append(("P0", "short", POSITIVE, "clinic"))
    nibabel.save(nibabel.Nifti1Image(np.full((4, 4, 3), 7.0), np.eye(4)), folder / "data" / "lungs" / "odd.nii.gz")
    rows["lungs"].append(("P0", "odd.nii.gz", "mask-0.nii.gz"))
    for name, lines in rows.items():
        write_table(folder / f"{name}.tsv", *lines)


def make_tiny_run(folder: Path) -> Workspace:
    """The scans and the config; nothing has run."""
    make_scans(folder)
    return Workspace(folder, CONFIG)


def commands_of(workspace: Workspace) -> list[Command]:
    """The commands of the jobs that run PROGRAMS, in an order in which they can run, as Snakemake prints them."""
    printed = workspace.snakemake("-n", "-F", "-p", "--", "all").stdout
    scripts = Path(ROOT / "workflow" / "scripts")
    found = []
    for job in re.split(r"^\[.*\]$", printed, flags=re.MULTILINE):
        command = re.search(r"^Shell command: (.*)", job, flags=re.MULTILINE | re.DOTALL)
        outputs = re.search(r"^ +output: (.*)$", job, flags=re.MULTILINE)
        if command and outputs:
            words = shlex.split(command[1].split(" > ")[0])
            program, *arguments = words[words.index("python") + 1 :]
            assert (scripts / Path(program).name).is_file(), command[0]
            places = [path.removesuffix(" (update)") for path in outputs[1].split(", ")]
            found.append(Command(Path(program).stem, arguments, places))
    assert {command.program for command in found} >= set(PROGRAMS), printed[-3000:]
    return [command for command in found if command.program in PROGRAMS]


def stand_in_for_inference(folder: Path, arguments: list[str], outputs: list[str]) -> None:
    """Predictions that have some skill: the split with a column more."""
    split, (output,) = arguments[arguments.index("--split") + 1], outputs
    rng = np.random.default_rng(len(output))
    header, *lines = (folder / split).read_text(encoding="utf-8").splitlines()
    rows = [f"{line}\t{min(max(rng.normal(0.6 if POSITIVE in line else 0.4, 0.2), 0), 1):.6f}" for line in lines]
    (folder / output).write_text("\n".join([f"{header}\tprobability", *rows, ""]), encoding="utf-8")


def tested_slices(folder: Path, arguments: list[str]) -> pd.DataFrame:
    """Slice, patient, label and probability of the test slices that a network explains or audits."""
    model, cohort = (arguments[arguments.index(name) + 1] for name in ("--model", "--cohort"))
    predictions = read_table(folder / model / f"predictions/{Path(cohort).name}.tsv", schema="predictions")
    test = predictions[predictions["split"] == "test"]
    return test[["slice", "patient", "label", "probability"]].reset_index(drop=True)


def stand_in_for_maps(folder: Path, arguments: list[str], outputs: list[str]) -> None:
    """Tables of two methods whose metrics are random, one slice without them, and a mean map of each class."""
    slices = tested_slices(folder, arguments)
    rng, place = np.random.default_rng(len(slices)), (folder / outputs[0]).parent
    positive, predicted = (slices["label"] == POSITIVE).to_numpy(), (slices["probability"] >= 0.5).to_numpy()
    outcome = np.select([positive & predicted, positive, predicted], ["TP", "FN", "FP"], "TN")
    metrics = [name for name in columns_of("saliency") if name not in (*IDENTITY, *OF_MANY_CLASSES)]
    described = []
    for method, schema in (("gradcam", "saliency"), ("layercam_stride8", "saliency_methods")):
        table = slices.assign(outcome=outcome, empty=0, reason="", margin_from="spacing")
        table[metrics] = rng.random((len(slices), len(metrics)))
        table.loc[0, "empty"], table.loc[0, "reason"], table.loc[0, metrics] = 1, "the map is zero everywhere", np.nan
        write_library_table(place / f"{schema}.tsv", table.assign(method=method) if described else table, schema)
        described.append({"method": method, "layer": "relu", "explained": "logit", "sign": "+", "map_size": [4, 4]})
    (place / "methods.json").write_text(json.dumps(described), encoding="utf-8")
    np.savez(place / "maps.npz", slices=np.array(slices["slice"], dtype=np.str_), maps=rng.random((len(slices), 4, 4)))
    numbers = {"slices": [3, 2], "patients": [2, 1], "aspect": [0.7, 0.8]}
    images = {name: rng.random((2, 128, 128)) for name in ("heat", "lung")}
    np.savez(place / "mean_maps.npz", label=np.array([POSITIVE, NEGATIVE]), **numbers, **images)


def stand_in_for_audit(folder: Path, arguments: list[str], outputs: list[str]) -> None:
    """Random logits that lean towards the class, sources that are mostly right, values of three checks."""
    slices = tested_slices(folder, arguments).drop(columns="probability")
    rng, place = np.random.default_rng(len(slices)), (folder / outputs[0]).parent
    lean = np.where(slices["label"] == POSITIVE, 1.0, -1.0)
    names = [name for name in table_schema("intervention_logits")["required"] if name not in slices]
    logits = slices.assign(**{name: lean * rng.random() + rng.normal(size=len(slices)) for name in names})
    write_library_table(place / "intervention_logits.tsv", logits, "intervention_logits")
    versions = [name for name in table_schema("making_logits")["required"] if name not in slices]
    made = slices.assign(**{name: lean * rng.random() + rng.normal(size=len(slices)) for name in versions})
    write_library_table(place / "making_logits.tsv", made, "making_logits")
    known = slices[["slice", "patient"]]
    source = np.resize(["north", "south"], len(known))  # by slice: of two patients, each has both
    predicted = np.where(rng.random(len(known)) < 0.8, source, "north")
    write_library_table(
        place / "source_predictions.tsv", known.assign(source=source, predicted=predicted), "source_predictions"
    )
    checks = [("randomisation", "all", "rank_correlation"), ("randomisation", "all", "enrichment")]
    checks += [("deletion", "map − random", "area")]
    values = [
        known.assign(test=test, variant=variant, measure=measure, value=np.r_[np.nan, rng.random(len(known) - 1)])
        for test, variant, measure in checks
    ]
    write_library_table(place / "sanity_values.tsv", pd.concat(values), "sanity_values")


# What stands in for a program: of the folder, its arguments and outputs.
STAND_INS = {
    "infer_cohort": stand_in_for_inference,
    "explain_stage": stand_in_for_maps,
    "audit_stage": stand_in_for_audit,
}
