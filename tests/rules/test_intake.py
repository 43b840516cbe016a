"""Every rule of intake, run by itself through Snakemake."""

import shutil

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lungsight.intake.shards import shard_name, shard_of
from lungsight.privacy import pseudonym
from lungsight.tables import read_table
from tests.factories.dicom import made_hu, made_rtstruct, made_series, save_series
from tests.factories.forensics import made_forensics
from tests.factories.tables import made_cohort, made_duplicates
from tests.factories.workspace import ROOT, Workspace
from tests.unit.intake.test_layouts import made_curated
from tests.unit.intake.test_masks import REGIONS, hu_with_lungs, truth

KEY = bytes(range(32))
TABLE = "patient\tpath\tlabel\tsource\n"


def workspace_with(tmp_path, cohort, table, **config):
    (tmp_path / "scans").mkdir(exist_ok=True)
    (tmp_path / "table.tsv").write_text(table, encoding="utf-8")
    name = "nsclc" if cohort.get("role") == "segmentation" else "hospital"
    cohort = {"role": "target", "format": "dicom", "root": "scans", "table": "table.tsv"} | cohort
    return Workspace(tmp_path, {"cohorts": {name: cohort}, **config})


def with_key(workspace):
    workspace.private_folder.mkdir(parents=True, mode=0o700)
    (workspace.private_folder / "key").write_text(KEY.hex() + "\n")
    return workspace


def hospital(tmp_path, table=TABLE + "Jane\ta\tCovid-19\t\nJoe\tb\tNon Covid\tnorth\nJim\tbad\tNon Covid\t\n"):
    """Two good series and a bad one, in two shards."""
    save_series(tmp_path / "scans" / "a", made_series())
    save_series(tmp_path / "scans" / "b", made_series(made_hu(seed=1)))
    save_series(tmp_path / "scans" / "bad", made_series()[:2])
    return with_key(workspace_with(tmp_path, {"shards": 2}, table))


# Of the made regions: they hold a part of the made lung.
CONTOURED = "the lung mask holds 31% of the aerated tissue of a lung: look whether it is whole"


def case_of(path, cohort="hospital"):
    return pseudonym(KEY, "case", cohort, path)


def shard(path):
    return shard_name(shard_of(path, 2))


def test_a_key_survives_every_deletion_of_results(tmp_path):
    workspace = hospital(tmp_path)
    key = workspace.private_folder / "key"
    key.unlink()
    target = f"{workspace.results}/cohorts/hospital/cases.tsv"
    assert workspace.snakemake("--cores", "2", "--", target).returncode == 0
    before = key.read_text()
    assert [place.stat().st_mode & 0o777 for place in (key.parent, key)] == [0o700, 0o600]
    key.unlink()
    gone = workspace.snakemake("--cores", "2", "--", target)
    assert gone.returncode == 1 and "key is gone" in gone.stdout and not key.exists()
    key.write_text("")
    empty = workspace.snakemake("--cores", "2", "--", target)
    assert empty.returncode == 1 and "does not hold the key of the pseudonyms" in empty.stdout
    assert "Traceback" not in empty.stdout + gone.stdout
    key.write_text(before)
    assert workspace.snakemake("--cores", "2", "--delete-all-output", "--", target).returncode == 0
    assert not (tmp_path / target).exists() and key.read_text() == before


def test_convert(tmp_path):
    workspace = hospital(tmp_path)
    shards = sorted({shard(path) for path in ("a", "b", "bad")})
    workspace.must_run("convert", *[f"cohorts/hospital/shards/{name}/cases.tsv" for name in shards])
    folder = workspace.run_folder / "cohorts" / "hospital"
    cases = pd.concat(read_table(folder / "shards" / name / "cases.tsv", "converted_cases") for name in shards)
    cases = cases.set_index("case")
    assert cases.loc[case_of("a"), "status"] == cases.loc[case_of("b"), "status"] == "ok"
    assert cases.loc[case_of("bad"), "reason"] == "2 slices, min_slices is 5"
    values = nibabel.load(folder / "nifti" / shard("b") / f"{case_of('b')}.nii.gz").get_fdata()
    wanted = (np.clip(made_hu(seed=1), -1250, 250) + 1250) / 1500
    np.testing.assert_allclose(values, wanted.transpose(2, 1, 0)[::-1, ::-1], atol=1e-6)
    slices = read_table(folder / "shards" / shard("b") / "slices.tsv", "converted_slices").set_index("slice")
    png = Image.open(folder / slices.loc[f"{case_of('b')}-0003", "png"])
    np.testing.assert_array_equal(np.asarray(png), np.round(255 * values[::-1, ::-1, 3].T))
    log = (workspace.run_folder / "logs" / "convert" / "hospital" / f"{shard('bad')}.log").read_text()
    assert "row 3 rejected: 2 slices, min_slices is 5" in log and "Doe" not in log


def test_convert_takes_lesion_masks_and_runs_anew_where_one_changes(tmp_path):
    workspace = hospital(tmp_path)
    workspace.must_run("convert", f"cohorts/hospital/shards/{shard('a')}/cases.tsv")
    folder = workspace.run_folder / "cohorts" / "hospital"
    assert not list((folder / "lesions" / shard("a")).glob("*.nii.gz")), "none is given"
    image = nibabel.load(folder / "nifti" / shard("a") / f"{case_of('a')}.nii.gz")
    lesion = np.zeros(image.shape, np.uint8)
    lesion[8:12, 9:14, 2] = 1
    nibabel.save(nibabel.Nifti1Image(lesion, image.affine), tmp_path / "scans" / "lesion.nii.gz")
    nibabel.save(nibabel.Nifti1Image(lesion[1:], image.affine), tmp_path / "scans" / "other.nii.gz")
    table = TABLE.replace("source", "lesion") + "Jane\ta\tCovid-19\tlesion.nii.gz\nJoe\tb\tNon Covid\tother.nii.gz\n"
    (tmp_path / "table.tsv").write_text(table, encoding="utf-8")
    shards = sorted({shard("a"), shard("b")})
    workspace.must_run("convert", *[f"cohorts/hospital/shards/{name}/cases.tsv" for name in shards])
    written = nibabel.load(folder / "lesions" / shard("a") / f"{case_of('a')}.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), lesion)
    np.testing.assert_array_equal(written.affine, image.affine)
    cases = pd.concat(read_table(folder / "shards" / name / "cases.tsv", "converted_cases") for name in shards)
    kept = cases.set_index("case").loc[case_of("b")]
    assert (kept["status"], kept["n_slices"]) == ("ok", 8)
    assert kept["reason"].startswith("its lesion mask is left out: the mask does not lie on the image's grid")
    assert not (folder / "lesions" / shard("b") / f"{case_of('b')}.nii.gz").exists()
    log = (workspace.run_folder / "logs" / "convert" / "hospital" / f"{shard('b')}.log").read_text()
    assert "row 2 ok: its lesion mask is left out" in log and "other.nii" not in log


def test_convert_takes_pictures(tmp_path):
    workspace = with_key(
        workspace_with(
            tmp_path,
            {"format": "png"},
            "patient\tpath\tlabel\tlesion\nP\ta.png\tCovid-19\tm.png\nQ\tb.png\tNon Covid\t\n",
            intake={"png_size": 32},
        )
    )
    picture = np.random.default_rng(1).integers(0, 256, (20, 24), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "scans" / "a.png")
    Image.fromarray(np.where(picture > 128, 255, 0).astype(np.uint8)).save(tmp_path / "scans" / "m.png")
    (tmp_path / "scans" / "b.png").write_text("no picture")
    workspace.must_run("convert", "cohorts/hospital/shards/000/cases.tsv")
    folder = workspace.run_folder / "cohorts" / "hospital"
    cases = read_table(folder / "shards" / "000" / "cases.tsv", "converted_cases")
    assert list(cases["status"]) == ["ok", "rejected"]
    assert cases["reason"][1] == "the file is neither PNG nor JPEG, or is damaged"
    wanted = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BILINEAR))
    written = Image.open(folder / "png" / "000" / f"{case_of('a.png')}-0000.png")
    np.testing.assert_array_equal(np.asarray(written), wanted)
    (lesion,) = (folder / "lesions" / "000").glob("*.nii.gz")
    shown = np.asarray(Image.fromarray((picture > 128).astype(np.uint8)).resize((32, 32), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(np.asarray(nibabel.load(lesion).dataobj)[::-1, ::-1, 0].T, shown)


def test_convert_annotated(tmp_path):
    save_series(tmp_path / "scans" / "p1" / "ct", made_series(hu_with_lungs()))
    save_series(tmp_path / "scans" / "p1" / "rt", [made_rtstruct(REGIONS)])
    save_series(tmp_path / "scans" / "p2" / "ct", made_series(made_hu(seed=1)))
    save_series(tmp_path / "scans" / "p2" / "rt", [made_rtstruct({"Lung-Left": REGIONS["Lung-Left"]})])
    table = "patient\tpath\tmask\nP1\tp1/ct\tp1/rt\nP2\tp2/ct\tp2/rt/001.dcm\n"
    workspace = with_key(workspace_with(tmp_path, {"role": "segmentation"}, table))
    workspace.must_run("convert_annotated", "cohorts/nsclc/shards/000/cases.tsv")
    folder = workspace.run_folder / "cohorts" / "nsclc"
    cases = read_table(folder / "shards" / "000" / "cases.tsv", "converted_cases")
    assert list(cases["status"]) == ["ok", "rejected"]
    assert cases["reason"][1].startswith("right lung not contoured")
    mask = nibabel.load(folder / "truth" / "000" / f"{case_of('p1/ct', 'nsclc')}.nii.gz")
    np.testing.assert_array_equal(np.asarray(mask.dataobj), truth(True))
    assert not (folder / "png").exists()
    assert len(list((folder / "truth" / "000").glob("*.nii.gz"))) == 1


def test_people_table(tmp_path):
    save_series(tmp_path / "scans" / "a", made_series())
    series = made_series(made_hu(seed=1))
    for dataset in series:
        dataset.PatientAge, dataset.PatientSex = "081Y", "M"
    save_series(tmp_path / "scans" / "b", series)
    table = "patient\tpath\tlabel\tage\tsex\nJane\ta\tCovid-19\t57\tF\nJoe\tb\tNon Covid\t\tother\n"
    workspace = with_key(workspace_with(tmp_path, {}, table))
    target = f"{workspace.results}/cohorts/hospital/people.tsv"
    workspace.must_reach(target, "convert", "gather_cohort", "people_table")
    people = read_table(tmp_path / target, "people").set_index("case")
    # The table counts before the header.
    assert people.loc[case_of("a")].tolist() == ["40 to 59", "female"]
    assert people.loc[case_of("b")].tolist() == ["80 and over", "other"]


def test_gather_cohort(tmp_path):
    workspace = hospital(tmp_path)
    shards = sorted({shard(path) for path in ("a", "b", "bad")})
    workspace.must_run("convert", *[f"cohorts/hospital/shards/{name}/cases.tsv" for name in shards])
    workspace.must_run("gather_cohort", "cohorts/hospital/cases.tsv")
    folder = workspace.run_folder / "cohorts" / "hospital"
    cases = read_table(folder / "cases.tsv", "cases")
    assert list(cases["row"]) == [1, 2, 3]
    assert list(cases["case"]) == [case_of("a"), case_of("b"), case_of("bad")]
    assert list(cases["label"]) == ["Covid-19", "Non Covid", "Non Covid"]
    assert list(cases["source"]) == ["hospital", "north", "hospital"]
    assert list(cases["n_slices"]) == [8, 8, 0]
    assert list(cases["shard"]) == [shard("a"), shard("b"), ""]
    assert cases["patient"][0] == pseudonym(KEY, "patient", "hospital", "Jane")
    slices = read_table(folder / "slices.tsv", "slices")
    assert list(slices["slice"]) == [f"{case_of(path)}-{z:04d}" for path in "ab" for z in range(8)]
    assert all((folder / path).is_file() for path in slices["png"])
    private = workspace.private_folder / "hospital.tsv"
    assert private.stat().st_mode & 0o777 == 0o600
    assert pd.read_csv(private, sep="\t")["patient"].tolist() == ["Jane", "Joe", "Jim"]
    (tmp_path / "table.tsv").write_text(TABLE + "Jane\ta\tNon Covid\t\nJoe\tb\tNon Covid\t\nJim\tbad\tNon Covid\t\n")
    again = workspace.snakemake("--cores", "1", "--", "results/test/cohorts/hospital/cases.tsv")
    assert again.returncode == 0 and "rule gather_cohort" in again.stdout and "rule convert" not in again.stdout
    assert list(read_table(folder / "cases.tsv", "cases")["label"]) == ["Non Covid"] * 3


def test_gather_cohort_rejects_one_image_under_two_labels(tmp_path):
    save_series(tmp_path / "scans" / "a", made_series())
    shutil.copytree(tmp_path / "scans" / "a", tmp_path / "scans" / "copy")
    table = TABLE + "P\ta\tCovid-19\t\nQ\tcopy\tNon Covid\t\n"
    workspace = workspace_with(tmp_path, {}, table)
    done = workspace.snakemake("--cores", "2", "intake")
    assert done.returncode == 0, done.stdout
    folder = workspace.run_folder / "cohorts" / "hospital"
    assert list(read_table(folder / "cases.tsv", "cases")["reason"]) == [
        "the same image as row 2 under another label",
        "the same image as row 1 under another label",
    ]
    assert len(read_table(folder / "slices.tsv", "slices")) == 0


def test_find_duplicates(tmp_path):
    """One picture under three patients of two cohorts: as it is, and darker."""
    rng = np.random.default_rng(5)
    pictures = rng.integers(0, 256, (3, 32, 32), dtype=np.uint8)
    for folder in ("scans", "elsewhere"):
        (tmp_path / folder).mkdir()
    Image.fromarray(pictures[0]).save(tmp_path / "scans" / "a.png")
    Image.fromarray(pictures[0]).save(tmp_path / "scans" / "same.png")
    Image.fromarray(pictures[1]).save(tmp_path / "scans" / "other.png")
    Image.fromarray(pictures[0] // 5 * 4).save(tmp_path / "elsewhere" / "darker.jpg")
    Image.fromarray(pictures[2]).save(tmp_path / "elsewhere" / "third.png")
    table = TABLE + "P\ta.png\tCovid-19\t\nQ\tsame.png\tCovid-19\t\nR\tother.png\tNon Covid\t\n"
    workspace = with_key(workspace_with(tmp_path, {"format": "png"}, table, intake={"png_size": 32}))
    (tmp_path / "more.tsv").write_text(TABLE + "P\tdarker.jpg\tCovid-19\t\nS\tthird.png\tNon Covid\t\n")
    more = {"role": "public", "format": "png", "root": "elsewhere", "table": "more.tsv"}
    workspace.config["cohorts"]["public"] = more
    workspace.write_config()
    cohorts = ("hospital", "public")
    workspace.must_run("convert", *[f"cohorts/{cohort}/shards/000/cases.tsv" for cohort in cohorts])
    workspace.must_run("gather_cohort", *[f"cohorts/{cohort}/cases.tsv" for cohort in cohorts])
    workspace.must_run("find_duplicates", "cohorts/duplicates.tsv")
    found = read_table(workspace.run_folder / "cohorts" / "duplicates.tsv", "duplicates")
    names = [f"{case_of('a.png')}-0000", f"{case_of('same.png')}-0000", f"{case_of('darker.jpg', 'public')}-0000"]
    assert list(found["slice"]) == names and set(found["group"]) == {names[0]}
    assert list(found["kind"]) == ["exact", "exact", "near"] and found["distance"].max() <= 6
    assert list(found["cohort"]) == ["hospital", "hospital", "public"]
    assert found["patient"].nunique() == 3, "patients of two cohorts are two people, whatever they are called"
    log = (workspace.run_folder / "logs" / "find_duplicates.log").read_text()
    assert log == "3 of 5 slices have a duplicate in another patient or under another label\n"


def pictures_as_made(tmp_path):
    """A PNG, a JPEG of quality 60, and a PNG that was such a JPEG; in two shards."""
    (tmp_path / "scans").mkdir()
    rows, columns = np.indices((200, 160))
    smooth = 120 + 60 * np.sin(rows / 17) * np.cos(columns / 23)
    picture = Image.fromarray(np.random.default_rng(1).normal(smooth, 3).astype(np.uint8))
    picture.save(tmp_path / "scans" / "plain.png")
    picture.save(tmp_path / "scans" / "jpeg.jpg", quality=60)
    Image.open(tmp_path / "scans" / "jpeg.jpg").save(tmp_path / "scans" / "hidden.png")
    (tmp_path / "scans" / "broken.png").write_text("no picture")
    table = TABLE + "".join(
        f"{patient}\t{name}\t{label}\t\n"
        for patient, name, label in (
            *(("Jane", "plain.png", "Covid-19"), ("Joe", "jpeg.jpg", "Non Covid")),
            *(("Jim", "hidden.png", "Non Covid"), ("Jo", "broken.png", "Covid-19")),
        )
    )
    settings = {"format": "png", "shards": 2}
    return with_key(workspace_with(tmp_path, settings, table, intake={"png_size": 64}))


def test_measure_forensics(tmp_path):
    """Pictures are measured as they lie in their files, not as they were converted."""
    workspace = pictures_as_made(tmp_path)
    names = ("plain.png", "jpeg.jpg", "hidden.png", "broken.png")
    shards = sorted({shard(name) for name in names})
    workspace.must_run("convert", *[f"cohorts/hospital/shards/{name}/cases.tsv" for name in shards])
    workspace.must_run("measure_forensics", *[f"cohorts/hospital/shards/{name}/forensics.tsv" for name in shards])
    folder = workspace.run_folder / "cohorts" / "hospital" / "shards"
    table = pd.concat(read_table(folder / name / "forensics.tsv", "forensics") for name in shards).set_index("slice")
    plain, jpeg, hidden = (table.loc[f"{case_of(name)}-0000"] for name in names[:3])
    assert len(table) == 3
    assert (plain["format"], jpeg["format"], hidden["format"]) == ("png", "jpeg", "png")
    assert (jpeg["jpeg_quality"], hidden["jpeg_quality"]) == (60, pytest.approx(np.nan, nan_ok=True))
    assert plain["blockiness"] < 1.1 < 1.3 < jpeg["blockiness"] == hidden["blockiness"]
    assert (jpeg["block_row"], hidden["block_column"]) == (0, 0) and np.isnan(plain["block_row"])
    assert set(table["rows"]) == {200} and set(table["columns"]) == {160}
    logs = "".join(path.read_text() for path in (workspace.run_folder / "logs").rglob("measure_forensics/**/*.log"))
    assert "slices" in logs and "Jane" not in logs and "plain" not in logs


def test_gather_forensics(tmp_path):
    workspace = pictures_as_made(tmp_path)
    rules = ("convert", "gather_cohort", "measure_forensics", "gather_forensics")
    workspace.must_reach(f"{workspace.results}/cohorts/hospital/forensics.tsv", *rules)
    folder = workspace.run_folder / "cohorts" / "hospital"
    table = read_table(folder / "forensics.tsv", "forensics")
    assert list(table["slice"]) == list(read_table(folder / "slices.tsv", "slices")["slice"])
    assert list(table["format"]) == ["png", "jpeg", "png"]


def workspace_taken_in(tmp_path):
    """A hospital that is taken in, of which two slices are near duplicates under two labels."""
    workspace = with_key(workspace_with(tmp_path, {}, TABLE + "P\ta\tCovid-19\t\nQ\tb\tNon Covid\t\n"))
    for name in "ab":
        (tmp_path / "scans" / name).mkdir()
    slices = made_cohort(workspace.run_folder, "hospital")
    made_duplicates(workspace.run_folder, slices.assign(cohort="hospital").iloc[[0, 3]])
    made_forensics(workspace.run_folder, "hospital", slices, jpeg_quality=1.0)
    return workspace


def test_intake_tables(tmp_path):
    workspace = workspace_taken_in(tmp_path)
    workspace.must_run("intake_tables", "report/intake.tsv")
    counted = read_table(workspace.run_folder / "report" / "intake.tsv", "intake")
    assert counted.loc[counted["aspect"] == "status", "slices"].sum() == 24
    labels = read_table(workspace.run_folder / "report" / "intake_labels.tsv", "intake_labels").set_index("aspect")
    assert labels.loc["source", "balanced_accuracy"] == 0.5 and labels.loc["slices of a patient", "patients"] == 8


def test_intake_page(tmp_path):
    workspace = workspace_taken_in(tmp_path)
    rules = ("intake_tables", "forensics_table", "intake_page")
    workspace.must_reach(f"{workspace.results}/report/intake.html", *rules)
    page = (workspace.run_folder / "report" / "intake.html").read_text(encoding="utf-8")
    assert "hospital: 8 of 8 cases taken in." in page and "1 group of duplicates hold both labels" in page
    assert "hospital: what tells the label" in page


def test_intake(tmp_path):
    workspace = hospital(tmp_path)
    done = workspace.snakemake("--cores", "2", "intake")
    assert done.returncode == 0, done.stdout
    folder = workspace.run_folder / "cohorts" / "hospital"
    assert len(read_table(folder / "cases.tsv", "cases")) == 3
    traces = read_table(folder / "forensics.tsv", "forensics")
    assert list(traces["slice"]) == list(read_table(folder / "slices.tsv", "slices")["slice"])
    assert set(traces["format"]) == {"dicom"} and set(traces["transfer_syntax"]) == {"uncompressed"}
    measured = traces[traces["grey_levels"].notna()]["slice"].str[:16].value_counts()
    assert list(measured) == [4, 4], "evenly spaced slices of both series"
    again = workspace.snakemake("--cores", "2", "intake")
    assert "Nothing to be done" in again.stdout


def test_public_sets_are_taken_in_as_they_are_distributed(tmp_path):
    made_curated(tmp_path / "curated")
    rng = np.random.default_rng(3)
    for path in (tmp_path / "curated").rglob("*.png"):
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(path)
    for number in (1, 14):
        patient = tmp_path / "nsclc" / f"LUNG1-{number:03d}" / "study"
        save_series(patient / "ct", made_series(hu_with_lungs(number)))
        save_series(patient / "rt", [made_rtstruct(REGIONS)])
    cohorts = {
        "nsclc": {"role": "segmentation", "format": "dicom", "root": "nsclc", "layout": "nsclc-radiomics"},
        "curated": {"role": "public", "format": "png", "root": "curated", "layout": "curated-covid-ct"},
    }
    workspace = with_key(Workspace(tmp_path, {"cohorts": cohorts, "intake": {"png_size": 32}}))
    done = workspace.snakemake("--cores", "2", "intake")
    assert done.returncode == 0, done.stdout
    cases = read_table(workspace.run_folder / "cohorts" / "nsclc" / "cases.tsv", "cases")
    assert list(cases["status"]) == ["ok", "ok"]
    assert list(cases["reason"]) == [
        f"left out 1 × no CT image; {CONTOURED}",
        f"known for a mismatch of image and contours; left out 1 × no CT image; {CONTOURED}",
    ]
    cases = read_table(workspace.run_folder / "cohorts" / "curated" / "cases.tsv", "cases")
    assert list(cases["status"]) == ["ok"] * 5 + ["skipped"]
    assert list(cases["label"]) == ["Non Covid"] * 2 + ["Covid-19"] * 3 + [""]
    assert set(cases["source"]) == {"6_Rahimzadeh", "14_Jun", "1_Zhao", "2_Yan"}
    assert cases["patient"].nunique() == 5
    assert "community-acquired pneumonia" in cases["reason"][5]
    assert "Nothing to be done" in workspace.snakemake("--cores", "2", "intake").stdout


def draft(tmp_path, *arguments):
    (tmp_path / "config").mkdir(exist_ok=True)
    shutil.copy(ROOT / "config" / "config.yaml", tmp_path / "config")
    return Workspace(tmp_path, {}).snakemake(
        "--cores", "1", "draft_table", "--config", "root=scans", *arguments, configured=False
    )


def test_draft_table(tmp_path):
    save_series(tmp_path / "scans" / "P1" / "ct", made_series())
    save_series(tmp_path / "scans" / "P1" / "rt", [made_rtstruct(REGIONS)])
    done = draft(tmp_path)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "cohort.tsv").read_text() == "patient\tpath\tlabel\tmask\nP1\tP1/ct\t\tP1/rt/001.dcm\n"
    assert "1 DICOM series folders" in done.stdout and "fill in the column label" in done.stdout
    (tmp_path / "cohort.tsv").write_text("mine")
    again = draft(tmp_path)
    assert again.returncode != 0 and "cohort.tsv exists already" in again.stdout
    assert (tmp_path / "cohort.tsv").read_text() == "mine"
    assert draft(tmp_path, "table=other.tsv").returncode == 0 and (tmp_path / "other.tsv").is_file()


@pytest.mark.parametrize(
    ("cohort", "config", "messages"),
    [
        ({}, {}, ["row 1: label 'Covid' is not in labels; did you mean 'Covid-19'?", "row 2: path does not"]),
        ({"root": "elsewhere"}, {}, ["cohorts.hospital.root: the folder elsewhere does not exist."]),
        ({"formatt": "png"}, {"seed": "x"}, ["unknown key formatt; did you mean format?", "seed: 'x' is not a whole"]),
    ],
)
def test_the_users_mistakes_are_messages_before_any_job(tmp_path, cohort, config, messages):
    (tmp_path / "scans" / "a").mkdir(parents=True)
    table = TABLE + "P\ta\tCovid\t\nQ\tnone\tNon Covid\t\n"
    done = workspace_with(tmp_path, cohort, table, **config).snakemake("--cores", "1", "intake")
    assert done.returncode != 0
    assert all(message in done.stdout for message in messages), done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "results").exists()
