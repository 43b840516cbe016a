"""Free text of headers becomes words of closed sets."""

import pytest
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSNearLossless,
    RLELossless,
)

from lungsight.intake.acquisition import (
    KERNELS,
    MANUFACTURERS,
    SYNTAXES,
    is_lossy,
    kernel_class,
    manufacturer_class,
    syntax_class,
)
from lungsight.tables import table_schema


@pytest.mark.parametrize(
    ("kernel", "word"),
    [
        *[
            (name, "soft")
            for name in ("STANDARD", "SOFT", "B30F", "BR40D", "['I31F', '3']", "FC08", "FC18-H", "B", "C")
        ],
        *[(name, "lung") for name in ("LUNG", "B50F", "BL57D", "B60S", "FC51", "FC86", "L", "YA", "I50F")],
        *[(name, "bone") for name in ("BONE", "BONEPLUS", "EDGE", "B75F", "FC30", "D", "E")],
        *[(name, "other") for name in ("JANE DOE", "FC99", "QR", "12", "B3")],
        ("", ""),
    ],
)
def test_kernels(kernel, word):
    assert kernel_class(kernel) == word


@pytest.mark.parametrize(
    ("manufacturer", "word"),
    [
        *[("SIEMENS HEALTHINEERS", "siemens"), ("GE MEDICAL SYSTEMS", "ge"), ("PHILIPS", "philips")],
        *[("TOSHIBA_MEC", "canon"), ("CANON_MEC", "canon"), ("UIH", "united_imaging"), ("NEUSOFT", "neusoft")],
        *[("HITACHI", "fujifilm"), ("GENERAL HOSPITAL OF DR. DOE", "other"), ("", "")],
    ],
)
def test_manufacturers(manufacturer, word):
    assert manufacturer_class(manufacturer) == word


@pytest.mark.parametrize(
    ("syntax", "word", "lossy"),
    [
        *[(ImplicitVRLittleEndian, "uncompressed", False), (ExplicitVRBigEndian, "uncompressed", False)],
        *[(DeflatedExplicitVRLittleEndian, "deflated", False), (RLELossless, "rle", False)],
        *[(JPEGLossless, "jpeg_lossless", False), (JPEGLosslessSV1, "jpeg_lossless", False)],
        *[(JPEGBaseline8Bit, "jpeg", True), (JPEGLSNearLossless, "jpeg_ls", True), (JPEG2000, "jpeg_2000", False)],
        *[("1.2.3", "other", False), ("", "", False)],
    ],
)
def test_transfer_syntaxes(syntax, word, lossy):
    assert syntax_class(str(syntax)) == word
    assert is_lossy(str(syntax), "") == lossy
    assert is_lossy(str(syntax), "01")


@pytest.mark.parametrize("schema", ["cases", "converted_cases"])
def test_the_schemas_list_the_same_words(schema):
    columns = table_schema(schema)["properties"]
    assert columns["kernel"]["enum"] == ["", *KERNELS]
    assert columns["manufacturer"]["enum"] == ["", *MANUFACTURERS]
    assert columns["transfer_syntax"]["enum"] == ["", *SYNTAXES]
