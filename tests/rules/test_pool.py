"""Joining finished runs, by a target that needs no cohorts."""

import pytest
from sklearn.metrics import roc_auc_score

from lungsight.files import write_json
from lungsight.tables import read_table, write_table
from tests.factories.tables import POSITIVE
from tests.factories.workspace import Workspace
from tests.unit.evaluation.test_fold_pooling import FOLDS, made_run_of_fold

MODEL = "models/whole-small_cnn-scratch/stage1"


def test_pool_folds(tmp_path):
    workspace = Workspace(tmp_path, {})
    runs = [f"results/fold{fold}" for fold in range(FOLDS)]
    for fold, run in enumerate(runs):
        write_table(tmp_path / run / MODEL / "predictions/hospital.tsv", made_run_of_fold(fold, fold), "predictions")
        evaluated = {"positive": POSITIVE, "intervals": {"resamples": 100, "seed": 1}}
        write_json(tmp_path / run / MODEL / "metrics.json", evaluated)

    def pool(*names):
        arguments = ("--cores", "1", "--show-failed-logs", "pool_folds", "--config", f"folds_of=[{','.join(names)}]")
        return workspace.snakemake(*arguments, "out=results/pooled", configured=False)

    done = pool(*runs)
    assert done.returncode == 0, done.stdout
    found = read_table(tmp_path / "results/pooled/metrics.tsv", "pooled_metrics")
    assert found[["cohort", "unit", "folds", "n"]].values.tolist() == [
        ["hospital", "slice", 3, 18],
        ["hospital", "patient", 3, 9],
    ]
    pooled = read_table(
        tmp_path / "results/pooled/predictions" / MODEL.removeprefix("models/") / "hospital.tsv", "predictions"
    )
    assert found["roc_auc"][0] == pytest.approx(roc_auc_score(pooled["label"] == POSITIVE, pooled["probability"]))
    assert found["roc_auc_lo"].notna().all()
    (tmp_path / "results/pooled/metrics.tsv").unlink()
    failed = pool(*runs[:2])
    assert failed.returncode != 0 and "is a fold missing?" in failed.stdout and "Traceback" not in failed.stdout
