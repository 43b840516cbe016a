"""Call a lung segmentation tool of others, read its mask, and say what is wrong where it leaves none."""

import json
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from lungsight.errors import BadCase, UserError
from lungsight.segmentation.lung_tools import LOBES
from lungsight.segmentation.run_tool import tool_mask, version_of_tool, write_test_image
from tests.factories.lung_tools import install_stand_ins

SETTINGS = {
    "lungmask": {"tool": "lungmask", "model": "R231"},
    "TotalSegmentator": {"tool": "totalsegmentator", "fast": False},
}


@pytest.fixture
def image(tmp_path: Path) -> tuple[Path, np.ndarray]:
    path = tmp_path / "image.nii.gz"
    return path, write_test_image(path)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    return install_stand_ins(tmp_path / "bin")


def calls(programs: Path) -> list[list]:
    return [json.loads(line) for line in (programs / "calls.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", SETTINGS)
def test_all_labels_of_a_tool_are_lung(name: str, image: tuple, programs: Path) -> None:
    path, grid = image
    mask = tool_mask(path, grid, SETTINGS[name], str(programs / name), 2)
    values = np.asanyarray(nibabel.load(path).dataobj)
    truth = (values > -1000) & (values < -800)
    np.testing.assert_array_equal(mask, truth)
    assert version_of_tool(str(programs / name)) == "9.8.7"
    [(_, threads)] = calls(programs)
    assert threads == "2"


def test_the_command_lines_are_those_of_the_tools(image: tuple, programs: Path) -> None:
    path, grid = image
    tool_mask(path, grid, {"tool": "lungmask", "model": "LTRCLobes_R231"}, str(programs / "lungmask"), 1)
    tool_mask(path, grid, {"tool": "totalsegmentator", "fast": True}, str(programs / "TotalSegmentator"), 1)
    (lungmask, _), (total, _) = calls(programs)
    assert lungmask[0] == str(path) and lungmask[1].endswith("/mask.nii.gz")
    assert lungmask[2:] == ["--modelname", "LTRCLobes_R231", "--removemetadata", "--noprogress"]
    assert total[:2] == ["-i", str(path)] and total[2] == "-o"
    assert total[4:] == ["--task", "total", "--roi_subset", *LOBES, "--fast"]


def test_weights_stay_where_the_user_has_them(
    image: tuple, programs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = programs / "TotalSegmentator"
    script.write_text(
        script.read_text(encoding="utf-8")
        + f"pathlib.Path({str(tmp_path / 'weights.txt')!r}).write_text(os.environ['TOTALSEG_WEIGHTS_PATH'])\n"
    )
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH", raising=False)
    for variable, value, wanted in (
        ("HOME", "/home/x", "/home/x/.totalsegmentator/nnunet/results"),
        ("TOTALSEG_HOME_DIR", "/data/ts", "/data/ts/nnunet/results"),
        ("TOTALSEG_WEIGHTS_PATH", "/weights", "/weights"),
    ):
        monkeypatch.setenv(variable, value)
        tool_mask(*image, SETTINGS["TotalSegmentator"], str(script), 1)
        assert (tmp_path / "weights.txt").read_text() == wanted
    assert "TOTALSEG_HOME_DIR" in os.environ  # the user's own is not changed


@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [
        ("no network", UserError, "lungmask could not download its weights: this machine has no network"),
        ("elsewhere", BadCase, "the mask of the tool does not lie on the image's grid"),
        ("nothing", BadCase, "the tool left no file mask.nii.gz"),
        ("crash", RuntimeError, "lungmask ended with 1:\nTraceback of John Doe"),
    ],
)
def test_a_failure_is_said(
    behaviour: str, error: type, words: str, image: tuple, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", behaviour)
    with pytest.raises(error, match=words):
        tool_mask(*image, SETTINGS["lungmask"], str(programs / "lungmask"), 1)


def test_a_tool_that_is_absent_or_of_another_version(image: tuple, programs: Path) -> None:
    with pytest.raises(UserError, match=r"needs the program lungmask, and there is none on the PATH. Install lungmask"):
        tool_mask(*image, SETTINGS["lungmask"], str(programs / "absent"), 1)
    script = programs / "lungmask"
    script.write_text(script.read_text(encoding="utf-8").replace('"--removemetadata"', '"--other"'))
    with pytest.raises(UserError, match=r"does not know the options .* that of envs/lungmask\.yaml"):
        tool_mask(*image, SETTINGS["lungmask"], str(script), 1)
