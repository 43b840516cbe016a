"""Units of splitting, strata, folds, held-out sources and prior assignments."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.prior_assignments import segmentation_assignments
from lungsight.splits.assignment import assign, assign_fold
from lungsight.splits.groups import groups_of
from lungsight.splits.precheck import cohort_of_rows
from lungsight.splits.settings import (
    assigned_together,
    split_origin_of,
    split_settings_of,
    split_unit_of,
    subsets_preassigned_elsewhere,
)
from lungsight.subsets import subset_sizes
from tests.unit.splits.test_assignment import LABELS, cohort_of, split_cohorts

FRACTIONS = [0.6, 0.2, 0.2]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["", *"uvwxyz"])), min_size=1, max_size=30))
def test_groups_are_the_connected_components(rows):
    """Compared with merging step by step until nothing is left to merge."""
    merged = [
        ({number}, {f"patient {patient}"} | ({f"near_duplicates {near_duplicates}"} if near_duplicates else set()))
        for number, (patient, near_duplicates) in enumerate(rows)
    ]
    place = 0
    while place < len(merged):
        numbers, fields = merged[place]
        linked = [other for other in merged[place + 1 :] if other[1] & fields]
        for other in linked:
            numbers |= other[0]
            fields |= other[1]
            merged.remove(other)
        place += 0 if linked else 1
    groups = groups_of(pd.DataFrame(rows, columns=["patient", "duplicates"]), "patient+duplicates")
    assert sorted(sorted(numbers) for numbers, _ in merged) == sorted(
        sorted(members) for members in groups.groupby(groups).groups.values()
    )
    assert list(dict.fromkeys(groups)) == list(range(groups.nunique()))


def test_patients_who_share_images_stay_together():
    cohort = cohort_of("hospital", [(label, 3, 0) for label in LABELS for _ in range(10)])
    slices = cohort.slices["slice"]
    near_duplicates = {slices[0]: "one", slices[3]: "one", slices[4]: "two", slices[31]: "two", slices[58]: "gone"}
    duplicates = pd.DataFrame({"slice": list(near_duplicates), "group": list(near_duplicates.values())})
    for seed in range(5):
        split = split_cohorts([cohort], "patient+duplicates", FRACTIONS, seed, duplicates=duplicates)
        linked = split["row"].isin([1, 2, 11])  # rows 1 and 2 share one image, rows 2 and 11 another
        assert split.loc[linked, "split"].nunique() == 1
        assert (split.groupby("patient")["split"].nunique() == 1).all()
        assert split.drop_duplicates("patient")["split"].value_counts().max() <= 14


def test_a_group_of_duplicates_with_two_preassigned_subsets_is_named_by_rows():
    patients = [("Covid-19", 1, 0)] * 3
    cohort = cohort_of("hospital", patients, preassigned=["train", "", "test"])
    duplicates = pd.DataFrame({"slice": cohort.slices["slice"][[0, 2]], "group": "same"})
    with pytest.raises(UserError, match="share images of table rows 1 and 3 of cohort hospital is in test and train"):
        split_cohorts([cohort], "patient+duplicates", FRACTIONS, 1, duplicates=duplicates)


def test_a_duplicate_in_another_cohort_links_two_patients():
    """A public patient who is in the external cohort under another name is not used for training."""
    public = cohort_of("curated", [(label, 1, 0) for label in LABELS for _ in range(6)])
    abroad = cohort_of("abroad", [("Covid-19", 1, 0)], role="external")
    duplicates = pd.DataFrame({"slice": [public.slices["slice"][2], abroad.slices["slice"][0]], "group": "same"})
    split = split_cohorts([public, abroad], "patient+duplicates", FRACTIONS, 1, duplicates=duplicates)
    assert split.loc[2, "split"] == "test"


@settings(deadline=None)
@given(st.integers(0, 50))
def test_sources_and_numbers_of_slices_are_divided_evenly(seed):
    """Each class is divided exactly; each stratum to within one of its share."""
    strata = [(source, size) for source in ("A", "B") for size in range(3) for _ in range(10)] * 2
    classes = [("a",)] * 60 + [("b",)] * 60
    subsets = pd.Series(assign(classes, FRACTIONS, seed, None, strata))
    keys = pd.DataFrame(strata, columns=["source", "size"]).assign(label=[name for (name,) in classes], subset=subsets)
    for columns, exact in ((["label"], 60), (["label", "source"], 30), (["label", "source", "size"], 10)):
        counts = keys.groupby([*columns, "subset"]).size().unstack(fill_value=0)[["train", "val", "test"]]
        allowed = 0 if len(columns) == 1 else 1
        assert (abs(counts - np.array(FRACTIONS) * exact) <= allowed + 1e-9).all(axis=None), counts


def test_strata_come_from_the_cohort():
    """Patients with many slices, and those of the second source, are in every subset."""
    patients = [(label, count, 0) for label in LABELS for count in [2] * 10 + [30] * 10]
    cohort = cohort_of("hospital", patients, sources=["A", "B"] * 20)
    split = split_cohorts([cohort], "patient", FRACTIONS, 4).drop_duplicates("row")
    for marked in ([patients[row - 1][1] for row in split["row"]], (split["row"] % 2).tolist()):
        counts = split.assign(marked=marked).groupby(["label", "marked", "split"]).size().unstack()
        assert (abs(counts[["train", "val", "test"]] - [6, 2, 2]) <= 1).all(axis=None), counts


CLASSES = st.lists(st.sampled_from("ab"), min_size=10, max_size=60).filter(
    lambda names: 5 <= names.count("a") <= len(names) - 5
)


@settings(deadline=None)
@given(CLASSES, st.integers(2, 5), st.integers(0, 20))
def test_over_all_folds_each_unit_is_tested_once(classes, folds, seed):
    units = [(name,) for name in classes] + [("a",)]
    prior = [""] * len(classes) + ["test"]
    runs = [assign_fold(units, FRACTIONS, seed, prior, None, folds, fold) for fold in range(1, folds + 1)]
    tested = np.array(runs) == "test"
    assert (tested.sum(axis=0) == [*[1] * len(classes), folds]).all()
    for run in runs:
        for name in "ab":
            of_class = [subset for subset, unit in zip(run[:-1], classes, strict=True) if unit == name]
            kept = len(of_class) - of_class.count("test")
            assert [of_class.count("train"), of_class.count("val")] == subset_sizes(kept, FRACTIONS[:2])


def test_folds_of_a_cohort():
    cohort = cohort_of("hospital", [(label, 2, 0) for label in LABELS for _ in range(4)])
    tested = [
        set(split.loc[split["split"] == "test", "patient"])
        for split in (split_cohorts([cohort], "patient", FRACTIONS, 1, folds=4, fold=fold) for fold in (1, 2, 3, 4))
    ]
    assert [len(patients) for patients in tested] == [2] * 4 and len(set.union(*tested)) == 8
    with pytest.raises(UserError) as caught:
        split_cohorts([cohort], "patient", FRACTIONS, 1, folds=5)
    assert "cohort hospital: splits.folds is 5, but only 4 of its units" in str(caught.value)
    assert "hold Covid-19" in str(caught.value)
    abroad = cohort_of("abroad", [("Covid-19", 1, 0)], role="external")
    assert set(split_cohorts([abroad], "patient", FRACTIONS, 1, folds=5)["split"]) == {"test"}
    assigned = cohort_of(
        "hospital", [(label, 2, 0) for label in LABELS for _ in range(4)], preassigned=["train", *[""] * 7]
    )
    with pytest.raises(UserError, match="cohort hospital, table row 1: split is train, but a cross-validation"):
        split_cohorts([assigned], "patient", FRACTIONS, 1, folds=3)


SOURCES = {"A": 6, "B": 2, "C": 3, "D": 1}  # patients of each class


def sources_cohort(role: str = "target", **more) -> object:
    patients = [(label, 2, 0) for source, n in SOURCES.items() for label in LABELS for _ in range(n)]
    names = [source for source, n in SOURCES.items() for _ in range(2 * n)]
    return cohort_of("hospital", patients, role, sources=names, **more)


def subsets_of_sources(**more) -> dict[str, str]:
    split = split_cohorts([sources_cohort()], "source", [0.65, 0.1, 0.25], 1, **more)
    of_row = [source for source, n in SOURCES.items() for _ in range(2 * n)]
    pairs = {(of_row[row - 1], subset) for row, subset in zip(split["row"], split["split"], strict=True)}
    assert len(pairs) == len(SOURCES)
    return dict(pairs)


def test_whole_sources_are_held_out_by_the_rule():
    """24 patients: C has 6 (0.25, test), D has 2 (0.08, nearest to 0.1: val)."""
    assert subsets_of_sources() == {"A": "train", "B": "train", "C": "test", "D": "val"}
    assert subsets_of_sources(test_source="A") == {"A": "test", "B": "train", "C": "train", "D": "val"}
    # C is nearest to the fraction of test too, but the config names it for validation.
    assert subsets_of_sources(val_source="C") == {"A": "train", "B": "test", "C": "val", "D": "train"}
    assert subsets_of_sources(test_source="D", val_source="B") == {"A": "train", "B": "val", "C": "train", "D": "test"}


def test_sources_that_cannot_be_held_out():
    with pytest.raises(UserError, match=r"splits\.test_source: E is not a free source of cohort hospital; it has A"):
        subsets_of_sources(test_source="E")
    with pytest.raises(UserError, match=r"splits\.val_source: A is not a free source"):
        subsets_of_sources(test_source="A", val_source="A")
    patients = [(label, 1, 0) for label in LABELS for _ in range(3)]
    with pytest.raises(UserError) as caught:
        split_cohorts([cohort_of("hospital", patients, sources=list("AABBBB"))], "source", FRACTIONS, 1)
    assert "needs at least three sources" in str(caught.value)
    assert "A (2 patients, Covid-19); B (4 patients, Covid-19 and Non Covid)" in str(caught.value)
    with pytest.raises(UserError, match="no source is left that could be val: it must hold both classes"):
        split_cohorts([cohort_of("hospital", patients, sources=list("AABCCB"))], "source", FRACTIONS, 1)
    abroad = sources_cohort(role="external")
    assert set(split_cohorts([abroad], "source", FRACTIONS, 1)["split"]) == {"test"}


def test_a_patient_of_two_sources_joins_them():
    patients = [(label, 1, 0) for label in LABELS for _ in range(4)]
    names = ["p", *"bcd", "p", *"fgh"]  # p is in A and in D
    cohort = cohort_of("hospital", patients, names=names, sources=list("ABCADBCE"))
    split = split_cohorts([cohort], "source", FRACTIONS, 1)
    assert (split.groupby("patient")["split"].nunique() == 1).all()
    subsets = split["split"].groupby(list("ABCADBCE")).unique().map(list)
    assert subsets["A"] == subsets["D"]


def test_patients_of_the_segmentation_cohort_keep_their_subset():
    names = [f"{number:016d}" for number in range(12)]
    cohort = cohort_of("hospital", [(label, 1, 0) for label in LABELS for _ in range(6)], names=names)
    table = pd.DataFrame({"case": names[:4], "patient": names[:4], "split": ["test", "train", "val", "test"]})
    split = split_cohorts([cohort], "patient", FRACTIONS, 1, prior=[segmentation_assignments(table)])
    assert split["split"].tolist()[:4] == ["test", "train", "val", "test"]
    assert split["split"].value_counts().to_dict() == {"train": 7, "val": 2, "test": 3}
    patients = [(label, 1, 0) for label in LABELS for _ in range(6)]
    against = cohort_of("hospital", patients, names=names, preassigned=["", "test", *[""] * 10])
    with pytest.raises(UserError) as caught:
        split_cohorts([against], "patient", FRACTIONS, 1, prior=[segmentation_assignments(table)])
    assert "cohort hospital, table row 2: this patient would be in test, but the segmentation cohort has" in str(
        caught.value
    )


def test_a_cohort_is_built_from_the_table_alone():
    rows = [TableRow(n + 1, f"P{n % 2}", f"{n}", LABELS[n % 2], "", "", "") for n in range(6)]
    cohort = cohort_of_rows("hospital", "target", rows, shared_ids=False)
    split = split_cohorts([cohort], "patient", FRACTIONS, 1)
    assert split["patient"].nunique() == 2 and len(split) == 6
    skipped = [TableRow(*list(vars(row).values())[:7], skip="other disease") for row in rows[:3]]
    assert len(cohort_of_rows("hospital", "target", [*skipped, *rows[3:]], shared_ids=False).slices) == 3
    assert cohort_of_rows("hospital", "target", skipped, shared_ids=False).slices.empty
    unknown = [TableRow(n + 1, "", f"{n}", LABELS[n % 2], "", "", "") for n in range(6)]
    assert cohort_of_rows("hospital", "target", unknown, shared_ids=True).slices["patient"].nunique() == 6


COHORT = {"format": "dicom", "root": "data", "table": "data.tsv"}


def config_of(splits: dict, roles: tuple[str, ...] = ("public", "target"), **more) -> dict:
    cohorts = {role: COHORT | {"role": role, "table": f"{role}.tsv"} for role in roles}
    return {"results": "results/mine", "cohorts": cohorts, "splits": splits} | more


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (config_of({"folds": 1}), "splits.folds: 1 is not a cross-validation"),
        (config_of({"folds": 3, "fold": 4}), "splits.fold: 4 of 3 folds"),
        (config_of({"folds": 3, "unit": "source"}), "splits.folds: folds are of patients"),
        (config_of({"folds": 3, "previous": "old"}), "splits.previous: an earlier split cannot be followed by a cross"),
        (
            config_of({"folds": 3}, ("segmentation", "target"), shared_ids=True),
            "splits.folds: with shared_ids the patients that train the lung segmentation stay in train",
        ),
        (config_of({"unit": "source"}, shared_ids=True), "all cohorts are split together, by one unit that is not"),
        (config_of({"unit": "slice", "previous": "old"}), "an earlier split is followed by patient"),
        (config_of({"test_source": "A"}), "splits.val_source and test_source are for the unit source"),
        (
            config_of({}, cohorts={"target": COHORT | {"role": "target", "val_source": "A"}}),
            "cohorts.target.val_source is for the unit source",
        ),
    ],
)
def test_settings_that_contradict_each_other(config, message):
    with pytest.raises(UserError) as caught:
        complete_config(config)
    assert message in str(caught.value)


def test_a_cohort_may_have_a_unit_of_its_own():
    config = complete_config(config_of({}))
    labelled = ["public", "target"]
    assert assigned_together(config, "target", labelled) == ["target"]
    config["cohorts"]["public"]["split_unit"] = "source"
    assert split_unit_of(config, "public") == "source" and split_unit_of(config, "target") == "patient"
    config["splits"]["unit"] = "patient+duplicates"
    assert assigned_together(config, "target", labelled) == ["target"]
    del config["cohorts"]["public"]["split_unit"]
    assert assigned_together(config, "target", labelled) == labelled


def test_a_cohort_may_name_sources_of_its_own():
    config = complete_config(config_of({"unit": "source", "test_source": "A", "val_source": "B"}))
    config["cohorts"]["target"] |= {"test_source": "C", "val_source": ""}
    named = [
        [split_settings_of(config, name)[f"{subset}_source"] for subset in ("test", "val")]
        for name in config["cohorts"]
    ]
    assert named == [["A", "B"], ["C", ""]]  # "": by the rule
    of_run = {"official": False, "repeats": False}  # not of a split
    assert split_settings_of(config, "public") | of_run == config["splits"]


def test_subsets_of_other_cohorts_tables_count_under_shared_ids_alone():
    def rows(*patients: tuple[str, str]) -> list[TableRow]:
        return [
            TableRow(n, name, f"{n}", LABELS[0], "", "", subset) for n, (name, subset) in enumerate(patients, start=1)
        ]

    tables = {
        "segmentation": rows(("Ada", ""), ("Bob", ""), ("Cyd", "train"), ("Dot", ""), ("", "")),
        "target": rows(("Ada", "val"), ("Cyd", "test"), ("", "test"), ("Dot", "")),
        "external": rows(("Bob", "")),
    }
    config = complete_config(config_of({}, tuple(tables), shared_ids=True, segmentation={"method": "classical"}))
    assert subsets_preassigned_elsewhere(config, tables, "segmentation") == {1: "val", 2: "test"}
    assert subsets_preassigned_elsewhere(config | {"shared_ids": False}, tables, "segmentation") == {}


def test_official_lists_are_an_origin_and_no_setting_of_a_split():
    """Else a cohort without lists would be split, and trained, again where another one takes its own."""
    cohorts = {"a": {"role": "public", "layout": "sars-cov-2-ct"}, "b": {"role": "target", "layout": "ucsd-covid-ct"}}
    drawn = {"cohorts": cohorts, "splits": {"unit": "patient", "official": False}}
    official = drawn | {"splits": drawn["splits"] | {"official": True}}
    assert [split_origin_of(drawn, name) for name in cohorts] == ["patient", "patient"]
    assert [split_origin_of(official, name) for name in cohorts] == ["patient", "official"]
    assert split_settings_of(official, "a") == split_settings_of(drawn, "a") == {"unit": "patient"}
