"""Make phantom cohorts: tables, classes, the planted mark and the files."""

import csv
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from lungsight.config_check import complete_config
from lungsight.demo import cohort as cohorts
from lungsight.errors import UserError
from lungsight.intake.cohort_table import read_cohort_table
from lungsight.intake.geometry import image_to_slice
from tests.factories.workspace import ROOT

WINDOW = (-1250, 250)


def completed(**cohort) -> dict:
    """Complete a config with one cohort and return its entry."""
    entry = {"role": "target", "format": "dicom", "root": "phantoms", "table": "table.tsv"} | cohort
    return complete_config({"results": "results/test", "cohorts": {"made": entry}})["cohorts"]["made"]


def read(path: Path) -> list[dict]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.mark.parametrize("name", ["demo", "demo-quick"])
def test_the_demo_tables_are_what_the_demo_config_makes(name):
    config = complete_config(yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8")))
    for name, cohort in config["cohorts"].items():
        assert read(ROOT / cohort["table"]) == cohorts.cohort_table(name, cohort), "run tools/demo_tables.py"


def test_the_tool_writes_tables_that_intake_accepts(tmp_path):
    subprocess.run([sys.executable, ROOT / "tools" / "demo_tables.py", "--folder", tmp_path], check=True)
    config = complete_config(yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8")))
    for name, cohort in config["cohorts"].items():
        copy = cohort | {"table": str(tmp_path / cohort["table"])}
        rows = read_cohort_table(name, copy, config["labels"])
        assert len(rows) == len(cohorts.cohort_table(name, cohort))
        cohorts.check_table_fits(name, copy, config["labels"])


def test_classes_alternate_and_every_source_has_both():
    rows = pd.DataFrame(cohorts.cohort_table("made", completed(format="png", phantom={"seed": 1, "patients": 24})))
    by_patient = rows.drop_duplicates("patient")
    assert list(by_patient["label"])[:4] == ["Covid-19", "Non Covid", "Covid-19", "Non Covid"]
    counts = pd.crosstab(by_patient["source"], by_patient["label"])
    assert (counts == 4).all(axis=None) and set(counts.index) == {"alpha", "beta", "gamma"}
    assert rows["path"].is_unique and (rows.groupby("patient").size() == 14).all()


def test_diseases_follow_the_labels():
    cohort = completed(phantom={"seed": 1, "patients": 200})
    diseases = [cohorts.disease_of(number, cohort) for number in range(200)]
    assert set(diseases[::2]) == {"covid"}
    assert 35 < diseases[1::2].count("nodule") < 65 and set(diseases[1::2]) == {"nodule", "none"}
    annotated = completed(role="segmentation", phantom={"seed": 1, "patients": 2})
    assert {cohorts.disease_of(number, annotated) for number in range(2)} == {"tumour"}


@pytest.mark.parametrize("strength", [0.0, 0.6, 1.0])
def test_the_mark_correlates_with_the_label_as_stated(strength):
    cohort = completed(phantom={"seed": 1, "patients": 2000, "shortcut": {"enabled": True, "strength": strength}})
    marked = np.array([cohorts.is_marked(number, cohort) for number in range(2000)])
    assert marked[::2].mean() == pytest.approx((1 + strength) / 2, abs=0.05)
    assert marked[1::2].mean() == pytest.approx((1 - strength) / 2, abs=0.05)
    if strength == 1:
        assert marked[::2].all() and not marked[1::2].any()


def test_no_mark_unless_it_is_enabled():
    cohort = completed(phantom={"seed": 1, "patients": 50, "shortcut": {"strength": 1}})
    assert not any(cohorts.is_marked(number, cohort) for number in range(50))


def test_patients_of_two_seeds_are_different_people():
    first, second = (completed(phantom={"seed": seed, "patients": 40}) for seed in (1, 2))
    seeds = {cohorts.patient_seed(number, cohort) for number in range(40) for cohort in (first, second)}
    assert len(seeds) == 80


def test_a_png_cohort_has_mixed_sizes_and_its_truth(tmp_path):
    cohort = completed(format="png", phantom={"seed": 5, "patients": 6, "slices": 3, "matrix": 96})
    cohorts.write_cohort(tmp_path, "made", cohort, WINDOW)
    rows = cohorts.cohort_table("made", cohort)
    images = {row["path"]: Image.open(tmp_path / row["path"]) for row in rows}
    assert len({image.size for image in images.values()}) >= 4
    assert any(image.size[0] != image.size[1] for image in images.values())
    assert {image.mode for image in images.values()} == {"L", "RGB"}
    with_lesion = set()
    for row in rows:
        labels = np.asarray(nibabel.load(cohorts.truth_path(tmp_path, row["path"])).dataobj)[:, :, 0]
        lesion = np.asarray(Image.open(tmp_path / row["lesion"]))
        np.testing.assert_array_equal(image_to_slice(lesion), np.where(labels == 2, 255, 0))
        grey = image_to_slice(np.asarray(images[row["path"]].convert("L")))
        assert labels.shape == grey.shape
        assert 30 < np.median(grey[labels == 1]) < 110, "lung at −850 HU, between air and tissue"
        with_lesion |= {row["patient"]} if (labels == 2).any() else set()
    ill = {cohorts.patient_id(number) for number in range(6) if cohorts.disease_of(number, cohort) != "none"}
    assert with_lesion == ill and len(ill) < 6
    phantom = cohorts.phantom_of(0, cohort)
    grey = image_to_slice(np.asarray(images["alpha/P001_2.png"]))
    np.testing.assert_array_equal(grey, np.rint(np.clip((phantom.hu[:, :, 1] + 1250) / 1500, 0, 1) * 255))


def test_a_nifti_cohort_holds_hu(tmp_path):
    cohort = completed(format="nifti", phantom={"seed": 5, "patients": 1, "slices": 4, "matrix": 64, "scanner": "beta"})
    cohorts.write_cohort(tmp_path, "made", cohort, WINDOW)
    image = nibabel.load(tmp_path / "P001" / "ct.nii.gz")
    phantom = cohorts.phantom_of(0, cohort)
    np.testing.assert_array_equal(np.asarray(image.dataobj), np.rint(phantom.hu))
    np.testing.assert_allclose(image.affine, phantom.affine, atol=1e-4)
    labels = np.asarray(nibabel.load(cohorts.truth_path(tmp_path, "P001/ct.nii.gz")).dataobj)
    np.testing.assert_array_equal(labels == 2, phantom.lesion)
    lesions = nibabel.load(tmp_path / "lesions" / "P001" / "ct.nii.gz")
    np.testing.assert_array_equal(np.asarray(lesions.dataobj), phantom.lesion)
    np.testing.assert_array_equal(lesions.affine, image.affine)
    np.testing.assert_array_equal(labels > 0, phantom.lung)


def test_the_number_of_processes_does_not_change_the_files(tmp_path):
    cohort = completed(role="segmentation", phantom={"seed": 5, "patients": 2, "slices": 3, "matrix": 64})
    cohorts.write_cohort(tmp_path / "one", "made", cohort, WINDOW, threads=1)
    cohorts.write_cohort(tmp_path / "two", "made", cohort, WINDOW, threads=2)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 2 * (3 + 1 + 1)
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path


def test_contours_are_made_as_dicom_only():
    with pytest.raises(UserError, match="set format: dicom"):
        cohorts.cohort_table("made", completed(role="segmentation", format="png", phantom={"seed": 1, "patients": 1}))


def test_a_table_that_does_not_fit_is_refused(tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("patient\tpath\tlabel\nP001\tP001/ct\tNon Covid\nP009\tP009/ct\tCovid-19\n", encoding="utf-8")
    cohort = completed(table=str(table), phantom={"seed": 1, "patients": 4})
    labels = {"Covid-19": ["Covid-19"], "Non Covid": ["Non Covid"]}
    with pytest.raises(UserError) as raised:
        cohorts.check_table_fits("made", cohort, labels)
    assert "row 1: the phantom at 'P001/ct' has another label" in str(raised.value)
    assert "row 2: no phantom has the path 'P009/ct'" in str(raised.value)
    assert "tools/demo_tables.py" in str(raised.value)
    table.write_text(
        "patient\tpath\tlabel\tlesion\nP001\tP001/ct\tCovid-19\tlesions/P002/ct.nii.gz\n", encoding="utf-8"
    )
    with pytest.raises(UserError, match="row 1: the phantom at 'P001/ct' has another lesion mask"):
        cohorts.check_table_fits("made", cohort, labels)
    table.write_text("patient\tpath\tlabel\nP001\tP001/ct\tCovid-19\n", encoding="utf-8")
    cohorts.check_table_fits("made", cohort, labels)


def test_two_phantom_cohorts_with_one_root_are_refused():
    made = {"format": "png", "root": "phantoms", "table": "table.tsv", "phantom": {"seed": 1, "patients": 2}}
    config = {"results": "r", "cohorts": {"first": {"role": "public"} | made, "second": {"role": "target"} | made}}
    with pytest.raises(UserError, match="two phantom cohorts are made into phantoms"):
        complete_config(config)
