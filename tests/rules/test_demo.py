"""The rules that make input."""

import csv

import nibabel
import numpy as np
import pydicom
import pytest

from lungsight.config_check import complete_config
from lungsight.demo.cohort import cohort_table, phantom_of, truth_path
from lungsight.demo.dicom_writer import stored_hu
from lungsight.intake.geometry import image_to_slice
from tests.factories.workspace import Workspace

COHORT = {"role": "target", "format": "dicom", "root": "made/hospital", "table": "hospital.tsv"}


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    phantom = {"seed": 4, "patients": 2, "slices": 4, "matrix": 64, "scanner": "beta"}
    return Workspace(tmp_path, {"cohorts": {"hospital": COHORT | {"phantom": phantom}}})


def completed_cohort(workspace: Workspace) -> dict:
    return complete_config({"results": workspace.results} | workspace.config)["cohorts"]["hospital"]


def write_table(workspace: Workspace, rows: list[dict]) -> None:
    with open(workspace.folder / "hospital.tsv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


def make(workspace: Workspace):
    return workspace.snakemake(
        *("--cores", "2", "--show-failed-logs", "--allowed-rules", "phantom_cohort", "--", "made/hospital")
    )


def test_phantom_cohort(workspace):
    cohort = completed_cohort(workspace)
    write_table(workspace, cohort_table("hospital", cohort))
    done = make(workspace)
    assert done.returncode == 0, done.stdout
    root = workspace.folder / "made" / "hospital"
    for number, patient in enumerate(("P001", "P002")):
        phantom = phantom_of(number, cohort)
        slices = sorted(
            map(pydicom.dcmread, (root / patient / "ct").iterdir()), key=lambda s: s.ImagePositionPatient[2]
        )
        hu = np.stack([image_to_slice(s.pixel_array * s.RescaleSlope + s.RescaleIntercept) for s in slices], axis=-1)
        np.testing.assert_array_equal(hu, stored_hu(phantom))
        labels = np.asarray(nibabel.load(truth_path(root, f"{patient}/ct")).dataobj)
        np.testing.assert_array_equal(labels > 0, phantom.lung)
        lesions = np.asarray(nibabel.load(root / "lesions" / patient / "ct.nii.gz").dataobj)
        np.testing.assert_array_equal(lesions, phantom.lesion)
        np.testing.assert_array_equal(lesions, labels == 2)
    assert phantom_of(0, cohort).lesion.any(), "the first patient is positive"
    again = make(workspace)
    assert again.returncode == 0 and "Nothing to be done" in again.stdout


def test_phantom_cohort_refuses_a_table_of_other_patients(workspace):
    rows = cohort_table("hospital", completed_cohort(workspace))
    write_table(workspace, [*rows, rows[0] | {"patient": "P003", "path": "P003/ct"}])
    done = make(workspace)
    assert done.returncode != 0
    assert "hospital.tsv does not fit cohorts.hospital.phantom" in done.stdout
    assert "row 3: no phantom has the path 'P003/ct'" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (workspace.folder / "made" / "hospital").exists()
