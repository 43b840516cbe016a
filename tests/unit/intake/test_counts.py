"""Count what was taken in and what was left out, by cohort and label."""

import pandas as pd
import pytest

from lungsight.intake.counts import MOST_VALUES, counts, in_few_values, normalise_reason
from lungsight.tables import check_table
from tests.factories.tables import NEGATIVE, POSITIVE, made_cohort

NO_DUPLICATES = pd.DataFrame(columns=["slice", "cohort", "patient", "kind", "group", "distance"])


@pytest.fixture
def cases(tmp_path):
    """The table `cases` of eight patients with three slices each."""
    made_cohort(tmp_path, "c", patients=8)
    return pd.read_csv(tmp_path / "cohorts" / "c" / "cases.tsv", sep="\t", keep_default_na=False)


@pytest.mark.parametrize(
    ("reason", "normalised"),
    [
        ("5 slices, min_slices is 8", "… slices, min_slices is …"),
        ("a slice is missing: 4 mm between slices 3 and 4, 2 mm elsewhere", "a slice is missing"),
        ("PixelSpacing (0028,0030) is missing (file 7)", "PixelSpacing is missing"),
        ("left out 2 × other series (7 slices, 2 mm; 9 slices)", "left out … × other series"),
    ],
)
def test_similar_reasons_are_normalised_to_one(reason, normalised):
    assert normalise_reason(reason) == normalised


def test_everything_is_counted_by_cohort_and_label(cases):
    cases.loc[0, ["status", "reason", "n_slices"]] = ["rejected", "2 slices, min_slices is 5", 0]
    cases.loc[1, ["status", "reason", "n_slices"]] = ["rejected", "3 slices, min_slices is 5", 0]
    cases.loc[2, "reason"] = "left out 1 × other series (7 slices; 9 slices); HU jump between slices 1 and 2"
    cases.loc[3, "rows"] = 50
    table = counts("c", cases, NO_DUPLICATES)
    check_table(table, "intake", "intake")
    indexed = table.set_index(["aspect", "value", "label"])
    assert indexed.loc[("status", "ok", POSITIVE), "cases"] == 3
    assert indexed.loc[("status", "rejected", NEGATIVE), ["cases", "patients", "slices"]].tolist() == [1, 1, 0]
    assert indexed.loc[("reason", "… slices, min_slices is …", POSITIVE), "cases"] == 1
    assert indexed.loc[("note", "left out … × other series", POSITIVE), "slices"] == 3
    assert indexed.loc[("note", "HU jump between slices … and …", POSITIVE), "cases"] == 1
    assert indexed.loc[("rows × columns", "50 × 64", NEGATIVE), "cases"] == 1
    assert indexed.loc[("source", "c", NEGATIVE), ["cases", "slices"]].tolist() == [3, 9]
    assert table.loc[table["aspect"] == "status", "cases"].sum() == len(cases)


def test_duplicates_of_the_cohort_are_counted_by_kind(cases):
    names = [f"{case}-0001" for case in cases["case"][:4]]
    duplicates = pd.DataFrame(
        {"slice": names, "cohort": "c", "patient": cases["patient"][:4], "kind": ["exact", "exact", "near", "near"]}
        | {"group": [names[0], names[0], names[2], names[2]], "distance": 0}
    )
    table = counts("c", cases, pd.concat([duplicates, duplicates.assign(cohort="other")]))
    counted = table[table["aspect"] == "duplicates"]
    assert counted[["value", "cases", "slices"]].to_numpy().tolist() == [["exact", 1, 1]] * 2 + [["near", 1, 1]] * 2


def test_many_sizes_are_grouped_in_order_and_nothing_is_lost(tmp_path):
    made_cohort(tmp_path, "c", patients=MOST_VALUES + 10)
    cases = pd.read_csv(tmp_path / "cohorts" / "c" / "cases.tsv", sep="\t", keep_default_na=False)
    longer = [100, 127, 128, 255, 256, 383, 512, 767, 1023, 1024, 2047, 2048, 9000]
    longer += range(400, 400 + len(cases) - len(longer))
    cases["rows"], cases["columns"] = 90, longer
    assert cases.loc[0, ["patient", "label"]].tolist() != cases.loc[2, ["patient", "label"]].tolist()
    cases.loc[2, ["patient", "label"]] = cases.loc[0, ["patient", "label"]].tolist()
    sizes = counts("c", cases, NO_DUPLICATES).query("aspect == 'rows × columns'")
    assert sizes["value"].drop_duplicates().tolist() == [
        *("longer side below 128", "longer side 128 to 255", "longer side 256 to 383", "longer side 384 to 511"),
        *("longer side 512 to 767", "longer side 768 to 1023", "longer side 1024 to 2047", "longer side 2048 and more"),
    ]
    found = sizes.groupby("value")["cases"].sum()
    assert found["longer side below 128"] == found["longer side 128 to 255"] == found["longer side 2048 and more"] == 2
    assert found.sum() == len(cases) and sizes["slices"].sum() == cases["n_slices"].sum()
    few = counts("c", cases[:MOST_VALUES], NO_DUPLICATES).query("aspect == 'rows × columns'")
    assert few["value"].nunique() == MOST_VALUES and "90 × 100" in set(few["value"])


def test_the_rarest_of_many_words_are_one_row():
    values = pd.Series([f"v{number}" for number in range(30) for _ in range(30 - number)] + [""] * 3)
    joined = in_few_values(values)
    counted = joined.value_counts()
    assert len(counted) == MOST_VALUES + 1 and counted.sum() == len(values)
    assert counted["11 other values"] == sum(range(1, 12)) and counted["v18"] == 12 and counted[""] == 3
    assert in_few_values(values[values.isin([f"v{number}" for number in range(MOST_VALUES)])]).nunique() == MOST_VALUES
