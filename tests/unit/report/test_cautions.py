"""Cautions: what a reader should hold against the numbers, and only where the numbers do."""

import copy
import re

import numpy as np
import pandas as pd

from lungsight.report.cautions import (
    KINDS,
    aspects,
    cautions,
    classifiers,
    confounding,
    edge_suffices,
    inflation,
    looks_elsewhere,
    masks_lost,
    no_better_elsewhere,
    not_learned,
    other_networks,
    selection,
    source_is_known,
    split_overlap,
    unknown_patients,
)
from lungsight.report.class_cautions import classes_not_learned
from lungsight.report.results import RunResults
from tests.factories.results import changed, metrics_where, texts
from tests.factories.workspace import ROOT


def test_models_that_did_not_learn_are_named(results: RunResults) -> None:
    weak = metrics_where(results, roc_auc=0.7, roc_auc_lo=0.45, roc_auc_hi=0.9)
    assert "Stage 2: 2 of 2 models are not shown to be better than chance" in texts(not_learned(weak))
    assert "whole-resnet50-scratch (AUC 0.70 (0.45–0.90))" in texts(not_learned(weak))
    strong = metrics_where(results, roc_auc_lo=0.51)
    assert not_learned(strong) == []
    assert "no interval" in texts(not_learned(metrics_where(results, roc_auc_lo=np.nan)))


def test_a_model_below_chance_and_one_without_an_auc_are_told_as_that(results: RunResults) -> None:
    found = texts(not_learned(metrics_where(results, roc_auc=0.2, roc_auc_lo=0.1, roc_auc_hi=0.3)))
    assert "Stage 2: 2 of 2 models are below chance by patient (the interval of the AUC lies below 0.5)" in found
    assert "the wrong way round. Where they look says little." in found and "reaches 0.5" not in found
    absent = texts(not_learned(metrics_where(results, roc_auc=np.nan, roc_auc_lo=np.nan, roc_auc_hi=np.nan)))
    assert "Stage 2: no AUC could be computed for whole-resnet50-scratch" in absent and "interval" not in absent


def overlap_texts(results: RunResults, **columns: object) -> str:
    return texts(split_overlap(changed(results, leakage=results.leakage.assign(**columns))))


def test_what_subsets_and_cohorts_share_is_stated(results: RunResults) -> None:
    assert overlap_texts(results) == (
        "No patient and no identical image lies in two subsets of a split, or in another cohort's training."
    )
    assert "leakage cannot be excluded" in overlap_texts(results, patients_known=0)
    assert "3 slices with pixels that also occur" in overlap_texts(results, identical_images_on_two_sides=3)
    images = overlap_texts(results, test_images_in_other_cohorts=[0, 4])
    assert images == "clinic, whole: 4 test slices with pixels that another cohort trains or validates on."
    patients = overlap_texts(results, test_slices_of_patients_in_other_cohorts=[1, 0])
    assert patients == "open, whole: 1 test slice of patients whom another cohort trains or validates on."
    by_slice = changed(results, run=results.run | {"split_unit": "slice"})
    assert "Slices, not patients, were split" in texts(split_overlap(by_slice))
    assert "No patient" not in texts(split_overlap(by_slice))


def test_official_lists_are_named_and_what_they_divide(results: RunResults) -> None:
    official = results.leakage["unit"].where(results.leakage["cohort"] != "clinic", "official")
    whole = overlap_texts(results, unit=official)
    assert whole.startswith("clinic: train, validation and test are the official lists of the data set.")
    assert "No patient and no identical image lies in two subsets" in whole
    divided = overlap_texts(results, unit=official, patients_on_two_sides=results.leakage["cohort"].eq("clinic") * 7)
    assert "clinic, whole: the official lists put 7 patients into two subsets." in divided
    assert "No patient" not in divided


def test_confounding_by_slices_per_patient_and_by_source(results: RunResults) -> None:
    assert confounding(results) == []
    splits = dict(results.splits)
    split = splits["open", "whole"]
    negative = split["label"] == "Non Covid"
    splits["open", "whole"] = pd.concat([split[~negative], split[negative].drop_duplicates("patient")])
    sentences = texts(confounding(changed(results, splits=splits)))
    by_class = "3.0 a patient in Covid-19 and 1.0 a patient in Non Covid"
    assert f"open: slices per patient differ by class ({by_class})" in sentences

    slices = dict(results.slices)
    sources = np.where(slices["open"]["label"] == "Covid-19", "north", "south")
    slices["open"] = slices["open"].assign(source=sources)
    assert "north and south hold one class only" in texts(confounding(changed(results, slices=slices)))


MODEL = "whole-resnet50-scratch"


def test_exclusion_that_depends_on_the_class_is_told_with_shares_intervals_and_p(results: RunResults) -> None:
    assert selection(results) == []
    table = results.selection.copy()
    rows = (table["cohort"] == "clinic") & (table["framework"] == "whole")
    table.loc[rows, ["excluded", "excluded_lo", "excluded_hi"]] = [[0.26, 0.2, 0.32], [0.14, 0.1, 0.18]]
    table.loc[rows, "kept"] = [27, 31]
    table.loc[rows, ["p", "p_holm"]] = [0.0007, 0.0042]
    assert texts(selection(changed(results, selection=table))) == (
        "clinic, whole slices: quality control left out 26 % of Covid-19 (20 % to 32 %; 9 of 36 slices) and 14 % of Non"
        " Covid (10 % to 18 %; 5 of 36 slices): what is left out depends on the class (p = 0.004)."
    )
    unknown = texts(selection(changed(results, selection=table.assign(patients_known=0))))
    assert unknown.endswith("Each image counts as a patient.")
    assert selection(changed(results, selection=table.assign(p_holm=0.06))) == []
    assert selection(changed(results, selection=table.assign(p_holm=np.nan))) == []
    one = table.assign(patients=table["patients"].where(table["label"] != "Non Covid", 1))
    assert texts(selection(changed(results, selection=one))).endswith(
        "(p = 0.004). Non Covid has one patient and took no part in the test."
    )


def test_models_that_fail_where_they_were_not_trained_are_named(results: RunResults) -> None:
    at_home = metrics_where(results, roc_auc=0.9, roc_auc_lo=0.8, roc_auc_hi=0.95)
    assert no_better_elsewhere(at_home) == []
    table = at_home.metrics.copy()
    moved = (table["cohort"] == "clinic") & (table["stage"] == 1) & (table["unit"] == "patient")
    table.loc[moved, ["roc_auc", "roc_auc_lo", "roc_auc_hi"]] = [[0.41, 0.33, 0.48], [0.55, 0.45, 0.65]]
    found = no_better_elsewhere(changed(at_home, metrics=table))
    assert found[0].text == (
        "On clinic (before adaptation) 1 of 2 models is below chance, by patient:"
        f" {MODEL} stage 1 AUC 0.41 (0.33–0.48)."
    )
    assert "1 of 2 models is not shown to be better than chance, by patient: whole-resnet50-imagenet" in found[1].text
    assert len(found) == 2 and {each.tone for each in found} == {"bad"}


def at_the_edge(results: RunResults, edge: list[float], loss: list[float], whole: float, n: int = 40) -> RunResults:
    """Results whose models, one apart, see nothing along the edge; of that one, AUC and loss with their intervals."""
    table = results.audit.copy()
    by_patient = (table["test"] == "intervention") & (table["unit"] == "patient")
    border, auc = by_patient & (table["variant"] == "border_only"), table["measure"] == "roc_auc"
    columns, here = ["value", "value_lo", "value_hi"], (table["pipeline"] == MODEL) & (table["stage"] == 2)
    table.loc[border & auc, [*columns, "n"]] = [0.5, 0.4, 0.6, 40]
    table.loc[border & auc & here, [*columns, "n"]] = [*edge, n]
    table.loc[border & ~auc & here, columns] = loss
    table.loc[by_patient & auc & here & (table["variant"] == "intact"), "value"] = whole
    return changed(results, audit=table)


def test_a_frame_along_the_edge_that_is_as_good_as_the_slice_is_told(results: RunResults) -> None:
    assert edge_suffices(at_the_edge(results, [0.5, 0.4, 0.6], [0.0, -0.01, 0.01], 0.5)) == []
    (found,) = edge_suffices(at_the_edge(results, [0.71, 0.62, 0.8], [0.01, -0.02, 0.04], 0.72))
    assert found.text == (
        "1 model is as good on a frame along the edge as on the whole slice (less than 0.05 of AUC is lost):"
        f" {MODEL} stage 2 AUC 0.71 (0.62–0.80), of the whole slice 0.72, loss 0.01 (-0.02–0.04)."
    )


def test_a_loss_that_is_not_shown_is_no_proof_that_the_edge_is_as_good(results: RunResults) -> None:
    """Twelve patients, and a loss between none and nearly all: the edge tells the class, and no more is said."""
    for loss in ([0.21, -0.01, 0.42], [0.21, 0.1, 0.3], [0.02, -0.04, 0.06]):
        (found,) = edge_suffices(at_the_edge(results, [0.72, 0.52, 0.89], loss, 0.93, n=12))
        assert found.text == (
            "1 model tells the classes by a frame along the edge alone:"
            f" {MODEL} stage 2 AUC 0.72 (0.52–0.89), of the whole slice 0.93."
        )
    # Less than half of what the model is above chance, or too few patients.
    assert edge_suffices(at_the_edge(results, [0.7, 0.6, 0.8], [0.23, 0.1, 0.3], 0.93)) == []
    assert edge_suffices(at_the_edge(results, [0.72, 0.52, 0.89], [0.2, 0.1, 0.3], 0.93, n=9)) == []


def test_what_tells_the_class_without_a_network_is_named_the_strongest_first(results: RunResults) -> None:
    assert classifiers(results) == [] and aspects(results) == []
    row = results.audit.query("test == 'metadata' and unit == 'patient' and reason == ''").iloc[[0]]
    rows = [
        row.assign(variant=name, value=auc, value_lo=auc - 0.1, value_hi=auc + 0.05)
        for name, auc in (("background histogram", 0.85), ("histogram", 0.9), ("position", 0.55))
    ]
    (found,) = classifiers(changed(results, audit=pd.concat([results.audit, *rows])))
    assert found.text.endswith(
        "no network is needed to tell the class: grey levels of the slice (with the lung) AUC 0.90 (0.80–0.95); grey"
        " levels of the background AUC 0.85 (0.75–0.90)."
    )
    made = [
        {"cohort": "clinic", "aspect": name, "patients": 24, "balanced_accuracy": value}
        for name, value in (("kernel", 0.8), ("columns", 0.93), ("source", 0.7))
    ]
    (found,) = aspects(changed(results, label_predictability=pd.DataFrame(made)))
    assert found.text == (
        "clinic: one aspect of the scans tells the class (balanced accuracy): columns 0.93 (24 patients); kernel 0.80"
        " (24 patients)."
    )


def test_large_leakage_inflation_is_told_where_it_is_shown(results: RunResults) -> None:
    table = results.leakage_inflation
    assert "leakage alone adds 0.30 (0.20–0.40) to the AUC" in texts(inflation(results))
    for columns in ({"inflation_lo": -0.1}, {"inflation": 0.04, "inflation_lo": 0.01}, {"patients": 9}):
        assert inflation(changed(results, leakage_inflation=table.assign(**columns))) == []


def test_lost_masks_and_withheld_verdicts_are_counted_once_for_the_same_slices(results: RunResults) -> None:
    assert masks_lost(results) == []
    columns = {"slices_left_out": 5, "left_out_of_classes": "4 of 9 Covid-19, 1 of 9 Non Covid"}
    columns |= {"lost_by_class": 0.3, "lost_by_class_lo": 0.1, "lost_by_class_hi": 0.5}
    stage2 = results.verdicts["stage"] == 2
    table = results.verdicts.copy()
    table.loc[stage2, list(columns)] = list(columns.values())
    (found,) = masks_lost(changed(results, verdicts=table))
    assert found.text.startswith(
        "clinic, whole slices: 5 of 18 test slices have no accepted lung mask: 4 of 9 Covid-19, 1 of 9 Non Covid; by"
        " patient the shares differ by 0.30 (0.10–0.50)."
    )
    both = table.copy()
    both.loc[stage2, "framework"] = ["whole", "segmented"]
    (found,) = masks_lost(changed(results, verdicts=both))
    assert found.text.startswith("clinic, whole and segmented slices: 5 of 18 test slices")
    table.loc[stage2, ["verdict", "rule"]] = ["not assessed", "loss follows class"]
    assert f"{MODEL} stage 2, loss follows class" in texts(masks_lost(changed(results, verdicts=table)))


def test_verdicts_and_sources_that_accuse_are_told(results: RunResults) -> None:
    table = results.verdicts.assign(verdict="looks at the lung")
    assert looks_elsewhere(changed(results, verdicts=table)) == []
    table.loc[0, ["verdict", "swap", "swap_lo", "swap_hi"]] = ["looks elsewhere", 0.7, 0.6, 0.8]
    assert f"1 of 4 models looks elsewhere than at the lung: {MODEL} stage 1 AUC 0.70 (0.60–0.80)" in texts(
        looks_elsewhere(changed(results, verdicts=table))
    )
    audit = results.audit.copy()
    source = audit["test"] == "source_from_features"
    assert source_is_known(results) == []
    audit.loc[source, ["value", "value_lo", "value_hi", "chance"]] = [0.8, 0.7, 0.9, 0.5]
    assert "4 models learned tells the source" in texts(source_is_known(changed(results, audit=audit)))


def test_a_class_that_a_stage_never_learned_is_named(results: RunResults) -> None:
    two = ["Covid-19", "Non Covid"]
    run = results.run | {"labels": [two[0], "CAP", two[1]]}
    splits = {
        key: table.assign(label=table["label"].mask((table["split"] == "test") & (key[0] == "clinic"), "CAP"))
        for key, table in results.splits.items()
    }
    classes = {1: two, 2: run["labels"]}
    known = {model: made | {"classes": classes[model[1]]} for model, made in results.provenance.items()}
    (found,) = classes_not_learned(
        changed(results, run=run, splits=splits, provenance=known, of_classes={"pairs": pd.DataFrame()})
    )
    assert found.text.startswith("clinic (before adaptation): stage 1 never learned CAP, and takes every slice of it")
    assert classes_not_learned(results) == []


def test_networks_that_pipelines_are_not_named_after_are_named(results: RunResults) -> None:
    assert other_networks(results) == []
    run = copy.deepcopy(results.run)
    run["settings"]["training"]["networks"] = {"resnet50": "shallow_resnet50", "vgg16": "small_cnn"}
    provenance = {model: made | {"backbone": "shallow_resnet50"} for model, made in results.provenance.items()}
    (found,) = other_networks(changed(results, run=run, provenance=provenance))
    assert found.text.startswith("Pipelines of resnet50 were trained with another network, shallow_resnet50.")


def test_findings_stand_in_the_order_of_the_kinds_and_name_their_table(results: RunResults) -> None:
    found = cautions(changed(results, leakage=results.leakage.assign(patients_known=0, near_duplicates_on_two_sides=2)))
    tones = ["bad", "warn", "plain"]
    assert [kind.tone for kind in KINDS] == sorted((kind.tone for kind in KINDS), key=tones.index)
    assert [each.tone for each in found] == sorted((each.tone for each in found), key=tones.index)
    assert found[0].table == "report/leakage.tsv" and all(each.table for each in found)
    assert len(unknown_patients(changed(results, leakage=results.leakage.assign(patients_known=0)))) == 1


def test_the_documentation_lists_the_kinds_in_their_order() -> None:
    text = (ROOT / "docs/report.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \d+ \| ([^|]+) \| (\w+) \| `([^`|]+)` \| ([^|]+) \|$", text, flags=re.MULTILINE)
    assert listed == [(kind.name, kind.tone, kind.table, kind.reason) for kind in KINDS]
