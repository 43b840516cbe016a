"""Run the whole workflow on real chest CT: intake, segmentation, QC, splits, both stages, Grad-CAM, report.

One patient is Non Covid and four are Covid-19, so no number here says anything about medicine. The tests assert what is
known: HU, counts, where lung is, and that a split by patient is refused. nnU-Net is trained on phantoms.
"""

import csv
import re
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK

from lungsight.config_check import complete_config
from lungsight.demo.cohort import cohort_table, write_cohort
from lungsight.tables import read_table
from tests.e2e.test_tiny import CONFIG
from tests.factories.workspace import Workspace

WINDOW = (-1250.0, 250.0)
PUBLIC_PER_CLASS = 20


def write_rows(path: Path, rows: list[dict]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


def hospital_rows(real_ct: Path) -> list[dict]:
    """List A0002 as one series, and each sbu slice as a row of its own."""
    rows = [{"patient": "A0002", "path": "lung_dx_A0002", "label": "Non Covid"}]
    for path in sorted((real_ct / "sbu").rglob("*.dcm")):
        rows.append({"patient": path.parent.name, "path": str(path.relative_to(real_ct)), "label": "Covid-19"})
    return rows


def public_rows(real_ct: Path) -> list[dict]:
    rows = []
    for folder, label in (("COVID", "Covid-19"), ("NonCOVID", "Non Covid")):
        for path in sorted((real_ct / "soares_png" / folder).iterdir())[:PUBLIC_PER_CLASS]:
            rows.append({"patient": "", "path": str(path.relative_to(real_ct)), "label": label})
    return rows


def annotated_rows(root: Path, real_ct: Path) -> list[dict]:
    """Write contoured phantoms below `root`, put thorax_rt beside them, and return the rows of both."""
    shutil.copytree(real_ct / "thorax_rt", root / "thorax_rt")
    rtstruct = next((root / "thorax_rt" / "RTSTRUCT").iterdir()).relative_to(root)
    phantom = {"seed": 1, "patients": 6, "slices": 12, "matrix": 128}
    cohort = {"role": "segmentation", "format": "dicom", "root": str(root), "table": "nsclc.tsv", "phantom": phantom}
    cohort = complete_config({"results": "unused", "cohorts": {"nsclc": cohort}})["cohorts"]["nsclc"]
    write_cohort(root / "phantoms", "nsclc", cohort, window=WINDOW)
    rows = [{"patient": "RT", "path": "thorax_rt/CT", "mask": str(rtstruct)}]
    return rows + [
        {"patient": row["patient"], "path": f"phantoms/{row['path']}", "mask": f"phantoms/{row['mask']}"}
        for row in cohort_table("nsclc", cohort)
    ]


@pytest.fixture(scope="module")
def real(tmp_path_factory, real_ct) -> Workspace:
    """Return the finished run on real CT."""
    folder = tmp_path_factory.mktemp("real")
    write_rows(folder / "nsclc.tsv", annotated_rows(folder / "annotated", real_ct))
    write_rows(folder / "hospital.tsv", hospital_rows(real_ct))
    write_rows(folder / "curated.tsv", public_rows(real_ct))

    config = CONFIG | {
        "cohorts": {
            "nsclc": {"role": "segmentation", "format": "dicom", "root": "annotated", "table": "nsclc.tsv"},
            "curated": {
                **{"role": "public", "format": "png", "root": str(real_ct), "table": "curated.tsv"},
                "patients": "unknown",
            },
            "hospital": {
                **{"role": "target", "format": "dicom", "root": str(real_ct), "table": "hospital.tsv"},
                "min_slices": 1,
            },
        },
        "intake": {"png_size": 128},
        "segmentation": CONFIG["segmentation"],
        "splits": {"unit": "slice", "fractions": [0.6, 0.2, 0.2]},
        "pipelines": {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]},
    }
    workspace = Workspace(folder, config)
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "all")
    assert done.returncode == 0, done.stdout[-8000:]
    return workspace


def table_at(workspace: Workspace, path: str, schema: str):
    return read_table(workspace.run_folder / path, schema)


def test_every_row_is_accounted_for(real, real_ct):
    hospital = table_at(real, "cohorts/hospital/cases.tsv", "cases")
    averaged = hospital["status"] == "rejected"
    assert hospital.loc[averaged, "reason"].str.contains("reformatted image").all(), hospital[["row", "reason"]]
    assert averaged.sum() == 1  # the ImageType of one sbu slice says that it averages others
    assert list(hospital.loc[~averaged, "n_slices"]) == [30] + [1] * 7
    curated = table_at(real, "cohorts/curated/cases.tsv", "cases")
    assert len(curated) == 2 * PUBLIC_PER_CLASS
    assert (curated["status"] == "ok").all(), curated.loc[curated["status"] != "ok", ["row", "reason"]]


def test_a_lung_that_is_not_contoured_is_a_reason(real):
    cases = table_at(real, "cohorts/nsclc/cases.tsv", "cases")
    first = cases.iloc[0]
    assert (first["status"], first["n_slices"]) == ("rejected", 0)
    assert "right lung not contoured" in first["reason"]
    assert set(cases["status"].iloc[1:]) == {"ok"}


def test_hu_are_those_of_simpleitk(real, real_ct):
    cases = table_at(real, "cohorts/hospital/cases.tsv", "cases")
    case = cases.iloc[0]
    image = nibabel.load(real.run_folder / "cohorts/hospital/nifti" / case["shard"] / f"{case['case']}.nii.gz")
    ours = image.get_fdata() * (WINDOW[1] - WINDOW[0]) + WINDOW[0]

    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(real_ct / "lung_dx_A0002")))
    peer = reader.Execute()
    theirs = np.clip(SimpleITK.GetArrayFromImage(peer).transpose(2, 1, 0), *WINDOW)
    direction = np.array(peer.GetDirection()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = np.diag([-1, -1, 1]) @ direction @ np.diag(peer.GetSpacing())
    affine[:3, 3] = np.array([-1, -1, 1]) * peer.GetOrigin()
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(theirs.astype(np.float32), affine))

    np.testing.assert_allclose(image.affine, canonical.affine, atol=1e-3)
    np.testing.assert_array_equal(np.round(ours).astype(int), np.round(canonical.get_fdata()).astype(int))


def test_hu_of_single_files_are_those_of_pydicom(real, real_ct):
    cases = table_at(real, "cohorts/hospital/cases.tsv", "cases")
    for case, row in zip(cases.iloc[1:].itertuples(), hospital_rows(real_ct)[1:], strict=True):
        if case.status != "ok":
            continue
        image = nibabel.load(real.run_folder / "cohorts/hospital/nifti" / case.shard / f"{case.case}.nii.gz")
        ours = image.get_fdata()[::-1, ::-1, 0].T * (WINDOW[1] - WINDOW[0]) + WINDOW[0]
        data = pydicom.dcmread(real_ct / row["path"])
        theirs = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
        np.testing.assert_allclose(ours, np.clip(theirs, *WINDOW), atol=0.05)


def test_lung_is_found_where_lung_is(real, capsys):
    """Expect lung in the middle of the thorax, from a network that was trained on phantoms; print how much it found."""
    scores = table_at(real, "qc/hospital/scores.tsv", "scores")
    slices = table_at(real, "cohorts/hospital/slices.tsv", "slices")
    merged = slices.merge(scores, on="slice")
    thorax = merged[merged["case"] == merged["case"].iloc[0]].sort_values("z_index")
    middle = thorax.iloc[len(thorax) // 3 : 2 * len(thorax) // 3]
    with capsys.disabled():
        print(f"\nA0002, middle third: lung fraction {middle['lung_fraction'].round(2).tolist()}")
    assert (middle["lung_fraction"] > 0.05).mean() >= 0.5


def test_the_report_counts_what_was_run(real):
    page = (real.run_folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "whole-small_cnn-scratch" in page
    manifest = table_at(real, "qc/hospital/manifest.tsv", "manifest")
    split = table_at(real, "splits/hospital/whole.tsv", "split")
    assert len(split) == manifest["whole_keep"].sum()
    metrics = table_at(real, "report/metrics.tsv", "metrics")
    row = metrics[(metrics["cohort"] == "hospital") & (metrics["stage"] == 2) & (metrics["unit"] == "slice")].iloc[0]
    assert row["n"] == (split["split"] == "test").sum()
    leakage = table_at(real, "report/leakage.tsv", "leakage").set_index("cohort")
    assert leakage.loc["hospital", "patients_on_two_sides"] >= 1
    assert leakage.loc["curated", "patients_known"] == 0
    assert re.search("leakage cannot be excluded", page)


def test_a_split_by_patient_is_refused(real):
    """Only one patient is Non Covid, so three subsets cannot all have both classes."""
    workspace = Workspace(real.folder, real.config | {"splits": {"unit": "patient"}})
    try:
        done = workspace.snakemake("--cores", "2", "--show-failed-logs", "split")
    finally:
        real.write_config()
    assert done.returncode != 0
    assert "hospital" in done.stdout and "Non Covid" in done.stdout
    assert "Traceback" not in done.stdout
