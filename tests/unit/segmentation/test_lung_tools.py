"""What a config with a lung segmentation tool may not ask for, and what it means for each cohort."""

from pathlib import Path

import pytest

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.segmentation.lung_tools import (
    TOOLS,
    check_installed,
    check_tool_inputs,
    method_of_cohort,
    program_of,
    rows_to_segment,
    tool_settings,
)
from lungsight.segmentation.settings import mask_origin, trains_segmentation
from tests.factories.lung_tools import install_stand_ins
from tests.factories.workspace import ROOT


def made_config(method: str = "lungmask", format: str = "dicom", intake: dict | None = None, **segmentation) -> dict:
    cohorts = {
        "clinic": {"role": "target", "format": "dicom", "root": "scans", "table": "table.tsv"},
        "open": {"role": "public", "format": format, "root": "open", "table": "open.tsv"},
    }
    config = {"results": "results/x", "cohorts": cohorts, "segmentation": {"method": method, **segmentation}}
    return complete_config(config | ({"intake": intake} if intake else {}))


def rows(**of_open: str) -> dict[str, list[TableRow]]:
    return {
        "clinic": [TableRow(1, "P", "scan", "Covid-19", "", "", "")],
        "open": [TableRow(1, "Q", "image", "Covid-19", "", "", "", **of_open)],
    }


def test_pictures_have_no_hu() -> None:
    config = made_config(format="png")
    with pytest.raises(UserError, match=r"lungmask reads HU, and pictures .* cohort open\. Set segmentation.pictures"):
        check_tool_inputs(config, rows())
    # Where nothing of theirs is left to segment, or the classical method may, or the method reads pictures.
    check_tool_inputs(config, rows(lungs="own.png"))
    check_tool_inputs(config, rows(skip="left out"))
    check_tool_inputs(made_config(format="png", pictures="classical"), rows())
    check_tool_inputs(made_config("classical", format="png"), rows())
    mixed = made_config("totalsegmentator", format="png", pictures="classical")
    assert [method_of_cohort(mixed, name) for name in mixed["cohorts"]] == ["totalsegmentator", "classical"]
    assert method_of_cohort(made_config("classical", format="png"), "open") == "classical"


def test_volumes_that_are_said_to_hold_no_hu_are_refused() -> None:
    config = made_config("totalsegmentator", format="nifti", intake={"nifti_values": "unit"})
    with pytest.raises(UserError, match=r"totalsegmentator reads HU, and intake.nifti_values: unit says"):
        check_tool_inputs(config, rows())
    check_tool_inputs(made_config(format="nifti"), rows())


def test_a_tool_is_found_before_any_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    config = made_config("totalsegmentator")
    with pytest.raises(UserError, match=r"needs the program TotalSegmentator, .* makes envs/totalsegmentator\.yaml\."):
        check_installed(config)
    programs = install_stand_ins(tmp_path / "bin")
    named = made_config("totalsegmentator", executable=str(programs / "TotalSegmentator"))
    check_installed(named)
    assert program_of(named) == str(programs / "TotalSegmentator") and program_of(config) == "TotalSegmentator"
    with pytest.raises(UserError, match=r"segmentation.executable: .*/absent is no program that can be run here\."):
        check_installed(made_config(executable=str(programs / "absent")))
    monkeypatch.setenv("PATH", str(programs))
    check_installed(config)


def test_a_program_belongs_to_a_tool() -> None:
    with pytest.raises(
        UserError, match=r"segmentation.executable: it is the program of segmentation.method: lungmask or"
    ):
        made_config("classical", executable="bin/lungmask")


def test_each_tool_has_its_settings_and_its_environment() -> None:
    for method, tool in TOOLS.items():
        config = made_config(method)
        assert mask_origin(config) == method and not trains_segmentation(config)
        assert tool_settings(config) == {"tool": method, **config["segmentation"][method]}
        assert f"- {tool.package.lower()}==" in (ROOT / f"envs/{method}.yaml").read_text(encoding="utf-8")


def test_rows_with_a_mask_are_left_to_it() -> None:
    table = [*rows()["clinic"], *rows(lungs="own.nii")["open"], *rows(skip="left out")["open"]]
    assert rows_to_segment(table) == table[:1]
