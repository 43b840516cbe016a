"""Ensembles: the mean of calibrated logits, weights by validation alone, checked by a search and by hand."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.evaluation.ensemble_table import Statistics, combine_predictions, rows_of_stage
from lungsight.evaluation.ensembles import combine, fit_ensemble, shared_rows
from lungsight.evaluation.temperature import fit_temperature
from tests.factories.tables import NEGATIVE, POSITIVE

LABELS = [POSITIVE, NEGATIVE]
A, B, C = "whole-resnet50-scratch", "whole-vgg16-scratch", "segmented-resnet50-scratch"


def made(skills: dict[str, float], seed: int = 0, patients: int = 60) -> dict[str, pd.DataFrame]:
    """Predictions of pipelines that see the truth through noise of their own, and scale it wrongly."""
    rng = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(patients), 3)
    labels = np.where(numbers % 2 == 0, POSITIVE, NEGATIVE)
    table = pd.DataFrame(
        {
            "slice": [f"{number:016x}-{place:04d}" for place, number in enumerate(numbers)],
            "patient": [f"{number:016x}" for number in numbers],
            "label": labels,
            "split": np.array(["train", "val", "test"])[(numbers // 2) % 3],
        }
    )
    sign = np.where(labels == POSITIVE, 0.5, -0.5)
    scale = dict(zip(skills, (1.0, 4.0, 0.3), strict=False))
    return {
        name: table.assign(probability=expit(scale[name] * (skill * sign + rng.normal(size=len(table)))))
        for name, skill in skills.items()
    }


def loss_by_hand(weights: np.ndarray, tables: dict[str, pd.DataFrame], temperatures: list[float]) -> float:
    """A second implementation, for two classes: the sigmoid of the mean of logits over temperatures."""
    validation = [table[table["split"] == "val"] for table in tables.values()]
    logits = [logit(table["probability"]) / t for table, t in zip(validation, temperatures, strict=True)]
    probability = expit(sum(w * z for w, z in zip(weights, logits, strict=True)))
    truth = validation[0]["label"] == POSITIVE
    return float(-np.log(np.where(truth, probability, 1 - probability)).mean())


def test_weights_are_those_of_the_least_loss_on_validation() -> None:
    tables = made({A: 1.5, B: 1.0, C: 0.2})
    ensemble = fit_ensemble(tables, LABELS)
    assert ensemble.note == "" and sum(ensemble.weights) == pytest.approx(1)
    steps = np.arange(0, 1.001, 0.02)
    grid = [np.array([a, b, 1 - a - b]) for a, b in product(steps, steps) if a + b <= 1 + 1e-9]
    losses = [loss_by_hand(weights, tables, ensemble.temperatures) for weights in grid]
    best = loss_by_hand(np.array(ensemble.weights), tables, ensemble.temperatures)
    assert best <= min(losses) + 1e-9
    np.testing.assert_allclose(ensemble.weights, grid[int(np.argmin(losses))], atol=0.03)


def test_predictions_are_the_sigmoid_of_the_weighted_mean_of_calibrated_logits() -> None:
    tables = made({A: 1.5, B: 1.0})
    ensemble = fit_ensemble(tables, LABELS)
    for name, temperature in zip((A, B), ensemble.temperatures, strict=True):
        validation = tables[name][tables[name]["split"] == "val"]
        assert temperature == pytest.approx(fit_temperature(validation, LABELS))
    mean = sum(
        weight * logit(tables[name]["probability"]) / temperature
        for name, weight, temperature in zip((A, B), ensemble.weights, ensemble.temperatures, strict=True)
    )
    np.testing.assert_allclose(combine(ensemble, tables, LABELS)["probability"], expit(mean), rtol=1e-9)


def test_test_slices_choose_nothing() -> None:
    tables = made({A: 1.5, B: 1.0})
    turned = {
        name: table.assign(probability=table["probability"].where(table["split"] == "val", 1 - table["probability"]))
        for name, table in tables.items()
    }
    assert fit_ensemble(tables, LABELS) == fit_ensemble(turned, LABELS)


def test_a_member_that_knows_nothing_has_little_weight_and_many_good_ones_beat_each() -> None:
    tables = made({A: 1.2, B: 1.2, C: 0.0}, patients=600)
    ensemble = fit_ensemble(tables, LABELS)
    assert ensemble.weights[2] < 0.05 and ensemble.weights[0] == pytest.approx(0.5, abs=0.1)
    predictions = {name: {"clinic": table} for name, table in tables.items()}
    combined = {"all": combine_predictions([A, B, C], predictions, "clinic", LABELS)}
    statistics = Statistics(POSITIVE, 200, 1, LABELS)
    rows = pd.DataFrame(rows_of_stage(2, "clinic", predictions, combined, statistics))
    [ranked] = rows[rows["rank"].notna()].to_dict("records")
    assert (ranked["unit"], ranked["rank"], ranked["ranked"]) == ("patient", 1, 4)
    assert ranked["difference"] > 0 and ranked["compared_with"] in (A, B)
    assert ranked["members"] == f"{A} {B} {C}" and ranked["p_holm"] == ranked["p"]
    assert list(rows["unit"]) == ["slice", "patient"]


def test_too_few_validation_patients_weigh_equally_and_say_so() -> None:
    tables = {name: table[table["patient"] < f"{12:016x}"] for name, table in made({A: 1.5, B: 1.0}).items()}
    ensemble = fit_ensemble(tables, LABELS)
    assert (ensemble.weights, ensemble.temperatures) == ([0.5, 0.5], [1.0, 1.0])
    assert "4 validation patients, 2 of the rarest class; 3 are needed" in ensemble.note


def test_slices_that_all_predict_are_combined_and_others_refused() -> None:
    tables = made({A: 1.5, B: 1.0})
    fewer = {A: tables[A], B: tables[B].iloc[::-1].iloc[4:]}
    shared = shared_rows(fewer)
    assert list(shared[A]["slice"]) == list(shared[B]["slice"]) == list(tables[A]["slice"])[:-4]
    other = tables[B].assign(split=tables[B]["split"].replace({"val": "test"}))
    with pytest.raises(UserError, match="another patient, label or subset"):
        shared_rows({A: tables[A], B: other})


def test_three_classes_are_combined_by_softmax() -> None:
    rng = np.random.default_rng(0)
    labels = ["x", "y", "z"]
    base = made({A: 1.0})[A].assign(label=np.repeat([labels[n % 3] for n in range(60)], 3))
    base = base.assign(split=np.repeat([("train", "val", "test")[(n // 3) % 3] for n in range(60)], 3))
    tables = {}
    for name in (A, B):
        logits = rng.normal(size=(len(base), 3)) + 1.2 * (base["label"].to_numpy()[:, None] == labels)
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        tables[name] = base.assign(probability=p[:, 0], p_1=p[:, 0], p_2=p[:, 1], p_3=p[:, 2])
    ensemble = fit_ensemble(tables, labels)
    combined = combine(ensemble, tables, labels)
    product_of_powers = np.prod(
        [
            tables[name][["p_1", "p_2", "p_3"]].to_numpy() ** (weight / temperature)
            for name, weight, temperature in zip((A, B), ensemble.weights, ensemble.temperatures, strict=True)
        ],
        axis=0,
    )
    wanted = product_of_powers / product_of_powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(combined[["p_1", "p_2", "p_3"]], wanted, rtol=1e-8)
    assert list(combined["predicted"]) == [labels[place] for place in wanted.argmax(axis=1)]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([A], "pipelines.ensembles.both: an ensemble needs two pipelines or more, and this has 1."),
        ([], "pipelines.ensembles.both: an ensemble needs two pipelines or more, and this has 0."),
        ([A, B], f"pipelines.ensembles.both: {B} is no pipeline of this run; it trains {A}, {C}."),
    ],
)
def test_an_ensemble_of_one_or_of_unknown_pipelines_is_refused(members: list[str], message: str) -> None:
    cohort = {"role": "public", "format": "png", "root": "data", "table": "table.tsv"}
    chosen = {"frameworks": ["whole", "segmented"], "backbones": ["resnet50"], "weights": ["scratch"]}
    config = {"results": "results/x", "cohorts": {"open": cohort}, "pipelines": chosen}
    complete_config(config | {"pipelines": chosen | {"ensembles": {"both": [A, C]}}})
    with pytest.raises(UserError) as caught:
        complete_config(config | {"pipelines": chosen | {"ensembles": {"both": members}}})
    assert message in str(caught.value)
