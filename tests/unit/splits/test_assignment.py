"""The splitter: properties that hold for any cohort, and single cases by hand."""

import string

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungsight.errors import UserError
from lungsight.splits.assignment import assign
from lungsight.splits.checks import check_input_view
from lungsight.splits.cohort_split import CohortTables, SplitPlan, in_input_view
from lungsight.splits.cohort_split import split_cohorts as split_by_plan
from lungsight.subsets import SUBSETS, apportion, subset_sizes

LABELS = ["Covid-19", "Non Covid"]
FRACTIONS = st.tuples(*[st.integers(1, 20)] * 3).map(lambda parts: [part / sum(parts) for part in parts])


def split_cohorts(cohorts: list[CohortTables], unit: str, fractions: list[float], seed: int, **more) -> pd.DataFrame:
    """`split_by_plan` with a plan of these; more: duplicates, known, or parts of the plan."""
    tables = {name: more.pop(name) for name in ("duplicates", "known") if name in more}
    return split_by_plan(cohorts, SplitPlan(unit, fractions, seed, **more), **tables)


def made(
    name: str,
    patients: list[tuple[str, int, int]],
    role: str = "target",
    names: list[str] | None = None,
    preassigned: list[str] | str = "",
    sources: list[str] | None = None,
) -> CohortTables:
    """A cohort of one case per patient: (label, slices, slices that the segmented framework loses)."""
    cases, slices, manifest = [], [], []
    for number, (label, count, lost) in enumerate(patients):
        case = f"{name[0]}{number:015d}"
        patient = names[number] if names else f"p{case[1:]}"
        side = preassigned[number] if preassigned else ""
        cases.append({"row": number + 1, "case": case, "status": "ok", "preassigned_split": side})
        for z_index in range(count):
            row = {"slice": f"{case}-{z_index:04d}", "case": case, "patient": patient, "label": label}
            row["source"] = sources[number] if sources else name
            slices.append(row | {"z_index": z_index})
            manifest.append({"slice": row["slice"], "whole_keep": 1, "segmented_keep": int(z_index >= lost)})
    return CohortTables(name, role, pd.DataFrame(cases), pd.DataFrame(slices), pd.DataFrame(manifest))


PATIENTS = st.lists(st.tuples(st.sampled_from(LABELS), st.integers(1, 4), st.integers(0, 4)), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("count", "weights", "expected"),
    [
        (10, (0.8, 0.1, 0.1), [8, 1, 1]),
        (7, (0.55, 0.15, 0.3), [4, 1, 2]),
        (0, (1, 1, 1), [0, 0, 0]),
        (2, (1, 1, 1), [1, 1, 0]),
    ],
)
def test_largest_remainder(count, weights, expected):
    assert apportion(count, weights) == expected


def test_every_side_gets_one_of_three_or_more():
    assert subset_sizes(3, (0.8, 0.1, 0.1)) == [1, 1, 1]
    assert subset_sizes(5, (0.8, 0.1, 0.1)) == [3, 1, 1]
    assert subset_sizes(2, (0.8, 0.1, 0.1)) == [2, 0, 0]


@settings(deadline=None)
@given(st.integers(0, 500), FRACTIONS)
def test_apportioned_sizes_are_within_one_of_their_share(count, fractions):
    sizes = apportion(count, fractions)
    assert sum(sizes) == count
    assert all(abs(size - count * fraction) < 1 for size, fraction in zip(sizes, fractions, strict=True))


@settings(deadline=None)
@given(st.lists(st.sampled_from("ab"), max_size=60), FRACTIONS, st.integers(0, 99))
def test_each_class_has_exactly_the_wanted_sizes(classes, fractions, seed):
    sides = assign([(name,) for name in classes], fractions, seed)
    for name in set(classes):
        counts = [
            sum(own == name and found == side for own, found in zip(classes, sides, strict=True)) for side in SUBSETS
        ]
        assert counts == subset_sizes(classes.count(name), fractions)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["", *SUBSETS])), max_size=40), FRACTIONS)
def test_a_given_side_is_kept_and_the_rest_fill_up(units, fractions):
    given_sides = [side for _, side in units]
    sides = assign([(name,) for name, _ in units], fractions, 1, given_sides)
    assert all(found == side for found, side in zip(sides, given_sides, strict=True) if side)
    for name in {name for name, _ in units}:
        own = [index for index, unit in enumerate(units) if unit[0] == name]
        if not any(given_sides[index] for index in own):
            assert [sum(sides[index] == side for index in own) for side in SUBSETS] == subset_sizes(len(own), fractions)


def test_a_seed_decides_and_another_decides_otherwise():
    classes = [("a",), ("b",)] * 20
    assert assign(classes, (0.6, 0.2, 0.2), 7) == assign(classes, (0.6, 0.2, 0.2), 7)
    assert assign(classes, (0.6, 0.2, 0.2), 7) != assign(classes, (0.6, 0.2, 0.2), 8)


@settings(deadline=None, max_examples=50)
@given(PATIENTS, FRACTIONS, st.integers(0, 99))
def test_no_patient_is_on_two_sides_and_the_segmented_framework_inherits(patients, fractions, seed):
    cohort = made("hospital", patients)
    split = split_cohorts([cohort], "patient", fractions, seed)
    assert len(split) == sum(count for _, count, _ in patients)
    assert (split.groupby("patient")["split"].nunique() == 1).all()
    whole, segmented = (in_input_view(split, cohort, name) for name in ("whole", "segmented"))
    sides = whole.set_index("slice")["split"]
    assert segmented["split"].tolist() == sides[segmented["slice"]].tolist()
    assert len(segmented) == sum(max(0, count - lost) for _, count, lost in patients)


@settings(deadline=None, max_examples=50)
@given(PATIENTS, st.randoms(use_true_random=False), st.sampled_from(["patient", "slice"]))
def test_pseudonyms_have_no_say(patients, random, unit):
    names = [f"{number:016d}" for number in range(len(patients))]
    renamed = random.sample(names, len(names))
    sides = [
        split_cohorts([made("hospital", patients, names=own)], unit, [0.6, 0.2, 0.2], 3)["split"].tolist()
        for own in (names, renamed)
    ]
    assert sides[0] == sides[1]


@settings(deadline=None, max_examples=50)
@given(PATIENTS, PATIENTS, st.data())
def test_a_patient_of_two_cohorts_is_on_one_side(first, second, data):
    people = [f"person {letter}" for letter in string.ascii_letters]
    cohorts = [
        made(name, patients, names=data.draw(st.permutations(people[:45]))[: len(patients)])
        for name, patients in (("curated", first), ("hospital", second))
    ]
    split = split_cohorts(cohorts, "patient", [0.6, 0.2, 0.2], 1)
    assert (split.groupby("patient")["split"].nunique() == 1).all()


def test_shared_patients_do_not_starve_a_side():
    """Four patients a class in each cohort, half of them in both: every side can have each class, and has it."""
    labels = [(label, 1, 0) for label in LABELS for _ in range(4)]
    curated = made("curated", labels, names=[f"{number:02d}" for number in range(8)])
    hospital = made("hospital", labels, names=["00", "01", "20", "21", "04", "05", "24", "25"])
    split = split_cohorts([curated, hospital], "patient", [0.8, 0.1, 0.1], 5)
    counts = split.groupby(["cohort", "label"])["split"].nunique()
    assert (counts == 3).all(), split


def test_an_external_cohort_is_only_tested():
    labels = [(label, 2, 0) for label in LABELS for _ in range(4)]
    external = made("abroad", labels, role="external", names=[f"{number:02d}" for number in range(8)])
    assert set(split_cohorts([external], "patient", [0.8, 0.1, 0.1], 5)["split"]) == {"test"}
    hospital = made("hospital", labels, names=["00", *(f"{number:02d}" for number in range(20, 27))])
    split = split_cohorts([hospital, external], "patient", [0.8, 0.1, 0.1], 5)
    assert set(split.loc[split["patient"] == "00", "split"]) == {"test"}
    with pytest.raises(UserError, match="cohort abroad, table row 2: split is train"):
        split_cohorts(
            [made("abroad", labels[:2], role="external", preassigned=["test", "train"])], "patient", [0.8, 0.1, 0.1], 5
        )


def test_a_patient_on_two_given_sides_is_named_by_rows():
    torn = made("hospital", [("Covid-19", 2, 0)] * 3, names=["a", "b", "a"], preassigned=["train", "", "test"])
    with pytest.raises(UserError, match="patient of table rows 1 and 3 of cohort hospital is in test and train"):
        split_cohorts([torn], "patient", [0.8, 0.1, 0.1], 1)
    assert set(split_cohorts([torn], "slice", [0.8, 0.1, 0.1], 1)["split"]) >= {"train", "test"}
    here = made("curated", [("Covid-19", 2, 0)], names=["a"], preassigned=["train"])
    there = made("hospital", [("Covid-19", 2, 0)] * 2, names=["b", "a"], preassigned=["", "val"])
    with pytest.raises(
        UserError, match="table row 1 of cohort curated and row 2 of cohort hospital is in train and val"
    ):
        split_cohorts([here, there], "patient", [0.8, 0.1, 0.1], 1)


def test_by_slice_one_patient_reaches_all_sides():
    cohort = made("hospital", [("Covid-19", 20, 3), ("Non Covid", 20, 0)])
    split = split_cohorts([cohort], "slice", [0.8, 0.1, 0.1], 1)
    counts = split.groupby(["label", "split"]).size()
    assert counts.tolist() == [2, 16, 2] * 2
    assert check_input_view(in_input_view(split, cohort, "segmented"), cohort, "segmented", "slice", LABELS) == []


def checked(cohort: CohortTables, unit: str = "patient", framework: str = "whole") -> list[str]:
    split = split_cohorts([cohort], unit, [0.6, 0.2, 0.2], 1)
    return check_input_view(in_input_view(split, cohort, framework), cohort, framework, unit, LABELS)


def test_a_class_with_one_patient_cannot_be_split_by_patient():
    with pytest.raises(UserError) as caught:
        checked(made("hospital", [("Covid-19", 2, 0)] * 8 + [("Non Covid", 30, 0)]))
    words = str(caught.value)
    assert "cohort hospital, framework whole: the side val has no Non Covid" in words
    assert "Covid-19: train 5, val 2, test 1; Non Covid: train 1, val 0, test 0" in words
    assert "only one patient is Non Covid" in words and "splits.unit: slice" in words


def test_what_qc_took_away_is_said():
    lost = made("hospital", [("Covid-19", 2, 0)] * 5 + [("Non Covid", 3, 3)] * 5)
    assert checked(lost) == []
    with pytest.raises(UserError, match=r"framework segmented: no slice is Non Covid \(QC keeps 0 of its 15 slices\)"):
        checked(lost, framework="segmented")
    with pytest.raises(UserError, match="framework segmented: no slice is left after QC"):
        checked(made("hospital", [("Covid-19", 2, 2)] * 5), framework="segmented")


def test_a_cohort_of_one_class_is_said_to_be_one():
    with pytest.raises(UserError, match=r"cohort hospital: no usable case is Non Covid\. Training needs both classes"):
        checked(made("hospital", [("Covid-19", 2, 0)] * 8))


def test_an_external_cohort_of_one_class_is_a_warning():
    (warning,) = checked(made("abroad", [("Covid-19", 2, 0)], role="external"))
    assert "no slice is Non Covid" in warning


def test_unusable_cases_are_left_out():
    cohort = made("hospital", [("Covid-19", 2, 0)] * 3)
    cohort.cases.loc[1, "status"] = "rejected"
    assert split_cohorts([cohort], "patient", [0.6, 0.2, 0.2], 1)["row"].tolist() == [1, 1, 3, 3]
