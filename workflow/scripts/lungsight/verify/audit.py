"""Compute report/audit.tsv again from the logits of changed slices, the maps' sanity values and the predicted sources.

What a classifier of metadata found is in the package as a table; its rows are compared with that table.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.verify.areas import Ranked, logistic, of_first, of_pairs, of_swaps
from lungsight.verify.compare import Expected, Value
from lungsight.verify.crate import numbers
from lungsight.verify.making import making_rows
from lungsight.verify.run import Model, Run
from lungsight.verify.statistics import NAN, Drawing, Floats, Patients, mean_of_rows, quotient, with_ends

INTACT = "intact"
FILLS = ("mean", "blur", "other")
SWAPS = ("background_only_other", "lung_only_other")
CHANGED = (
    *(f"{kept}_{fill}" for kept in ("background_only", "lung_only") for fill in FILLS),
    *("silhouette", "border_only", "central_crop", "low_pass"),
)
IDENTITY = ("slice", "patient", "label")
DIFFERENCE = "map − random"
CHANCE = {"rank_correlation": 0.0, "enrichment": 1.0}
COPIED = ("n", "value", "value_lo", "value_hi", "chance")


class Tested(NamedTuple):
    """What a model answers to the test slices, as they are and changed.

    Attributes
    ----------
    slices
        A row for each: slice, patient, label.
    ranked
        How it ranks the classes, by change.
    margins
        The logit of the class that it predicts for the slice as it is, by change.
    labels
        The classes that it tells apart.
    """

    slices: pd.DataFrame
    ranked: dict[str, Ranked]
    margins: dict[str, Floats]
    labels: list[str]


def folder_of(model: Model) -> str:
    """Name the folder of a model's explanation and audit."""
    return f"explain/{model.pipeline}/stage{model.stage}"


def _with_numbers(run: Run, name: str, words: tuple[str, ...], columns: tuple[str, ...]) -> pd.DataFrame:
    table = run.crate.table(name, [*words, *columns])
    for column in columns:
        table[column] = numbers(table[column], name, column).to_numpy()
    return table


@lru_cache(maxsize=64)
def tested(run: Run, model: Model) -> Tested | None:
    """Read the logits of a model; None where no test slice has a lung."""
    many, folder = len(run.classes) > 2, folder_of(model)
    words = (*IDENTITY, "class") if many else IDENTITY
    table = _with_numbers(run, f"{folder}/intervention_logits.tsv", words, (INTACT, *CHANGED))
    if table.empty:
        return None
    if not many:
        logits = {name: table[name].to_numpy(float) for name in (INTACT, *CHANGED)}
        ranked = {name: of_first(table, logistic(values), run.drawing) for name, values in logits.items()}
        return Tested(table[list(IDENTITY)], ranked, logits, run.classes)
    swaps = _with_numbers(run, f"{folder}/swap_logits.tsv", (*IDENTITY, "donor"), SWAPS)
    return _of_many(table, swaps, run.drawing)


def _of_many(table: pd.DataFrame, swaps: pd.DataFrame, drawing: Drawing) -> Tested:
    """Read logits that have a row for each slice and class."""
    labels = list(dict.fromkeys(table["class"]))
    slices = table[table["class"] == labels[0]][list(IDENTITY)].reset_index(drop=True)
    logits = {name: table[name].to_numpy(float).reshape(len(slices), len(labels)) for name in (INTACT, *CHANGED)}
    predicted = np.argmax(logits[INTACT], axis=1)
    ranked, margins = {}, {}
    for name, values in logits.items():
        is_swap = name in SWAPS
        ranked[name] = (
            of_swaps(swaps, slices, name, labels, drawing) if is_swap else of_pairs(slices, values, labels, drawing)
        )
        own = values[np.arange(len(slices)), predicted]
        others = np.where(np.arange(len(labels)) == predicted[:, None], -np.inf, values)
        margins[name] = own - np.logaddexp.reduce(others, axis=1)
    return Tested(slices, ranked, margins, labels)


def audit_rows(run: Run) -> Iterator[Expected]:
    """Compute every row of report/audit.tsv: of each model, and of the metadata of each cohort."""
    for model in run.models():
        place: dict[str, Value] = {
            **{"pipeline": model.pipeline, "framework": model.pipeline.split("-")[0], "stage": model.stage},
            "cohort": run.trained_on(model.stage),
        }
        for key, values in rows_of_model(run, model):
            yield Expected({**place, **key}, values)
    for cohort in dict.fromkeys(run.trained_on(model.stage) for model in run.models()):
        for view in sorted({model.pipeline.split("-")[0] for model in run.models()}):
            of_view: dict[str, Value] = {"pipeline": "", "framework": view, "stage": "", "cohort": cohort}
            for key, values in _copied(run, f"explain/metadata/{cohort}/{view}.tsv"):
                yield Expected({**of_view, **key}, values)


@lru_cache(maxsize=64)  # the verdicts need them as well
def rows_of_model(run: Run, model: Model) -> list[Expected]:
    """Compute the rows of one model."""
    return list(_rows_of_model(run, model))


def _rows_of_model(run: Run, model: Model) -> Iterator[Expected]:
    found = tested(run, model)
    if found is None:
        yield Expected(_key("intervention", INTACT, "roc_auc", "patient"), _value("value", NAN, 0, NAN))
    else:
        yield from _occlusion(found)
        for fill in FILLS:
            yield _reliance(fill, found, run.drawing)
        yield _sources(run, model)
    name = f"{folder_of(model)}/sanity_values.tsv"
    table = _with_numbers(run, name, ("patient", "test", "variant", "measure"), ("value",))
    for (test, variant, measure), rows in table.groupby(["test", "variant", "measure"], sort=False):
        values = rows["value"].to_numpy(float)
        chance = 0.0 if variant == DIFFERENCE else CHANCE.get(str(measure), NAN)
        mean = mean_of_rows("value", values, Patients(rows["patient"]), run.drawing)
        counted = {"n": int(np.count_nonzero(~np.isnan(values))), "chance": chance}
        yield Expected(_key(str(test), str(variant), str(measure), "slice"), counted | mean)
    yield from making_rows(run, model, folder_of(model))


def _key(test: str, variant: str, measure: str, unit: str) -> dict[str, Value]:
    return {"test": test, "variant": variant, "measure": measure, "unit": unit}


def _value(name: str, value: float, n: int, chance: float, draws: Floats | None = None) -> dict[str, Value]:
    return {"n": n, "chance": chance} | with_ends(name, value, np.array([]) if draws is None else draws)


def _occlusion(found: Tested) -> Iterator[Expected]:
    """Compute the AUC under each change by patient and slice, and how much of it the change takes."""
    for name, of_slices in found.ranked.items():
        pairs = {"patient": (of_slices.by_patient(), found.ranked[INTACT].by_patient())}
        pairs["slice"] = of_slices, found.ranked[INTACT]
        for unit, (changed, intact) in pairs.items():
            measured, n = changed.measured(), len(changed)
            chance, loss_by_chance = (0.5, 0.0) if measured else (NAN, NAN)
            value, after, before, lost = NAN, np.array([]), np.array([]), NAN
            if measured:
                draws = changed.draws()
                value, after = changed.areas(draws)
                intact_value, before = intact.areas(draws, measured)
                lost = intact_value - value
            yield Expected(_key("intervention", name, "roc_auc", unit), _value("value", value, n, chance, after))
            if name != INTACT:
                values = _value("value", lost, n, loss_by_chance, before - after)
                yield Expected(_key("intervention", name, "roc_auc_loss", unit), values)


def _reliance(fill: str, found: Tested, drawing: Drawing) -> Expected:
    """Compute how much of all change of the answer comes from the lung."""
    people = Patients(found.slices["patient"])
    lung, background = (
        people.sums(np.abs(found.margins[INTACT] - found.margins[f"{kept}_{fill}"]))
        for kept in ("background_only", "lung_only")
    )
    weights = np.concatenate([np.ones((1, people.count)), drawing.of_rows(people)])
    shares = quotient(weights @ lung, weights @ (lung + background))
    values = _value("value", float(shares[0]), len(found.slices), 0.5, shares[1:])
    return Expected(_key("lung_reliance", fill, "index", "slice"), values)


def _sources(run: Run, model: Model) -> Expected:
    """Average over sources the share of their slices whose source is found; sources of one patient do not count."""
    key = _key("source_from_features", "logistic regression", "balanced_accuracy", "slice")
    table = run.crate.table(f"{folder_of(model)}/source_predictions.tsv", ["patient", "source", "predicted"])
    patients = table.groupby("source", sort=False)["patient"].nunique()
    usable = list(patients.index[patients > 1])
    if len(usable) < 2:
        return Expected(key, _value("value", NAN, 0, NAN))
    rows = table[table["source"].isin(usable)]
    people = Patients(rows["patient"])
    weights = np.concatenate([np.ones((1, people.count)), run.drawing.of_rows(people)])
    right = (rows["source"] == rows["predicted"]).to_numpy()
    shares = []
    for source in usable:
        of_source = (rows["source"] == source).to_numpy()
        shares.append(quotient(weights @ people.sums(of_source & right), weights @ people.sums(of_source)))
    mean = np.mean(shares, axis=0)
    return Expected(key, _value("value", float(mean[0]), len(rows), 1 / len(usable), mean[1:]))


def _copied(run: Run, name: str) -> Iterator[Expected]:
    """Repeat the rows of a table of the package."""
    words = ("test", "variant", "measure", "unit")
    for row in _with_numbers(run, name, words, COPIED).to_dict("records"):
        yield Expected({word: row[word] for word in words}, {column: row[column] for column in COPIED})
