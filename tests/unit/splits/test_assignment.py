"""The assignment to subsets: properties of any cohort, and single cases by hand."""

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
    """Split by a plan of these values. more: duplicates, prior, or other fields of the plan."""
    tables = {name: more.pop(name) for name in ("duplicates", "prior") if name in more}
    return split_by_plan(cohorts, SplitPlan(unit, fractions, seed, **more), **tables)


def cohort_of(
    name: str,
    patients: list[tuple[str, int, int]],
    role: str = "target",
    names: list[str] | None = None,
    preassigned: list[str] | str = "",
    sources: list[str] | None = None,
) -> CohortTables:
    """Build a cohort of one case per patient. patients: label, slices, slices that QC drops as segmented ones."""
    cases, slices, manifest = [], [], []
    for number, (label, count, lost) in enumerate(patients):
        case = f"{name[0]}{number:015d}"
        patient = names[number] if names else f"p{case[1:]}"
        subset = preassigned[number] if preassigned else ""
        cases.append({"row": number + 1, "case": case, "status": "ok", "preassigned_split": subset})
        for z_index in range(count):
            row = {"slice": f"{case}-{z_index:04d}", "case": case, "patient": patient, "label": label}
            row["source"] = sources[number] if sources else name
            slices.append(row | {"z_index": z_index})
            manifest.append({"slice": row["slice"], "whole_keep": 1, "segmented_keep": int(z_index >= lost)})
    decisions = pd.DataFrame(manifest).set_index("slice")
    keep = {view: decisions[f"{view}_keep"] for view in ("whole", "segmented")}
    return CohortTables(name, role, pd.DataFrame(cases), pd.DataFrame(slices), keep)


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


def test_no_subset_is_empty_if_there_are_three_units():
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
    assigned = assign([(name,) for name in classes], fractions, seed)
    for name in set(classes):
        of_class = [subset for own, subset in zip(classes, assigned, strict=True) if own == name]
        counts = [of_class.count(subset) for subset in SUBSETS]
        assert counts == subset_sizes(classes.count(name), fractions)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["", *SUBSETS])), max_size=40), FRACTIONS)
def test_a_prior_subset_is_kept_and_free_units_fill_the_subsets_up(units, fractions):
    prior = [subset for _, subset in units]
    assigned = assign([(name,) for name, _ in units], fractions, 1, prior)
    assert all(after == before for after, before in zip(assigned, prior, strict=True) if before)
    for name in {name for name, _ in units}:
        members = [index for index, unit in enumerate(units) if unit[0] == name]
        if not any(prior[index] for index in members):
            of_class = [assigned[index] for index in members]
            assert [of_class.count(subset) for subset in SUBSETS] == subset_sizes(len(members), fractions)


def test_the_seed_alone_changes_the_assignment():
    classes = [("a",), ("b",)] * 20
    assert assign(classes, (0.6, 0.2, 0.2), 7) == assign(classes, (0.6, 0.2, 0.2), 7)
    assert assign(classes, (0.6, 0.2, 0.2), 7) != assign(classes, (0.6, 0.2, 0.2), 8)


@settings(deadline=None, max_examples=50)
@given(PATIENTS, FRACTIONS, st.integers(0, 99))
def test_no_patient_is_in_two_subsets_and_segmented_slices_follow_the_whole_ones(patients, fractions, seed):
    cohort = cohort_of("hospital", patients)
    split = split_cohorts([cohort], "patient", fractions, seed)
    assert len(split) == sum(count for _, count, _ in patients)
    assert (split.groupby("patient")["split"].nunique() == 1).all()
    whole, segmented = (in_input_view(split, cohort, name) for name in ("whole", "segmented"))
    subset_of = whole.set_index("slice")["split"]
    assert segmented["split"].tolist() == subset_of[segmented["slice"]].tolist()
    assert len(segmented) == sum(max(0, count - lost) for _, count, lost in patients)


@settings(deadline=None, max_examples=50)
@given(PATIENTS, st.randoms(use_true_random=False), st.sampled_from(["patient", "slice"]))
def test_pseudonyms_change_no_assignment(patients, random, unit):
    names = [f"{number:016d}" for number in range(len(patients))]
    renamed = random.sample(names, len(names))
    splits = [
        split_cohorts([cohort_of("hospital", patients, names=chosen)], unit, [0.6, 0.2, 0.2], 3)["split"].tolist()
        for chosen in (names, renamed)
    ]
    assert splits[0] == splits[1]


@settings(deadline=None, max_examples=50)
@given(PATIENTS, PATIENTS, st.data())
def test_a_patient_of_two_cohorts_is_in_one_subset(first, second, data):
    people = [f"person {letter}" for letter in string.ascii_letters]
    cohorts = [
        cohort_of(name, patients, names=data.draw(st.permutations(people[:45]))[: len(patients)])
        for name, patients in (("curated", first), ("hospital", second))
    ]
    split = split_cohorts(cohorts, "patient", [0.6, 0.2, 0.2], 1)
    assert (split.groupby("patient")["split"].nunique() == 1).all()


def test_shared_patients_leave_no_subset_without_a_class():
    """Each cohort has four patients of a class, two of them shared: enough for each class in every subset."""
    labels = [(label, 1, 0) for label in LABELS for _ in range(4)]
    curated = cohort_of("curated", labels, names=[f"{number:02d}" for number in range(8)])
    hospital = cohort_of("hospital", labels, names=["00", "01", "20", "21", "04", "05", "24", "25"])
    split = split_cohorts([curated, hospital], "patient", [0.8, 0.1, 0.1], 5)
    counts = split.groupby(["cohort", "label"])["split"].nunique()
    assert (counts == 3).all(), split


def test_an_external_cohort_is_only_tested():
    labels = [(label, 2, 0) for label in LABELS for _ in range(4)]
    external = cohort_of("abroad", labels, role="external", names=[f"{number:02d}" for number in range(8)])
    assert set(split_cohorts([external], "patient", [0.8, 0.1, 0.1], 5)["split"]) == {"test"}
    hospital = cohort_of("hospital", labels, names=["00", *(f"{number:02d}" for number in range(20, 27))])
    split = split_cohorts([hospital, external], "patient", [0.8, 0.1, 0.1], 5)
    assert set(split.loc[split["patient"] == "00", "split"]) == {"test"}
    with pytest.raises(UserError, match="cohort abroad, table row 2: split is train"):
        split_cohorts(
            [cohort_of("abroad", labels[:2], role="external", preassigned=["test", "train"])],
            "patient",
            [0.8, 0.1, 0.1],
            5,
        )


def test_a_patient_with_two_preassigned_subsets_is_named_by_rows():
    divided = cohort_of("hospital", [("Covid-19", 2, 0)] * 3, names=["a", "b", "a"], preassigned=["train", "", "test"])
    with pytest.raises(UserError, match="patient of table rows 1 and 3 of cohort hospital is in test and train"):
        split_cohorts([divided], "patient", [0.8, 0.1, 0.1], 1)
    assert set(split_cohorts([divided], "slice", [0.8, 0.1, 0.1], 1)["split"]) >= {"train", "test"}
    here = cohort_of("curated", [("Covid-19", 2, 0)], names=["a"], preassigned=["train"])
    there = cohort_of("hospital", [("Covid-19", 2, 0)] * 2, names=["b", "a"], preassigned=["", "val"])
    with pytest.raises(
        UserError, match="table row 1 of cohort curated and row 2 of cohort hospital is in train and val"
    ):
        split_cohorts([here, there], "patient", [0.8, 0.1, 0.1], 1)


def test_by_slice_one_patient_is_in_all_subsets():
    cohort = cohort_of("hospital", [("Covid-19", 20, 3), ("Non Covid", 20, 0)])
    split = split_cohorts([cohort], "slice", [0.8, 0.1, 0.1], 1)
    counts = split.groupby(["label", "split"]).size()
    assert counts.tolist() == [2, 16, 2] * 2
    assert check_input_view(in_input_view(split, cohort, "segmented"), cohort, "segmented", "slice", LABELS) == []


def warnings_of(cohort: CohortTables, unit: str = "patient", input_view: str = "whole") -> list[str]:
    split = split_cohorts([cohort], unit, [0.6, 0.2, 0.2], 1)
    return check_input_view(in_input_view(split, cohort, input_view), cohort, input_view, unit, LABELS)


def test_a_class_with_one_patient_cannot_be_split_by_patient():
    with pytest.raises(UserError) as caught:
        warnings_of(cohort_of("hospital", [("Covid-19", 2, 0)] * 8 + [("Non Covid", 30, 0)]))
    message = str(caught.value)
    assert "cohort hospital, framework whole: val has no Non Covid" in message
    assert "Covid-19: train 5, val 2, test 1; Non Covid: train 1, val 0, test 0" in message
    assert "only one patient is Non Covid" in message and "splits.unit: slice" in message


def test_the_message_names_how_many_slices_qc_keeps():
    lost = cohort_of("hospital", [("Covid-19", 2, 0)] * 5 + [("Non Covid", 3, 3)] * 5)
    assert warnings_of(lost) == []
    with pytest.raises(UserError, match=r"framework segmented: no slice is Non Covid \(QC keeps 0 of its 15 slices\)"):
        warnings_of(lost, input_view="segmented")
    with pytest.raises(UserError, match="framework segmented: no slice is left after QC"):
        warnings_of(cohort_of("hospital", [("Covid-19", 2, 2)] * 5), input_view="segmented")


def test_a_cohort_of_one_class_is_refused():
    with pytest.raises(UserError, match=r"cohort hospital: no usable case is Non Covid\. Training needs both classes"):
        warnings_of(cohort_of("hospital", [("Covid-19", 2, 0)] * 8))


def test_an_external_cohort_of_one_class_is_a_warning():
    (warning,) = warnings_of(cohort_of("abroad", [("Covid-19", 2, 0)], role="external"))
    assert "no slice is Non Covid" in warning


def test_unusable_cases_are_left_out():
    cohort = cohort_of("hospital", [("Covid-19", 2, 0)] * 3)
    cohort.cases.loc[1, "status"] = "rejected"
    assert split_cohorts([cohort], "patient", [0.6, 0.2, 0.2], 1)["row"].tolist() == [1, 1, 3, 3]
