"""Patients of an earlier run are found by name and keep their subset, those of the segmentation cohort too."""

from pathlib import Path

import pandas as pd
import pytest

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.prior_assignments import PriorAssignments, assignments_of_earlier_run
from lungsight.splits.settings import earlier_files
from lungsight.tables import write_table
from tests.unit.splits.test_assignment import LABELS, cohort_of, split_cohorts
from tests.unit.splits.test_cohort_split import FRACTIONS, config_of


def earlier_run(folder: Path, subsets: dict[str, str], cohort: str = "hospital") -> Path:
    """Write an earlier run with other pseudonyms. subsets: patient's name → subset."""
    rows = [
        {"slice": f"{number:016x}-0000", "patient": f"{number + 500:016x}", "label": "Covid-19", "split": subset}
        for number, subset in enumerate(subsets.values(), start=100)
    ]
    write_table(folder / "old" / "splits" / cohort / "whole.tsv", rows, "split")
    private = pd.DataFrame({"case": [row["slice"][:16] for row in rows], "row": range(1, len(rows) + 1)})
    (folder / "old.private").mkdir()
    private.assign(patient=list(subsets), path="x").to_csv(
        folder / "old.private" / f"{cohort}.tsv", sep="\t", index=False
    )
    return folder / "old"


def present_run(folder: Path, names: list[str]) -> tuple[dict[str, Path], dict[str, pd.DataFrame]]:
    cases = pd.DataFrame({"case": [f"h{n:015d}" for n in range(len(names))], "patient": [f"p{name}" for name in names]})
    cases[["case"]].assign(row=1, patient=names, path="y").to_csv(folder / "now.tsv", sep="\t", index=False)
    return {"hospital": folder / "now.tsv"}, {"hospital": cases}


def test_patients_of_an_earlier_run_keep_their_subset(tmp_path):
    """They are found by name under another key; new patients fill the subsets up."""
    old = earlier_run(tmp_path, {"Ada": "test", "Bob": "train", "Cyd": "val", "Gone": "test"})
    names = ["Bob", "New", "Ada", "Cyd"]
    private, cases = present_run(tmp_path, names)
    prior = assignments_of_earlier_run(old, private, cases, shared_ids=False, patient_ids={})
    assert prior.subsets == {"pBob": "train", "pAda": "test", "pCyd": "val"}
    patients = [(label, 1, 0) for label in LABELS for _ in range(4)]
    cohort = cohort_of("hospital", patients, names=[*cases["hospital"]["patient"], *"5678"])
    split = split_cohorts([cohort], "patient", FRACTIONS, 1, prior=[prior])
    assert split["split"].tolist()[:4] == ["train", split["split"][1], "test", "val"]


def test_an_earlier_split_by_slice_cannot_be_followed(tmp_path):
    old = earlier_run(tmp_path, {"Ada": "test", "Bob": "train"})
    path = tmp_path / "old.private" / "hospital.tsv"
    path.write_text(path.read_text().replace("Bob", "Ada"))
    with pytest.raises(UserError, match="a patient of cohort hospital in two subsets"):
        assignments_of_earlier_run(old, *present_run(tmp_path, ["Ada"]), shared_ids=False, patient_ids={})
    path.unlink()
    with pytest.raises(UserError, match="in no table of the earlier run's private folder"):
        assignments_of_earlier_run(old, *present_run(tmp_path, ["Ada"]), shared_ids=False, patient_ids={})


def test_one_name_is_one_patient_of_all_cohorts_only_under_shared_ids(tmp_path):
    old = earlier_run(tmp_path, {"Ada": "test"}, cohort="curated")
    private, cases = present_run(tmp_path, ["Ada"])
    pd.DataFrame(columns=["case", "row", "patient", "path"]).to_csv(tmp_path / "none.tsv", sep="\t", index=False)
    private["curated"], cases["curated"] = tmp_path / "none.tsv", cases["hospital"].iloc[:0]
    assert assignments_of_earlier_run(old, private, cases, shared_ids=True, patient_ids={}).subsets == {"pAda": "test"}
    assert assignments_of_earlier_run(old, private, cases, shared_ids=False, patient_ids={}).subsets == {}


def test_an_external_patient_who_was_used_in_an_earlier_training_is_refused():
    abroad = cohort_of("abroad", [("Covid-19", 1, 0)], role="external", names=["p"])
    with pytest.raises(
        UserError, match="this patient would be in test, but an earlier run has the same patient in val"
    ):
        split_cohorts([abroad], "patient", FRACTIONS, 1, prior=[PriorAssignments("an earlier run", {"p": "val"})])


def write_segmentation_split(folder: Path, subsets: dict[str, str]) -> None:
    """Write the segmentation split of an earlier run, where the cohort has another name. subsets: name → subset."""
    rows = [
        {"case": f"{number:016x}", "patient": f"{number + 500:016x}", "split": subset}
        for number, subset in enumerate(subsets.values(), start=900)
    ]
    write_table(folder / "old/segmentation/split.tsv", rows, "segmentation_split")
    private = pd.DataFrame({"case": [row["case"] for row in rows], "row": 1, "patient": list(subsets), "path": "x"})
    private.to_csv(folder / "old.private/lungs.tsv", sep="\t", index=False)


def test_patients_of_the_earlier_segmentation_cohort_keep_their_subset(tmp_path):
    old = earlier_run(tmp_path, {"Ada": "test"})
    write_segmentation_split(tmp_path, {"Bob": "train", "Cyd": "val", "Dot": "test"})
    present = present_run(tmp_path, ["Ada", "Bob", "Cyd"])
    assert assignments_of_earlier_run(old, *present, shared_ids=True, patient_ids={}).subsets == {
        "pAda": "test",
        "pBob": "train",
        "pCyd": "val",
    }
    assert assignments_of_earlier_run(old, *present, shared_ids=False, patient_ids={}).subsets == {"pAda": "test"}
    write_segmentation_split(tmp_path, {"Bob": "test", "Cyd": "test", "Dot": "test"})  # no network was trained
    assert assignments_of_earlier_run(old, *present, shared_ids=True, patient_ids={}).subsets == {"pAda": "test"}


def test_a_patient_in_two_subsets_of_two_cohorts_of_the_earlier_run_is_refused(tmp_path):
    old = earlier_run(tmp_path, {"Ada": "test"})
    write_segmentation_split(tmp_path, {"Ada": "train"})
    with pytest.raises(UserError, match=r"of cohort hospital and the segmentation cohort in two subsets"):
        assignments_of_earlier_run(old, *present_run(tmp_path, ["Ada"]), shared_ids=True, patient_ids={})


def test_which_files_of_an_earlier_run_are_read(tmp_path):
    config = config_of({"previous": str(tmp_path / "old")}, ("target",))
    config = complete_config(config | {"results": str(tmp_path / "now")})
    with pytest.raises(UserError, match=r"holds no splits/<cohort>/<framework>\.tsv"):
        earlier_files(config)
    old = earlier_run(tmp_path, {"Ada": "test"}, cohort="target")
    assert earlier_files(config) == [f"{old}/splits/target/whole.tsv", f"{old}.private/target.tsv"]
    (tmp_path / "old.private" / "target.tsv").unlink()
    with pytest.raises(UserError, match=r"does not exist\. The private tables of both"):
        earlier_files(config)
    config["results"] = str(tmp_path / "old")
    with pytest.raises(UserError, match="that is this run's own folder"):
        earlier_files(config)


@pytest.mark.parametrize(
    ("earlier", "now"), [("0007", "7"), ("P1", "p1"), ("12.0", "12"), ("Mu\u0308ller", "M\u00fcller")]
)
def test_an_id_in_another_spelling_than_in_the_earlier_run_is_not_taken_for_a_new_patient(tmp_path, earlier, now):
    old = earlier_run(tmp_path, {earlier: "test", "Bob": "train"})
    present = present_run(tmp_path, ["Bob", now])

    def prior(shared_ids=False, **patient_ids):
        return assignments_of_earlier_run(old, *present, shared_ids=shared_ids, patient_ids=patient_ids).subsets

    with pytest.raises(UserError, match=r"splits\.previous, cohort now, table row 1: .* in another spelling") as caught:
        prior()
    assert "patient_ids: normalise" in str(caught.value)
    assert prior(hospital="exact") == {"pBob": "train"}
    assert prior(hospital="normalise") == {"pBob": "train", f"p{now}": "test"}
    assert prior(shared_ids=True, other="normalise") == {"pBob": "train", f"p{now}": "test"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("patient", "name"), "hospital.tsv of the run's private folder is damaged"),
        (lambda text: text.replace("\tx", ""), "is damaged: its columns are to be case, row, patient, path"),
        (lambda text: text.replace("Ada", '"Ada'), "line 2: a quotation mark"),
        (lambda _: "", "is empty"),
    ],
)
def test_a_private_table_that_is_damaged_is_named(tmp_path, change, words):
    old = earlier_run(tmp_path, {"Ada": "test", "Bob": "train"})
    path = tmp_path / "old.private" / "hospital.tsv"
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError) as caught:
        assignments_of_earlier_run(old, *present_run(tmp_path, ["Ada"]), shared_ids=False, patient_ids={})
    assert words in str(caught.value)


def test_a_private_table_that_a_spreadsheet_saved_is_read(tmp_path):
    old = earlier_run(tmp_path, {"Ada": "test", "Bob": "train"})
    path = tmp_path / "old.private" / "hospital.tsv"
    path.write_bytes(path.read_text().replace("\t", ";").replace("\n", "\r\n").encode("utf-16"))
    present = present_run(tmp_path, ["Ada"])
    assert assignments_of_earlier_run(old, *present, shared_ids=False, patient_ids={}).subsets == {"pAda": "test"}
