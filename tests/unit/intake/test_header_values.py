"""Header values read from bytes equal those of pydicom, in every encoding of a header."""

import io
import struct

import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lungsight.intake.header_values import HeaderValues
from tests.factories.dicom import made_series

SYNTAXES = [ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian]


def header_of(dataset, syntax=ExplicitVRLittleEndian):
    buffer = io.BytesIO()
    del dataset.PixelData
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(buffer, enforce_file_format=True)
    return HeaderValues(pydicom.dcmread(io.BytesIO(buffer.getvalue())))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_values_are_those_of_pydicom(syntax):
    dataset = made_series()[2]
    dataset.ConvolutionKernel = ["Br40d", "3"]
    header = header_of(dataset, syntax)
    assert header.numbers("ImagePositionPatient", 3) == [float(value) for value in dataset.ImagePositionPatient]
    assert header.numbers("PixelSpacing", 2) == [0.8, 0.7]
    assert (header.whole("Rows"), header.whole("Columns")) == (24, 32)
    assert (header.number("RescaleIntercept"), header.whole("InstanceNumber")) == (-1024, 3)
    assert header.text("SeriesInstanceUID") == dataset.SeriesInstanceUID
    assert header.text("ImageType") == "ORIGINAL\\PRIMARY\\AXIAL"
    assert header.word("ConvolutionKernel") == "BR40D\\3"


def test_absent_and_unusual_values_are_none():
    dataset = made_series()[0]
    dataset.PixelSpacing, dataset.SliceThickness, dataset.KVP = [0.7], "0", ""
    dataset.add_new("RescaleSlope", "DS", pydicom.valuerep.DSfloat("1.000000000000001", validation_mode=0))
    header = header_of(dataset)
    assert header.numbers("PixelSpacing", 2) is None and header.number("SliceThickness") == 0
    assert header.positive("SliceThickness") is None and header.number("KVP") is None
    assert header.number("RescaleSlope") == 1.000000000000001
    assert header.whole("NumberOfFrames", 1) == 1 and header.text("RescaleType") == ""


@pytest.mark.parametrize("text", [b"nan ", b"inf ", b"1e999 ", b"a\\b\\c ", b"1,5 "])
def test_text_that_is_no_number_is_none(text):
    element = pydicom.dataelem.RawDataElement(pydicom.tag.Tag("KVP"), "DS", len(text), text, 0, False, True)
    dataset = pydicom.Dataset()
    dataset[element.tag] = element
    assert HeaderValues(dataset).number("KVP") is None


def test_an_unusual_value_representation_is_left_to_pydicom():
    for representation, value, rows in (("UN", b"\x18\x00", 24), ("US", b"\x18\x00", 24), ("IS", b"24", 24)):
        element = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag("Rows"), representation, len(value), value, 0, False, True
        )
        dataset = pydicom.Dataset()
        dataset[element.tag] = element
        assert HeaderValues(dataset).whole("Rows") == rows
    cut = pydicom.dataelem.RawDataElement(pydicom.tag.Tag("Rows"), "US", 1, b"\x18", 0, False, True)
    dataset[cut.tag] = cut
    with pytest.raises(struct.error):
        HeaderValues(dataset).whole("Rows")
