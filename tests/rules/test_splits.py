"""Rules of the splits room on made cohorts."""

import numpy as np
import pandas as pd
import pytest

from lungsight.files import write_text
from lungsight.privacy import pseudonym
from lungsight.tables import read_table, write_table
from tests.factories.run import made_workspace
from tests.factories.tables import KEY, NEGATIVE, made_cohort, made_manifest, made_split, save_manifest
from tests.factories.workspace import Workspace
from tests.unit.qc.test_rules import GOOD

ROLES = {"curated": "public", "hospital": "target"}


def workspace_of(tmp_path, roles=ROLES, **settings) -> Workspace:
    """A run with cohorts that are described and not yet made."""
    cohorts = {}
    for name, role in roles.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "scan.png").touch()
        (tmp_path / f"{name}.tsv").write_text("patient\tpath\tlabel\n1\tscan.png\tCovid-19\n")
        cohorts[name] = {"role": role, "format": "png", "root": name, "table": f"{name}.tsv"}
    workspace = Workspace(tmp_path, {"cohorts": cohorts, **settings})
    for name in roles:
        write_text(workspace.run_folder / "splits" / name / "checked.txt", "made\n")
    return workspace


def change(run, cohort, table, schema, edit) -> None:
    """Edit a made table in place; with the manifest, what each input view keeps."""
    folder = {"manifest": "qc"}.get(table, "cohorts")
    path = run / folder / cohort / f"{table}.tsv"
    changed = read_table(path, schema)
    edit(changed)
    if table == "manifest":
        save_manifest(run, cohort, changed)
    else:
        write_table(path, changed, schema)


def test_make_split(tmp_path):
    workspace = workspace_of(tmp_path, splits={"fractions": [0.5, 0.25, 0.25]})
    run = workspace.run_folder
    slices = made_cohort(run, "hospital", patients=16, slices=3)
    made_manifest(run, "hospital", slices)

    def lose(manifest):
        manifest.loc[manifest.index % 3 == 2, "segmented_keep"] = 0
        manifest.loc[0, ["whole_keep", "segmented_keep"]] = 0

    change(run, "hospital", "manifest", "manifest", lose)
    workspace.must_run("make_split", "splits/hospital/whole.tsv", "splits/hospital/segmented.tsv")
    whole, segmented = (
        read_table(run / "splits" / "hospital" / f"{name}.tsv", "split") for name in ("whole", "segmented")
    )
    assert whole["slice"].tolist() == slices["slice"].tolist()[1:]
    assert segmented["slice"].tolist() == [name for name in slices["slice"] if name[-1] != "2"][1:]
    assert (whole.groupby("patient")["split"].nunique() == 1).all()
    counts = whole.drop_duplicates("patient").groupby(["label", "split"]).size()
    assert counts.tolist() == [2, 4, 2] * 2  # test, train, val
    sides = whole.set_index("slice")["split"]
    assert segmented["split"].tolist() == sides[segmented["slice"]].tolist()
    first = whole["split"].tolist()
    (run / "splits" / "hospital" / "whole.tsv").unlink()
    workspace.must_run("make_split", "splits/hospital/whole.tsv")
    assert read_table(run / "splits" / "hospital" / "whole.tsv", "split")["split"].tolist() == first


def test_pictures_of_cut_out_lungs_go_from_their_scores_to_no_split(tmp_path):
    workspace = workspace_of(tmp_path, splits={"fractions": [0.5, 0.25, 0.25]})
    run = workspace.run_folder
    names = made_cohort(run, "hospital", patients=10, slices=1)["slice"]
    scores = pd.DataFrame([GOOD | {"slice": name, "cut_out": int(name in set(names[:2]))} for name in names])
    write_table(run / "qc" / "hospital" / "scores.tsv", scores, "scores")
    targets = [f"{workspace.results}/splits/hospital/{view}.tsv" for view in ("whole", "segmented")]
    done = workspace.snakemake("--cores", "2", "--allowed-rules", "kept_slices", "make_split", "--", *targets)
    assert done.returncode == 0, done.stdout
    for view in ("whole", "segmented"):
        split = read_table(run / "splits" / "hospital" / f"{view}.tsv", "split")
        assert split["slice"].tolist() == names[2:].tolist()
        assert set(split["split"]) == {"train", "val", "test"}


def test_make_split_again(tmp_path):
    """A replicate's split is that of a run with its seed, in all input views; the run's own stays what it was."""
    settings = {"splits": {"fractions": [0.5, 0.25, 0.25], "repeats": True}, "training": {"replicates": 3}}
    workspace = workspace_of(tmp_path, **settings)
    run, seed = workspace.run_folder, 2021
    made_manifest(run, "hospital", made_cohort(run, "hospital", patients=16, slices=3))

    def split_of(place):
        return read_table(run / f"splits/hospital/{place}.tsv", "split").set_index("slice")["split"]

    workspace.must_run("make_split", "splits/hospital/whole.tsv")
    own = split_of("whole")
    places = [f"r{number}/{view}" for number in (2, 3) for view in ("whole", "segmented")]
    workspace.must_run("make_split_again", *(f"splits/hospital/{place}.tsv" for place in places))
    second, segmented, third, _ = (split_of(place) for place in places)
    assert second.equals(segmented) and own.equals(split_of("whole"))
    assert not second.equals(own) and not second.equals(third) and set(second.index) == set(own.index)
    workspace.config |= {"seed": seed + 1, "splits": {"fractions": [0.5, 0.25, 0.25]}, "training": {}}
    workspace.write_config()
    (run / "splits/hospital/whole.tsv").unlink()
    workspace.must_run("make_split", "splits/hospital/whole.tsv")
    assert split_of("whole").equals(second)


def test_make_split_keeps_the_split_of_the_table(tmp_path):
    workspace = workspace_of(tmp_path, splits={"fractions": [0.5, 0.25, 0.25]})
    run = workspace.run_folder
    made_manifest(run, "hospital", made_cohort(run, "hospital", patients=8))
    given = ["test", "test", "val", "val", "train", "train", "test", "test"]
    change(run, "hospital", "cases", "cases", lambda cases: cases.__setitem__("preassigned_split", given))
    workspace.must_run("make_split", "splits/hospital/whole.tsv")
    split = read_table(run / "splits" / "hospital" / "whole.tsv", "split")
    assert split.drop_duplicates("patient")["split"].tolist() == given

    def tear(cases):
        cases["patient"] = cases["patient"].where(cases["row"] != 7, cases["patient"][0])
        cases.loc[6, "preassigned_split"] = "train"

    change(run, "hospital", "cases", "cases", tear)
    cases = read_table(run / "cohorts" / "hospital" / "cases.tsv", "cases").set_index("case")
    change(
        run, "hospital", "slices", "slices", lambda s: s.__setitem__("patient", cases["patient"][s["case"]].to_numpy())
    )
    done = workspace.run_rule("make_split", "splits/hospital/whole.tsv")
    assert done.returncode != 0
    assert "patient of table rows 1 and 7 of cohort hospital is in test and train" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (run / "splits" / "hospital" / "whole.tsv").exists()


def test_make_split_refuses_a_side_without_both_classes(tmp_path):
    workspace = workspace_of(tmp_path)
    run = workspace.run_folder
    slices = made_cohort(run, "hospital", patients=8)
    made_manifest(run, "hospital", slices)
    negative = slices[slices["label"] == NEGATIVE]
    one = slices["slice"].isin(negative.loc[negative["patient"] == negative["patient"].iloc[0], "slice"])
    out = (slices["label"] == NEGATIVE) & ~one
    change(
        run, "hospital", "manifest", "manifest", lambda m: m.loc.__setitem__((out, ["whole_keep", "segmented_keep"]), 0)
    )
    done = workspace.run_rule("make_split", "splits/hospital/whole.tsv")
    assert done.returncode != 0
    assert "cohort hospital, framework whole: val has no Non Covid" in done.stdout
    assert "only one patient is Non Covid" in done.stdout and "splits.unit: slice" in done.stdout
    assert "Traceback" not in done.stdout
    workspace.config["splits"] = {"unit": "slice", "fractions": [0.4, 0.3, 0.3]}
    workspace.write_config()
    workspace.must_run("make_split", "splits/hospital/whole.tsv")
    split = read_table(run / "splits" / "hospital" / "whole.tsv", "split")
    assert (split.groupby("split")["label"].nunique() == 2).all()


def test_shared_patients_are_on_one_side_of_every_cohort(tmp_path):
    roles = {**ROLES, "abroad": "external"}
    workspace = workspace_of(tmp_path, roles, shared_ids=True, splits={"fractions": [0.5, 0.25, 0.25]})
    run = workspace.run_folder
    for name in roles:
        made_manifest(run, name, made_cohort(run, name, patients=12))
    patients = read_table(run / "cohorts" / "curated" / "cases.tsv", "cases")["patient"]
    for name, count in (("hospital", 6), ("abroad", 2)):
        own = read_table(run / "cohorts" / name / "cases.tsv", "cases")["patient"]
        same = dict(zip(own[:count], patients[:count], strict=True))
        for table in ("cases", "slices"):
            change(run, name, table, table, lambda rows, same=same: rows.replace({"patient": same}, inplace=True))
    workspace.must_run("make_split", *(f"splits/{name}/whole.tsv" for name in roles))
    sides: dict[str, set[str]] = {}
    for name in roles:
        split = read_table(run / "splits" / name / "whole.tsv", "split")
        for patient, side in zip(split["patient"], split["split"], strict=True):
            sides.setdefault(patient, set()).add(side)
    assert {len(found) for found in sides.values()} == {1}
    assert sides[patients[0]] == sides[patients[1]] == {"test"}  # they are in the external cohort as well


def test_check_split(tmp_path):
    """A table that cannot be split stops the run before any scan is read, and names no patient."""
    workspace = workspace_of(tmp_path, {"hospital": "target"}, segmentation={"method": "classical"})
    checked = workspace.run_folder / "splits/hospital/checked.txt"
    checked.unlink()
    for number in range(6):
        (tmp_path / "hospital" / f"{number}.png").touch()
    rows = [f"P{number}\t{number}.png\t{'Covid-19' if number < 2 else 'Non Covid'}\n" for number in range(6)]
    (tmp_path / "hospital.tsv").write_text("patient\tpath\tlabel\n" + "".join(rows))
    done = workspace.run_rule("check_split", "splits/hospital/checked.txt")
    assert done.returncode != 0 and not checked.exists()
    assert "only 2 patients are Covid-19, so a split by patient is impossible" in done.stdout
    assert "Traceback" not in done.stdout and "P1" not in done.stdout
    (tmp_path / "hospital" / "6.png").touch()
    (tmp_path / "hospital.tsv").write_text("patient\tpath\tlabel\n" + "".join(rows) + "P6\t6.png\tCovid-19\n")
    workspace.must_run("check_split", "splits/hospital/checked.txt")
    assert checked.read_text() == "7 patients of the table, split by patient\n"
    # Which is asked for before the segmentation has begun: by the splits, and with priority.
    planned = workspace.snakemake("-n", "--forceall", "split")
    assert "rule check_split" in planned.stdout


def test_make_split_keeps_near_duplicates_together_and_earlier_assignments(tmp_path):
    """Near duplicates of the table that find_duplicates makes; an earlier run whose key was another."""
    workspace = workspace_of(tmp_path, splits={"unit": "patient+duplicates", "fractions": [0.5, 0.25, 0.25]})
    run = workspace.run_folder
    slices = {name: made_cohort(run, name, patients=16, slices=2, seed=seed) for seed, name in enumerate(ROLES)}
    for name, own in slices.items():
        made_manifest(run, name, own)
    first, second = slices["curated"].iloc[0], slices["hospital"].iloc[4]
    near_duplicates = [
        {"slice": row["slice"], "cohort": row["source"], "patient": row["patient"], "kind": "near"}
        | {"group": first["slice"], "distance": 3, "label_conflict": 0}
        for row in (first, second)
    ]
    write_table(run / "cohorts" / "duplicates.tsv", near_duplicates, "duplicates")

    old, names = tmp_path / "results" / "old", [f"person {number}" for number in range(16)]
    cases = read_table(run / "cohorts" / "hospital" / "cases.tsv", "cases")
    private = cases[["case", "row"]].assign(patient=names, path="x")
    workspace.private_folder.mkdir(exist_ok=True)
    private.to_csv(workspace.private_folder / "hospital.tsv", sep="\t", index=False)
    private.iloc[:0].to_csv(workspace.private_folder / "curated.tsv", sep="\t", index=False)
    earlier = {"person 2": "test", "person 3": "val", "person 9": "test"}
    rows = [
        {"slice": f"{number:016x}-0000", "patient": f"{number:016x}", "label": "Covid-19", "split": side}
        for number, side in enumerate(earlier.values())
    ]
    write_table(old / "splits" / "hospital" / "whole.tsv", rows, "split")
    (tmp_path / "results" / "old.private").mkdir(exist_ok=True)
    earlier_names = pd.DataFrame(
        {"case": [f"{n:016x}" for n in range(3)], "row": 1, "patient": list(earlier), "path": "x"}
    )
    earlier_names.to_csv(tmp_path / "results" / "old.private" / "hospital.tsv", sep="\t", index=False)
    workspace.config["splits"]["previous"] = "results/old"
    workspace.write_config()

    workspace.must_run("make_split", *(f"splits/{name}/whole.tsv" for name in ROLES))
    split = read_table(run / "splits" / "hospital" / "whole.tsv", "split").drop_duplicates("patient")
    assert split["split"].tolist()[2:4] == ["test", "val"] and split["split"].tolist()[9] == "test"
    curated = read_table(run / "splits" / "curated" / "whole.tsv", "split")
    assert curated["split"][0] == "test"  # the near duplicate of person 2 in the other cohort
    assert split["split"].value_counts().to_dict() == {"train": 8, "val": 4, "test": 4}


PEOPLE = [f"P{number:02d}" for number in range(12)]


def shared_patients(tmp_path, chosen: dict[str, list[str]], given: dict[str, str], **splits) -> Workspace:
    """A run with shared ids: cohort → its patients by name; the hospital's table gives sides, by name."""
    roles = {"lungs": "segmentation", "hospital": "target", "abroad": "external"}
    splits = {"fractions": [0.5, 0.25, 0.25]} | splits
    workspace = made_workspace(tmp_path, {name: roles[name] for name in chosen}, shared_ids=True, splits=splits)
    run = workspace.run_folder
    workspace.private_folder.mkdir(parents=True, exist_ok=True)
    for name, people in chosen.items():
        slices = made_cohort(run, name, patients=len(people), slices=1)
        pseudonyms = {
            old: pseudonym(KEY, own) for old, own in zip(dict.fromkeys(slices["patient"]), people, strict=True)
        }
        for table in ("cases", "slices"):
            change(run, name, table, table, lambda rows, new=pseudonyms: rows.replace({"patient": new}, inplace=True))
        made_manifest(run, name, slices)
        rows = []
        for number, patient in enumerate(people):
            (tmp_path / "data" / name / str(number)).mkdir()
            side = given.get(patient, "") if name == "hospital" else ""
            last = "contours.dcm" if name == "lungs" else ("Covid-19", "Non Covid")[number % 2]
            rows.append(f"{patient}\t{number}\t{last}\t{side}\n")
        last = "mask" if name == "lungs" else "label"
        (tmp_path / f"{name}.tsv").write_text(f"patient\tpath\t{last}\tsplit\n" + "".join(rows))
        private = read_table(run / "cohorts" / name / "cases.tsv", "cases")[["case", "row"]]
        private.assign(patient=people, path="x").to_csv(workspace.private_folder / f"{name}.tsv", sep="\t", index=False)
    sides = [given.get(name, "") for name in chosen["hospital"]]
    change(run, "hospital", "cases", "cases", lambda cases: cases.__setitem__("preassigned_split", sides))
    return workspace


def split_with_the_lungs(workspace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run the splits of the segmentation cohort and of the hospital; both tables, in table order."""
    rules = ("check_split", "segmentation_split", "make_split")
    target = f"{workspace.results}/splits/hospital/whole.tsv"
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", *rules, "--", target)
    assert done.returncode == 0, done.stdout[-4000:]
    lungs = read_table(workspace.run_folder / "segmentation" / "split.tsv", "segmentation_split")
    return lungs, read_table(workspace.run_folder / "splits" / "hospital" / "whole.tsv", "split")


def test_shared_patients_are_held_out_of_the_segmentation_too(tmp_path):
    """What a labelled cohort's table says holds for the segmentation, and what the segmentation drew for the others."""
    chosen = {"lungs": PEOPLE[:6], "hospital": PEOPLE, "abroad": PEOPLE[3:4]}
    lungs, hospital = split_with_the_lungs(shared_patients(tmp_path, chosen, {"P05": "val"}))
    assert lungs["split"][3] == "test" and lungs["split"][5] == "val"
    assert hospital["split"].tolist()[:6] == lungs["split"].tolist()


@pytest.mark.parametrize("turn", range(3))
def test_an_earlier_run_moves_no_one_in_the_segmentation_either(tmp_path, turn):
    """Whatever the lung network's split would draw: three turns put every patient on every side once."""
    workspace = shared_patients(tmp_path, {"lungs": PEOPLE[:9], "hospital": PEOPLE}, {}, previous="results/old")
    sides = dict(zip(PEOPLE[:6], ["train", "val", "test", "test", "val", "train"][turn:] * 2, strict=False))
    old = tmp_path / "results" / "old"
    numbers = {name: f"{number:016x}" for number, name in enumerate(PEOPLE)}
    rows = [
        {"slice": f"{numbers[name]}-0000", "patient": numbers[name], "label": "Covid-19", "split": side}
        for name, side in sides.items()
    ]
    write_table(old / "splits" / "hospital" / "whole.tsv", rows, "split")
    # P08 was a patient of the lung network alone, and is in the hospital now.
    drawn = [{"case": "a" * 16, "patient": "b" * 16, "split": "val"}]
    write_table(old / "segmentation" / "split.tsv", drawn, "segmentation_split")
    private = tmp_path / "results" / "old.private"
    private.mkdir(exist_ok=True)
    for name, cases in (("hospital", numbers), ("lungs", {"P08": "a" * 16})):
        table = pd.DataFrame({"case": cases.values(), "row": 1, "patient": cases.keys(), "path": "x"})
        table.to_csv(private / f"{name}.tsv", sep="\t", index=False)
    lungs, hospital = split_with_the_lungs(workspace)
    assert lungs["split"].tolist()[:6] == hospital["split"].tolist()[:6] == list(sides.values())
    assert lungs["split"][8] == hospital["split"][8] == "val"
    assert hospital["split"].tolist()[:9] == lungs["split"].tolist()


def test_split(tmp_path):
    """Every cohort in every input view, and what the subsets share."""
    workspace = workspace_of(tmp_path, splits={"fractions": [0.5, 0.25, 0.25]})
    for seed, name in enumerate(ROLES):
        slices = made_cohort(workspace.run_folder, name, patients=16, slices=2, seed=seed)
        made_manifest(workspace.run_folder, name, slices)
    write_table(workspace.run_folder / "cohorts" / "duplicates.tsv", [], "duplicates")
    workspace.must_reach("split", "make_split", "split_overlap")
    found = read_table(workspace.run_folder / "report" / "leakage.tsv", "leakage")
    assert len(found) == 4 and found["patients_on_two_sides"].sum() == 0
    splits = {str(path.relative_to(workspace.run_folder)) for path in workspace.run_folder.glob("splits/*/*.tsv")}
    assert splits == {f"splits/{name}/{view}.tsv" for name in ROLES for view in ("whole", "segmented")}


def test_split_overlap(tmp_path):
    workspace = workspace_of(tmp_path)
    run = workspace.run_folder
    workspace.config["cohorts"]["curated"]["patients"] = "unknown"
    workspace.write_config()
    for seed, name in enumerate(ROLES):
        slices = made_cohort(run, name, patients=8, slices=3, seed=seed)
        for framework in ("whole", "segmented"):
            made_split(run, name, framework, slices)
    path = run / "splits" / "hospital" / "segmented.tsv"
    torn = read_table(path, "split")
    torn.loc[0, "split"] = "test"
    write_table(path, torn, "split")

    def copy_pixels(rows):
        rows.loc[1, "sha256"] = rows["sha256"].iloc[-1]

    change(run, "hospital", "slices", "slices", copy_pixels)
    trained = read_table(run / "splits" / "curated" / "whole.tsv", "split").query("split == 'train'").index[0]

    def take_pixels_of_hospital(rows):
        tested = torn.index[torn["split"] == "test"][-1]
        hospital = read_table(run / "cohorts" / "hospital" / "slices.tsv", "slices")
        rows.loc[trained, "sha256"] = hospital.loc[tested, "sha256"]

    change(run, "curated", "slices", "slices", take_pixels_of_hospital)
    near_duplicate = {
        "cohort": "hospital",
        "kind": "near",
        "group": torn["slice"][3],
        "distance": 2,
        "label_conflict": 0,
    }
    near_duplicates = [
        {"slice": torn["slice"][row], "patient": torn["patient"][row]} | near_duplicate for row in (3, 23)
    ]
    write_table(run / "cohorts" / "duplicates.tsv", near_duplicates, "duplicates")
    workspace.must_run("split_overlap", "report/leakage.tsv")
    found = read_table(run / "report" / "leakage.tsv", "leakage").set_index(["cohort", "framework"])
    assert found.index.tolist() == [(name, framework) for name in ROLES for framework in ("whole", "segmented")]
    assert found["patients_on_two_sides"].tolist() == [0, 0, 0, 1]
    assert found["patients_known"].tolist() == [0, 0, 1, 1]
    assert found["identical_images_on_two_sides"].tolist() == [0, 0, 2, 2]
    assert found["test_images_in_other_cohorts"].tolist() == [0, 0, 1, 1]
    assert (found["test_slices_of_patients_in_other_cohorts"] == 0).all()
    assert found["near_duplicates_on_two_sides"].tolist() == [0, 0, 2, 2]
    np.testing.assert_allclose(found["test_slices_of_trained_patients"], [np.nan, np.nan, 0, 1 / 7])
    assert (found["slices"] == 24).all() and (found["patients"] == 8).all()
