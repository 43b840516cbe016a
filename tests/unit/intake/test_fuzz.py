"""Any table gives rows or a UserError, any file gives a volume or a reason, and nothing else ever happens."""

import tempfile
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import config as pydicom_config
from pydicom.uid import JPEGLSLossless

from lungsight.config import config_schema, with_defaults
from lungsight.errors import BadCase, UserError
from lungsight.estimate import count_slices
from lungsight.intake.cases import Folders, Intake, convert_shard
from lungsight.intake.cohort_table import TableRow, read_cohort_table
from lungsight.intake.dicom import read_dicom
from lungsight.intake.volume import Window
from tests.factories.dicom import made_hu, made_rtstruct, made_series, save_series
from tests.unit.intake.test_masks import REGIONS

LABELS = {"Covid-19": ["covid"], "Non Covid": ["normal"]}
QUIET = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}
DAILY, LONG = settings(max_examples=60, **QUIET), settings(max_examples=2000, **QUIET)

HOSTILE = st.sampled_from(
    [
        *("../../x", "/etc/passwd", "=cmd()|' /C calc'!A0", "<script>alert(1)</script>", "x" * 300, "\x00", "a\tb"),
        *("患者", "\ufeff", "\u202e", " trailing ", '"', "'", "a\nb", "-1", "NaN", "", ".", "..", "C:\\Windows"),
    ]
)
FIELD = st.one_of(HOSTILE, st.text(max_size=20), st.sampled_from(["covid", "normal", "a", "b", "train"]))
HEADER = st.lists(
    st.one_of(st.sampled_from(["patient", "path", "label", "mask", "source", "split", "skip"]), FIELD), max_size=8
)
ENCODING = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])


@st.composite
def tables(draw):
    """Bytes of a file that may be a table."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    usual = draw(st.booleans())
    header = ["patient", "path", "label"] if usual else draw(HEADER)
    width = st.just(len(header)) if usual else st.integers(0, 8)
    rows = draw(st.lists(width.flatmap(lambda n: st.lists(FIELD, min_size=n, max_size=n)), max_size=6))
    separator, end = draw(st.sampled_from("\t,;")), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join(separator.join(fields) for fields in [header, *rows])
    return text.encode(draw(ENCODING), errors="replace")


def table_ends_well(raw):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for scan in "ab":
            (folder / "root" / scan).mkdir(parents=True)
        (folder / "table.tsv").write_bytes(raw)
        shape = {"role": "target", "format": "dicom", "patients": "known"}
        cohort = shape | {"table": str(folder / "table.tsv"), "root": str(folder / "root")}
        try:
            rows = read_cohort_table("hospital", cohort, LABELS)
        except UserError as error:
            assert str(error).strip()
            return
        assert rows and [row.row for row in rows] == list(range(1, len(rows) + 1))
        for row in rows:
            assert row.skip or (row.label in LABELS and row.patient)
            assert (folder / "root" / row.path).resolve().is_relative_to(folder.resolve() / "root") or row.skip


@DAILY
@given(tables())
def test_any_table(raw):
    table_ends_well(raw)


@pytest.mark.long
@LONG
@given(tables())
def test_any_table_at_length(raw):
    table_ends_well(raw)


NUMBER = st.one_of(
    st.sampled_from(["", "0", "-1", "1e308", "1e-308", "nan", "inf", "1\\2", "a", "0.7\\0.7", "1\\0\\0\\0\\1\\0"]),
    st.floats(-1e6, 1e6, width=32).map(lambda value: f"{value:.6g}"),
)
WORD = st.one_of(HOSTILE, st.text(st.characters(codec="latin-1"), max_size=16))
WHOLE = st.one_of(st.sampled_from([0, 1, 2, 8, 12, 16, 32, 60000, 65535]), st.integers(0, 65535))
NUMBERS = [
    *("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "RescaleSlope"),
    *("RescaleIntercept", "KVP", "InstanceNumber", "AcquisitionNumber", "NumberOfFrames"),
]
WORDS = [
    *("ImageType", "Modality", "SeriesInstanceUID", "ConvolutionKernel", "Manufacturer", "ContrastBolusAgent"),
    *("PhotometricInterpretation", "BurnedInAnnotation", "SOPClassUID", "RescaleType", "LossyImageCompression"),
]
WHOLES = ["Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"]
ELEMENTS = {**dict.fromkeys(NUMBERS, NUMBER), **dict.fromkeys(WORDS, WORD), **dict.fromkeys(WHOLES, WHOLE)}
CHANGES = st.lists(
    st.sampled_from(list(ELEMENTS)).flatmap(
        lambda keyword: st.tuples(st.integers(0, 3), st.just(keyword), ELEMENTS[keyword])
    ),
    min_size=1,
    max_size=4,
)


def header_ends_well(changes):
    """Convert a series of four slices in which some header elements have other values."""
    datasets = made_series()[:4]
    for number, keyword, value in changes:
        dataset = datasets[number]
        try:
            setattr(dataset, keyword, value.split("\\") if isinstance(value, str) and "\\" in value else value)
        except Exception:  # pydicom itself would not write this value
            return
    with tempfile.TemporaryDirectory() as name:
        try:
            folder = save_series(Path(name) / "series", datasets)
        except Exception:
            return
        try:
            volume = read_dicom(folder, folder, Window(-1250, 250), 1)
        except BadCase as reason:
            assert str(reason) and name not in str(reason)
            return
        assert volume.voxels.ndim == 3 and volume.voxels.max() <= volume.max_code
        assert np.isfinite(volume.affine).all() and abs(np.linalg.det(volume.affine[:3, :3])) > 0
        assert not {"<", "="} & set("".join(volume.notes)), "no free text of a header reaches a note"


@pytest.fixture(autouse=True)
def silence(monkeypatch):
    monkeypatch.setattr(pydicom_config.settings, "writing_validation_mode", pydicom_config.IGNORE)
    monkeypatch.setattr(pydicom_config.settings, "reading_validation_mode", pydicom_config.IGNORE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@DAILY
@given(CHANGES)
def test_any_header(changes):
    header_ends_well(changes)


@pytest.mark.long
@LONG
@given(CHANGES)
def test_any_header_at_length(changes):
    header_ends_well(changes)


FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=6)
CUT = st.one_of(st.none(), st.floats(0, 1, exclude_max=True))


def flipped(raw, flips, cut=None, start=0, end=None):
    """Flip bits between two places of a file, and cut it short."""
    changed = bytearray(raw)
    reach = (len(raw) if end is None else end) - start
    for place, bit in flips:
        changed[start + int(place * reach)] ^= 1 << bit
    return bytes(changed if cut is None else changed[: int(cut * len(changed))])


def converted_row(path, format, mask=""):
    """Convert one row as a run does; its status, and its reason."""
    settings_ = with_defaults({}, config_schema()["properties"]["intake"])
    row = TableRow(1, "P", path.name, "Covid-19", "", mask, "")
    assert count_slices(row, path.parent, format) >= 1
    with tempfile.TemporaryDirectory() as name:
        folders = Folders(Path(name) / "nifti", truth=Path(name) / "truth" if mask else None)
        intake = Intake("hospital", format, path.parent, 1, settings_, b"key")
        (case,), _ = convert_shard([row], intake, folders)
    assert case["status"] == "ok" or case["reason"]
    assert not {"Doe", "MRN", str(path.parent)} & set(case["reason"].split())
    assert "could not be read" not in case["reason"], "an error that nobody foresaw"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A NIfTI, a series with contours, and a compressed slice."""
    folder = tmp_path_factory.mktemp("whole")
    nibabel.save(nibabel.Nifti1Image(made_hu().T.astype(np.int16), np.diag([1, 1, 2, 1])), folder / "scan.nii")
    save_series(folder / "series", made_series())
    save_series(folder / "masks", [made_rtstruct(REGIONS)])
    dataset = made_series(made_hu(n=1, rows=64, columns=80))[0]
    dataset.compress(JPEGLSLossless)
    save_series(folder / "compressed", [dataset])
    return folder


def nifti_ends_well(whole, flips, cut):
    path = whole / "flipped.nii"
    path.write_bytes(flipped((whole / "scan.nii").read_bytes(), flips, cut, end=352))
    converted_row(path, "nifti")


def stream_ends_well(whole, flips, cut):
    raw = (whole / "compressed" / "001.dcm").read_bytes()
    (whole / "stream").mkdir(exist_ok=True)
    (whole / "stream" / "001.dcm").write_bytes(flipped(raw, flips, cut, start=raw.index(b"\xe0\x7f\x10\x00")))
    converted_row(whole / "stream", "dicom")


def contours_end_well(whole, flips, cut):
    raw = (whole / "masks" / "001.dcm").read_bytes()
    (whole / "flipped.dcm").write_bytes(flipped(raw, flips, cut, start=132))
    converted_row(whole / "series", "dicom", mask="flipped.dcm")


KINDS = [nifti_ends_well, stream_ends_well, contours_end_well]


@pytest.mark.parametrize("ends_well", KINDS)
@DAILY
@given(FLIPS, CUT)
def test_any_bits(whole, ends_well, flips, cut):
    ends_well(whole, flips, cut)


@pytest.mark.long
@pytest.mark.parametrize("ends_well", KINDS)
@LONG
@given(FLIPS, CUT)
def test_any_bits_at_length(whole, ends_well, flips, cut):
    ends_well(whole, flips, cut)
