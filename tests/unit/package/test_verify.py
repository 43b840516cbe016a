"""An edited package is named: the table, the row, the column, what was packaged and what follows."""

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lungsight.package.archive import MANIFEST, manifest_of, write_archive
from lungsight.verify.__main__ import DOES_NOT_FOLLOW, FOLLOWS, NOT_CHECKED, main
from lungsight.verify.compare import follows
from tests.factories.package import edited, without
from tests.factories.workspace import ROOT

PREDICTIONS = "models/whole-small_cnn-scratch/stage2/predictions/clinic.tsv"
METRICS = "report/metrics.tsv"


def lines_of(package: Path, table: str) -> list[str]:
    with zipfile.ZipFile(package) as archive:
        return archive.read(table).decode().splitlines()


def with_value(lines: list[str], row: int, column: str, value: str) -> str:
    """Return a row of a table with another value in one column."""
    columns, values = lines[0].split("\t"), lines[row].split("\t")
    values[columns.index(column)] = value
    return "\t".join(values)


@pytest.mark.long  # every day on a real run: tests/e2e/test_tiny.py
def test_a_package_follows_and_runs_alone_out_of_itself(package: Path, tmp_path: Path) -> None:
    """As the readme says: from the zip file itself, with the path of nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "lungsight.verify", str(package)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{package}/workflow/scripts"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == FOLLOWS, done.stdout + done.stderr
    assert done.stderr == ""
    assert "report/metrics.tsv: " in done.stdout and "Every number that was computed again follows." in done.stdout
    assert "Not computed again" in done.stdout and "report/verdicts.tsv" in done.stdout


def test_an_edited_prediction_is_named_with_its_row_and_what_no_longer_follows(package: Path, capsys) -> None:
    lines = lines_of(package, PREDICTIONS)
    row = next(number for number, line in enumerate(lines) if "\ttest\t" in line)
    name, probability = lines[row].split("\t")[0], float(lines[row].split("\t")[-1])
    other = with_value(lines, row, "probability", str(1 - probability))
    assert main([str(edited(package, PREDICTIONS, lines[row], other)), "--all"]) == DOES_NOT_FOLLOW
    said = capsys.readouterr().out
    assert f"{PREDICTIONS}, row {row} ({other}): changed since it was packaged" in said
    assert f"{PREDICTIONS}, row {row} ({name}), probability: {1 - probability}, explain/whole-small_cnn" in said
    metrics = [line for line in said.splitlines() if line.startswith(f"  {METRICS}, row")]
    assert any(" (whole-small_cnn-scratch 2 clinic slice), brier: packaged " in line for line in metrics)
    assert all("(whole-small_cnn-scratch 2 clinic " in line for line in metrics), "no other model's numbers changed"


def test_edits_of_the_report_are_named_though_the_manifest_was_made_anew(package: Path, tmp_path: Path, capsys) -> None:
    """Somebody improves a model, moves two ends and a count, leaves a row out and adds one."""
    lines, reliability = lines_of(package, METRICS), "report/reliability.tsv"
    changed = edited(package, METRICS, lines[1], with_value(lines, 1, "accuracy", "0.99"))
    for column in ("roc_auc_hi", "ece_lo", "n"):
        now = lines_of(changed, METRICS)
        changed = edited(changed, METRICS, now[4], with_value(now, 4, column, "7"))
    changed = edited(changed, METRICS, lines[2] + "\n", lines[2].replace("\topen\t", "\tmoon\t") + "\n")
    changed = edited(changed, reliability, lines_of(package, reliability)[3] + "\n", "")
    with zipfile.ZipFile(changed) as archive:
        contents = {name: archive.read(name) for name in archive.namelist() if name != MANIFEST}
    write_archive(tmp_path / "forged.zip", contents | {MANIFEST: manifest_of(contents)})
    assert main([str(tmp_path / "forged.zip"), "--all"]) == DOES_NOT_FOLLOW
    said = capsys.readouterr().out
    accuracy = lines[1].split("\t")[lines[0].split("\t").index("accuracy")]
    key = "whole-small_cnn-scratch 1 open slice"
    assert f"{METRICS}, row 1 ({key}), accuracy: packaged 0.99, recomputed {accuracy}" in said
    for column in ("roc_auc_hi", "ece_lo", "n"):
        assert f", row 4 (whole-small_cnn-scratch 1 clinic patient), {column}: packaged 7, recomputed" in said
    assert f"{METRICS}: the row (whole-small_cnn-scratch 1 open patient) is missing" in said
    assert f"{METRICS}, row 2: no prediction table gives this row" in said
    assert f"{reliability}: the row (whole-small_cnn-scratch 1 open " in said
    assert said.endswith("7 do not follow.\n") and "compared, all follow" in said.splitlines()[0]


@pytest.mark.parametrize("table", [PREDICTIONS, METRICS, "splits/clinic/whole.tsv", "manifest.json"])
def test_a_package_that_lacks_a_table_is_refused_and_the_table_named(package: Path, capsys, table: str) -> None:
    assert main([str(without(package, table))]) == NOT_CHECKED
    assert table in capsys.readouterr().err


def test_what_is_no_package_is_refused(tmp_path: Path, capsys) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert main([str(tmp_path / "notes.txt")]) == main([str(tmp_path)]) == NOT_CHECKED
    assert "no package" in capsys.readouterr().err


def test_more_than_two_classes_are_not_passed_over(package: Path, capsys) -> None:
    more = edited(package, "config.json", '"labels": {', '"labels": {"Third": ["Third"],')
    assert main([str(more)]) == NOT_CHECKED
    assert "3 classes" in capsys.readouterr().err


def test_it_needs_three_libraries_and_nothing_of_lungsight() -> None:
    for path in (ROOT / "workflow/scripts/lungsight/verify").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                for name in map(str, names):
                    known = {"numpy", "pandas", "sklearn", *sys.stdlib_module_names}
                    assert name.startswith("lungsight.verify") or name.split(".")[0] in known, (path.name, name)


def test_a_value_follows_to_the_ninth_decimal() -> None:
    assert follows("0.1234567891", 0.12345678912) and not follows("0.123456", 0.1234567)
    assert follows("", float("nan")) and not follows("", 0.0) and not follows("0", float("nan"))
    assert not follows("ten", 10.0) and follows("gone", "gone")
