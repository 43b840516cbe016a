"""Of three classes too, the run and the check come to the same numbers, and no number can be edited unseen."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lungsight.audit.attention_differences import comparison_rows as comparisons_of_run
from lungsight.audit.attention_differences import patients_of
from lungsight.audit.intervals import shortcut_rows
from lungsight.audit.making import COUNTERFACTUAL, NUMBERS, VERSIONS, making_rows
from lungsight.audit.pair_verdicts import pair_rows as pairs_of_run
from lungsight.audit.rows import UNMODIFIED
from lungsight.evaluation.class_curves import curve_rows as curves_of_run
from lungsight.evaluation.class_tables import class_rows as classes_of_run
from lungsight.evaluation.class_tables import cohort_confusion_rows, temperatures_of
from lungsight.evaluation.decision_curves import decision_rows as decisions_of_run
from lungsight.evaluation.ensemble_table import Statistics, combine_predictions, rows_of_stage
from lungsight.evaluation.model_evaluation import evaluate_model
from lungsight.evaluation.performance_differences import Model as ModelOfRun
from lungsight.evaluation.performance_differences import difference_table
from lungsight.training.pipelines import Pipeline
from lungsight.verify.attention import comparison_rows
from lungsight.verify.audit import rows_of_model
from lungsight.verify.compare import Expected, compare
from lungsight.verify.crate import Crate
from lungsight.verify.ensembles import ensemble_problems
from lungsight.verify.run import Model, Run
from lungsight.verify.tables import OF_SEVERAL, PREPARED, RECOMPUTED, recomputed
from lungsight.verify.verdicts import pair_rows
from tests.unit.audit.test_pairs import made_tables
from tests.unit.evaluation.test_class_metrics import LABELS, made_table

RESAMPLES, SEED = 40, 5
NAMES = ("whole-small_cnn-scratch", "segmented-small_cnn-scratch")
COHORTS = {"open": "public", "far": "external"}
COSTS = [[0, 1, 2], [2, 0, 1], [1, 4, 0]]
Rows = Iterable[Mapping[str, Any]]


def made_predictions() -> dict[str, dict[str, pd.DataFrame]]:
    """Predictions of two pipelines for a cohort with three classes, and for one that lacks a class."""
    found = {}
    for number, name in enumerate(NAMES):
        far = made_table(patients=18, seed=10 + number)
        found[name] = {"open": made_table(patients=45, seed=number), "far": far[far["label"] != LABELS[1]]}
    return found


def as_text(rows: pd.DataFrame | Rows) -> bytes:
    return pd.DataFrame(rows).to_csv(sep="\t", index=False).encode()


def run_of(files: dict[str, bytes], costs: list[list[int]] | None = None) -> Run:
    config = {
        "labels": {name: [name] for name in LABELS},
        "report": {"bootstrap": RESAMPLES},
        "seed": SEED,
        "cohorts": {name: {"role": role} for name, role in COHORTS.items()},
        "pipelines": {"ensembles": {"both": list(NAMES)}},
        "evaluation": {"costs": costs},
    }
    crate = Crate.__new__(Crate)
    crate.files = {"config.json": json.dumps(config).encode(), **files}
    return Run(crate)


def made_run(costs: list[list[int]] | None = None) -> Run:
    """Everything that a run of three classes makes of predictions."""
    predictions, tables, files = made_predictions(), dict[str, list[Any]](), {}
    for name, of_model in predictions.items():
        model = {"pipeline": name, "stage": 1}
        evaluated = evaluate_model(of_model, "open", LABELS[0], RESAMPLES, SEED, LABELS, costs)
        for table, rows in {
            "metrics": "rows",
            **{key: key for key in ("renormalised", "aggregation", "reliability")},
        }.items():
            tables.setdefault(table, []).extend(model | row for row in evaluated[rows])
        temperatures = temperatures_of(of_model["open"], LABELS)
        curves = [model | {"cohort": "open"} | row for row in curves_of_run(of_model["open"], LABELS)]
        tables.setdefault("class_curves", []).extend(curves)
        for cohort, table in of_model.items():
            files[f"models/{name}/stage1/predictions/{cohort}.tsv"] = as_text(table)
            made = {
                "classes": classes_of_run(table, temperatures, LABELS, costs, RESAMPLES, SEED),
                "confusion": cohort_confusion_rows(table, LABELS, costs),
                "decision_curves": decisions_of_run(table, LABELS[0], RESAMPLES, SEED),
            }
            for kind, rows in made.items():
                tables.setdefault(kind, []).extend(model | {"cohort": cohort} | row for row in rows)
    ensemble = combine_predictions(NAMES, predictions, "open", LABELS)
    statistics = Statistics(LABELS[0], RESAMPLES, SEED, LABELS, costs)
    tables["ensembles"] = list(rows_of_stage(1, "open", predictions, {"both": ensemble}, statistics))
    for cohort, table in ensemble[1].items():
        files[f"ensembles/both/stage1/predictions/{cohort}.tsv"] = as_text(table)
    models = {
        (ModelOfRun(Pipeline.parse(name), "1"), cohort): table
        for name, of_model in predictions.items()
        for cohort, table in of_model.items()
    }
    differences = difference_table(models, LABELS[0], RESAMPLES, SEED, LABELS, costs)
    files |= {f"report/{name}.tsv": as_text(rows) for name, rows in {**tables, "differences": differences}.items()}
    return run_of(files, costs)


OF_PREDICTIONS = (
    *("metrics", "renormalised", "aggregation", "reliability", "classes", "confusion", "class_curves"),
    *("decision_curves", "ensembles", "differences"),
)


@pytest.fixture(scope="module", params=["the most probable", "costs"])
def run(request: pytest.FixtureRequest) -> Run:
    return made_run(COSTS if request.param == "costs" else None)


def packaged(run: Run, table: str) -> pd.DataFrame:
    return PREPARED.get(table, lambda same: same)(run.crate.table(table))


@pytest.mark.parametrize("name", OF_PREDICTIONS)
def test_tables_of_predictions_follow(run: Run, name: str) -> None:
    table = f"report/{name}.tsv"
    expected = list(recomputed(run)[table](run))
    outcome = compare(table, packaged(run, table), expected)
    assert outcome.problems == [] and outcome.compared > 0
    compared = {*expected[0].key, *expected[0].values}
    left = {"framework", "backbone", "weights", "unit", "note", "point", "parameter"}
    assert set(packaged(run, table).columns) - compared <= left, "columns with numbers that nobody compares"


def test_ensembles_predictions_follow_from_their_members(run: Run) -> None:
    assert ensemble_problems(run) == []


def test_every_table_of_several_classes_is_tried_here() -> None:
    assert {f"report/{name}.tsv" for name in (*OF_PREDICTIONS, "pairs")} >= set(OF_SEVERAL)
    assert not set(OF_SEVERAL) & set(RECOMPUTED)


def made_making(logits: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Logits of slices whose making was changed; one change moves every answer."""
    table = logits[["slice", "patient", "label", "class"]].copy()
    for name in VERSIONS:
        table[name] = logits[UNMODIFIED] + rng.normal(0, 1, len(table)) + 2 * (table["class"] == name[-1:])
    return table.assign(imposed_noise=table["intact"] + 4 * (table["class"] == LABELS[0]))


def audited(of_lung: dict[str, float]) -> tuple[Run, dict[str, tuple[pd.DataFrame, ...]]]:
    """Two models that look at the lung in part, and what the audit leaves of them."""
    files, made = {}, {}
    for number, (name, part) in enumerate(of_lung.items()):
        logits, swaps = made_tables(part, seed=number)
        slices = swaps[["slice", "patient", "label"]].drop_duplicates("slice")
        rng = np.random.default_rng(number)
        sources = slices.assign(source=["a", "b"] * (len(slices) // 2), predicted=rng.choice(["a", "b"], len(slices)))
        saliency = slices.assign(outcome="right", empty=0, reason="", enrichment=rng.normal(1, 0.2, len(slices)))
        for column in ("lung_mass", "lung_mass_reference", "rank_accuracy", "top10", "iou", "auc"):
            saliency[column] = 0.5
        sanity = pd.DataFrame(columns=["patient", "test", "variant", "measure", "value"])
        making = made_making(logits, rng)
        traces = pd.DataFrame(rng.integers(0, 5, (len(slices), len(NUMBERS))), columns=list(NUMBERS)).astype(float)
        traces.insert(0, "slice", slices["slice"].to_numpy())
        traces.loc[:3, "noise_air"], traces["border"] = np.nan, 0.0
        made[name] = logits, swaps, sources, saliency, making, traces
        files["cohorts/open/forensics.tsv"] = as_text(traces)
        tables = {
            "making_logits": making,
            "intervention_logits": logits,
            "swap_logits": swaps,
            "source_predictions": sources,
        }
        for table, rows in (tables | {"saliency": saliency, "sanity_values": sanity}).items():
            files[f"explain/{name}/stage1/{table}.tsv"] = as_text(rows)
        predicted = slices.assign(split="test", probability=0.5, p_1=0.5, p_2=0.25, p_3=0.25)
        files[f"models/{name}/stage1/predictions/open.tsv"] = as_text(predicted)
    return run_of(files), made


def agree(of_run: Rows, of_check: Iterable[Expected]) -> int:
    """Compare rows of the run with those of the check, and count the numbers."""
    outcome = compare(
        "table",
        pd.read_csv(pd.io.common.BytesIO(as_text(of_run)), sep="\t", dtype=str, keep_default_na=False),
        of_check,
    )
    assert outcome.problems == []
    return outcome.compared


def test_the_audit_follows_from_logits() -> None:
    run, made = audited({NAMES[0]: 0.7, NAMES[1]: 0.2})
    *_, traces = made[NAMES[1]]  # those of the cohort; the slices of both models are called alike
    for name, (logits, swaps, sources, _, making, _) in made.items():
        rows = [
            *shortcut_rows(logits, sources, LABELS[0], RESAMPLES, SEED, swaps),
            *making_rows(making, traces, LABELS[0], RESAMPLES, SEED),
        ]
        assert {row["measure"] for row in rows} >= {COUNTERFACTUAL, "shift", "rank_correlation"}
        assert agree(rows, rows_of_model(run, Model(name, "1"))) == 5 * len(rows)
    pairs = [
        row
        for name, (logits, swaps, *_) in made.items()
        for row in pairs_of_run((name, 1), logits, swaps, RESAMPLES, SEED)
    ]
    assert agree(pairs, list(pair_rows(run))) == len(pairs) * 12
    patients = {
        (name, 1): patients_of(logits, saliency, swaps) for name, (logits, swaps, _, saliency, *_) in made.items()
    }
    compared = comparisons_of_run(patients, LABELS[0], RESAMPLES, SEED)
    assert agree(compared, list(comparison_rows(run))) == len(compared) * 6 == 12
