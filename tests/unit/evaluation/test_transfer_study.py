"""The transfer study: which patients and slices, entropy, its trainings, means over draws, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy, t
from sklearn.metrics import roc_auc_score

from lungsight.classes import Classes
from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.evaluation.transfer_study import training
from lungsight.evaluation.transfer_study.choice import first_of_each_patient, order_of_patients, random_values
from lungsight.evaluation.transfer_study.entropy import grey_entropy, lung_entropies
from lungsight.evaluation.transfer_study.settings import (
    ALL,
    ENTROPY,
    ONE_STAGE,
    RANDOM,
    TWO_STAGES,
    Cell,
    cells_of,
    check_transfer_study,
    pipeline_of_study,
    settings_of_study,
)
from lungsight.evaluation.transfer_study.summary import summary_rows
from lungsight.evaluation.transfer_study.training import TransferStudy, capped, train_cells
from lungsight.tables import check_table, write_table
from lungsight.training.stage_training import Start, TrainingCohort
from tests.factories.tables import NEGATIVE, POSITIVE, made_manifest

SIZE = 16
PIPELINE = "whole-small_cnn-scratch"


def made_slices(patients: int = 24, slices: int = 5) -> pd.DataFrame:
    rows = [
        (f"{p:016x}-{k:04d}", f"{p:016x}", POSITIVE if p % 3 == 0 else NEGATIVE)
        for p in range(patients)
        for k in range(slices)
    ]
    return pd.DataFrame(rows, columns=["slice", "patient", "label"])


def study_config(**study: object) -> dict:
    cohorts = {
        name: {"role": role, "format": "png", "root": name, "table": f"{name}.tsv"}
        for name, role in (("curated", "public"), ("hospital", "target"))
    }
    pipelines = {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]}
    return complete_config(
        {"results": "r", "cohorts": cohorts, "pipelines": pipelines, "training": {"image_size": 32}}
        | {"transfer_study": study}
    )


# Patients and slices


@pytest.mark.parametrize("draw", range(1, 6))
def test_the_patients_of_a_draw_are_nested_and_have_all_classes_in_their_shares(draw):
    slices = made_slices()
    order = order_of_patients(slices, 7, draw)
    assert sorted(order) == sorted(slices["patient"].unique())
    label = slices.drop_duplicates("patient").set_index("patient")["label"]
    assert set(label[order[:2]]) == {POSITIVE, NEGATIVE}
    for number in (6, 12, 24):
        assert abs((label[order[:number]] == POSITIVE).mean() - 1 / 3) <= 1 / number
    assert order_of_patients(slices, 7, draw) == order
    assert order_of_patients(slices, 7, draw + 1) != order


def test_every_patient_is_drawn_about_as_often():
    slices = made_slices(patients=12)
    drawn = pd.Series([name for draw in range(600) for name in order_of_patients(slices, 0, draw)[:6]])
    shares = drawn.value_counts() / 600
    assert len(shares) == 12
    assert shares.between(0.4, 0.6).all()


def test_slices_are_the_first_of_each_patient_and_one_without_a_value_is_never_taken():
    patients = pd.Series(["a", "a", "a", "b", "b", "c"])
    values = np.array([1.0, 3.0, 3.0, np.nan, 0.5, np.nan])
    assert first_of_each_patient(patients, values, 1).tolist() == [False, True, False, False, True, False]
    assert first_of_each_patient(patients, values, 2).tolist() == [False, True, True, False, True, False]
    assert first_of_each_patient(patients, values, 9).tolist() == [True, True, True, False, True, False]


def test_as_many_random_slices_as_by_entropy():
    slices, rng = made_slices(), np.random.default_rng(0)
    entropies = np.where(rng.random(len(slices)) < 0.3, np.nan, rng.random(len(slices)))
    by_entropy = first_of_each_patient(slices["patient"], entropies, 2)
    by_chance = first_of_each_patient(slices["patient"], random_values(~np.isnan(entropies), 3, 1), 2)
    assert slices[by_entropy].groupby("patient").size().equals(slices[by_chance].groupby("patient").size())
    assert not np.isnan(entropies[by_chance]).any()
    assert by_chance.tolist() != by_entropy.tolist()
    again = first_of_each_patient(slices["patient"], random_values(~np.isnan(entropies), 3, 2), 2)
    assert again.tolist() != by_chance.tolist()


# Entropy


def test_entropy_is_that_of_scipy_inside_the_mask():
    rng = np.random.default_rng(0)
    image = rng.normal(90, 25, (40, 40)).clip(0, 255).astype(np.uint8)
    mask = rng.random((40, 40)) < 0.4
    counts = np.bincount(image[mask])
    assert grey_entropy(image, mask.astype(np.uint8)) == pytest.approx(entropy(counts, base=2), abs=1e-12)
    outside = np.where(mask, image, 255 - image)
    assert grey_entropy(outside, mask) == grey_entropy(image, mask)


def test_entropy_of_known_histograms():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    everywhere = np.ones((16, 16), np.uint8)
    assert grey_entropy(levels, everywhere) == pytest.approx(8)
    assert grey_entropy(np.full_like(levels, 255), everywhere) == 0
    assert grey_entropy((levels % 2) * 200, everywhere) == pytest.approx(1)
    assert np.isnan(grey_entropy(levels, np.zeros((16, 16))))


def test_a_slice_without_an_accepted_mask_has_no_entropy():
    images = np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 3)
    masks = np.ones((3, 16, 16), np.uint8)
    masks[2] = 0
    found = lung_entropies(images, masks, np.array([2, 1, 0]), np.array([True, False, True]))
    assert np.isnan(found).tolist() == [True, True, False]


# Trainings


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> TransferStudy:
    """16 patients with 3 slices; the lung of positives is brighter, and of each patient slice 2 is the noisiest."""
    folder, rng = tmp_path_factory.mktemp("study"), np.random.default_rng(0)
    slices = made_slices(16, 3)
    subsets = {
        name: ("train", "train", "val", "test")[place % 4] for place, name in enumerate(slices["patient"].unique())
    }
    slices["label"] = [POSITIVE if int(name, 16) // 4 % 2 else NEGATIVE for name in slices["patient"]]
    slices["split"] = slices["patient"].map(subsets)
    level = np.where(slices["label"] == POSITIVE, 150, 80) + rng.normal(0, 10, len(slices))
    noise = np.tile([5, 10, 30], 16)
    pixels = level[:, None, None] + noise[:, None, None] * rng.normal(size=(len(slices), SIZE, SIZE))
    np.save(folder / "whole.npy", pixels.clip(0, 255).astype(np.uint8))
    np.save(folder / "masks.npy", np.ones((len(slices), SIZE, SIZE), np.uint8))
    write_table(folder / "index.tsv", slices[["slice"]], "image_index")
    write_table(folder / "split.tsv", slices, "split")
    made_manifest(folder, "hospital", slices)
    config = study_config(epochs=1)
    settings = settings_of_study(config, PIPELINE) | {"image_size": SIZE, "batch_size": 4, "head_units": 4}
    return TransferStudy(
        TrainingCohort(folder / "split.tsv", folder / "whole.npy", folder / "index.tsv"),
        folder / "qc/hospital/manifest.tsv",
        "small_cnn",
        Start(),
        list(config["labels"]),
        settings | {"learning_rate": 1e-3},
        1,
        5,
        folder / "checkpoints",
        "code",
    )


CELLS = [Cell(0, 4, 1, ALL), Cell(2, 4, 1, ALL), Cell(0, 4, 2, ENTROPY)]


def test_the_slices_of_a_cell_are_those_of_its_patients(study):
    of_four, of_six = (study.positions(Cell(0, number, 1, ALL)) for number in (4, 6))
    assert (len(of_four), len(of_six)) == (12, 18)
    assert set(of_four) < set(of_six)
    by_entropy = study.training_slices.iloc[study.positions(Cell(0, 4, 1, ENTROPY))]
    assert by_entropy["slice"].str.endswith("0002").all()
    assert by_entropy["patient"].tolist() == list(dict.fromkeys(study.training_slices["patient"].iloc[of_four]))
    assert len(study.positions(Cell(0, 4, 1, RANDOM))) == 4


def test_an_interrupted_study_goes_on_after_its_last_cell_with_the_same_numbers(study, monkeypatch):
    whole = train_cells(replace(study, checkpoints=study.checkpoints / "whole"), CELLS)
    assert [(row["slices"], row["blocks"], row["epochs"]) for row in whole] == [(12, 4, 1), (12, 4, 1), (4, 4, 1)]
    table = pd.DataFrame(whole).assign(pipeline=PIPELINE, cohort="hospital", start=ONE_STAGE)
    check_table(table, "transfer_study", "made")
    again = replace(study, checkpoints=study.checkpoints / "again")
    train, trained = training.train, []

    def train_one(*arguments):
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(1)
        return train(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "train", train_one)
        train_cells(again, CELLS)
    assert len(list(again.checkpoints.glob("*.json"))) == 1
    trained = [1, 1]
    monkeypatch.setattr(training, "train", train_one)
    assert train_cells(again, CELLS) == whole
    assert len(trained) == 4  # the two cells that were not finished
    again.remove_checkpoints()
    assert not again.checkpoints.exists()


def test_a_cell_without_a_class_stays_empty(study, tmp_path):
    manifest = pd.read_csv(study.manifest, sep="\t", dtype=str, keep_default_na=False)
    positive = study.split.loc[study.split["label"] == POSITIVE, "slice"]
    manifest.loc[manifest["slice"].isin(positive), "segmented_keep"] = "0"
    path = tmp_path / "manifest.tsv"
    manifest.to_csv(path, sep="\t", index=False)
    (row,) = train_cells(replace(study, manifest=path, checkpoints=tmp_path / "cells"), [Cell(0, 4, 1, ENTROPY)])
    assert (row["roc_auc"], row["val_roc_auc"], row["epochs"]) == (None, None, 0)
    assert row["slices"] > 0


def test_the_auc_is_that_of_mean_probabilities_by_patient():
    rng = np.random.default_rng(1)
    table = made_slices(20, 3)
    outputs = rng.random((len(table), 1))
    found = training._auc_by_patient(table, outputs, [POSITIVE, NEGATIVE], Classes.of([POSITIVE, NEGATIVE]))
    means = table.assign(p=outputs[:, 0]).groupby("patient").agg(p=("p", "mean"), label=("label", "first"))
    assert found == pytest.approx(roc_auc_score(means["label"] == POSITIVE, means["p"]))
    assert training._auc_by_patient(table[:3], outputs[:3], [POSITIVE, NEGATIVE], Classes.of([POSITIVE, "b"])) is None


def test_a_number_of_patients_above_the_splits_becomes_all_of_them():
    cells = [Cell(0, number, 1, ALL) for number in (4, 9, 50, 60)]
    assert [cell.patients for cell in capped(cells, 9)] == [4, 9]


# Means over draws


def made_trainings(draws: int) -> pd.DataFrame:
    rng, rows = np.random.default_rng(2), []
    for start, selection, patients in (
        *((TWO_STAGES, ALL, 4), (TWO_STAGES, ALL, 8), (TWO_STAGES, RANDOM, 4), (TWO_STAGES, ENTROPY, 4)),
        (ONE_STAGE, ALL, 4),
    ):
        rows += [
            {
                **{"pipeline": PIPELINE, "cohort": "hospital", "start": start, "frozen_blocks": 0, "blocks": 4},
                **{"patients": patients, "draw": draw, "selection": selection, "slices": 3 * patients, "epochs": 1},
                **{"val_roc_auc": 0.5, "roc_auc": rng.uniform(0.4, 1)},
            }
            for draw in range(1, draws + 1)
        ]
    return pd.DataFrame(rows)


def test_means_ranges_and_intervals_over_draws_follow_their_formulas():
    trainings = made_trainings(6)
    summary = pd.DataFrame(summary_rows(trainings))
    check_table(summary, "transfer_summary", "made")
    cells = trainings.groupby(["start", "selection", "patients"])["roc_auc"]
    aucs = summary[summary["quantity"] == "roc_auc"].set_index(["start", "selection", "patients"])
    assert len(aucs) == 5
    for cell, values in cells:
        row = aucs.loc[cell]
        reach = t.ppf(0.975, 5) * values.std(ddof=1) / np.sqrt(6)
        wanted = [values.mean(), values.std(ddof=1), values.min(), values.max()]
        assert row[["mean", "sd", "min", "max"]].tolist() == pytest.approx(wanted)
        assert (row["mean_lo"], row["mean_hi"]) == pytest.approx((values.mean() - reach, values.mean() + reach))
        assert row["draws"] == 6
    by_draw = trainings.set_index(["start", "selection", "patients", "draw"])["roc_auc"].sort_index()
    for quantity, second in (
        ("entropy_minus_random", (TWO_STAGES, RANDOM, 4)),
        ("two_stages_minus_one", (ONE_STAGE, ALL, 4)),
    ):
        (row,) = summary[summary["quantity"] == quantity].to_dict("records")
        first = (TWO_STAGES, ENTROPY if "entropy" in quantity else ALL, 4)
        differences = by_draw.loc[first].to_numpy() - by_draw.loc[second].to_numpy()
        assert (row["mean"], row["sd"]) == pytest.approx((differences.mean(), differences.std(ddof=1)))
        assert (row["start"], row["selection"], row["patients"]) == first


def test_few_draws_have_no_interval_and_a_missing_value_does_not_count():
    trainings = made_trainings(3)
    trainings.loc[0, "roc_auc"] = np.nan
    first = summary_rows(trainings)[0]
    assert np.isnan(first["mean_lo"])
    assert first["draws"] == 2
    assert first["mean"] == pytest.approx(trainings["roc_auc"][1:3].mean())


# Config


def test_cells_of_both_starts():
    config = study_config(depths=[4, 0], patients=[8, 2], draws=2)
    assert pipeline_of_study(config) == PIPELINE
    two, one = (cells_of(config, start) for start in (TWO_STAGES, ONE_STAGE))
    assert len(two) == 2 * 2 * 2 + 2 * 2 * 2
    assert two[0] == (0, 2, 1, ALL)
    assert {cell.frozen_blocks for cell in two if cell.selection != ALL} == {0}
    # Random weights hold nothing to freeze.
    assert {(cell.frozen_blocks, cell.selection) for cell in one} == {(0, ALL)}
    config["pipelines"]["weights"] = ["imagenet"]
    assert {cell.frozen_blocks for cell in cells_of(config, ONE_STAGE)} == {0, 4}
    check_transfer_study(config)


def test_epochs_are_those_of_stage_2_unless_the_study_has_its_own():
    config = study_config()
    assert settings_of_study(config, PIPELINE)["epochs"] == config["training"]["epochs"]["stage2"]
    assert settings_of_study(study_config(epochs=3), PIPELINE)["epochs"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["cohorts"].pop("curated"), "no cohort with role: public"),
        (lambda c: c["cohorts"].pop("hospital"), "no cohort with role: target"),
        (lambda c: c["cohorts"]["hospital"].update(patients="unknown"), "patients of hospital are unknown"),
        (lambda c: c["transfer_study"].update(depths=[0, 5]), "5 blocks cannot be frozen, small_cnn has 4"),
        (lambda c: c["transfer_study"].update(patients=[1, 4]), "1 is too few for 2 classes"),
        (lambda c: c["transfer_study"].update(pipeline="whole-resnet50-scratch"), "is no pipeline of this run"),
        (lambda c: c["pipelines"].update(remedies=["style"]), "none is no pipeline of this run without a remedy"),
        (
            lambda c: (c["training"].update(warmup_epochs=2), c["transfer_study"].update(epochs=2)),
            "leaves nothing of 2",
        ),
        (
            lambda c: c["training"].update(solver="closed_form", head="extreme_learning_machines"),
            "trains the head alone, at any depth",
        ),
    ],
)
def test_a_study_that_cannot_be_is_refused_with_a_sentence(change, message):
    config = study_config()
    check_transfer_study(config)
    change(config)
    with pytest.raises(UserError, match=message):
        check_transfer_study(config)
