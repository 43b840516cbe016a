"""A request for a prediction, `--config scans=DIR model=DIR`, as a config and a cohort table of its own.

Imported while the workflow is parsed: standard library, PyYAML, jsonschema and the config alone.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import yaml

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.predict.run_settings import FILE
from lungsight.predict.scans import find_scans
from lungsight.training.pipelines import Pipeline, section_of

SCHEMA = Path(__file__).resolve().parents[3] / "schemas" / "run.schema.yaml"
COHORT = "new"
FORMATS = ("dicom", "nifti", "png")
MODEL_FILES = ("model.keras", "provenance.json")


@dataclass(frozen=True)
class TrainedModel:
    """One trained stage in the results of a run. results: the run's folder; stage: 1 or 2."""

    results: Path
    pipeline: Pipeline
    stage: int

    @property
    def folder(self) -> Path:
        return self.results / "models" / self.pipeline.name / f"stage{self.stage}"

    @property
    def lung_model(self) -> Path:
        """The run's nnU-Net model folder."""
        return self.results / "segmentation" / "model"


@dataclass(frozen=True)
class Request:
    """config: complete. rows: of its one cohort. own_cohort: the cohort of the run that the model was trained on."""

    model: TrainedModel
    training_cohort: str
    config: dict
    rows: list[TableRow]


def trained_model(folder: str) -> TrainedModel:
    """The model that `model=` names. Raises UserError unless it lies in the results of a run, whole."""
    path = Path(os.path.normpath(folder))
    absent = [name for name in MODEL_FILES if not (path / name).is_file()]
    in_a_run = path.name in ("stage1", "stage2") and path.parent.parent.name == "models"
    if absent or not in_a_run or path.parent.name.count("-") != len(Pipeline._fields) - 1:
        why = f"it has no {absent[0]}" if absent else "it is not in the results of a run"
        raise UserError(
            f"model: {folder} is no trained model: {why}. Name a folder RESULTS/models/<pipeline>/stage1 or stage2."
        )
    return TrainedModel(path.parents[2], Pipeline.parse(path.parent.name), int(path.name[-1]))


def settings_of_run(model: TrainedModel) -> dict:
    """What the run remembers of itself. Raises UserError where it remembers nothing, or not what is needed."""
    path, stage = model.results / FILE, f"stage{model.stage}"
    remedy = f"With that run's config, `snakemake --configfile … {path}` makes it in a second."
    if not path.is_file():
        raise UserError(f"{path} does not exist: it says how the run made images of scans. {remedy}")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(settings, yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    except (ValueError, jsonschema.ValidationError) as error:
        where = ".".join(map(str, getattr(error, "absolute_path", ())))
        what = f"{where}: " * bool(where) + str(getattr(error, "message", error))
        raise UserError(f"{path} is damaged, or of an earlier lungsight ({what}). Delete it. {remedy}") from None
    if not {stage} <= settings["trained_on"].keys() & settings["min_slices"].keys():
        raise UserError(f"{path} says nothing of {stage}: is it of another run? Delete it. {remedy}")
    return settings


def _chosen_format(scans: Path, found: dict[str, list[dict]], wanted: str | None) -> str:
    present = [name for name in FORMATS if found[name]]
    if wanted is not None and wanted not in FORMATS:
        raise UserError(f"format: {wanted} is none of {', '.join(FORMATS)}.")
    if not present or (wanted and wanted not in present):
        what = {"dicom": "DICOM series", "nifti": "NIfTI volume", "png": "PNG or JPEG picture"}
        raise UserError(f"scans: no {what[wanted] if wanted else 'DICOM, NIfTI, PNG or JPEG'} lies below {scans}.")
    if len(present) > 1 and wanted is None:
        counts = ", ".join(f"{len(found[name])} {name}" for name in present)
        raise UserError(f"scans: {scans} holds several kinds ({counts}). Say which: --config format={present[0]} …")
    return wanted or present[0]


def prediction_request(given: dict) -> Request:
    """The prediction that `--config` asks for.

    given: scans, model, and maybe out, format, lung_model. Other keys come from a config file and do not count. Raises
    UserError with what is wrong and what to do.
    """
    if "model" not in given:
        raise UserError("predict needs a model too: --config scans=DIR model=RESULTS/models/<pipeline>/stage2")
    model, scans = trained_model(str(given["model"])), Path(str(given["scans"]))
    if not scans.is_dir():
        what = "is a file; name the folder that it lies in" if scans.exists() else "does not exist"
        raise UserError(f"scans: {scans} {what}.")
    settings, found = settings_of_run(model), find_scans(scans)
    out = str(given.get("out", "results/predict")).rstrip("/")
    if Path(out).resolve() == model.results.resolve():
        raise UserError(f"out: {out} is the run that the model comes from; name a folder of its own.")
    if Path(out).resolve().is_relative_to(scans.resolve()):
        raise UserError(f"out: {out} lies among the scans, where its pictures would be taken for scans; name another.")
    chosen = _chosen_format(scans, found, given.get("format"))
    segmentation = dict(settings["segmentation"])
    if segmentation["method"] == "nnunet":
        segmentation["model"] = str(given.get("lung_model", model.lung_model))
    stage = f"stage{model.stage}"
    own = {name: settings[name] for name in ("seed", "labels", "intake", "qc", "training", "explain")}
    own["min_slices"] = settings["min_slices"][stage]
    config = complete_config(
        {
            **{"results": out, "segmentation": segmentation, **own},
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
        for number, row in enumerate(found[chosen], start=1)
    ]
    return Request(model, settings["trained_on"][stage], config, rows)
