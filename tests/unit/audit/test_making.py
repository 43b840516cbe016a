"""Whether a model uses the making of images: made models whose answer is known, against SciPy and by hand."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from lungsight.audit.making import (
    COUNTERFACTUAL,
    IMPOSED,
    NUMBERS,
    VERSIONS,
    WASHED,
    SliceSource,
    audit_making,
    counterfactual_scores,
    making_logits,
    making_of,
    making_rows,
    sample_of_patients,
    versions_of,
    within_class_statistic,
)
from lungsight.audit.predictions import Predictions
from lungsight.audit.rows import UNMODIFIED, audit_row
from lungsight.audit.verdict import Estimate, Evidence
from lungsight.classes import Classes
from lungsight.intake.forensics.imposing import IMPOSITIONS
from lungsight.intake.forensics.pixels import Pixels
from lungsight.intake.forensics.traces import BY_NAME
from lungsight.intake.forensics.washing import WASHINGS
from lungsight.training.image_cache import slice_arrays
from lungsight.training.regions import WHOLE_IMAGE
from tests.factories.tables import NEGATIVE, POSITIVE, disc

N = 40
# The trace of each kind that an imposition has to raise above that of the washed picture, and the sign.
RAISED = {
    "borders": ("border", 1),
    "letters": ("marks", 1),
    "compression": ("blockiness", 1),
    "resolution": ("edge_width", -1),
    "grey_levels": ("clipped_low", 1),
    "noise": ("noise_muscle", 1),
}


def chest(seed: int = 0, size: int = 192) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((size, size), 40.0)
    image[disc(size, 0.5, 0.5, 0.36, 0.44)] = 170
    for column in (0.32, 0.68):
        image[disc(size, 0.5, column, 0.24, 0.14)] = 70
    return np.clip(np.rint(image + rng.normal(0, 3, image.shape)), 0, 255).astype(np.uint8)


def slices_of(n: int = N, each: int = 2) -> pd.DataFrame:
    patient = np.repeat(np.arange(n), each)
    return pd.DataFrame(
        {
            "slice": [f"{p:016x}-{k:04d}" for p, k in zip(patient, np.tile(np.arange(each), n), strict=True)],
            "patient": [f"{p:016x}" for p in patient],
            "label": np.where(patient % 2, POSITIVE, NEGATIVE),
        }
    )


def logits_where(uses: str, strength: float, seed: int = 0) -> pd.DataFrame:
    """Logits of a model that reads a lesion, and with `strength` a trace of the kind `uses` that positives have."""
    table, rng = slices_of(), np.random.default_rng(seed)
    positive = (table["label"] == POSITIVE).to_numpy()
    lesion = np.where(positive, 1.0, -1.0) + 0.5 * rng.normal(size=len(table))
    for name in VERSIONS:
        trace = np.where(positive, 1.0, -1.0)
        if name.endswith(uses):
            trace = np.full(len(table), 1.0 if name.startswith(IMPOSED) else -1.0)
        table[name] = lesion + strength * trace
    return table


def no_traces(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"slice": table["slice"], **{name: np.nan for name in NUMBERS}})


def by_measure(rows: list, variant: str) -> dict[str, tuple[float, float, float]]:
    return {
        row["measure"]: (row["value"], row["value_lo"], row["value_hi"]) for row in rows if row["variant"] == variant
    }


def test_every_washing_has_an_imposition_that_leaves_the_trace_and_the_shape() -> None:
    assert list(IMPOSITIONS) == list(WASHINGS) == list(RAISED)
    versions = versions_of(chest(), 256)
    assert tuple(versions) == VERSIONS
    np.testing.assert_array_equal(versions[UNMODIFIED], chest())
    for kind, (trace, sign) in RAISED.items():
        washed, imposed = (versions[f"{version}_{kind}"] for version in (WASHED, IMPOSED))
        assert washed.shape == imposed.shape == chest().shape and imposed.dtype == np.uint8
        values = [BY_NAME[trace].measure(Pixels(image)) or 0.0 for image in (washed, imposed)]
        assert sign * (values[1] - values[0]) > 0, (kind, values)
        np.testing.assert_array_equal(imposed, IMPOSITIONS[kind](chest()))  # the same picture, the same result


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (16, 40)])
def test_small_pictures_keep_their_shape(shape: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    for image in versions_of(grey, 64).values():
        assert image.shape == shape and image.dtype == np.uint8


def detail_of(grey: np.ndarray, seen: int) -> float:
    """Measure the share of the finest detail, above 0.4 per pixel, in what a network of `seen` pixels a side sees."""
    power = np.abs(np.fft.fft2(slice_arrays(grey, np.zeros(grey.shape, bool), seen)[0].astype(float))) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(seen), np.fft.fftfreq(seen)))
    return float(power[frequency > 0.4].sum() / power[frequency > 0].sum())


@pytest.mark.parametrize("seen", [64, 96, 256])
def test_a_small_network_sees_no_fine_detail_where_the_resolution_is_washed_out(seen: int) -> None:
    sharp = np.random.default_rng(3).integers(0, 256, (512, 512)).astype(np.uint8)
    soft = np.asarray(Image.fromarray(sharp).resize((seen, seen)).resize((512, 512), Image.Resampling.BILINEAR))
    before, after = (
        [detail_of(image, seen) for image in images]
        for images in ((sharp, soft), [versions_of(each, seen)["washed_resolution"] for each in (sharp, soft)])
    )
    assert before[0] > 2 * before[1] > 0.1
    assert max(after) < 0.1 * before[0]


@pytest.mark.parametrize("uses", ["compression", "noise"])
def test_a_model_that_reads_a_trace_follows_it_where_it_contradicts_the_class(uses: str) -> None:
    table = logits_where(uses, 3.0)
    rows = making_rows(table, no_traces(table), POSITIVE, 200, 1)
    for kind in WASHINGS:
        found = by_measure(rows, kind)
        value, _, high = found[COUNTERFACTUAL]
        assert (high < 0.5) if kind == uses else (value > 0.95), (kind, value)
    # Positives washed, negatives with the trace: the way with the lower AUC, by patient.
    shown = np.where(table["label"] == POSITIVE, table[f"washed_{uses}"], table[f"imposed_{uses}"])
    of_patients = table.assign(p=expit(shown)).groupby(["patient", "label"], as_index=False)["p"].mean()
    expected = roc_auc_score(of_patients["label"] == POSITIVE, of_patients["p"])
    assert by_measure(rows, uses)[COUNTERFACTUAL][0] == pytest.approx(expected)


def test_a_model_that_reads_lesions_keeps_its_auc_and_its_answers() -> None:
    table = logits_where("noise", 0.0)
    rows = making_rows(table, no_traces(table), POSITIVE, 200, 1)
    for kind in WASHINGS:
        found = by_measure(rows, kind)
        assert found[COUNTERFACTUAL][0] == found["roc_auc"][0] == by_measure(rows, UNMODIFIED)["roc_auc"][0]
        assert found["roc_auc_loss"] == (0, 0, 0) and found["shift"][0] == 0
    assert {row["reason"] for row in rows if row["measure"] == "rank_correlation"} == {
        "the trace is the same, or unknown, within every class"
    }


def test_the_shift_is_in_standard_deviations_of_the_logit() -> None:
    table = logits_where("noise", 1.0)
    shift = by_measure(making_rows(table, no_traces(table), POSITIVE, 0, 1), "noise")["shift"][0]
    expected = np.abs(table["washed_noise"] - table["intact"]).mean() / table["intact"].std(ddof=0)
    assert shift == pytest.approx(expected)


def test_the_rank_correlation_within_classes_is_scipys() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat(["a", "b", "c"], [12, 20, 2])
    trace = rng.integers(0, 6, 34).astype(float)
    answer = trace + rng.normal(0, 2, 34)
    statistic = within_class_statistic(trace, answer, labels)
    assert statistic is not None
    each = [spearmanr(trace[labels == name], answer[labels == name]).statistic for name in "ab"]
    assert statistic(np.ones((1, 34)))[0] == pytest.approx((12 * each[0] + 20 * each[1]) / 32)
    # A patient drawn twice counts twice in the correlation of the ranks.
    weights = np.ones((1, 34))
    weights[0, 12:], weights[0, 0] = 0, 2
    ranks = [pd.Series(values[:12]).rank().to_numpy() for values in (trace, answer)]
    doubled = [np.append(values, values[0]) for values in ranks]
    assert statistic(weights)[0] == pytest.approx(np.corrcoef(*doubled)[0, 1])
    assert within_class_statistic(np.ones(34), answer, labels) is None


def test_answers_that_follow_a_trace_within_classes_are_found() -> None:
    table = logits_where("noise", 0.0)
    traces = no_traces(table).assign(
        noise_air=table["intact"], noise_muscle=np.random.default_rng(1).random(len(table))
    )
    rows = {row["variant"]: row for row in making_rows(table, traces, POSITIVE, 200, 1) if row["chance"] == 0}
    assert rows["noise_air"]["value"] == pytest.approx(1) and rows["noise_air"]["n"] == N
    assert rows["noise_muscle"]["value_lo"] < 0 < rows["noise_muscle"]["value_hi"]


def test_of_three_classes_each_pair_has_its_own_counterfactual() -> None:
    labels, n = ["a", "b", "c"], 30
    slices = pd.DataFrame({"patient": [str(k) for k in range(n)], "label": np.tile(labels, n // 3)})
    washed, imposed = np.zeros((n, 3)), np.zeros((n, 3))
    imposed[:, 1] = 5.0  # with the trace every slice is taken for b
    scores = counterfactual_scores(slices, washed, imposed, labels)
    pairs = {pair: float(scores.statistic([pair])(np.ones((1, n)))[0]) for pair in range(3)}
    assert pairs == {0: 0.0, 1: 0.5, 2: 0.0}  # a b, a c, b c


def test_a_sample_takes_many_patients_before_many_slices() -> None:
    table = pd.concat([slices_of(4, 5), slices_of(9, 1).iloc[4:]], ignore_index=True)
    assert set(sample_of_patients(table, 9)["patient"]) == set(table["patient"])
    first = sample_of_patients(table, 9).groupby("patient")["slice"].first()
    assert first[f"{0:016x}"].endswith("-0002")  # the middle one of five
    assert len(sample_of_patients(table, 13)) == 13 and len(sample_of_patients(table, 99)) == len(table)
    assert sample_of_patients(table, 0).empty and sample_of_patients(table.head(0), 5).empty


def test_a_sample_takes_patients_of_all_classes_in_turn() -> None:
    """As in cohorts of one picture a patient, whose table lists one class after the other."""
    of_class = {POSITIVE: 300, NEGATIVE: 60}
    rows = [(f"{label}-{n}", f"{label} patient {n}", label) for label, size in of_class.items() for n in range(size)]
    table = pd.DataFrame(rows, columns=["slice", "patient", "label"])
    chosen = sample_of_patients(table, 20)
    assert dict(chosen["label"].value_counts()) == {POSITIVE: 10, NEGATIVE: 10}
    places = [int(name.split("-")[-1]) for name in chosen.loc[chosen["label"] == POSITIVE, "slice"]]
    assert np.diff([0, *places, 300]).max() < 60, "evenly spaced in the class"
    everyone = sample_of_patients(table, 200)["label"].value_counts()
    assert everyone[NEGATIVE] == 60 and everyone[POSITIVE] == 140


def test_no_slices_give_a_row_with_a_reason() -> None:
    empty = audit_making(lambda images: None, slices_of().head(0), None, Classes((POSITIVE, NEGATIVE), True), 5)
    (row,) = making_rows(empty, no_traces(slices_of()), POSITIVE, 10, 1)
    assert row["reason"] == "no test slice was measured"


def test_the_source_shows_slices_as_the_network_sees_them(tmp_path, monkeypatch) -> None:
    lung = disc(192, 0.5, 0.5, 0.3, 0.3)
    slices = slices_of(2, 2).assign(case=["p", "p", "q", "q"], png="", z_index=[0, 1, 0, 1])
    read: list[int] = []

    def planes(wanted, cohort, masks):
        for row in range(len(wanted)):
            read.append(row)
            yield row, chest(row), {"masks": lung}

    monkeypatch.setattr("lungsight.audit.making.planes_of_slices", planes)
    chosen = [slices["slice"][3]]
    segmented = SliceSource(slices, tmp_path, tmp_path, "segmented", WHOLE_IMAGE, 32).remade(chosen)
    assert read == [0, 1] and set(segmented) == set(VERSIONS)  # the cases of chosen slices alone
    assert segmented[UNMODIFIED].shape == (1, 32, 32) and segmented["imposed_borders"][0, 0, 0] == 0
    assert (segmented["imposed_noise"][0][:3] == 0).all()  # beside the lung nothing is left to change


def forensics_rows(**p_of_trace: float) -> pd.DataFrame:
    return pd.DataFrame(
        [{"tells": "label", "trace": name, "auc": 0.9 - p, "p_holm": p} for name, p in p_of_trace.items()]
    )


def test_only_kinds_that_tell_the_class_count() -> None:
    audited = pd.DataFrame(
        [
            {**audit_row("making", kind, measure, value, (value - 0.125, value + 0.125), n=20), "unit": "patient"}
            for kind in ("noise", "compression")
            for measure, value in ((COUNTERFACTUAL, 0.25), ("roc_auc", 0.75), ("roc_auc_loss", 0.125))
        ]
    )
    traces = forensics_rows(noise_air=0.2, blockiness=0.04, block_row=0.01, jpeg_quality=0.01)
    (found,) = making_of(traces, audited)
    answers = Estimate(0.25, 0.125, 0.375), Estimate(0.75, 0.625, 0.875), Estimate(0.125, 0.0, 0.25)
    assert found == ("JPEG grid, first row", pytest.approx(0.89), *answers, False)
    assert making_of(traces.assign(tells="cohort"), audited) == ()


def test_the_most_special_kind_that_tells_the_class_about_as_well_is_named() -> None:
    audited = pd.DataFrame(
        [
            {**audit_row("making", kind, COUNTERFACTUAL, value, (value, value + 0.1), n=20), "unit": "patient"}
            for kind, value in (("compression", 0.9), ("noise", 0.3), ("grey_levels", 0.0))
        ]
    )
    traces = forensics_rows(blockiness=0.01, noise_air=0.01, grey_levels=0.01)
    compression, grey_levels, noise = making_of(traces, audited)
    assert [each.counterfactual.value for each in (compression, grey_levels, noise)] == [0.9, 0.0, 0.3]
    assert [each.general for each in (compression, grey_levels, noise)] == [False, True, False]
    seen = Evidence("whole", 40, *[Estimate()] * 5)
    assert seen._replace(making=(compression, grey_levels, noise)).by_making == noise
    weaker = (compression, grey_levels, noise._replace(auc=grey_levels.auc - 0.06))
    assert seen._replace(making=weaker).by_making == weaker[2], "a general kind does not set the mark"
    followed = compression._replace(counterfactual=noise.counterfactual)
    assert seen._replace(making=(followed, noise)).by_making == followed
    assert seen._replace(making=(followed._replace(auc=noise.auc - 0.06), noise)).by_making == noise
    assert seen._replace(making=(compression, grey_levels)).by_making == grey_levels
    assert seen._replace(making=(compression,)).by_making == compression, "the answers follow none"


def test_predictions_of_several_classes_have_a_row_for_each() -> None:
    classes = Classes(("a", "b", "c"), False)

    def outputs(images):
        return Predictions(
            np.tile(np.arange(3.0), (len(images), 1)), np.zeros((len(images), 1)), np.zeros((1, 3, 1, 1))
        )

    remade = {name: np.zeros((2, 4, 4), np.uint8) for name in VERSIONS}
    table = making_logits(outputs, remade, slices_of(2, 1), classes)
    assert list(table["class"]) == ["a", "b", "c"] * 2 and list(table["imposed_noise"]) == [0, 1, 2] * 2
