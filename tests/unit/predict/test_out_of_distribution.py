"""Scans unlike those of the training are flagged, in closed words, at a stated rate of false alarms."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import EmpiricalCovariance, LedoitWolf

from lungsight.predict.image_descriptors import DESCRIPTORS, GROUPS, NAMES
from lungsight.predict.out_of_distribution import (
    ALARM_RATE,
    DISTANCES,
    WORDS,
    Described,
    Gaussian,
    Ranges,
    TrainingDistribution,
    alarms_of,
    fit_training_distribution,
    p_value,
)
from lungsight.tables import table_schema

METADATA = {
    **{"rows": 512.0, "columns": 512.0, "spacing_row": 0.7, "spacing_slice": 1.5, "slice_thickness": 1.5},
    **{"kvp": 120.0, "contrast": 0, "hu_p01": -1000.0, "hu_p50": -600.0, "hu_p99": 100.0},
}
D = 3


def cases(**columns) -> pd.DataFrame:
    identity = {"row": 1, "case": "a" * 16, "patient": "b" * 16, "kind": "series", "status": "ok", "reason": ""}
    return pd.DataFrame([identity | METADATA | {"n_slices": 9} | columns])


def described(rng: np.random.Generator, case: str = "a" * 16, n: int = 1, shift: float = 0.0) -> Described:
    return Described(
        np.repeat([case], n), rng.normal(size=(n, D)) + shift, rng.normal(size=(n, len(DESCRIPTORS))) + shift
    )


NOTHING = Described(np.zeros(0, str), np.zeros((0, D)), np.zeros((0, len(DESCRIPTORS))))


def together(parts: list[Described]) -> Described:
    return Described(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("case", "features", "descriptors"))
    )


def made_cases(rng: np.random.Generator, n: int, prefix: str, **columns) -> tuple[pd.DataFrame, Described]:
    if not n:
        return cases()[:0], NOTHING
    names = [f"{prefix}{number:015d}" for number in range(n)]
    table = pd.concat([cases(case=name, patient=name, **columns) for name in names], ignore_index=True)
    table["spacing_slice"] = rng.uniform(1.5, 2.5, n)
    return table, together([described(rng, name, 2) for name in names])


def distribution(
    trained: int = 200, held_out: int = 99, seed: int = 0
) -> tuple[TrainingDistribution, np.random.Generator]:
    rng = np.random.default_rng(seed)
    train, train_slices = made_cases(rng, trained, "a")
    others, other_slices = made_cases(rng, held_out, "b")
    return fit_training_distribution(pd.concat([train, others]), train_slices, other_slices), rng


def words(case: pd.DataFrame, slices: Described, trained: TrainingDistribution) -> list[str]:
    return [alarm.word for alarm in alarms_of(case.iloc[0].to_dict(), slices, trained)]


# The distances


def test_the_mahalanobis_distance_is_scikit_learns_and_scipys():
    rng = np.random.default_rng(1)
    train, new = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4)) * 10, rng.normal(size=(6, 4)) * 20
    fitted = Gaussian.fit(train)
    shrunk = LedoitWolf().fit((train - fitted.mean) / fitted.spread)
    np.testing.assert_allclose(fitted.distance(new) ** 2, shrunk.mahalanobis((new - fitted.mean) / fitted.spread))
    peers = [mahalanobis(row / fitted.spread, fitted.mean / fitted.spread, fitted.precision) for row in new]
    np.testing.assert_allclose(fitted.distance(new), peers)
    # With many slices nothing is left of the shrinkage, and standardising changes no Mahalanobis distance.
    many = rng.normal(size=(100_000, 4)) @ rng.normal(size=(4, 4)) * 10
    peer = EmpiricalCovariance().fit(many).mahalanobis(new)
    np.testing.assert_allclose(Gaussian.fit(many).distance(new) ** 2, peer, rtol=0.01)


def test_a_deviation_of_1_is_the_limit_of_the_training():
    values = np.column_stack([np.linspace(0, 100, 101), np.full(101, 120.0), np.full(101, np.nan)])
    ranges = Ranges.fit(values, np.array([0.0, 5.0, 1.0]))
    assert ranges.low[:2].tolist() == [1, 120] and ranges.high[:2].tolist() == [99, 120]
    new = np.array([[99.0, 120.0, 7.0], [1.0, 110.0, np.nan], [148.0, np.nan, 0.0]])
    np.testing.assert_allclose(ranges.deviations(new), [[1, 0, 0], [1, 2, 0], [2, 0, 0]])


# The limit


def brute_force(distances: np.ndarray, trained: TrainingDistribution) -> float:
    """The p-value by its definition, patient by patient, in plain loops."""
    everybody = [*trained.held_out.tolist(), distances.tolist()]
    scores = []
    for row in everybody:
        standardised = []
        for place, value in enumerate(row):
            column = sorted(other[place] for other in everybody)
            middle = np.median(column)
            spread = max(1.4826 * np.median([abs(other - middle) for other in column]), 0.1)
            standardised.append((value - middle) / spread)
        scores.append(max(standardised))
    further = sum(weight for weight, score in zip(trained.weights, scores, strict=False) if score >= scores[-1])
    return (further + 1) / (sum(trained.weights) + 1)


def test_the_p_value_is_the_share_of_patients_that_are_as_far():
    trained, rng = distribution(held_out=30)
    # The first two cases are of one patient.
    weights = np.r_[0.5, 0.5, np.ones(28)]
    trained = replace(trained, weights=weights)
    for shift in (0, 0.3, 1, 3):
        distances = trained.held_out[rng.integers(30)] + shift
        p, standardised, limit = p_value(distances, trained)
        assert p == pytest.approx(brute_force(distances, trained))
        assert (p <= trained.alarm_rate) == (standardised.max() > limit)
    assert p == pytest.approx(1 / 30)


@pytest.mark.parametrize(("patients", "rate"), [(99, 0.05), (19, 0.05), (9, 0.1), (1, 0.5)])
def test_few_held_out_patients_allow_no_lower_rate_and_the_sentence_says_so(patients, rate):
    trained, _ = distribution(held_out=patients)
    assert trained.alarm_rate == pytest.approx(rate)
    assert f"About {100 * rate:.0f} % of patients" in trained.sentence()
    assert ("That is more than the 5 % aimed at, which takes 19" in trained.sentence()) == (patients < 19)


@pytest.mark.parametrize("patients", [9, 19, 60])
def test_the_share_of_false_alarms_is_the_one_that_is_stated(patients):
    flagged = []
    for seed in range(6):
        trained, rng = distribution(held_out=patients, trained=80, seed=seed)
        table, slices = made_cases(rng, 50, "c")
        flagged += [
            bool(words(table[table["case"] == name], slices.choose(slices.case == name), trained))
            for name in table["case"]
        ]
    # 300 new patients, and each limit is itself a draw: its share is a beta distribution around the rate.
    rate = 1 / (patients + 1) * max(1, int(ALARM_RATE * (patients + 1)))
    assert 0.2 * rate <= np.mean(flagged) <= 2 * rate


def test_with_unknown_patients_no_share_of_false_alarms_is_promised():
    trained, _ = distribution(held_out=60)
    assert "NIfTI volume made from DICOM of the training's own scanner" in trained.sentence()
    unknown = replace(trained, patients_known=False)
    sentence = unknown.sentence()
    assert sentence.startswith("The limit was set on 60 scans held out from the training. Their patients are unknown")
    assert "more than 5 % of new patients of the training's own kind may be flagged" in sentence
    assert "About" not in sentence
    assert replace(unknown, kinds=("image",)).sentence().startswith("The limit was set on 60 pictures")
    saved = json.loads(json.dumps(unknown.to_json()))
    assert saved["patients_known"] is False and not TrainingDistribution.of(saved, unknown.arrays()).patients_known


def persons(rng: np.random.Generator, names: range, own: np.ndarray, prefix: str) -> tuple[pd.DataFrame, Described]:
    """Two slices each of cases that look like their person. Each case counts as a patient."""
    table = pd.concat([cases(case=f"{prefix}{n:015d}", patient=f"{prefix}{n}") for n in names], ignore_index=True)
    look = np.repeat(own, 2, axis=0)
    look += rng.normal(size=look.shape) / 9
    return table, Described(np.repeat(table["case"].to_numpy(str), 2), look[:, :D], look[:, D:])


def test_held_out_pictures_of_trained_persons_flag_many_new_persons():
    """Why no share is promised: what lies near the training is no new patient."""
    rng = np.random.default_rng(1)
    looks = rng.normal(size=(40, D + len(DESCRIPTORS)))
    who = rng.integers(0, 15, 300)
    train, held_out = persons(rng, range(240), looks[who[:240]], "a"), persons(rng, range(60), looks[who[240:]], "b")
    tables, slices = zip(train, held_out, strict=True)
    trained = fit_training_distribution(pd.concat(tables), *slices, patients_known=False)
    table, new = persons(rng, range(25), looks[15:], "c")
    flagged = [bool(words(table[table["case"] == c], new.choose(new.case == c), trained)) for c in table["case"]]
    assert np.mean(flagged) > 5 * ALARM_RATE


def test_without_held_out_patients_only_facts_are_compared():
    trained, rng = distribution(held_out=0)
    assert words(cases(kvp=10.0), described(rng, shift=50), trained) == []
    assert words(cases(kind="image"), described(rng), trained) == ["file kind", "window"]
    assert trained.sentence().startswith("No patient was held out")


def test_several_cases_of_a_patient_count_as_one_patient():
    rng = np.random.default_rng(3)
    train, train_slices = made_cases(rng, 50, "a")
    others, other_slices = made_cases(rng, 40, "b")
    others["patient"] = ["b" * 16] * 20 + [f"c{n:015d}" for n in range(20)]
    trained = fit_training_distribution(pd.concat([train, others]), train_slices, other_slices)
    assert trained.patients == 21
    np.testing.assert_allclose(trained.weights, [1 / 20] * 20 + [1.0] * 20)


# The words


def test_facts_are_compared_whatever_the_images():
    trained, rng = distribution()
    near = described(rng)
    near = replace(near, features=near.features * 0, descriptors=near.descriptors * 0)
    assert words(cases(), near, trained) == []
    assert words(cases(contrast=1), near, trained) == ["contrast"]
    assert words(cases(contrast=np.nan), near, trained) == []
    assert words(cases(kind="image", **dict.fromkeys(METADATA, np.nan)), near, trained) == ["file kind", "window"]
    assert words(cases(kind="volume"), near, trained) == ["file kind"]
    pictures = replace(trained, kinds=("image",))
    assert words(cases(), near, pictures) == ["file kind", "window"]


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("spacing_slice", 10.0, "slice spacing"),
        ("spacing_row", 1.4, "pixel spacing"),
        ("slice_thickness", 10.0, "slice thickness"),
        ("kvp", 80.0, "tube voltage"),
        ("rows", 1024.0, "image size"),
        ("hu_p50", -100.0, "HU"),
    ],
)
def test_a_value_far_from_the_training_is_named(column, value, word):
    trained, rng = distribution()
    near = described(rng)
    near = replace(near, features=near.features * 0, descriptors=near.descriptors * 0)
    (alarm,) = alarms_of(cases(**{column: value}).iloc[0].to_dict(), near, trained)
    assert alarm.word == word
    assert f"{value:.4g}".replace("-", "−") in alarm.text and ";" not in alarm.text


def test_a_slice_spacing_names_its_unit_and_the_range():
    trained, rng = distribution()
    (alarm,) = alarms_of(cases(spacing_slice=20.0).iloc[0].to_dict(), described(rng).choose(np.zeros(0, int)), trained)
    assert re.fullmatch(r"slice spacing 20 mm \(98 % of the training: 1\.5\d* to 2\.4\d*\)", alarm.text)


@pytest.mark.parametrize("group", GROUPS)
def test_an_image_far_from_the_training_names_the_group_of_its_descriptors(group):
    trained, rng = distribution()
    slices = described(rng, n=3)
    places = [DESCRIPTORS.index(name) for name in GROUPS[group]]
    slices.descriptors[:, places[1]] = 40.0
    (alarm,) = alarms_of(cases().iloc[0].to_dict(), slices, trained)
    assert alarm.word == group
    assert alarm.text.startswith(f"{NAMES[DESCRIPTORS[places[1]]]} 40.00 (98 % of the training: −2.")


def test_features_far_from_the_training_are_named():
    trained, rng = distribution()
    slices = described(rng, n=3)
    assert words(cases(), replace(slices, features=slices.features + 20), trained) == ["features"]


def test_the_median_slice_decides():
    trained, rng = distribution()
    slices = described(rng, n=9)
    slices.features[:3] += 50
    assert words(cases(), slices, trained) == []


def test_the_words_are_those_of_the_schema():
    pattern = table_schema("new_predictions")["properties"]["out_of_range"]["pattern"]
    for word in WORDS:
        assert re.search(pattern, word) and re.search(pattern, f"{word}; {WORDS[0]}")
    assert re.search(pattern, "") and not re.search(pattern, "kernel")
    assert set(re.findall(r"[\w ]+", pattern.partition("; ")[0])) == set(WORDS)


def test_a_training_distribution_is_restored_from_its_files():
    trained, rng = distribution()
    restored = TrainingDistribution.of(json.loads(json.dumps(trained.to_json())), trained.arrays())
    far, slices = cases(kvp=80.0).iloc[0].to_dict(), described(rng, shift=4)
    assert alarms_of(far, slices, restored) == alarms_of(far, slices, trained) != []
    assert restored.held_out.shape == (99, len(DISTANCES))
