"""Lung masks that the tables name, in three formats, beside rows without one: the rules from scans to masks."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from PIL import Image

from lungsight.intake.geometry import image_to_slice, slice_to_image
from lungsight.segmentation.agreement import dice
from lungsight.tables import read_table
from tests.factories.workspace import Workspace
from tests.unit.segmentation.test_own_lungs import Cohort, lungs_of, saved, saved_segmentation

RULES = ("convert", "gather_cohort", "take_lungs", "segment_shard", "lungs_table")
CLASSES = ["Covid-19", "Non Covid"]


def add_cohort(cohort: Cohort, folder: Path, name: str, role: str, lungs: dict[str, str]) -> dict[str, str]:
    """Write the table of a made cohort, and return its entry of the config. lungs: path of a scan → its mask."""
    rows = [
        {"patient": Path(path).parts[0] if cohort.intake.format == "dicom" else path, "path": path}
        | {"label": CLASSES[number % 2], "lungs": lungs.get(path, "")}
        for number, path in enumerate(cohort.paths)
    ]
    pd.DataFrame(rows).to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    settings = {"role": role, "format": cohort.intake.format, "root": str(cohort.root), "table": f"{name}.tsv"}
    return settings


def image_of(mask: np.ndarray) -> np.ndarray:
    """Show a mask of one slice as a picture, uint8."""
    return 255 * np.ascontiguousarray(slice_to_image(mask[:, :, 0])).astype(np.uint8)


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Cohort, Cohort]:
    """A run of scans with a NIfTI and a SEG, and of pictures with a PNG, a mask of another place, and without."""
    folder = tmp_path_factory.mktemp("run")
    scans = Cohort(tmp_path_factory.mktemp("scans"), "dicom")
    pictures = Cohort(tmp_path_factory.mktemp("pictures"), "png")
    first, second = scans.paths
    of_scans = {
        first: saved(scans, "first.nii.gz", *lungs_of(scans, first)),
        second: saved_segmentation(scans, second, "second.dcm"),
    }
    shown, other = [path for path in pictures.paths if path.endswith("_5.png")][:2]
    mask, _ = lungs_of(pictures, shown)
    Image.fromarray(image_of(mask)).save(pictures.root / "own.png")
    width = np.asarray(Image.open(pictures.root / other)).shape[:2]
    Image.fromarray(np.pad(np.full((9, 9), 255, np.uint8), ((0, width[0] - 9), (0, width[1] - 9)))).save(
        pictures.root / "corner.png"
    )
    cohorts = {
        "clinic": add_cohort(scans, folder, "clinic", "target", of_scans),
        "open": add_cohort(pictures, folder, "open", "public", {shown: "own.png", other: "corner.png"}),
    }
    settings = {"segmentation": {"method": "classical", "threads": 1}, "intake": {"png_size": 160}}
    workspace = Workspace(folder, {"cohorts": cohorts} | settings)
    masks = [f"{workspace.results}/segmentation/masks/{name}/000" for name in cohorts]
    done = workspace.snakemake(
        *("--cores", "2", "--show-failed-logs", "--allowed-rules", *RULES, "--", *masks),
        f"{workspace.results}/report/lungs.tsv",
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return workspace, scans, pictures


def test_take_lungs(taken: tuple[Workspace, Cohort, Cohort]) -> None:
    workspace, scans, pictures = taken
    run = workspace.run_folder
    table = read_table(run / "cohorts/clinic/lungs/000/lungs.tsv", "taken_lungs")
    assert list(table["reason"]) == ["", ""]
    for name, cohort in (("clinic", scans), ("open", pictures)):
        rows = read_table(run / f"cohorts/{name}/cases.tsv", "cases").set_index("row")
        own = read_table(run / f"cohorts/{name}/lungs/000/lungs.tsv", "taken_lungs").set_index("case")
        for number, path in enumerate(cohort.paths, start=1):
            case = rows.loc[number, "case"]
            file = run / f"segmentation/masks/{name}/000/{case}.nii.gz"
            assert file.exists() == (case not in own.index or own.loc[case, "status"] == "taken")
            if case in own.index and own.loc[case, "status"] == "taken":
                mask = nibabel.load(file)
                volume = nibabel.load(run / f"cohorts/{name}/nifti/000/{case}.nii.gz")
                np.testing.assert_allclose(mask.affine, volume.affine)
                truth, _ = lungs_of(cohort, path)
                if name == "open":  # as its picture was resized
                    picture = Image.fromarray(image_of(truth)).resize((160, 160), Image.Resampling.NEAREST)
                    truth = image_to_slice(np.asarray(picture))[:, :, np.newaxis] > 0
                assert dice(truth, np.asarray(mask.dataobj) > 0) == 1
                # A second reader: the mask lies, in mm, where the volume lies.
                read = [sitk.ReadImage(str(place)) for place in (file, run / f"cohorts/{name}/nifti/000/{case}.nii.gz")]
                for part in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
                    np.testing.assert_allclose(*(getattr(image, part)() for image in read), atol=1e-4)
    log = (run / "logs/take_lungs/open/000.log").read_text(encoding="utf-8")
    assert "its lung mask is refused: the mask lies beside the lungs" in log
    assert "corner" not in log


def test_lungs_table(taken: tuple[Workspace, Cohort, Cohort]) -> None:
    workspace, _, _ = taken
    table = read_table(workspace.run_folder / "report/lungs.tsv", "lungs")
    assert list(zip(table["cohort"], table["status"], strict=True)) == [
        *[("clinic", "taken")] * 2,
        *[("open", "taken"), ("open", "refused")],
    ]
    assert (table.loc[table["status"] == "taken", "classical_dice"] > 0.9).all()


@pytest.mark.long
def test_a_row_that_nobody_segments_stops_the_run_at_its_start(taken: tuple[Workspace, Cohort, Cohort]) -> None:
    workspace, _, _ = taken
    own = Workspace(workspace.folder, workspace.config | {"segmentation": {"method": "own"}}, results="results/own")
    done = own.snakemake("-n", "--", "segment")
    assert done.returncode == 1 and "segmentation.method: own segments nothing" in done.stdout
    assert "cohort open (row " in done.stdout and "clinic" not in done.stdout and "Traceback" not in done.stdout
