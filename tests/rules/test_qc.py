"""Rules of the QC room on made cohorts."""

import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lungsight.intake.cohort_table import case_of
from lungsight.tables import read_table, write_table
from tests.factories.tables import SHARD, made_cohort
from tests.factories.workspace import Workspace

PROGRAM = Path(__file__).parents[2] / "workflow/scripts/qc_scores.py"
HEADER = "slice\twhole_keep\tsegmented_keep\treason\treviewer\ttime\n"


def workspace_of(tmp_path, **qc) -> Workspace:
    """A run whose cohorts `curated` and `hospital` are described and not yet made."""
    cohorts = {}
    for name, role in (("curated", "public"), ("hospital", "target")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scan.png").touch()
        (tmp_path / f"{name}.tsv").write_text("patient\tpath\tlabel\n1\tscan.png\tCovid-19\n")
        cohorts[name] = {"role": role, "format": "png", "root": name, "table": f"{name}.tsv"}
    return Workspace(tmp_path, {"cohorts": cohorts, "qc": qc})


def write_decisions(path, *rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + "".join("\t".join(map(str, row)) + "\n" for row in rows))


def spoil(run, case, index, plant):
    """Change one mask of a made hospital case in place."""
    path = run / "segmentation" / "masks" / "hospital" / SHARD / f"{case}.nii.gz"
    image = nibabel.load(path)
    masks = np.asarray(image.dataobj).copy()
    masks[:, :, index] = plant(masks[:, :, index])
    nibabel.save(nibabel.Nifti1Image(masks, image.affine), path)


def scores_in_two_processes(run):
    """Run the program of the rule once more, on two cases at once."""
    found = run / "again.tsv"
    subprocess.run(
        [
            *(sys.executable, PROGRAM, "--cohort", run / "cohorts/hospital"),
            *("--masks", run / "segmentation/masks/hospital"),
            *("--levels", '{"soft_level": 0.75, "air_level": 0.5}', "--threads", "2", "--scores", found),
        ],
        check=True,
    )
    return read_table(found, "scores")


def test_qc_scores(tmp_path):
    workspace = workspace_of(tmp_path)
    slices = made_cohort(workspace.run_folder, "hospital", patients=2, slices=3)
    first, second = slices["case"].unique()
    spoil(workspace.run_folder, first, 1, np.zeros_like)
    workspace.must_run("qc_scores", "qc/hospital/scores.tsv")
    scores = read_table(workspace.run_folder / "qc" / "hospital" / "scores.tsv", "scores")
    assert scores["slice"].tolist() == slices["slice"].tolist()
    masks = [
        np.asarray(
            nibabel.load(workspace.run_folder / "segmentation/masks/hospital" / SHARD / f"{case}.nii.gz").dataobj
        )
        for case in (first, second)
    ]
    areas = np.concatenate([mask.mean(axis=(0, 1)) for mask in masks])
    np.testing.assert_allclose(scores["lung_fraction"], areas)
    assert scores["components"].tolist() == [2, 0, 2, 2, 2, 2]
    assert scores["neighbour_dice"].tolist()[:3] == [0, 0, 0]
    assert (scores["neighbour_dice"][3:] > 0.9).all()
    assert scores["mean_intensity"].drop(1).between(0.2, 0.32).all()
    again = scores_in_two_processes(workspace.run_folder)
    pd.testing.assert_frame_equal(again, scores)


def test_a_cohort_of_which_nothing_could_be_read_has_empty_tables(tmp_path):
    workspace = workspace_of(tmp_path)
    folder = workspace.run_folder / "cohorts/hospital"
    made_cohort(workspace.run_folder, "hospital", patients=1)
    cases = read_table(folder / "cases.tsv", "cases").assign(status="rejected", reason="it is empty", n_slices=0)
    write_table(folder / "cases.tsv", cases, "cases")
    write_table(folder / "slices.tsv", [], "slices")
    target = f"{workspace.results}/qc/hospital/manifest.tsv"
    done = workspace.snakemake("--cores", "1", "--allowed-rules", "qc_scores", "qc_manifest", "--", target)
    assert done.returncode == 0, done.stdout
    assert read_table(workspace.run_folder / "qc/hospital/manifest.tsv", "manifest").empty


def test_a_case_without_a_mask_that_can_be_used_goes_through_quality_control(tmp_path):
    """Absent, on another grid, torn within the header, torn within the voxels; the last case is as it should be."""
    workspace = workspace_of(tmp_path, decisions="reviews")
    run = workspace.run_folder
    slices = made_cohort(run, "hospital", patients=5)
    names = slices["case"].unique()
    absent, moved, *torn, _ = (run / "segmentation/masks/hospital" / SHARD / f"{name}.nii.gz" for name in names)
    absent.unlink()
    nibabel.save(nibabel.Nifti1Image(np.zeros((32, 32, 3), np.uint8), np.eye(4)), moved)
    for path, kept in zip(torn, (40, 400), strict=True):
        path.write_bytes(path.read_bytes()[:kept])
    write_decisions(tmp_path / "reviews" / "mine.tsv", (slices["slice"][1], 1, 1, "", "AB", "2021-03-05T10:00:00Z"))
    made_cohort(run, "curated", patients=1)
    rules, wanted = ("qc_scores", "qc_page", "qc_manifest"), ("manifest.tsv", "index.html")
    targets = [f"{workspace.results}/qc/hospital/{name}" for name in wanted]
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", *rules, "--", *targets)
    assert done.returncode == 0, done.stdout
    manifest = read_table(run / "qc/hospital/manifest.tsv", "manifest")
    assert manifest["slice"].tolist() == slices["slice"].tolist()
    assert manifest["whole_keep"].tolist() == [1] * 15, "there is as much air as only a lung has"
    assert manifest["segmented_keep"].tolist() == [0] * 12 + [1] * 3
    assert manifest["reason"].tolist() == ["no lung mask"] * 12 + [""] * 3
    assert manifest["lung_fraction"].isna().tolist() == [True] * 12 + [False] * 3
    assert manifest["decided_by"][1] == "person"
    log = (run / "logs/qc_scores/hospital.log").read_text()
    for row, why in enumerate(("there is no file", "it has (32, 32, 3) voxels", "damaged", "damaged"), start=1):
        assert any(f"table row {row}: no lung mask: " in line and why in line for line in log.splitlines()), row
    assert len(list((run / "qc/hospital/images").glob("*.jpg"))) == 15
    shown = np.asarray(Image.open(run / f"qc/hospital/images/{slices['slice'][0]}.jpg"))
    assert shown[:, :64].max() > 200 and shown[:, 64:].max() < 12, "the slice, and nothing of a mask"


def test_an_image_that_is_damaged_is_named_by_its_row(tmp_path):
    workspace = workspace_of(tmp_path)
    slices = made_cohort(workspace.run_folder, "hospital", patients=1)
    path = workspace.run_folder / "cohorts/hospital/nifti" / SHARD / f"{slices['case'][0]}.nii.gz"
    path.write_bytes(path.read_bytes()[:400])
    done = workspace.run_rule("qc_scores", "qc/hospital/scores.tsv")
    assert done.returncode != 0
    assert "table row 1" in done.stdout and "is damaged" in done.stdout and "Traceback" not in done.stdout


def test_a_folder_named_like_a_table_of_decisions_stops_before_any_job(tmp_path):
    (tmp_path / "reviews" / "mine.tsv").mkdir(parents=True)
    done = workspace_of(tmp_path, decisions="reviews").snakemake("-n", "qc")
    assert done.returncode != 0
    assert "file mine.tsv is a folder" in done.stdout and "Traceback" not in done.stdout


def test_qc_manifest(tmp_path):
    workspace = workspace_of(tmp_path, decisions="reviews")
    run = workspace.run_folder
    (tmp_path / "reviews").mkdir()
    slices = {name: made_cohort(run, name, patients=2, slices=3) for name in ("curated", "hospital")}
    spoil(run, slices["hospital"]["case"][0], 0, np.zeros_like)
    paths = {name: f"qc/{name}/manifest.tsv" for name in slices}
    done = workspace.snakemake(
        "--cores",
        "2",
        "--allowed-rules",
        "qc_scores",
        "qc_manifest",
        "--",
        *[f"{workspace.results}/{path}" for path in paths.values()],
    )
    assert done.returncode == 0, done.stdout
    manifest = read_table(run / paths["hospital"], "manifest")
    assert manifest["whole_keep"].tolist() == [1] * 6
    assert manifest["segmented_keep"].tolist() == [0, 1, 1, 1, 1, 1]
    assert manifest["reason"][0].startswith("the mask misses the lung")
    assert set(manifest["decided_by"]) == {"auto"}

    # A person's decision reruns this cohort's manifest, and neither the scores nor the other cohort's manifest.
    untouched = [run / paths["curated"], run / "qc/hospital/scores.tsv", run / "qc/curated/scores.tsv"]
    before = [path.stat().st_mtime_ns for path in untouched]
    names = slices["hospital"]["slice"]
    write_decisions(
        tmp_path / "reviews" / "decisions.tsv",
        (names[0], 1, 1, "", "AB", "2021-03-05T10:00:00Z"),
        (names[2], 0, 0, "no lung visible", "AB", "2021-03-05T10:00:01Z"),
    )
    workspace.must_run("qc_manifest", *paths.values())
    assert [path.stat().st_mtime_ns for path in untouched] == before
    manifest = read_table(run / paths["hospital"], "manifest")
    assert manifest["segmented_keep"].tolist() == [1, 1, 0, 1, 1, 1]
    assert manifest["reason"].tolist() == ["", "", "no lung visible", "", "", ""]
    assert manifest["decided_by"].tolist() == ["person", "auto", "person", "auto", "auto", "auto"]

    write_decisions(tmp_path / "reviews" / "z.tsv", ("f" * 16 + "-0000", 1, 1, "", "AB", "2021-03-05T10:00:00Z"))
    done = workspace.run_rule("qc_manifest", paths["hospital"])
    assert done.returncode != 0
    assert "file z.tsv, row 1: no cohort has the slice" in done.stdout and "Traceback" not in done.stdout


def test_kept_slices(tmp_path):
    """What a view keeps is what the manifest says; only decisions that change it make it again."""
    workspace = workspace_of(tmp_path)
    run = workspace.run_folder
    slices = made_cohort(run, "hospital", patients=2, slices=3)
    spoil(run, slices["case"][0], 0, np.zeros_like)
    names = slices["slice"]
    paths = {view: f"qc/hospital/kept/{view}.tsv" for view in ("whole", "segmented")}
    targets = [f"{workspace.results}/{path}" for path in paths.values()]
    rules = ("--cores", "2", "--show-failed-logs", "--allowed-rules", "qc_scores", "kept_slices", "--", *targets)
    assert workspace.snakemake(*rules).returncode == 0

    def kept() -> dict[str, list[int]]:
        tables = {view: read_table(run / path, "kept") for view, path in paths.items()}
        assert all(table["slice"].tolist() == list(names) for table in tables.values())
        return {view: table["keep"].tolist() for view, table in tables.items()}

    assert kept() == {"whole": [1] * 6, "segmented": [0, 1, 1, 1, 1, 1]}

    def decide_and_run(*rows: tuple[object, ...]) -> set[str]:
        """Write a person's decisions, run, and return the views that were made again."""
        write_decisions(tmp_path / "reviews" / "decisions.tsv", *rows)
        before = {view: (run / path).stat().st_mtime_ns for view, path in paths.items()}
        done = workspace.snakemake(*rules)
        assert done.returncode == 0, done.stdout
        return {view for view, path in paths.items() if (run / path).stat().st_mtime_ns != before[view]}

    (tmp_path / "reviews").mkdir()
    workspace.config["qc"] = {"decisions": "reviews"}
    workspace.write_config()
    time = "2021-03-05T10:00:00Z"
    agrees = (names[1], 1, 1, "", "AB", time)
    assert decide_and_run(agrees) == set()
    mask = (names[0], 1, 1, "", "AB", time)
    assert decide_and_run(agrees, mask) == {"segmented"}
    assert kept() == {"whole": [1] * 6, "segmented": [1] * 6}
    assert decide_and_run(agrees, mask, (names[2], 0, 0, "no lung visible", "AB", time)) == {"whole", "segmented"}
    assert kept() == {"whole": [1, 1, 0, 1, 1, 1], "segmented": [1, 1, 0, 1, 1, 1]}
    assert decide_and_run(agrees, mask) == {"whole", "segmented"}
    assert kept() == {"whole": [1] * 6, "segmented": [1] * 6}

    unknown = ("f" * 16 + "-0000", 1, 1, "", "AB", time)
    write_decisions(tmp_path / "reviews" / "z.tsv", unknown)
    write_decisions(tmp_path / "reviews" / "decisions.tsv", (names[3], 0, 0, "x", "AB", time))
    made_cohort(run, "curated", patients=1)
    done = workspace.run_rule("kept_slices", paths["whole"])
    assert done.returncode != 0
    assert "file z.tsv, row 1: no cohort has the slice" in done.stdout and "Traceback" not in done.stdout


def test_decisions_concern_their_cohort_before_it_is_taken_in(tmp_path):
    workspace = workspace_of(tmp_path, decisions="reviews")
    workspace.config["segmentation"] = {"method": "classical"}
    workspace.write_config()
    workspace.private_folder.mkdir(parents=True, exist_ok=True)
    (workspace.private_folder / "key").write_text("ab" * 32)
    case = case_of(bytes.fromhex("ab" * 32), "hospital", "scan.png")
    write_decisions(tmp_path / "reviews" / "mine.tsv", (f"{case}-0000", 1, 1, "", "AB", "2021-03-05T10:00:00Z"))
    for cohort, concerned in (("hospital", True), ("curated", False)):
        planned = workspace.snakemake("--dry-run", "-p", "--", f"{workspace.results}/qc/{cohort}/manifest.tsv")
        assert planned.returncode == 0, planned.stdout
        assert ("reviews/mine.tsv" in planned.stdout) is concerned, cohort


def test_a_required_review_stops_before_the_manifest(tmp_path):
    workspace = workspace_of(tmp_path, review="required", decisions="reviews")
    slices = made_cohort(workspace.run_folder, "hospital", patients=2)
    rules = ("qc_scores", "qc_page", "qc_manifest")
    target = f"{workspace.results}/qc/hospital/manifest.tsv"
    arguments = ("--cores", "2", "--show-failed-logs", "--allowed-rules", *rules, "--", target)
    done = workspace.snakemake(*arguments)
    assert done.returncode != 0
    assert "nobody has reviewed cohort hospital yet" in done.stdout
    assert "qc/hospital/index.html" in done.stdout and "into reviews" in done.stdout
    assert (workspace.run_folder / "qc" / "hospital" / "index.html").is_file()
    decision = (slices["slice"][0], 1, 0, "lung shape lost", "AB", "2021-03-05T10:00:00Z")
    # The folder has decisions on this cohort only, but what a decision may name is known from both.
    made_cohort(workspace.run_folder, "curated", patients=1)
    write_decisions(tmp_path / "reviews" / "mine.tsv", decision)
    done = workspace.snakemake(*arguments)
    assert done.returncode == 0, done.stdout
    manifest = read_table(workspace.run_folder / "qc" / "hospital" / "manifest.tsv", "manifest")
    assert manifest["decided_by"].tolist() == ["person"] + ["auto"] * 5


@pytest.mark.parametrize(
    ("qc", "words"),
    [({"review": "required"}, "needs qc.decisions"), ({"decisions": "absent"}, "the folder absent does not exist")],
)
def test_settings_that_cannot_work_stop_before_any_job(tmp_path, qc, words):
    done = workspace_of(tmp_path, **qc).snakemake("-n", "qc")
    assert done.returncode != 0 and words in done.stdout


def test_qc_page(tmp_path):
    workspace = workspace_of(tmp_path)
    run = workspace.run_folder
    slices = made_cohort(run, "hospital", patients=2, slices=3, size=64)
    spoil(run, slices["case"][1], 1, np.zeros_like)
    done = workspace.snakemake(
        *(
            "--cores",
            "2",
            "--allowed-rules",
            "qc_scores",
            "qc_page",
            "--",
            f"{workspace.results}/qc/hospital/index.html",
        )
    )
    assert done.returncode == 0, done.stdout
    folder = run / "qc" / "hospital"
    assert sorted(path.stem for path in (folder / "images").glob("*.jpg")) == sorted(slices["slice"])
    first = np.asarray(Image.open(folder / "images" / f"{slices['slice'][0]}.jpg")).astype(int)
    assert first.shape == (64, 128, 3)
    png = np.asarray(Image.open(run / "cohorts" / "hospital" / slices["png"][0]))
    # Away from the outline the left pane is the slice and the right pane the lung; outside the mask it is black.
    for inside, pane in (((30, 34, 30, 34), 0), ((28, 36, 16, 21), 0), ((28, 36, 16, 21), 64)):
        top, bottom, left, right = inside
        shown = first[top:bottom, pane + left : pane + right]
        assert shown.mean() == pytest.approx(png[top:bottom, left:right].mean(), abs=6)
    assert first[2:6, 66:70].max() < 12
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in slices["slice"])
    assert "http" not in page  # nothing is fetched: the page opens from disk
    assert page.count('title="the patient\'s right side">R</b>') == 2  # a series: its sides are known


def test_qc(tmp_path):
    """A manifest and a page of every labelled cohort."""
    workspace = workspace_of(tmp_path)
    for name in ("curated", "hospital"):
        made_cohort(workspace.run_folder, name, patients=2, slices=2)
    workspace.must_reach("qc", "qc_scores", "qc_page", "qc_manifest")
    for name in ("curated", "hospital"):
        folder = workspace.run_folder / "qc" / name
        assert len(read_table(folder / "manifest.tsv", "manifest")) == 4
        assert (folder / "index.html").is_file() and len(list((folder / "images").glob("*.jpg"))) == 4
