"""Joining the folds of a cross-validation."""

import numpy as np
import pandas as pd
import pytest

from lungsight.errors import UserError
from lungsight.evaluation.fold_pooling import pool_folds, prediction_files
from lungsight.evaluation.fold_runs import runs_to_pool
from tests.factories.tables import NEGATIVE, POSITIVE

FOLDS = 3
NOTHING = (None, "", [])


def made_run_of_fold(fold: int, key: int = 0) -> pd.DataFrame:
    """Make predictions of nine patients; fold p mod 3 tests patient p. Another key gives other pseudonyms."""
    rows = []
    for patient in range(9):
        for k in range(2):
            subset = {fold: "test", (fold + 1) % FOLDS: "val"}.get(patient % FOLDS, "train")
            case = f"{1000 * key + patient:016x}"
            rows.append(
                (f"{case}-{k:04d}", case, (POSITIVE, NEGATIVE)[patient % 2], subset, 0.1 * fold + 0.01 * patient)
            )
    return pd.DataFrame(rows, columns=["slice", "patient", "label", "split", "probability"])


def test_every_slice_has_the_probability_of_the_run_that_tests_it():
    pooled = pool_folds([made_run_of_fold(fold, key=fold) for fold in range(FOLDS)])
    expected = [0.1 * (patient % FOLDS) + 0.01 * patient for patient in range(9) for _ in range(2)]
    np.testing.assert_allclose(pooled["probability"], expected, rtol=1e-12)
    assert set(pooled["split"]) == {"test"}
    assert pooled["slice"].tolist() == made_run_of_fold(0)["slice"].tolist()


def test_an_external_cohort_has_the_mean_of_all_runs():
    tables = [made_run_of_fold(fold).assign(split="test") for fold in range(FOLDS)]
    np.testing.assert_allclose(pool_folds(tables)["probability"], np.mean([t["probability"] for t in tables], axis=0))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([made_run_of_fold(0), made_run_of_fold(1)], "6 of 18 slices are tested in no run: is a fold missing?"),
        ([made_run_of_fold(f) for f in (0, 1, 2, 2)], "is a fold there twice?"),
        ([made_run_of_fold(0), made_run_of_fold(1), made_run_of_fold(2).iloc[1:]], "do not have the same slices"),
        ([made_run_of_fold(0), made_run_of_fold(1).assign(label=POSITIVE)], "do not have the same slices"),
    ],
)
def test_runs_that_are_not_one_cross_validation_are_refused(tables, message):
    with pytest.raises(UserError) as caught:
        pool_folds(tables)
    assert message in str(caught.value)


def test_every_run_must_have_every_prediction_table(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "models/p/stage1/predictions").mkdir(parents=True)
    runs = [tmp_path / "one", tmp_path / "two"]
    (runs[0] / "models/p/stage1/predictions/c.tsv").touch()
    with pytest.raises(UserError, match=r"two lacks models/p/stage1/predictions/c\.tsv"):
        prediction_files(runs)
    (runs[1] / "models/p/stage1/predictions/c.tsv").touch()
    # The control of adaptation has no metrics to pool.
    (runs[0] / "models/p/stage2-target-only/predictions").mkdir(parents=True)
    (runs[0] / "models/p/stage2-target-only/predictions/c.tsv").touch()
    assert [str(path) for path in prediction_files(runs)] == ["models/p/stage1/predictions/c.tsv"]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        *[(nothing, "folds_of must name the results folder of every fold: pool_folds --config") for nothing in NOTHING],
        ([""], "folds_of is empty"),
        ([None, "fold1"], "folds_of is empty"),
        ("fold3", "folds_of: the folder fold3 does not exist."),
        (["fold1", "Fold2"], "folds_of: the folder Fold2 does not exist; did you mean 'fold2'?"),
        (["fold1", "a.tsv"], "folds_of: a.tsv is a file; name the results folder of a run."),
        (["fold1", "fold2", "./fold1/"], "folds_of: ./fold1/ is named twice; every fold is a run of its own."),
        (7, "folds_of: Snakemake reads the value as 7, no path"),
        ({"a": "fold1"}, "folds_of: Snakemake reads the value as {'a': 'fold1'}, no path"),
    ],
)
def test_runs_that_cannot_be_joined_are_refused_before_a_job_starts(tmp_path, monkeypatch, written, message):
    monkeypatch.chdir(tmp_path)
    for name in ("fold1", "fold2"):
        (tmp_path / name).mkdir()
    (tmp_path / "a.tsv").touch()
    with pytest.raises(UserError) as caught:
        runs_to_pool(written)
    assert message in str(caught.value)
    assert runs_to_pool(["fold1", "fold2/"]) == ["fold1", "fold2/"] and runs_to_pool("fold1") == ["fold1"]
