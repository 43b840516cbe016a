"""The record of a model holds what the run's tables say, and is no crash where they are older or absent."""

from pathlib import Path

import pandas as pd
import pytest

from lungsight.predict.model_record import BEFORE, EXTERNAL, OWN, record_of_model
from lungsight.training.pipelines import Pipeline

PIPELINE = Pipeline("whole", "resnet50", "scratch")
TRAINED_ON = {"stage1": "open", "stage2": "clinic"}
WINDOW = (-1000.0, 400.0)


def write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)


def result(stage: int, cohort: str, auc: float | None, **columns) -> dict:
    return {
        "pipeline": PIPELINE.name,
        "stage": stage,
        "cohort": cohort,
        "unit": "patient",
        "n": 9,
        "roc_auc": auc,
    } | columns


def record(run: Path, stage: int = 2) -> dict:
    return record_of_model(run, PIPELINE, stage, TRAINED_ON, WINDOW)


def test_results_are_of_this_model_by_patient_in_the_order_own_before_external(tmp_path):
    rows = [
        *(result(1, "open", 0.95), result(1, "clinic", 0.6), result(2, "extern", 0.5, roc_auc_lo=0.4)),
        *(result(2, "clinic", 0.9), result(2, "clinic", 0.91, unit="slice")),
        result(2, "clinic", 0.99, pipeline="segmented-resnet50-scratch"),
    ]
    write(tmp_path / "report/metrics.tsv", rows)
    found = [(row["relation"], row["cohort"], row["roc_auc"]) for row in record(tmp_path)["results"]]
    assert found == [(OWN, "clinic", 0.9), (BEFORE, "clinic", 0.6), (EXTERNAL, "extern", 0.5)]
    assert [row["roc_auc_lo"] for row in record(tmp_path)["results"]] == [None, None, 0.4]
    first = [(row["relation"], row["cohort"]) for row in record(tmp_path, stage=1)["results"]]
    assert first == [(OWN, "open"), (EXTERNAL, "clinic")]


def test_cohorts_with_unknown_patients_are_marked(tmp_path):
    write(tmp_path / "report/metrics.tsv", [result(2, "clinic", 0.9), result(2, "extern", 0.5)])
    found = record_of_model(tmp_path, PIPELINE, 2, TRAINED_ON, WINDOW, ["extern", "open"])
    assert {row["cohort"]: row["patients_known"] for row in found["results"]} == {"clinic": True, "extern": False}
    assert {row["cohort"]: row["patients_known"] for row in found["training"]} == {"clinic": True, "open": False}


def test_the_verdict_is_that_of_the_stage_whatever_else_the_table_has(tmp_path):
    rows = [
        {"pipeline": PIPELINE.name, "stage": stage, "verdict": verdict, "sentence": f"{verdict}: so.", "new": 1}
        for stage, verdict in ((1, "looks at the lung"), (2, "looks elsewhere"))
    ]
    write(tmp_path / "report/verdicts.tsv", rows)
    assert record(tmp_path)["verdict"] == {"verdict": "looks elsewhere", "sentence": "looks elsewhere: so."}


@pytest.mark.parametrize("table", ["report/verdicts.tsv", "report/metrics.tsv", "splits/clinic/whole.tsv"])
def test_a_table_with_other_columns_counts_as_absent(tmp_path, table):
    write(tmp_path / table, [{"stage": 2, "model": "x"}])
    assert record(tmp_path) == record(tmp_path / "elsewhere")


def test_a_verdict_without_its_sentence_counts_as_absent(tmp_path):
    write(tmp_path / "report/verdicts.tsv", [{"pipeline": PIPELINE.name, "stage": 2, "verdict": "cannot tell"}])
    assert record(tmp_path)["verdict"] is None


def test_a_run_without_tables_has_a_record_with_its_cohorts():
    found = record(Path("nowhere"))
    assert (found["verdict"], found["results"]) == (None, [])
    assert [(cohort["stage"], cohort["cohort"]) for cohort in found["training"]] == [(1, "open"), (2, "clinic")]
    assert all(cohort["patients"] is None and cohort["kinds"] is None for cohort in found["training"])


def test_the_training_is_described_by_cohort(tmp_path):
    case = {"status": "ok", "kind": "series", "rows": 512, "spacing_slice": 1.5, "contrast": 1}
    write(tmp_path / "cohorts/clinic/cases.tsv", [case, case | {"spacing_slice": 5, "contrast": None}])
    picture = {"status": "ok", "kind": "image", "rows": 300, "spacing_slice": None, "contrast": None}
    write(tmp_path / "cohorts/open/cases.tsv", [picture, picture | {"status": "rejected", "rows": 9}])
    rows = [("p1", "Covid", "train"), ("p1", "Covid", "train"), ("p2", "Non", "train"), ("p3", "Covid", "test")]
    table = [{"slice": str(n), "patient": p, "label": label, "split": part} for n, (p, label, part) in enumerate(rows)]
    write(tmp_path / "splits/clinic/whole.tsv", table)
    pictures, scans = record(tmp_path)["training"]
    assert scans["patients"] == {"train": {"Covid": 1, "Non": 1}, "val": {}, "test": {"Covid": 1}}
    assert (scans["kinds"], scans["window"]) == ({"series": 2}, [-1000, 400])
    assert scans["ranges"] == {"rows": [512, 512], "spacing_slice": [1.5, 5]}
    assert scans["contrast"] == {"with": 1, "without": 0, "unknown": 1}
    assert (pictures["kinds"], pictures["window"], pictures["ranges"]) == ({"image": 1}, None, {"rows": [300, 300]})
