"""An edited package is named: the table, the row, the column, what was packaged and what follows."""

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest

from lungsight.package.archive import MANIFEST, digests_of_rows, manifest_of, write_archive
from lungsight.verify.__main__ import DOES_NOT_FOLLOW, FOLLOWS, NOT_CHECKED, main
from lungsight.verify.compare import Expected, compare, follows
from lungsight.verify.crate import Crate, changed_rows
from lungsight.verify.ensembles import ensemble_rows
from lungsight.verify.run import Run
from lungsight.verify.tables import OF_SEVERAL, PREPARED, REASONS, RECOMPUTED
from tests.factories.package import edited, repacked, replaced, without
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
    assert "Not computed again" in done.stdout and "report/intake.tsv" in done.stdout


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
    assert f"{METRICS}, row 2: nothing in the package gives this row" in said
    assert f"{reliability}: the row (whole-small_cnn-scratch 1 open " in said
    assert said.endswith("7 do not follow.\n") and "compared, all follow" in said.splitlines()[0]


def forged(package: Path, table: str, row: int, column: str, value: str) -> Path:
    """Edit one field, and make the manifest anew."""
    lines = lines_of(package, table)
    lines[row] = with_value(lines, row, column, value)
    return replaced(package, table, ("\n".join(lines) + "\n").encode(), forged=True)


def checked(package: Path, tables: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Check a package, and of its tables these alone: the others take seconds."""
    monkeypatch.setattr("lungsight.verify.__main__.computed_again", lambda run: tables)
    return main([str(package), "--all"])


COUNTED = ["report/flow.tsv", "report/classes.tsv", "report/confusion.tsv"]


def test_flow_and_classes_follow(package: Path, monkeypatch, capsys) -> None:
    assert checked(package, COUNTED, monkeypatch) == FOLLOWS, capsys.readouterr().out
    said = capsys.readouterr().out
    assert all(f"{table}: " in said and f"{table}: 0 compared" not in said for table in COUNTED)


@pytest.mark.parametrize(
    ("table", "column"),
    [("flow", "patients"), ("classes", "f1"), ("classes", "n"), ("confusion", "n")],
)
def test_tables_of_counts_are_computed_again(package: Path, monkeypatch, capsys, table: str, column: str) -> None:
    """Nonsense in them is named, though the manifest knows it."""
    file = f"report/{table}.tsv"
    assert checked(forged(package, file, 3, column, "4711"), [file], monkeypatch) == DOES_NOT_FOLLOW
    said = capsys.readouterr().out
    assert f"  {file}, row 3 (" in said and f"{column}: packaged 4711, recomputed " in said
    assert said.endswith("\n1 do not follow.\n")


TEXT_OF_TABLES = {
    "audit": {"reason"},
    "comparisons": {"reason"},
    "ensembles": {"note"},
    "metrics": {"thesis_accuracy", "thesis_precision", "thesis_recall", "thesis_f1"},  # printed in the thesis
    "verdicts": {"sentence", "making_trace"},
}
OF_NAMES = {"framework", "backbone", "weights", "weights_origin", "origin"}
# What a table repeats of other tables, which are compared themselves, or of papers.
REPEATED = {
    "systems": {
        *("network", "region", "answer", "enrichment", "enrichment_lo", "enrichment_hi", "lung_mass", "lung_mass_lo"),
        *("lung_mass_hi", "verdict", "parameters", "paper", "printed_note", "printed_unnamed"),
        *("printed_accuracy", "printed_precision", "printed_recall", "difference_lo", "difference_hi", "difference"),
        *("p", "p_holm"),  # empty in the first row of a stage
    },
    "leakage": {
        *("unit", "test_slices_of_trained_patients", "identical_images_on_two_sides", "patients_known"),
        *("test_images_in_other_cohorts", "test_slices_of_patients_in_other_cohorts", "near_duplicates_on_two_sides"),
    },
    "flow": {"reason"},
    "aggregation": {"unit"},
}


@pytest.mark.parametrize("table", [name for name in RECOMPUTED if name != "report/leakage_inflation.tsv"])
def test_no_number_of_a_computed_table_can_be_edited_unseen(package: Path, table: str) -> None:
    """Nonsense in any column of its first row is named with table, row and column, but for known texts."""
    run = Run(Crate(package))
    expected, name = list(RECOMPUTED[table](run)), Path(table).stem
    prepared = PREPARED.get(table, lambda same: same)(run.crate.table(table))
    assert compare(table, prepared, expected).problems == []
    if not expected:
        return
    place, first = prepared.index[0] + 1, prepared.index[0]
    keys, known = set(expected[0].key), OF_NAMES | TEXT_OF_TABLES.get(name, set()) | REPEATED.get(name, set())
    for column in prepared.columns:
        other = prepared.copy()
        other.loc[first, column] = "4711"
        problems = compare(table, other, expected).problems
        if column in keys:
            assert f"{table}, row {place}: nothing in the package gives this row" in problems, column
        elif column not in known:
            (problem,) = problems
            assert problem.startswith(f"{table}, row {place} (") and f"), {column}: packaged 4711, " in problem
        else:
            assert problems == [] or name in ("systems", "leakage"), f"{column} is compared: take it from the list"


def test_every_table_that_a_run_makes_is_computed_again_or_has_a_reason() -> None:
    """A new table of the report must be added to one of both, or this fails."""
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    made = set(re.findall(r"\{RESULTS\}/(report/\w+\.tsv)", rules))
    computed = {*RECOMPUTED, *OF_SEVERAL}
    reasons = {f"report/{name}.tsv" for names in REASONS.values() for name in names}
    assert len(made) > 20 and made == computed | reasons
    assert not computed & reasons


ENSEMBLE = "ensembles/both/stage2/predictions/clinic.tsv"


@pytest.mark.parametrize(("column", "value"), [("member_weights", "0.9000 0.1000"), ("temperatures", "9.0000 9.0000")])
def test_edited_weights_of_an_ensemble_are_named(package: Path, column: str, value: str) -> None:
    crate = Crate(package)
    lines = lines_of(package, "report/ensembles.tsv")
    crate.files["report/ensembles.tsv"] = "\n".join(
        [lines[0], *(with_value(lines, row, column, value) for row in range(1, len(lines)))]
    ).encode()
    run = Run(crate)
    problems = compare("report/ensembles.tsv", crate.table("report/ensembles.tsv"), ensemble_rows(run)).problems
    assert len(problems) == len(lines) - 1 and all(f", {column}: packaged {value}, recomputed " in p for p in problems)


def test_an_edited_prediction_of_an_ensemble_is_named(package: Path, monkeypatch, capsys) -> None:
    """Its members give another number, though the manifest knows the edit."""
    edit = forged(package, ENSEMBLE, 2, "probability", "0.123456")
    assert checked(edit, [], monkeypatch) == DOES_NOT_FOLLOW
    said = capsys.readouterr().out
    assert f"  {ENSEMBLE}, row 2 (" in said and "probability: 0.123456, its members give 0." in said
    shorter = "\n".join(lines_of(package, ENSEMBLE)[:-1]).encode()
    assert checked(replaced(package, ENSEMBLE, shorter, forged=True), [], monkeypatch) == DOES_NOT_FOLLOW
    assert "its rows are not the slices that all members predict" in capsys.readouterr().out


def test_edited_logits_of_the_audit_are_named_by_what_no_longer_follows(package: Path, monkeypatch, capsys) -> None:
    file = "explain/whole-small_cnn-scratch/stage2/intervention_logits.tsv"
    edit = forged(package, file, 1, "background_only_mean", "-30")
    assert checked(edit, ["report/audit.tsv", "report/verdicts.tsv"], monkeypatch) == DOES_NOT_FOLLOW
    said = capsys.readouterr().out
    assert "stage2" not in said.split("report/audit.tsv: ")[0].split("predictions: ")[1]
    assert "whole 2 clinic intervention background_only_mean roc_auc patient), value: packaged" in said
    assert "report/verdicts.tsv, row 2 (whole-small_cnn-scratch 2), background: packaged" in said


def test_tables_that_are_not_computed_again_are_listed_with_a_reason(package: Path, monkeypatch, capsys) -> None:
    more = replaced(package, "report/other.tsv", b"a\n1\n", forged=True)
    checked(more, COUNTED[-1:], monkeypatch)
    said = capsys.readouterr().out.splitlines()
    assert next(line for line in said if "report/intake.tsv" in line).startswith(
        "Not computed again, since they follow from the scans"
    )
    assert next(line for line in said if "report/other.tsv" in line).startswith(
        "Not computed again, since this check does not know them: "
    )


@pytest.mark.parametrize("value", ["1.7", "inf", "", "-0.1"])
def test_a_probability_that_is_none_is_named_in_a_row_of_training_too(package: Path, capsys, value: str) -> None:
    row = next(number for number, line in enumerate(lines_of(package, PREDICTIONS)) if "\ttrain\t" in line)
    assert main([str(forged(package, PREDICTIONS, row, "probability", value))]) == DOES_NOT_FOLLOW
    said = capsys.readouterr().out
    assert f"{PREDICTIONS}, row {row}, probability: {value or 'nothing'} is no probability from 0 to 1" in said
    assert "No number was computed again" in said


def _field(lines: list[str], value: str) -> bytes:
    return "\n".join([lines[0], with_value(lines, 1, "probability", value), *lines[2:]]).encode()


UNREADABLE = {
    "a comma": (PREDICTIONS, lambda lines: _field(lines, "0,5"), "row 1, probability: “0,5” is no number"),
    "a word": (PREDICTIONS, lambda lines: _field(lines, "abc"), "row 1, probability: “abc” is no number"),
    "nothing": (PREDICTIONS, lambda lines: b"", "No columns"),
    "a column": (
        PREDICTIONS,
        lambda lines: "\n".join(line.rpartition("\t")[0] for line in lines).encode(),
        "lacks the column probability",
    ),
    "latin-1": (
        PREDICTIONS,
        lambda lines: "\n".join([lines[0], "ä" + lines[1]]).encode("latin-1"),
        "row 1 is not UTF-8",
    ),
    "no report": (METRICS, lambda lines: b"", "No columns"),
    "an object": (MANIFEST, lambda lines: b"{}", "no files and rows"),
    "a list": (MANIFEST, lambda lines: b"[]", "no JSON object"),
    "brackets": (MANIFEST, lambda lines: b"[" * 100_000, "is damaged"),
    "no settings": ("config.json", lambda lines: b"{}", "labels, report.bootstrap, seed, cohorts"),
    "a text seed": (
        "config.json",
        lambda lines: re.sub(r'"seed": \d+', '"seed": "x"', "\n".join(lines)).encode(),
        "seed is gone",
    ),
    "a billion draws": (
        "config.json",
        lambda lines: re.sub(r'"bootstrap": \d+', '"bootstrap": 1000000000', "\n".join(lines)).encode(),
        "this check draws at most",
    ),
}


@pytest.mark.parametrize("edit", UNREADABLE)
def test_what_can_no_longer_be_read_is_named_and_is_not_checked(package: Path, monkeypatch, capsys, edit: str) -> None:
    """Each ends with status 2, after the files that changed."""
    name, change, sentence = UNREADABLE[edit]
    assert checked(replaced(package, name, change(lines_of(package, name))), [METRICS], monkeypatch) == NOT_CHECKED
    said = capsys.readouterr()
    assert said.err.startswith("Not checked: ") and name in said.err and sentence in said.err
    assert name == MANIFEST or name in said.out


def test_a_config_without_the_cohort_of_a_stage_is_not_checked(package: Path, monkeypatch, capsys) -> None:
    config = json.loads("\n".join(lines_of(package, "config.json")))
    del config["cohorts"]["clinic"]
    edit = replaced(package, "config.json", json.dumps(config).encode())
    assert checked(edit, ["report/systems.tsv"], monkeypatch) == NOT_CHECKED
    assert "no cohort that stage 2 is trained on" in capsys.readouterr().err


def test_a_report_without_its_first_column_is_not_taken_for_one_that_was_checked(
    package: Path, monkeypatch, capsys
) -> None:
    lines = [line.partition("\t")[2] for line in lines_of(package, METRICS)]
    assert checked(replaced(package, METRICS, "\n".join(lines).encode()), [METRICS], monkeypatch) == DOES_NOT_FOLLOW
    assert f"{METRICS}: the row (whole-small_cnn-scratch 1 open slice) is missing" in capsys.readouterr().out


@pytest.mark.parametrize("error", [KeyError("x"), OverflowError(), MemoryError()])
def test_what_no_sentence_foresees_is_not_checked_either(package: Path, monkeypatch, capsys, error: Exception) -> None:
    monkeypatch.setattr("lungsight.verify.__main__.computed_again", Mock(side_effect=error))
    assert main([str(package)]) == NOT_CHECKED
    assert "does not expect" in capsys.readouterr().err


def test_a_flipped_bit_of_the_zip_file_is_not_checked(package: Path, tmp_path: Path, capsys) -> None:
    content = bytearray(package.read_bytes())
    with zipfile.ZipFile(package) as archive:
        member = archive.getinfo(METRICS)
    content[member.header_offset + 30 + len(METRICS) + member.compress_size // 2] ^= 16
    (tmp_path / "flipped.zip").write_bytes(content)
    assert main([str(tmp_path / "flipped.zip")]) == NOT_CHECKED
    assert f"damaged: {METRICS} cannot be read" in capsys.readouterr().err


def test_a_package_that_was_unpacked_and_zipped_again_is_the_same(package: Path) -> None:
    """One folder around it, and what macOS and Windows leave, do not count."""
    with zipfile.ZipFile(package) as archive:
        contents = {f"made.crate/{name}": archive.read(name) for name in archive.namelist()}
    litter = ("made.crate/.DS_Store", "made.crate/report/Thumbs.db", "__MACOSX/made.crate/._README.md")
    again = repacked(package, contents | dict.fromkeys(litter, b"x"), "again")
    assert Crate(again).files == Crate(package).files


def test_of_a_prediction_table_the_rows_are_named_that_differ_and_no_others() -> None:
    """A row that is gone, changed, doubled or elsewhere names no row after it."""
    lines = [b"slice\tprobability", *(f"s{n}\t0.{n}".encode() for n in range(1, 31))]
    packaged = digests_of_rows(b"\n".join(lines))

    def named(rows: list[bytes]) -> list[str]:
        return changed_rows(b"\n".join(rows), packaged)

    assert named(lines) == []
    assert named(lines[:5] + lines[6:]) == ["29 rows, packaged were 30", "of the packaged table, row 5: gone"]
    edit = [*lines[:5], *lines[6:20], b"s20\t0.99", *lines[21:]]
    assert named(edit) == [
        "29 rows, packaged were 30",
        "row 19 (s20\t0.99): changed since it was packaged",
        "of the packaged table, rows 5, 20: changed or gone",
    ]
    assert named([*lines, lines[3]]) == [
        "31 rows, packaged were 30",
        "row 31 (s3\t0.3): changed or added since it was packaged",
    ]
    assert named([lines[0], *reversed(lines[1:])]) == ["the rows stand in another order"]


def test_a_deleted_prediction_is_named_by_its_slice(package: Path, monkeypatch, capsys) -> None:
    lines = lines_of(package, PREDICTIONS)
    less = replaced(package, PREDICTIONS, "\n".join(lines[:4] + lines[5:]).encode(), forged=True)
    assert checked(less, [METRICS], monkeypatch) == DOES_NOT_FOLLOW
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"  {PREDICTIONS}")]
    slice_of_row = lines[4].partition("\t")[0]
    assert said == [f"  {PREDICTIONS}: the slice {slice_of_row} of splits/clinic/whole.tsv has no row"]


def test_a_doubled_row_of_a_table_is_called_so() -> None:
    packaged = pd.DataFrame({"pipeline": ["a", "b", "a"], "n": ["1", "2", "1"]})
    rows = [Expected({"pipeline": name}, {"n": n}) for name, n in (("a", 1), ("b", 2))]
    assert compare("t.tsv", packaged, rows).problems == ["t.tsv, row 3: it is a second row of the same as row 1"]


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
    said = capsys.readouterr().err
    assert "p_1, p_2, p_3" in said and "Traceback" not in said


def test_it_needs_three_libraries_and_nothing_of_lungsight() -> None:
    """SciPy comes with scikit-learn."""
    for path in (ROOT / "workflow/scripts/lungsight/verify").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                for name in map(str, names):
                    known = {"numpy", "pandas", "scipy", "sklearn", *sys.stdlib_module_names}
                    assert name.startswith("lungsight.verify") or name.split(".")[0] in known, (path.name, name)


def test_a_value_follows_to_the_ninth_decimal() -> None:
    assert follows("0.1234567891", 0.12345678912) and not follows("0.123456", 0.1234567)
    assert follows("", float("nan")) and not follows("", 0.0) and not follows("0", float("nan"))
    assert not follows("ten", 10.0) and follows("gone", "gone")
