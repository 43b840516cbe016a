"""Answers: each from a file of the run, none that any run would give; and the pages that show them."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from lungsight.checklists.evidence import Evidence
from lungsight.checklists.facts import FACTS
from lungsight.checklists.fill import WITHHELD, fill, missing_keys, summary_of
from lungsight.checklists.items import VALUE, read_checklists
from lungsight.checklists.pages import render_checklists, render_risk
from lungsight.report.results import RunResults
from lungsight.rows import ChecklistsRow

CHECKLISTS = read_checklists()
NOT_IN_THIS_RUN = {"subgroups", "joined_machines"}  # one source, one scanner, no head of machines


def row_of(rows: list[ChecklistsRow], checklist: str, item: str) -> ChecklistsRow:
    return next(row for row in rows if (row["checklist"], row["item"]) == (checklist, item))


@pytest.fixture(scope="module")
def rows(evidence: Evidence) -> list[ChecklistsRow]:
    return fill(CHECKLISTS, evidence)


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_holds_what_it_read_and_says_nothing_of_nothing(evidence: Evidence, name: str) -> None:
    nothing = Evidence(RunResults(evidence.results.folder, evidence.results.run))
    assert FACTS[name](nothing) is None, "true of a run that made no tables"
    answer = FACTS[name](evidence)
    if name in NOT_IN_THIS_RUN:
        assert answer is None
        return
    assert answer is not None and answer.read
    assert all(word and word in answer.text for word in answer.read), answer


def test_every_answer_of_a_file_changes_with_the_file(evidence: Evidence, rows: list[ChecklistsRow]) -> None:
    """A run of other numbers: half of the cases and slices, other metrics, settings and versions."""
    results = evidence.results
    half = {name: table.iloc[::2] for name, table in results.cases.items()}
    other = replace(
        results,
        cases=half,
        slices={name: table.iloc[::5].assign(source="another") for name, table in results.slices.items()},
        manifests={name: table.iloc[::2].assign(decided_by="person") for name, table in results.manifests.items()},
        splits={key: table.iloc[::5] for key, table in results.splits.items()},
        leakage=results.leakage.assign(patients=7, identical_images_on_two_sides=3),
        selection=results.selection.assign(excluded=0.3),
        metrics=results.metrics.assign(
            **{name: 0.123 for name in ("roc_auc", "roc_auc_lo", "recall", "specificity", "ece", "brier", "tp", "n")}
        ),
        verdicts=results.verdicts.assign(verdict="looks elsewhere", auc=0.123),
        saliency=results.saliency.assign(enrichment=0.123),
        evaluation=results.evaluation
        | {
            "differences": results.evaluation["differences"].assign(p_holm=0.01, first=0.123),
            "aggregation": results.evaluation["aggregation"].assign(threshold=0.123),
        },
        histories={model: table.assign(stopped="another") for model, table in results.histories.items()},
        provenance={
            model: entry
            | {
                **{"backbone": "another", "packages": {"keras": "0"}, "preprocessing": "another"},
                "weights": {"kind": "imagenet", "origin": "imagenet", "sha256": "cd" * 32},
                "settings": entry["settings"]
                | {"batch_size": 7, "loss": "another", "class_costs": [1, 2], "weight_decay": 0.123},
            }
            for model, entry in results.provenance.items()
        },
    )
    changed = replace(
        evidence,
        results=other,
        settings={"intake": {"window": [-1000, 400], "png_size": 64}, "training": {"image_size": 64}},
        predictability=evidence.predictability.assign(balanced_accuracy=0.9),
        duplicates=evidence.duplicates.iloc[:1],
        power=evidence.power.assign(width=0.123),
        flow=evidence.flow.assign(patients=5),
        risk=evidence.risk.assign(judgement="low", note="another"),
    )
    same = [
        (row["checklist"], row["item"])
        for row, again in zip(rows, fill(CHECKLISTS, changed), strict=True)
        if row["state"] in (VALUE, "partly") and row["answer"] == again["answer"]
    ]
    assert same == []


def test_states(rows: list[ChecklistsRow], evidence: Evidence) -> None:
    assert row_of(rows, "CLAIM 2024", "1")["state"] == "human"
    assert row_of(rows, "CLAIM 2024", "3")["state"] == "to fill"
    assert row_of(rows, "CLAIM 2024", "3")["answer"] == ""
    assert (row_of(rows, "CLAIM 2024", "3")["file"], row_of(rows, "CLAIM 2024", "3")["column"]) == (
        "study.yaml",
        "background",
    )
    assert row_of(rows, "CLAIM 2024", "8")["state"] == "partly"
    assert row_of(rows, "CLAIM 2024", "27")["state"] == "not done"
    assert row_of(rows, "CLAIM 2024", "27")["answer"].startswith("No model of this run joins several")
    said = fill(CHECKLISTS, replace(evidence, study={"inclusion_criteria": "adults"}))
    assert row_of(said, "CLAIM 2024", "8")["state"] == "value"
    assert row_of(said, "CLAIM 2024", "8")["answer"].endswith("By the study file: adults.")
    assert sum(summary_of(rows, "CLAIM 2024").values()) == 44
    assert row_of(rows, "CLAIM 2024", "8")["answer"].endswith(" Not said: inclusion_criteria.")
    assert missing_keys(rows)["reference_standard"] == 5
    assert "title" not in missing_keys(rows)
    some = fill(CHECKLISTS, replace(evidence, study={"code_availability": "here"}))
    shown = row_of(some, "CLAIM 2024", "43")
    assert (shown["answer"], shown["state"]) == ("here. Not said: model_availability, data_availability.", "partly")


def test_numbers_are_those_of_the_tables(rows: list[ChecklistsRow], evidence: Evidence) -> None:
    answer = row_of(rows, "CLAIM 2024", "32")["answer"]
    for row in evidence.last_models.to_dict("records"):
        assert (
            f"AUC {row['roc_auc']:.2f} ({row['roc_auc_lo']:.2f}–{row['roc_auc_hi']:.2f}), n = {row['n']} patients"
            in answer
        )
    assert "elsewhere: AUC" in row_of(rows, "CLAIM 2024", "33")["answer"]


def test_a_withheld_text_is_nowhere(evidence: Evidence) -> None:
    written = replace(evidence, study={"title": "patient H-001"})
    rows = fill(CHECKLISTS, written, withheld=["title"])
    page = render_checklists("A run", CHECKLISTS, rows, has_study=True)
    assert "H-001" not in str(rows) and "H-001" not in page
    assert row_of(rows, "CLAIM 2024", "1")["answer"] == WITHHELD
    assert "holds the id of a patient and is not shown" in page


def test_the_page_escapes_and_stands_alone(rows: list[ChecklistsRow]) -> None:
    page = render_checklists("<i>A run</i>", CHECKLISTS, rows, has_study=False)
    assert "<b>bold" not in page and "A &lt;b&gt;bold&lt;/b&gt; title" in page and "<i>" not in page
    assert "src=" not in page and "http" not in page.replace("http-equiv", "")
    assert "The config names no study file." in page
    assert all(f'id="{name}"' in page for name in ("claim-2024", "tripod-ai-2024", "stard-2015", "probast-ai-2025"))
    assert page.count('data-sort="') >= len(rows)


def test_the_risk_page_shows_every_rule_and_cohort(evidence: Evidence) -> None:
    page = render_risk("A run", evidence.risk, evidence.flow)
    assert all(row["rule"] in page for row in evidence.risk.to_dict("records"))
    assert page.count("<svg") == 4 and "add up at every step" in page
    broken = evidence.flow.assign(cases=range(len(evidence.flow)))
    assert "Warning" in render_risk("A run", evidence.risk, broken)


def test_performance_is_there_without_subgroups(rows: list[ChecklistsRow]) -> None:
    row = row_of(rows, "CLAIM 2024", "37")
    assert row["state"] == VALUE and row["answer"].startswith(row_of(rows, "CLAIM 2024", "32")["answer"])
    assert row["answer"].endswith("differ in neither source, scanner, kernel, contrast, age nor sex.")


def test_heads_of_several_machines_are_named(evidence: Evidence) -> None:
    voting = {"head": "extreme_learning_machines", "head_units": 77}
    provenance = {
        model: entry | {"settings": entry["settings"] | voting} for model, entry in evidence.results.provenance.items()
    }
    written = replace(evidence, results=replace(evidence.results, provenance=provenance))
    row = row_of(fill(CHECKLISTS, written), "CLAIM 2024", "27")
    assert row["state"] == VALUE and "three machines of 77 random neurons" in row["answer"]


def test_ensembles_are_named(evidence: Evidence) -> None:
    table = pd.DataFrame({"ensemble": ["both"] * 2, "stage": [2, 2], "members": ["a b"] * 2, "note": [""] * 2})
    written = replace(evidence, results=replace(evidence.results, ensembles=table))
    row = row_of(fill(CHECKLISTS, written), "CLAIM 2024", "27")
    assert row["answer"] == "ensemble both, stage 2: mean of the logits of a and b; weights by validation alone."


def test_what_files_answer_in_part_waits_for_a_person(rows: list[ChecklistsRow]) -> None:
    for checklist, item, key in (
        ("TRIPOD+AI 2024", "12e", "utility"),
        ("PROBAST+AI 2025", "evaluation 4.7", "utility"),
        ("PROBAST+AI 2025", "development 4.4", "class_balance"),
        ("PROBAST+AI 2025", "evaluation 4.4", "class_balance"),
    ):
        row = row_of(rows, checklist, item)
        assert row["state"] == "partly" and row["answer"].endswith(f"Not said: {key}."), (checklist, item)
    for word in ("AUC", "calibration error", "Brier score", "Net benefit (decision_curves.tsv): "):
        assert word in row_of(rows, "TRIPOD+AI 2024", "12e")["answer"]
    assert "The network gives each slice the probability of Covid-19" in row_of(rows, "TRIPOD+AI 2024", "12g")["answer"]


def test_the_full_model_is_its_architecture_and_the_digest_of_its_weights(evidence: Evidence, tmp_path: Path) -> None:
    name, stage = next(iter(evidence.results.provenance))
    weights = tmp_path / f"models/{name}/stage{stage}/model.keras"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"made")
    written = replace(evidence, results=replace(evidence.results, folder=tmp_path))
    answer = row_of(fill(CHECKLISTS, written), "TRIPOD+AI 2024", "22")["answer"]
    assert "resnet50, 25000 parameters" in answer
    assert sha256(b"made").hexdigest() in answer and answer.count("SHA-256") == 1
