"""Turn a request for a prediction, `--config scans=DIR model=DIR`, into a config and a cohort table of its own.

It is imported while the workflow is parsed, so it needs nothing but the standard library, PyYAML and jsonschema.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.intake.written_table import write_cohort_table
from lungsight.layout import CASES, METRICS_TABLE, VERDICTS, cohort_folder, split_file
from lungsight.own_yaml import read_own_yaml
from lungsight.paths import did_you_mean, path_option
from lungsight.patient_ids import AS_NAMED
from lungsight.predict.run_settings import FILE, cohorts_trained_on
from lungsight.predict.scans import find_scans
from lungsight.segmentation.lung_tools import TOOLS
from lungsight.segmentation.settings import OWN
from lungsight.training.pipelines import Pipeline, section_of

SCHEMA = Path(__file__).resolve().parents[3] / "schemas" / "run.schema.yaml"
COHORT = "new"
FORMATS = ("dicom", "nifti", "png")
MODEL_FILES = ("model.keras", "provenance.json")


@dataclass(frozen=True)
class TrainedModel:
    """A trained stage of a run. results: the folder of the run. stage: 1 or 2."""

    results: Path
    pipeline: Pipeline
    stage: int

    @property
    def folder(self) -> Path:
        """The folder of the model."""
        return self.results / "models" / self.pipeline.name / f"stage{self.stage}"

    @property
    def lung_model(self) -> Path:
        """The nnU-Net model folder of the run."""
        return self.results / "segmentation" / "model"


@dataclass(frozen=True)
class Request:
    """A checked request.

    Attributes
    ----------
    model
        The model to predict with.
    trained_on
        `stage1`, `stage2` → the cohort of the run on which this stage was trained.
    patients_unknown
        Cohorts of the run of which each image counts as a patient.
    config
        A complete config with the one cohort `new`.
    rows
        Table rows of that cohort.
    """

    model: TrainedModel
    trained_on: dict[str, str]
    patients_unknown: list[str]
    config: dict
    rows: list[TableRow]

    @property
    def training_cohort(self) -> str:
        """The cohort on which the model was trained last."""
        return self.trained_on[f"stage{self.model.stage}"]

    def tables_of_model(self) -> list[Path]:
        """List the tables of the run that tell about the model, and exist: an older run lacks some."""
        results, view = self.model.results, self.model.pipeline.input_view
        cohorts = cohorts_trained_on(self.trained_on, self.model.stage).values()
        tables = [
            *(results / VERDICTS, results / METRICS_TABLE),
            *(cohort_folder(results, cohort) / CASES for cohort in cohorts),
            *(split_file(results, cohort, view) for cohort in cohorts),
        ]
        return [table for table in tables if table.is_file()]


def trained_model(folder: str) -> TrainedModel:
    """Find the model that `model=` names. Raise UserError unless it lies, complete, in the results of a run."""
    # The name of the pipeline is above a path as `.` or `stage2`, from inside the run.
    path = Path(os.path.abspath(folder))
    absent = [name for name in MODEL_FILES if not (path / name).is_file()]
    in_a_run = path.name in ("stage1", "stage2") and path.parent.parent.name == "models"
    pipeline = Pipeline.parse(path.parent.name) if path.parent.name.count("-") in (2, 3, 4) else None
    if not absent and in_a_run and pipeline and pipeline.replicate > 1:
        own = pipeline._replace(replicate=1).name
        raise UserError(f"model: {folder} is a replicate, which was not audited. Name the run's own model, {own}.")
    if absent or not in_a_run or not pipeline:
        why = f"it has no {absent[0]}" if absent else "it is not in the results of a run"
        raise UserError(
            f"model: {folder} is not a trained model: {why}. Name a folder RESULTS/models/<pipeline>/stage1 or stage2."
        )
    results = Path(os.path.normpath(os.path.join(folder, *[os.pardir] * 3)))
    return TrainedModel(results, pipeline, int(path.name[-1]))


def settings_of_run(model: TrainedModel) -> dict:
    """Read the settings that the run wrote into run.json. Raise UserError if the file is absent or does not fit."""
    path, stage = model.results / FILE, f"stage{model.stage}"
    remedy = f"With that run's config, `snakemake --configfile … {path}` makes it in a second."
    if not path.is_file():
        raise UserError(f"{path} does not exist: it holds the settings by which the run made images of scans. {remedy}")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(settings, read_own_yaml(SCHEMA))
    except (ValueError, jsonschema.ValidationError) as error:
        where = ".".join(map(str, getattr(error, "absolute_path", ())))
        problem = f"{where}: " * bool(where) + str(getattr(error, "message", error))
        raise UserError(f"{path} is damaged, or of an earlier lungsight ({problem}). Delete it. {remedy}") from None
    if not {stage} <= settings["trained_on"].keys() & settings["min_slices"].keys():
        raise UserError(f"{path} has no settings of {stage}: is it of another run? Delete it. {remedy}")
    return settings


def _choose_format(scans: Path, rows: dict[str, list[dict[str, str]]], wanted: str | None) -> str:
    present = [name for name in FORMATS if rows[name]]
    if wanted is not None and wanted not in FORMATS:
        raise UserError(f"format: {wanted} is not one of {', '.join(FORMATS)}.")
    if not present or (wanted and wanted not in present):
        nouns = {"dicom": "DICOM series", "nifti": "NIfTI volume", "png": "PNG or JPEG picture"}
        raise UserError(f"scans: no {nouns[wanted] if wanted else 'DICOM, NIfTI, PNG or JPEG'} lies below {scans}.")
    if len(present) > 1 and wanted is None:
        counts = ", ".join(f"{len(rows[name])} {name}" for name in present)
        raise UserError(f"scans: {scans} holds several formats ({counts}). Choose one: --config format={present[0]} …")
    return wanted or present[0]


def _segmentation(settings: dict[str, Any], model: TrainedModel, options: dict[str, Any]) -> dict[str, Any]:
    """Say how new scans are segmented: as the run did, or by the nnU-Net that the options name."""
    if settings["method"] == OWN and "lung_model" not in options:
        raise UserError(
            f"The run of {model.folder} took every lung mask from its tables (segmentation.method: own), and new scans"
            " have none. Name a trained nnU-Net lung model: --config lung_model=DIR …"
        )
    if settings["method"] == OWN or (settings["method"] in TOOLS and "lung_model" in options):
        settings = settings | {"method": "nnunet"}
    if settings["method"] == "nnunet":
        settings = settings | {"model": path_option(options, "lung_model", str(model.lung_model))}
    return dict(settings)


def prediction_request(options: dict[str, Any]) -> Request:
    """Check the options of `--config`, build the request, and write the table of the scans, which its programs read.

    Parameters
    ----------
    options
        scans and model, and optionally out, format and lung_model. Other keys come from a config file and do not count.

    Raises
    ------
    UserError
        With what is wrong and what to do.
    """
    if "model" not in options:
        raise UserError("predict needs a model too: --config scans=DIR model=RESULTS/models/<pipeline>/stage2")
    scans, model = Path(path_option(options, "scans")), trained_model(path_option(options, "model"))
    if not scans.is_dir():
        problem = "is a file; name the folder that it lies in" if scans.exists() else "does not exist"
        raise UserError(f"scans: {scans} {problem}{did_you_mean(scans)}")
    settings, rows_by_format = settings_of_run(model), find_scans(scans)
    out = path_option(options, "out", "results/predict").rstrip("/")
    if Path(out).resolve() == model.results.resolve():
        raise UserError(f"out: {out} is the run that the model comes from; name a folder of its own.")
    if Path(out).resolve().is_relative_to(scans.resolve()):
        raise UserError(f"out: {out} lies among the scans, so its pictures would be taken for scans; name another.")
    chosen = _choose_format(scans, rows_by_format, options.get("format"))
    segmentation = _segmentation(settings["segmentation"], model, options)
    stage = f"stage{model.stage}"
    kept = {name: settings[name] for name in ("seed", "labels", "intake", "qc", "training", "explain")}
    kept["min_slices"] = settings["min_slices"][stage]
    config = complete_config(
        {
            **{"results": out, "segmentation": segmentation, **kept},
            "cohorts": {
                COHORT: {
                    **{"role": "external", "format": chosen, "root": str(scans)},
                    "table": f"{out}.private/scans.tsv",
                }
            },
            "pipelines": section_of(model.pipeline),
        }
    )
    rows = [
        TableRow(number, row["patient"], row["path"], label="", source="", mask="", split="")
        for number, row in enumerate(rows_by_format[chosen], start=1)
    ]
    cohort = config["cohorts"][COHORT]
    cohort["patient_ids"] = AS_NAMED
    write_cohort_table(Path(cohort["table"]), ("patient", "path"), [(row.patient, row.path) for row in rows], scans)
    return Request(model, settings["trained_on"], settings["patients_unknown"], config, rows)
