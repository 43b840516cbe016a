"""An edited package is named: the table, the row, the column, what was packaged and what follows."""

import ast
import json
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


def test_a_package_follows(package: Path, capsys) -> None:
    assert main([str(package)]) == FOLLOWS
    said = capsys.readouterr().out
    assert "report/metrics.tsv: " in said and "Every number that was computed again follows." in said
    assert "Not computed again" in said and "report/verdicts.tsv" in said


def test_an_edited_prediction_is_named_with_its_row_and_what_no_longer_follows(package, capsys) -> None:
    lines = lines_of(package, PREDICTIONS)
    row = next(number for number, line in enumerate(lines) if "\ttest\t" in line)
    *start, probability = lines[row].split("\t")
    other = "\t".join([*start, str(1 - float(probability))])
    assert main([str(edited(package, PREDICTIONS, lines[row], other))]) == DOES_NOT_FOLLOW
    said = capsys.readouterr().out
    assert f"{PREDICTIONS}, row {row} ({other}): changed since it was packaged" in said
    assert f"{PREDICTIONS}, row {row} ({start[0]}), probability: " in said  # as the maps were made for another
    assert "report/metrics.tsv, row 7 (whole-small_cnn-scratch 2 clinic slice), roc_auc: packaged " in said
    assert "far" not in "".join(line for line in said.splitlines() if "metrics.tsv, row" in line)


def test_an_edit_that_hides_behind_a_new_manifest_is_found(package, tmp_path, capsys) -> None:
    """Somebody improves a model, and writes the manifest anew."""
    lines = lines_of(package, METRICS)
    columns, values = lines[0].split("\t"), lines[1].split("\t")
    better = [value if column != "accuracy" else "0.99" for column, value in zip(columns, values, strict=True)]
    changed = edited(package, METRICS, lines[1], "\t".join(better))
    with zipfile.ZipFile(changed) as archive:
        contents = {name: archive.read(name) for name in archive.namelist() if name != MANIFEST}
    write_archive(tmp_path / "forged.zip", contents | {MANIFEST: manifest_of(contents)})
    assert main([str(tmp_path / "forged.zip")]) == DOES_NOT_FOLLOW
    said, packaged = capsys.readouterr().out, values[columns.index("accuracy")]
    key = "whole-small_cnn-scratch 1 open slice"
    assert f"{METRICS}, row 1 ({key}), accuracy: packaged 0.99, recomputed {packaged}" in said
    assert "files: " in said and said.count(" do not follow") == 2  # the table, and the sum


@pytest.mark.parametrize("column", ["roc_auc_hi", "ece_lo", "n"])
def test_an_edited_number_of_the_report_is_named(package, capsys, column: str) -> None:
    lines = lines_of(package, METRICS)
    columns, values = lines[0].split("\t"), lines[4].split("\t")
    values[columns.index(column)] = "7"
    assert main([str(edited(package, METRICS, lines[4], "\t".join(values)))]) == DOES_NOT_FOLLOW
    assert f"{METRICS}, row 4 (" in (said := capsys.readouterr().out) and f"), {column}: packaged 7, recomputed" in said


def test_rows_that_are_gone_or_new_are_named(package, capsys) -> None:
    line = lines_of(package, METRICS)[2] + "\n"
    assert main([str(edited(package, METRICS, line, ""))]) == DOES_NOT_FOLLOW
    assert f"{METRICS}: the row (whole-small_cnn-scratch 1 open patient) is missing" in capsys.readouterr().out
    new = line.replace("\topen\t", "\tmoon\t")
    assert main([str(edited(package, METRICS, line, line + new))]) == DOES_NOT_FOLLOW
    assert f"{METRICS}, row 3: no prediction table gives this row" in capsys.readouterr().out


@pytest.mark.parametrize("table", [PREDICTIONS, METRICS, "splits/clinic/whole.tsv", "manifest.json"])
def test_a_package_that_lacks_a_table_is_refused_and_the_table_named(package, capsys, table: str) -> None:
    assert main([str(without(package, table))]) == NOT_CHECKED
    assert table in capsys.readouterr().err


def test_what_is_no_package_is_refused(tmp_path, capsys) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert main([str(tmp_path / "notes.txt")]) == main([str(tmp_path)]) == NOT_CHECKED
    assert "no package" in capsys.readouterr().err


def test_it_runs_alone_out_of_the_package(package, tmp_path) -> None:
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
    assert "Warning" not in done.stderr


def test_it_needs_three_libraries_and_nothing_of_lungsight() -> None:
    for path in (ROOT / "workflow/scripts/lungsight/verify").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                for name in names:
                    top = str(name).split(".")[0]
                    own = str(name).startswith("lungsight.verify")
                    assert own or top in {"numpy", "pandas", "sklearn", *sys.stdlib_module_names}, (path.name, name)


def test_a_value_follows_to_the_ninth_decimal() -> None:
    assert follows("0.1234567891", 0.12345678912) and not follows("0.123456", 0.1234567)
    assert follows("", float("nan")) and not follows("", 0.0) and not follows("0", float("nan"))
    assert not follows("ten", 10.0) and follows("gone", "gone")


def test_more_than_two_classes_are_not_passed_over(package, capsys) -> None:
    with zipfile.ZipFile(package) as archive:
        config = archive.read("config.json").decode()
    labels = json.dumps({"Non Covid": ["Non Covid"]})[1:-1]
    assert main([str(edited(package, "config.json", '"labels": {', '"labels": {"Third": ["Third"],'))]) == NOT_CHECKED
    assert "3 classes" in capsys.readouterr().err and labels.split(":")[0] in config
