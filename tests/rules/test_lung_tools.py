"""Lung masks by tools of others: from scans to masks, with stand-ins for the tools' programs."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from lungsight.segmentation.agreement import dice
from lungsight.tables import read_table
from tests.factories.lung_tools import install_stand_ins
from tests.factories.workspace import Workspace
from tests.rules.test_own_lungs import add_cohort
from tests.unit.segmentation.test_own_lungs import Cohort, lungs_of, saved

RULES = (
    "convert",
    "gather_cohort",
    "hounsfield_volumes",
    "try_lung_tool",
    "run_lung_tool",
    "take_lungs",
    "segment_shard",
)
MASKS = "segmentation/masks/{}/000"


@pytest.fixture(scope="module")
def segmented(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Cohort, Path]:
    """A run by a stand-in: a scan, a scan with a mask of its own, and pictures by the classical method."""
    folder = tmp_path_factory.mktemp("run")
    programs = install_stand_ins(tmp_path_factory.mktemp("tools") / "bin")
    scans = Cohort(tmp_path_factory.mktemp("scans"), "dicom")
    pictures = Cohort(tmp_path_factory.mktemp("pictures"), "png")
    own = {scans.paths[1]: saved(scans, "own.nii.gz", *lungs_of(scans, scans.paths[1]))}
    cohorts = {
        "clinic": add_cohort(scans, folder, "clinic", "target", own),
        "open": add_cohort(pictures, folder, "open", "public", {}),
    }
    segmentation = {"method": "totalsegmentator", "pictures": "classical", "threads": 1}
    segmentation["executable"] = str(programs / "TotalSegmentator")
    workspace = Workspace(folder, {"cohorts": cohorts, "segmentation": segmentation, "intake": {"png_size": 160}})
    targets = [f"{workspace.results}/{MASKS.format(name)}" for name in cohorts]
    targets.append(f"{workspace.results}/cohorts/clinic/cases.tsv")
    done = workspace.snakemake(
        *("--cores", "2", "--notemp", "--show-failed-logs", "--allowed-rules", *RULES, "--", *targets)
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return workspace, scans, programs


def test_run_lung_tool(segmented: tuple[Workspace, Cohort, Path]) -> None:
    workspace, scans, programs = segmented
    run = workspace.run_folder
    cases = read_table(run / "cohorts/clinic/cases.tsv", "cases")
    by_tool = run / "segmentation/tool/clinic/000"
    assert [path.name for path in by_tool.glob("*.nii.gz")] == [f"{cases['case'][0]}.nii.gz"]
    for case, path in zip(cases["case"], scans.paths, strict=True):
        mask = nibabel.load(run / MASKS.format("clinic") / f"{case}.nii.gz")
        truth, _ = lungs_of(scans, path)
        assert dice(truth, np.asarray(mask.dataobj) > 0) > 0.9
        np.testing.assert_allclose(mask.affine, nibabel.load(run / f"cohorts/clinic/nifti/000/{case}.nii.gz").affine)
    assert len(list((run / MASKS.format("open")).glob("*.nii.gz"))) > 0  # classical, though a tool was named
    assert not (run / "segmentation/tool/open").exists()
    # Once to try it, once for the one scan without a mask of its own.
    assert len((programs / "calls.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_hounsfield_volumes(segmented: tuple[Workspace, Cohort, Path]) -> None:
    """A second reader finds the same HU at the same places in mm."""
    workspace, scans, _ = segmented
    run = workspace.run_folder
    case = read_table(run / "cohorts/clinic/cases.tsv", "cases")["case"][0]
    [volume] = (run / "cohorts/clinic/hounsfield/000").glob("*.nii.gz")
    assert volume.name == f"{case}.nii.gz"
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(scans.root / scans.paths[0])))
    series, written = reader.Execute(), sitk.ReadImage(str(volume))
    laid = sitk.Resample(written, series, sitk.Transform(), sitk.sitkNearestNeighbor, -9999.0, sitk.sitkFloat32)
    wanted = np.clip(sitk.GetArrayFromImage(series).astype(float), -1024, 3071)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(laid), np.rint(wanted))


def test_try_lung_tool(segmented: tuple[Workspace, Cohort, Path]) -> None:
    record = json.loads((segmented[0].run_folder / "segmentation/tool.json").read_text(encoding="utf-8"))
    assert record == {"tool": "totalsegmentator", "fast": False, "version": "9.8.7"}


def test_dicom_seg(segmented: tuple[Workspace, Cohort, Path]) -> None:
    """The mask of the tool, in the private folder alone; the user's own mask is left out."""
    workspace, scans, _ = segmented
    with_seg = workspace.config["segmentation"] | {"dicom_seg": True}
    Workspace(workspace.folder, workspace.config | {"segmentation": with_seg})
    folder = f"{workspace.results}.private/dicom_seg/clinic/000"
    planned = workspace.snakemake("-n", "--quiet", "rules", "--", "segment")
    done = workspace.snakemake("--cores", "1", "--show-failed-logs", "--allowed-rules", "dicom_seg", "--", folder)
    workspace.write_config()
    assert done.returncode == 0, done.stdout[-6000:]
    assert "dicom_seg" in planned.stdout
    case = read_table(workspace.run_folder / "cohorts/clinic/cases.tsv", "cases")["case"][0]
    [file] = (workspace.folder / folder).glob("*.dcm")
    assert file.name == f"{case}.dcm" and workspace.private_folder.stat().st_mode & 0o77 == 0
    seg = pydicom.dcmread(file)
    source = pydicom.dcmread(next((scans.root / scans.paths[0]).iterdir()))
    assert seg.PatientID == source.PatientID and seg.StudyInstanceUID == source.StudyInstanceUID
    [named] = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
    assert (named.AlgorithmName, named.AlgorithmVersion) == ("totalsegmentator", "9.8.7")
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(workspace.run_folder / MASKS.format("clinic") / f"{case}.nii.gz")))
    assert int(seg.pixel_array.sum()) == int(mask.sum()) > 0
    log = (workspace.run_folder / "logs/dicom_seg/clinic/000.log").read_text(encoding="utf-8")
    assert source.PatientID not in log and not list(workspace.run_folder.rglob("*.dcm"))


def test_a_correction_of_masks_does_not_run_the_tool_again(segmented: tuple[Workspace, Cohort, Path]) -> None:
    workspace, _, _ = segmented
    changed = {"postprocessing": {"fill_holes": True}, "executable": "elsewhere/TotalSegmentator"}
    other = workspace.config | {"segmentation": workspace.config["segmentation"] | changed}
    Workspace(workspace.folder, other)
    planned = workspace.snakemake("-n", "--quiet", "rules", "--", f"{workspace.results}/{MASKS.format('clinic')}")
    workspace.write_config()
    assert planned.returncode == 0, planned.stdout
    assert "segment_shard" in planned.stdout and "tool" not in planned.stdout and "hounsfield" not in planned.stdout


def test_a_tool_that_is_missing_or_has_no_weights_stops_the_run(segmented: tuple[Workspace, Cohort, Path]) -> None:
    workspace, _, programs = segmented
    shutil.rmtree(workspace.run_folder / "segmentation")
    target = f"{workspace.results}/segmentation/tool.json"
    settings = workspace.config["segmentation"]
    absent = workspace.config | {"segmentation": {**settings, "executable": "absent/TotalSegmentator"}}
    Workspace(workspace.folder, absent)
    done = workspace.snakemake("--cores", "1", "--", target)
    workspace.write_config()
    assert done.returncode == 1 and "absent/TotalSegmentator is no program that can be run here." in done.stdout
    assert "Traceback" not in done.stdout and not (workspace.run_folder / "segmentation").exists()

    workspace.environment["STAND_IN"] = "no network"
    done = workspace.snakemake("--cores", "1", "--show-failed-logs", "--", target)
    del workspace.environment["STAND_IN"]
    assert done.returncode == 1 and "TotalSegmentator could not download its weights" in done.stdout
    assert (programs / "calls.jsonl").is_file()


def test_pictures_stop_the_run_at_its_start(segmented: tuple[Workspace, Cohort, Path]) -> None:
    workspace, _, _ = segmented
    settings = workspace.config["segmentation"] | {"pictures": "refuse"}
    Workspace(workspace.folder, workspace.config | {"segmentation": settings})
    done = workspace.snakemake("-n", "--", "segment")
    workspace.write_config()
    assert done.returncode == 1 and "pictures (format: png) have none: cohort open. Set" in done.stdout
