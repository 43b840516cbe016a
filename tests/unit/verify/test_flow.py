"""The way of the patients, counted by the run and by the check."""

import io
import json

import pandas as pd

from lungsight.checklists.patient_flow import flow_rows as flow_of_run
from lungsight.tables import read_table, write_table
from lungsight.verify.compare import Outcome, compare
from lungsight.verify.crate import Crate
from lungsight.verify.flow import flow_rows, summed_reasons
from lungsight.verify.run import Run
from tests.factories.tables import NEGATIVE, POSITIVE

CONFIG = {
    "labels": {POSITIVE: [POSITIVE], NEGATIVE: [NEGATIVE]},
    "report": {"bootstrap": 0},
    "seed": 1,
    "cohorts": {"clinic": {"role": "target"}},
}
CASES = [
    *(("c1", "p1", POSITIVE, "ok", "", 3), ("c2", "p1", POSITIVE, "rejected", "2 slices, min_slices is 8", None)),
    *(("c3", "p2", NEGATIVE, "ok", "", 2), ("c4", "p3", NEGATIVE, "skipped", "a later scan", None)),
    *(("c5", "p4", POSITIVE, "rejected", "no image", None), ("c6", "p4", POSITIVE, "skipped", "a later scan", None)),
]
SLICES = [("c1", 0, 1), ("c1", 1, 0), ("c1", 2, 1), ("c3", 0, 0), ("c3", 1, 0)]  # case, number, kept


def text_of(table: pd.DataFrame) -> bytes:
    return table.to_csv(sep="\t", index=False).encode()


def made(tmp_path) -> tuple[pd.DataFrame, Run]:
    """One cohort that loses cases to intake and slices to quality control, for several reasons."""
    cases = pd.DataFrame(CASES, columns=["case", "patient", "label", "status", "reason", "n_slices"])
    of_case = cases.set_index("case")
    slices = pd.DataFrame(
        [(f"{case}-{n}", case, of_case["patient"][case], of_case["label"][case]) for case, n, _ in SLICES],
        columns=["slice", "case", "patient", "label"],
    )
    reasons = ["" if kept else ("no mask", "by a person")[n % 2] for _, n, kept in SLICES]
    manifest = pd.DataFrame(
        {"slice": slices["slice"], "whole_keep": [kept for _, _, kept in SLICES], "reason": reasons}
    )
    split = slices[manifest["whole_keep"] == 1].assign(split=["train", "test"])
    rows = flow_of_run("clinic", cases, slices, manifest, {"whole": split}, ["whole"])
    write_table(tmp_path / "flow.tsv", rows, schema="flow")
    crate = Crate.__new__(Crate)
    crate.files = {
        "config.json": json.dumps(CONFIG).encode(),
        "cohorts/clinic/cases.tsv": text_of(cases),
        "cohorts/clinic/slices.tsv": text_of(slices),
        "qc/clinic/manifest.tsv": text_of(manifest),
        "splits/clinic/whole.tsv": text_of(split),
        "models/whole-small_cnn-scratch/stage2/predictions/clinic.tsv": text_of(split.assign(probability=0.5)),
    }
    return read_table(tmp_path / "flow.tsv", "flow"), Run(crate)


def checked(table: pd.DataFrame, run: Run) -> Outcome:
    packaged = pd.read_csv(io.BytesIO(text_of(table)), sep="\t", dtype=str, keep_default_na=False)
    return compare("report/flow.tsv", summed_reasons(packaged), flow_rows(run))


def test_both_count_the_same(tmp_path):
    table, run = made(tmp_path)
    outcome = checked(table, run)
    left_out = table[table["reason"] != ""]
    assert left_out["reason"].nunique() == 5 and left_out["step"].nunique() == 2
    assert outcome.problems == [] and outcome.compared == 3 * len(list(flow_rows(run)))


def test_every_number_of_the_table_is_compared(tmp_path):
    """One more case, patient or slice in any row is named."""
    table, run = made(tmp_path)
    for row in table.index:
        for unit in ("cases", "patients", "slices"):
            other = table.copy()
            other.loc[row, unit] += 1
            (problem,) = checked(other, run).problems
            assert f", {unit}: packaged" in problem and problem.startswith("report/flow.tsv, row ")


def test_a_row_too_few_or_too_many_is_named(tmp_path):
    table, run = made(tmp_path)
    (missing,) = checked(table.drop(index=1), run).problems
    assert missing == f"report/flow.tsv: the row (clinic  table {POSITIVE}) is missing"
    more = pd.concat([table, table.iloc[[0]].assign(step="moon")])
    assert checked(more, run).problems == [
        f"report/flow.tsv, row {len(table) + 1}: nothing in the package gives this row"
    ]
