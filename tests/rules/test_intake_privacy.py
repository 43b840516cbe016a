"""Nothing that identifies someone leaves the private folder: identifiers are planted everywhere and searched for."""

import base64
import binascii
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image, PngImagePlugin
from pydicom.datadict import DicomDictionary, dictionary_VM, dictionary_VR
from pydicom.tag import Tag

from lungsight.package.contents import published_files
from lungsight.package.jobs import job_table, jobs_of
from lungsight.privacy import KEY_BYTES
from tests.factories.dicom import made_hu, made_rtstruct, made_series, save_series
from tests.factories.package import package_settings
from tests.factories.workspace import Workspace
from tests.unit.intake.test_masks import REGIONS, hu_with_lungs

MARK = "Zqxmark"  # of every planted name
NUMBER = "77713377"  # of every planted UID
DATE, TIME = "19370513", "235947.771337"
TEXT = {"PN", "LO", "SH", "ST", "LT", "UT", "UC", "AE"}
VALUES = {
    **dict.fromkeys(TEXT, f"{MARK}^name"),
    "UR": f"https://example.org/{MARK}",
    **{"UI": f"1.2.826.0.1.{NUMBER}.5", "DA": DATE, "TM": TIME, "DT": f"{DATE}{TIME}"},
}
# What says that a file is a CT slice in HU, and which of them belong together.
KEPT = {
    *("SOPClassUID", "SpecificCharacterSet", "RescaleType"),
    *("FrameOfReferenceUID", "ReferencedFrameOfReferenceUID", "ROIName"),
}
TERMINAL = "terminal.txt"  # what the run printed
PLANTED = (MARK, MARK.upper(), MARK.lower(), NUMBER, DATE, "1937-05-13", TIME, "Doe^", "MRN-4711", "20200314")


def keywords() -> Iterator[str]:
    """Every element of the DICOM dictionary that holds one text, UID, date or time, old ones and file groups apart."""
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        if keyword and not retired and vr in VALUES and dictionary_VM(tag) in ("1", "1-n") and Tag(tag).group > 2:
            yield keyword


def planted(datasets: list[pydicom.Dataset]) -> list[pydicom.Dataset]:
    """Datasets with an identifier in every element of the dictionary that can hold one, and in a private one."""
    for number, dataset in enumerate(datasets):
        for keyword in keywords():
            if keyword not in KEPT and not keyword.startswith("MediaStorage"):
                setattr(dataset, keyword, VALUES[dictionary_VR(keyword)])
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.{NUMBER}.6.{number}"
        dataset.private_block(0x0029, f"{MARK} creator", create=True).add_new(0x01, "LO", f"{MARK} private")
        dataset.file_meta.SourceApplicationEntityTitle = f"{MARK}AE"
        dataset.preamble = f"{MARK} preamble".encode().ljust(128, b"\0")
    return datasets


def write_nifti(path: Path) -> None:
    hu = made_hu(n=6).transpose(2, 1, 0).astype(np.int16)
    image = nibabel.Nifti1Image(hu, np.diag([0.7, 0.8, 2, 1]))
    for name in ("descrip", "aux_file", "intent_name"):
        image.header[name] = f"{MARK} {name}".encode()
    # nibabel leaves db_name to those who write the header themselves
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", f"{MARK} extension".encode()))
    nibabel.save(image, path)


def write_pictures(folder: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40), dtype=np.uint8))
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", f"{MARK} author")
    texts.add_text("Comment", f"{MARK} comment" * 20, zip=True)
    texts.add_itxt("Description", f"{MARK} description", zip=True)
    exif = Image.Exif()
    exif[0x013B] = f"{MARK} artist"
    picture.save(folder / f"{MARK}_one.png", pnginfo=texts, exif=exif)
    picture.rotate(90).save(folder / f"{MARK}_two.jpg", exif=exif, comment=f"{MARK} comment")
    (folder / f"{MARK}_broken.png").write_bytes((folder / f"{MARK}_one.png").read_bytes()[:300])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Four cohorts of marked files, good and bad, taken in."""
    folder = tmp_path_factory.mktemp("privacy")
    data = folder / f"{MARK}_hospital"
    series = data / "dicom" / f"{MARK}_Jane_{DATE}"
    save_series(series / "good", planted(made_series()))
    (series / "good" / f"{MARK}.txt").write_text(MARK)
    save_series(series / "short", planted(made_series(made_hu(seed=2)))[:2])
    gap = planted(made_series(made_hu(seed=3)))
    del gap[4]
    save_series(series / "gap", gap)
    save_series(series / "no_spacing", [_without(dataset, "PixelSpacing") for dataset in planted(made_series())])
    (series / "text").mkdir()
    (series / "text" / f"{MARK}.dcm").write_text(MARK)
    save_series(data / "marked" / f"{MARK}_a" / "ct", planted(made_series(hu_with_lungs(4))))
    save_series(data / "marked" / f"{MARK}_a" / "rt", planted([made_rtstruct({f"{MARK} heart": [], **REGIONS})]))
    save_series(data / "marked" / f"{MARK}_b", planted(made_series(made_hu(seed=5))))
    for name in ("nifti", "png"):
        (data / name).mkdir()
    write_nifti(data / "nifti" / f"{MARK}_volume.nii.gz")
    (data / "nifti" / f"{MARK}_cut.nii.gz").write_bytes((data / "nifti" / f"{MARK}_volume.nii.gz").read_bytes()[:500])
    write_pictures(data / "png")
    cohorts = {}
    for name, role, form in (("dicom", "target", "dicom"), ("nifti", "external", "nifti"), ("png", "public", "png")):
        paths = sorted(series.iterdir()) if name == "dicom" else sorted((data / name).iterdir())
        lines = [f"{MARK} Jane {n}\t{path.relative_to(data / name)}\tCovid-19" for n, path in enumerate(paths)]
        (folder / f"{MARK}_{name}.tsv").write_text("\n".join(["patient\tpath\tlabel", *lines]) + "\n")
        cohorts[name] = {"role": role, "format": form, "root": str(data / name), "table": f"{MARK}_{name}.tsv"}
    lines = [f"{MARK} {n}\t{MARK}_{n}\t{MARK}_{n}" for n in "ab"]
    (folder / f"{MARK}_marked.tsv").write_text("\n".join(["patient\tpath\tmask", *lines]) + "\n")
    shape = {"role": "segmentation", "format": "dicom", "root": str(data / "marked")}
    cohorts["marked"] = shape | {"table": f"{MARK}_marked.tsv"}
    workspace = Workspace(folder, {"cohorts": cohorts, "intake": {"png_size": 32}})
    done = workspace.snakemake("--cores", "2", "-p", "intake")
    assert done.returncode == 0, done.stdout
    (folder / TERMINAL).write_text(done.stdout, encoding="utf-8")
    return workspace


def _without(dataset: pydicom.Dataset, keyword: str) -> pydicom.Dataset:
    delattr(dataset, keyword)
    return dataset


def contents(file: Path) -> Iterator[bytes]:
    """The bytes of a file, and what is compressed in it."""
    raw = file.read_bytes()
    yield raw
    if file.suffix == ".gz":
        yield gzip.decompress(raw)
    if file.suffix == ".png":
        for kind in (b"zTXt", b"iTXt"):
            for chunk in raw.split(kind)[1:]:
                for start in range(2, 40):
                    yield _inflated(chunk[start:])


def _inflated(raw: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(raw)
    except zlib.error:
        return b""


def test_the_marks_are_in_the_input(run):
    """Else the search below would find nothing because there is nothing."""
    header = pydicom.dcmread(next((run.folder / f"{MARK}_hospital").rglob("good/001.dcm")))
    marked = [element for element in header.iterall() if any(mark in str(element.value) for mark in PLANTED)]
    assert len(marked) > 500
    assert {"PatientName", "Manufacturer", "ConvolutionKernel", "InstitutionName"} <= {e.keyword for e in marked}


def test_cases_of_every_kind_were_taken_in_and_refused(run):
    folder = run.run_folder / "cohorts"
    for cohort, kept in (("dicom", 1), ("nifti", 1), ("png", 2), ("marked", 1)):
        cases = (folder / cohort / "cases.tsv").read_text()
        assert cases.count("\tok\t") == kept and "\trejected\t" in cases, cases


def test_no_mark_is_in_any_output(run):
    names = (*PLANTED, str(run.folder))
    found = []
    for file in run.run_folder.rglob("*"):
        place = str(file.relative_to(run.run_folder))
        parts = [place.encode(), *(contents(file) if file.is_file() else [])]
        found += [(place, mark) for mark in names for part in parts if mark.encode() in part]
    assert found == []


def test_no_mark_is_in_what_snakemake_keeps_or_prints(run):
    """What the config names stands there: roots and tables. What lies in them does not."""
    configured = [run.config["cohorts"][name]["table"] for name in run.config["cohorts"]] + [f"{MARK}_hospital"]
    files = [path for path in (run.folder / ".snakemake").rglob("*") if path.is_file()]
    assert {"log", "metadata"} <= {path.relative_to(run.folder / ".snakemake").parts[0] for path in files}
    found = []
    for file in [*files, run.folder / TERMINAL]:
        text = file.name + file.read_bytes().decode("utf-8", errors="replace")
        with suppress(binascii.Error):  # Snakemake names a file of metadata after its output, in base64
            text += base64.urlsafe_b64decode(file.name + "==").decode("utf-8", errors="replace")
        for name in configured:
            text = text.replace(name, "")
        found += [(file.name, mark) for mark in PLANTED if mark in text]
    assert found == []


def test_no_mark_is_in_what_a_package_would_hold(run, monkeypatch):
    """The run is not finished, so it makes none. What would be in it of this run is searched."""
    done = run.snakemake("-n", "package")
    assert done.returncode == 1 and "is not finished" in done.stdout
    settings = package_settings(run.results, run.config)
    published = published_files(run.run_folder, settings.run, images=True)
    assert {"cohorts/dicom/cases.tsv", "cohorts/png/slices.tsv", "report/intake.html"} <= set(published)
    monkeypatch.chdir(run.folder)
    jobs = job_table(jobs_of(run.results, Path(".snakemake/metadata")))
    assert {"convert", "gather_cohort"} <= set(jobs["rule"])
    parts = {name: (run.run_folder / name).read_bytes() for name in published}
    parts |= {"config": json.dumps(settings.config).encode(), "jobs": jobs.to_csv().encode()}
    found = [
        (name, mark) for name, part in parts.items() for mark in (*PLANTED, str(run.folder)) if mark.encode() in part
    ]
    assert found == []


def test_the_private_folder_has_the_key_and_the_names_and_is_its_owners_alone(run):
    private = run.private_folder
    assert private.stat().st_mode & 0o777 == 0o700
    assert len(bytes.fromhex((private / "key").read_text())) == KEY_BYTES
    for cohort in ("dicom", "nifti", "png", "marked"):
        assert MARK in (private / f"{cohort}.tsv").read_text()


def test_pictures_and_volumes_hold_no_text(run):
    for path in run.run_folder.rglob("*.png"):
        with Image.open(path) as image:
            assert not image.info and not image.getexif()
    volumes = list((run.run_folder / "cohorts").rglob("*.nii.gz"))
    assert len(volumes) == 6
    for path in volumes:
        header = nibabel.load(path).header
        assert not any(bytes(header[name].tobytes()).strip(b"\0") for name in ("descrip", "aux_file", "db_name"))
        assert not header.extensions
