"""Inputs that people report to other tools' authors: each is converted exactly, or refused for its true cause.

`../shared/cases` holds them: small scans with their truth, and a table that says what is expected of each:

right    exactly the truth
refuse   rejected, with a reason in which a clinician finds one of some words
either   one of these two
note     taken or rejected, but the reason says one of the words
"""

import csv
import os
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest

from lungsight.config import config_schema, with_defaults
from lungsight.estimate import count_slices
from lungsight.intake.cases import Folders, Intake, convert_shard
from lungsight.intake.cohort_table import TableRow
from tests.factories.workspace import ROOT

CASES = Path(os.environ.get("LUNGSIGHT_CASES", ROOT.parent / "shared" / "cases"))
# Cohort of the table → format. The damaged inputs of `stop` have two.
FORMATS = {"dicom": "dicom", "nifti": "nifti", "png": "png", "masks": "dicom"}
CONTROLS = {"dicom": "dicom/D01_control", "nifti": "nifti/N01_control.nii.gz"}
WINDOW = (-1250, 250)
# What identifies the made patients: no reason may print it.
PRIVATE = re.compile(r"PAT-|Roe|Richard|\^|/\w+/|\.dcm|\.nii\b|[12]\.\d+\.\d+\.\d+|\b(19|20)\d{6}\b")


def listed_cases():
    if not CASES.is_dir():
        return []
    with open(CASES / "cases.tsv", encoding="utf-8", newline="") as file:
        return [pytest.param(listed, id=listed["case"]) for listed in csv.DictReader(file, delimiter="\t")]


def convert(folder, rows, format, annotated=False):
    """Convert rows as a shard of one thread does, with the settings of the schema."""
    settings = with_defaults({}, config_schema()["properties"]["intake"]) | {"png_size": 96}
    names = ("nifti", "truth") if annotated else ("nifti", "png")
    folders = Folders(**{name: folder / name / "000" for name in names})
    cases, _ = convert_shard(rows, Intake("reported", format, CASES, 5, settings, b"key"), folders, threads=1)
    return cases


def row_of(number, path, mask=""):
    return TableRow(number, f"P{number}", path, "Covid-19", "", mask, "")


def is_right(folder, case, name):
    """Compare what was written for a case with its truth."""
    truth = np.load(CASES / "truth" / f"{name}.npz")
    written = nibabel.load(folder / "nifti" / "000" / f"{case['case']}.nii.gz")
    values = written.get_fdata()
    if "grey" in truth:
        return np.array_equal(np.rint(255 * values[::-1, ::-1, 0].T), truth["grey"])

    def canonical(array):
        return nibabel.as_closest_canonical(nibabel.Nifti1Image(array.transpose(2, 1, 0), truth["affine"]))

    expected = canonical(np.clip(truth["hu"], *WINDOW).astype(np.float64))
    same = values.shape == expected.shape and np.allclose(written.affine, expected.affine, atol=1e-3)
    same = same and np.abs(values * (WINDOW[1] - WINDOW[0]) + WINDOW[0] - expected.get_fdata()).max() < 0.1
    if same and "lung" in truth:
        mask = nibabel.load(folder / "truth" / "000" / f"{case['case']}.nii.gz")
        lung = canonical(truth["lung"].astype(np.uint8))
        same = np.array_equal(mask.get_fdata() > 0, lung.get_fdata() > 0)
    return bool(same)


def verdict(folder, case, listed):
    """Say what is wrong with the outcome of a case; "" if it is as expected."""
    words = [word for word in listed["words"].split("|") if word]
    named = any(word.lower() in case["reason"].lower() for word in words)
    refused = case["status"] == "rejected"
    right = not refused and has_truth(listed) and is_right(folder, case, listed["case"])
    as_expected = {
        "right": right,
        "refuse": refused and named,
        "either": right or (refused and named),
        "note": named,
    }[listed["expected"]]
    return "" if as_expected else f"{listed['expected']} of {words}, but {case['status']}: {case['reason']}"


def has_truth(listed):
    return (CASES / "truth" / f"{listed['case']}.npz").is_file()


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no reported inputs: {CASES} is absent (or name it in LUNGSIGHT_CASES)")
@pytest.mark.parametrize("listed", listed_cases())
def test_reported_input(listed, tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGSIGHT_PRIVATE", str(tmp_path / "private"))
    cohort = listed["cohort"]
    format = FORMATS.get(cohort) or ("nifti" if listed["path"].endswith(".gz") else "dicom")
    row = row_of(1, f"{cohort}/{listed['path']}", listed["mask"] and f"{cohort}/{listed['mask']}")
    assert count_slices(row, CASES, format) >= 1
    control = [row_of(2, CONTROLS[format])] if cohort == "stop" else []
    cases = convert(tmp_path, [row, *control], format, annotated=bool(listed["mask"]))
    assert not PRIVATE.search(cases[0]["reason"])
    assert verdict(tmp_path, cases[0], listed) == ""
    for case in cases[1:]:
        assert case["status"] == "ok" and is_right(tmp_path, case, Path(CONTROLS[format]).name.split(".")[0])
