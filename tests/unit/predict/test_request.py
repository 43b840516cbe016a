"""A request is checked and becomes a config with the settings of the run."""

import json
import os
from pathlib import Path

import pytest

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.intake.cohort_table import read_rows
from lungsight.intake.settings import patient_id_rules
from lungsight.predict.request import prediction_request
from lungsight.predict.run_settings import run_settings
from tests.unit.predict.test_scans import DICOM, write


def finished_run(folder: Path, method: str = "nnunet", **of_cohort: dict) -> Path:
    """Write what `prediction_request` reads of a run, and return the folder of the model."""
    roles = {"lungs": "segmentation", "open": "public", "clinic": "target"}
    cohorts = {
        name: {"role": role, "format": "dicom", "root": f"secret/{name}", "table": "secret/t.tsv"}
        | of_cohort.get(name, {})
        for name, role in roles.items()
    }
    settings = {"intake": {"window": [-1000, 400]}, "segmentation": {"method": method}}
    config = complete_config({"results": "results/x", "cohorts": cohorts, **settings})
    write(folder / "run.json", json.dumps(run_settings(config)).encode())
    model = folder / "models/segmented-resnet50-scratch/stage2"
    for name in ("model.keras", "provenance.json"):
        write(model / name)
    return model


def test_a_request_takes_its_settings_from_the_run(tmp_path):
    model = finished_run(tmp_path / "run")
    write(tmp_path / "scans/Ann/0001", DICOM)
    request = prediction_request({"scans": tmp_path / "scans", "model": model, "results": "other", "cohorts": {}})
    assert request.config["intake"]["window"] == [-1000, 400]
    assert request.config["results"] == "results/predict"
    assert request.config["segmentation"]["model"] == str(tmp_path / "run/segmentation/model")
    assert request.training_cohort == "clinic"
    assert [(row.row, row.patient, row.path) for row in request.rows] == [(1, "Ann", "Ann")]


def test_a_run_that_segmented_nothing_needs_a_lung_network_for_new_scans(tmp_path):
    model = finished_run(tmp_path / "run", method="own")
    write(tmp_path / "scans/Ann/0001", DICOM)
    options = {"scans": tmp_path / "scans", "model": model}
    with pytest.raises(UserError, match=r"took every lung mask from its tables .* --config lung_model=DIR"):
        prediction_request(options)
    settings = prediction_request(options | {"lung_model": "elsewhere"}).config["segmentation"]
    assert (settings["method"], settings["model"]) == ("nnunet", "elsewhere")


def test_the_table_with_names_is_private_also_with_a_trailing_slash(tmp_path):
    model = finished_run(tmp_path / "run")
    write(tmp_path / "scans/Ann/0001", DICOM)
    request = prediction_request({"scans": tmp_path / "scans", "model": model, "out": "results/new/"})
    assert request.config["cohorts"]["new"]["table"] == "results/new.private/scans.tsv"


def test_a_scan_may_be_as_short_as_those_of_the_training_cohort(tmp_path):
    model = finished_run(tmp_path / "run", clinic={"min_slices": 1})
    write(tmp_path / "scans/Ann/0001", DICOM)
    assert prediction_request({"scans": tmp_path / "scans", "model": model}).config["min_slices"] == 1


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Ann",
            "#7",
            "NA",
            "unknown",
            "-",
            "?",
            "#REF!",
            "None",
            "0007",
            'say "Ah"',
            '"quoted"',
            "'7",
            "a\tb",
            "a,b;c",
        ),
        *("M\u00fcller", "Mu\u0308ller", "=cmd()", "patient", "a\u2028b", "a\u200b", "sep=;", "x" * 255, "# a"),
    ],
)
def test_the_programs_read_the_scans_as_they_were_found(tmp_path, name):
    model = finished_run(tmp_path / "run")
    for folder in (name, "Ben"):
        write(tmp_path / "scans" / folder / "0001", DICOM)
    write(tmp_path / "scans/path/0001", DICOM)
    request = prediction_request({"scans": tmp_path / "scans", "model": model, "out": str(tmp_path / "out")})
    table = Path(request.config["cohorts"]["new"]["table"])
    read = read_rows(table, {}, patient_id_rules(request.config)["new"])
    assert read == request.rows
    assert sorted((row.patient, row.path) for row in read) == sorted((folder,) * 2 for folder in (name, "Ben", "path"))


@pytest.mark.parametrize(
    "name", ["P1 ", " P1", "Ann/ct ", "Ann/a\nb", "a\nb", "a\rb", b"M\xfcller", "P1\u00a0", "\t7", "P1\u2028"]
)
def test_a_scan_whose_name_no_table_gives_back_is_refused_and_not_named(tmp_path, name):
    model = finished_run(tmp_path / "run")
    name = os.fsdecode(name)
    write(tmp_path / "scans" / name / "0001", DICOM)
    write(tmp_path / "scans/Ben/0001", DICOM)
    with pytest.raises(UserError) as caught:
        prediction_request({"scans": tmp_path / "scans", "model": model, "out": str(tmp_path / "out")})
    message = str(caught.value)
    assert message.startswith(f"1 of the 2 scans below {tmp_path / 'scans'} cannot be listed in a table: the name")
    assert name not in message and message.endswith("Rename it.")


def test_a_picture_without_a_folder_may_begin_with_a_hash(tmp_path):
    model = finished_run(tmp_path / "run")
    for name in ("#7.png", "8.png"):
        write(tmp_path / "scans" / name)
    request = prediction_request({"scans": tmp_path / "scans", "model": model, "out": str(tmp_path / "out")})
    read = read_rows(tmp_path / "out.private/scans.tsv", {}, patient_id_rules(request.config)["new"])
    assert read == request.rows and [row.path for row in read] == ["#7.png", "8.png"]


def test_a_table_that_someone_saved_in_another_encoding_is_written_anew(tmp_path):
    model = finished_run(tmp_path / "run")
    write(tmp_path / "scans/Ann/0001", DICOM)
    write(tmp_path / "out.private/scans.tsv", b"patient\tpath\nM\xfcller\ta\n")
    request = prediction_request({"scans": tmp_path / "scans", "model": model, "out": str(tmp_path / "out")})
    assert read_rows(tmp_path / "out.private/scans.tsv") == request.rows


def test_run_json_holds_no_path(tmp_path):
    model = finished_run(tmp_path)
    assert "secret" not in (model.parents[2] / "run.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("inside", "model", "results"),
    [
        ("models/segmented-resnet50-scratch/stage2", ".", "../../.."),
        ("models/segmented-resnet50-scratch/stage2", "./", "../../.."),
        ("models/segmented-resnet50-scratch", "stage2", "../.."),
        ("models/segmented-resnet50-scratch/stage2/predictions", "..", "../../../.."),
        ("models", "segmented-resnet50-scratch/stage2/", ".."),
        (".", "models/segmented-resnet50-scratch/stage2", "."),
        ("..", "run/models/segmented-resnet50-scratch/stage2", "run"),
    ],
)
def test_a_model_may_be_named_from_inside_its_run(tmp_path, monkeypatch, inside, model, results):
    write(finished_run(tmp_path / "run") / "predictions/hospital.tsv")
    write(tmp_path / "scans/Ann/0001", DICOM)
    monkeypatch.chdir(tmp_path / "run" / inside)
    found = prediction_request({"scans": tmp_path / "scans", "model": model, "out": str(tmp_path / "out")}).model
    assert (found.results, found.pipeline.name, found.stage) == (Path(results), "segmented-resnet50-scratch", 2)
    assert found.folder.resolve() == tmp_path / "run/models/segmented-resnet50-scratch/stage2"


def without_model(folder: Path) -> dict:
    (finished_run(folder / "run") / "model.keras").unlink()
    return {}


def elsewhere(folder: Path) -> dict:
    for name in ("model.keras", "provenance.json"):
        write(folder / "stage2" / name)
    return {"model": folder / "stage2"}


def without_settings(folder: Path) -> dict:
    (folder / "run/run.json").unlink()
    return {}


def with_settings(folder: Path, **changed: object) -> dict:
    """Write run.json with other values, without those that are None."""
    path = folder / "run/run.json"
    settings = json.loads(path.read_text(encoding="utf-8")) | changed
    write(path, json.dumps({key: value for key, value in settings.items() if value is not None}).encode())
    return {}


def cut_short(folder: Path) -> dict:
    path = folder / "run/run.json"
    path.write_bytes(path.read_bytes()[:100])
    return {}


def misnamed(folder: Path) -> dict:
    for name in ("model.keras", "provenance.json"):
        write(folder / "run/models/mine/stage2" / name)
    return {"model": folder / "run/models/mine/stage2"}


def replicate(folder: Path) -> dict:
    for name in ("model.keras", "provenance.json"):
        write(folder / "run/models/whole-resnet50-scratch-r2/stage2" / name)
    return {"model": folder / "run/models/whole-resnet50-scratch-r2/stage2"}


def two_formats(folder: Path) -> dict:
    write(folder / "scans/Ben/scan.nii")
    return {}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_model, "has no model.keras"),
        (elsewhere, "not in the results of a run"),
        (without_settings, "makes it in a second"),
        (cut_short, r"run\.json is damaged, or of an earlier lungsight \(.*makes it in a second"),
        (
            lambda folder: with_settings(folder, min_slices=5),
            r"earlier lungsight \(min_slices: 5 is not of type",
        ),
        (lambda folder: with_settings(folder, qc=None), r"earlier lungsight \('qc' is a required property\)"),
        (lambda folder: with_settings(folder, trained_on={"stage1": "open"}), "has no settings of stage2"),
        (misnamed, "is not a trained model: it is not in the results of a run"),
        (replicate, "is a replicate, .* Name the run's own model, whole-resnet50-scratch"),
        (lambda folder: {"model": folder / "run/models/segmented-resnet50-scratch/stage2/model.keras"}, "has no model"),
        (lambda folder: {"scans": folder / "scans/Ann/0001"}, "is a file; name the folder"),
        (lambda folder: {"out": folder / "scans/predictions"}, "lies among the scans"),
        (two_formats, "Choose one: --config format=dicom"),
        (lambda folder: {"format": "jpeg"}, "not one of dicom, nifti, png"),
        (lambda folder: {"format": "png"}, "no PNG or JPEG picture lies below"),
        (lambda folder: {"scans": folder / "nowhere"}, "does not exist"),
        (lambda folder: {"model": None}, "predict needs a model too"),
        (lambda folder: {"out": "results/a b"}, "holds a space"),
        (lambda folder: {"out": folder / "run"}, "is the run that the model comes from"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_with_the_reason(tmp_path, spoil, message):
    model = finished_run(tmp_path / "run")
    write(tmp_path / "scans/Ann/0001", DICOM)
    options = {"scans": tmp_path / "scans", "model": model} | spoil(tmp_path)
    with pytest.raises(UserError, match=message):
        prediction_request({key: value for key, value in options.items() if value is not None})
