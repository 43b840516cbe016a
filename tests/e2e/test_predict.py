"""Test predict with a model of the tiny run: folders of DICOM, NIfTI and PNG, from the command line to the page."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from lungsight.files import read_json
from lungsight.predict.calibration import Calibration
from lungsight.tables import read_table
from tests.factories.workspace import Workspace

pytestmark = pytest.mark.long

NAMES = ("Ann Example", "Ben Example")


def two_dicom_series(tiny: Workspace, folder: Path) -> None:
    for name, patient in zip(NAMES, sorted((tiny.folder / "phantoms/hospital").glob("P*")), strict=False):
        shutil.copytree(patient, folder / name)


def two_volumes(tiny: Workspace, folder: Path) -> None:
    volumes = sorted((tiny.run_folder / "cohorts/hospital/nifti").rglob("*.nii.gz"))
    for name, volume in zip(NAMES, volumes, strict=False):
        (folder / name).mkdir(parents=True)
        shutil.copy(volume, folder / name / "scan.nii.gz")


def six_pictures(tiny: Workspace, folder: Path) -> None:
    pictures = sorted((tiny.folder / "phantoms/curated").rglob("*.png"))
    for name, of_patient in zip(NAMES, (pictures[:3], pictures[3:6]), strict=True):
        (folder / name).mkdir(parents=True)
        for picture in of_patient:
            shutil.copy(picture, folder / name / picture.name)


@pytest.mark.parametrize(
    ("kind", "fill", "scans"), [("dicom", two_dicom_series, 2), ("nifti", two_volumes, 2), ("png", six_pictures, 6)]
)
def test_a_folder_of_every_format_is_predicted(tiny, tmp_path, kind, fill, scans):
    fill(tiny, tmp_path / "scans")
    new = Workspace(tmp_path, {}, results="results/new")
    model = tiny.run_folder / "models/segmented-small_cnn-scratch/stage2"
    words = ("scans=scans", f"model={model}", "out=results/new")
    done = new.snakemake("--cores", "2", "--show-failed-logs", "predict", "--config", *words, configured=False)
    assert done.returncode == 0, done.stdout[-6000:]
    again = new.snakemake("-n", "predict", "--config", *words, configured=False)
    assert "Nothing to be done" in again.stdout, again.stdout[-3000:]

    found = read_table(new.run_folder / "predictions.tsv", "new_predictions")
    assert len(found) == scans and found["patient"].nunique() == len(NAMES)
    predicted = found[found["n_used"] > 0]
    assert len(predicted), found["outcome_note"].tolist()
    calibration = Calibration(**read_json(new.run_folder / "reference.json")["calibration"])
    np.testing.assert_allclose(predicted["probability"], calibration(predicted["probability_raw"]))
    np.testing.assert_allclose(predicted["threshold"], calibration.threshold)
    for case in predicted["case"]:
        assert list((new.run_folder / "overlays").glob(f"{case}-*.png"))
    page = (new.run_folder / "index.html").read_text(encoding="utf-8")
    assert "For research only." in page
    for path in new.run_folder.rglob("*"):
        if path.suffix in {".tsv", ".json", ".html", ".log"}:
            assert "Example" not in path.read_text(encoding="utf-8"), path
