"""Check ensembles: their predictions against those of their members, and compute report/ensembles.tsv again.

Temperatures and weights are searched for by other means than the run's: a golden section, and multiplicative steps on
the simplex. They must come out as the table states them. The packaged predictions of the ensemble must then lie where
the stated numbers, which have four decimals, put them. All metrics follow from these predictions.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from lungsight.verify.aggregation import exact_auc
from lungsight.verify.calibration import NEAR, logs_of, normalised, temperature_of
from lungsight.verify.classes import overall
from lungsight.verify.compare import Expected, Value
from lungsight.verify.crate import CONFIG, NotChecked
from lungsight.verify.differences import compared
from lungsight.verify.run import ROLE, SPLIT_COLUMNS, Model, Run, of_patients, probabilities_of, test_rows, units_of
from lungsight.verify.statistics import NAN, Floats, all_values, holm

TABLE = "report/ensembles.tsv"
MIN_PATIENTS = 3
NO_DIGITS = 1e-9  # below it, what is missing of a probability to 1 is rounding
FITTED = ("member_weights", "temperatures")
HALF_A_DIGIT = 0.5e-4  # numbers stand in the table with four decimals
IDENTITY = list(SPLIT_COLUMNS)
Ints = npt.NDArray[np.int64]


class Fitted(NamedTuple):
    """What validation gives for each member."""

    temperatures: list[float]
    weights: list[float]


def stated_ensembles(run: Run) -> Mapping[str, list[str]]:
    """Read the ensembles of the config: name → pipelines."""
    pipelines = run.config.get("pipelines")
    ensembles = pipelines.get("ensembles") if isinstance(pipelines, dict) else None
    if ensembles is None:
        return {}
    if not isinstance(ensembles, dict) or not all(
        isinstance(members, list) and members and all(isinstance(name, str) for name in members)
        for members in ensembles.values()
    ):
        raise NotChecked(f"{CONFIG} is damaged: pipelines.ensembles is not as a run writes it.")
    return ensembles


def file_of(name: str, stage: str, cohort: str) -> str:
    """Name the table of an ensemble's predictions."""
    return f"ensembles/{name}/stage{stage}/predictions/{cohort}.tsv"


def shared(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Keep the slices that all tables have, in the order of the first."""
    names = set.intersection(*(set(table["slice"]) for table in tables))
    order = [name for name in tables[0]["slice"] if name in names]
    return [table.set_index("slice").loc[order].reset_index() for table in tables]


def loss_of(logs: Floats, truth: Ints, weights: Floats) -> float:
    """Return the mean −log p of the true class. logs: (members, n, k), calibrated."""
    mixed = normalised(np.einsum("m,mnk->nk", weights, logs))
    return float(-mixed[np.arange(len(truth)), truth].mean())


def best_weights(logs: Floats, truth: Ints, steps: int = 4000) -> Floats:
    """Search the simplex for the weights of the least loss: multiplicative steps, smaller where one does not help."""
    rows = np.arange(len(truth))
    weights = np.full(len(logs), 1 / len(logs))
    value, size = loss_of(logs, truth, weights), 1.0
    for _ in range(steps):
        mixed = np.exp(normalised(np.einsum("m,mnk->nk", weights, logs)))
        slope = (np.einsum("nk,mnk->mn", mixed, logs) - logs[:, rows, truth]).mean(axis=1)
        moved = weights * np.exp(-size * (slope - weights @ slope))
        moved /= moved.sum()
        after = loss_of(logs, truth, moved)
        if after <= value:
            still = np.abs(moved - weights).max() < 1e-9
            weights, value, size = moved, after, size * 1.5
            if still:
                break
        else:
            size /= 2
    return weights


def fitted(run: Run, validation: list[pd.DataFrame]) -> Fitted:
    """Fit temperatures and weights on the validation rows of all members; equal weights where patients are few."""
    members = len(validation)
    patients = validation[0].groupby("label")["patient"].nunique()
    if min(int(patients.get(label, 0)) for label in run.classes) < MIN_PATIENTS:
        return Fitted([1.0] * members, [1 / members] * members)
    temperatures = [
        temperature_of(list(table["label"]), probabilities_of(run, table), run.classes) or 1.0 for table in validation
    ]
    logs = _calibrated(run, validation, temperatures)
    truth = np.array([run.classes.index(label) for label in validation[0]["label"]])
    return Fitted(temperatures, [float(weight) for weight in best_weights(logs, truth)])


def _calibrated(run: Run, tables: list[pd.DataFrame], temperatures: list[float]) -> Floats:
    logs = (logs_of(probabilities_of(run, table)) for table in tables)
    return np.stack([normalised(each / of_table) for each, of_table in zip(logs, temperatures, strict=True)])


def _read(text: str, count: int) -> list[float] | None:
    """Read the numbers of a field; None where they are not so many numbers."""
    try:
        found = [float(word) for word in text.split(" ")]
    except ValueError:
        return None
    return found if len(found) == count and np.isfinite(found).all() else None


class Ensemble(NamedTuple):
    """An ensemble of a stage: its members' predictions and its own, by cohort, and what validation gives."""

    name: str
    stage: str
    members: list[str]
    of_members: dict[str, list[pd.DataFrame]]
    own: dict[str, pd.DataFrame]
    fit: Fitted


@lru_cache(maxsize=1)
def ensembles_of(run: Run) -> list[Ensemble]:
    """Read all ensembles of a run."""
    found = []
    for stage in sorted({model.stage for model in run.models()} & set(ROLE)):
        for name, members in stated_ensembles(run).items():
            cohorts = [cohort for (model, cohort) in run.predictions if model == Model(members[0], stage)]
            tables: dict[str, list[pd.DataFrame]] = {}
            for cohort in cohorts:
                of_cohort = [run.predictions.get((Model(member, stage), cohort)) for member in members]
                held = [table for table in of_cohort if table is not None]
                if len(held) < len(members):
                    raise NotChecked(f"{CONFIG}: of the ensemble {name}, a member has no predictions for {cohort}.")
                tables[cohort] = shared(held)
            trained_on = run.trained_on(stage)
            if trained_on not in tables:
                raise NotChecked(f"models/{members[0]}/stage{stage}/predictions/{trained_on}.tsv is missing.")
            own = {cohort: run.scored(file_of(name, stage, cohort)) for cohort in cohorts}
            validation = [table[table["split"] == "val"] for table in tables[trained_on]]
            found.append(Ensemble(name, stage, members, tables, own, fitted(run, validation)))
    return found


def ensemble_problems(run: Run) -> list[str]:
    """Name the rows of ensembles' predictions that do not follow from their members and the stated numbers."""
    problems: list[str] = []
    for ensemble in ensembles_of(run):
        texts, count = _texts(run, ensemble), len(ensemble.members)
        weights, temperatures = (_read(texts[column], count) or [] for column in FITTED)
        for cohort, own in ensemble.own.items():
            file, members = file_of(ensemble.name, ensemble.stage, cohort), ensemble.of_members[cohort]
            if not own[IDENTITY].equals(members[0][IDENTITY]):
                problems.append(f"{file}: its rows are not the slices that all members predict")
            else:
                problems += _unlike_members(run, own, members, (np.array(weights), np.array(temperatures)), file)
    return problems


def _stated(run: Run, ensemble: Ensemble) -> dict[str, str]:
    """Read the first row of the table about an ensemble; nothing where it has none."""
    table = run.crate.table(TABLE, ["ensemble", "stage", *FITTED])
    rows = table[(table["ensemble"] == ensemble.name) & (table["stage"] == ensemble.stage)]
    return {column: rows[column].iloc[0] if len(rows) else "" for column in FITTED}


def _texts(run: Run, ensemble: Ensemble) -> dict[str, str]:
    """Write weights and temperatures as the table should have them."""
    fit = {"member_weights": ensemble.fit.weights, "temperatures": ensemble.fit.temperatures}
    return {column: _text_of(text, fit[column]) for column, text in _stated(run, ensemble).items()}


def _unlike_members(
    run: Run, own: pd.DataFrame, members: list[pd.DataFrame], stated: tuple[Floats, Floats], file: str
) -> Iterator[str]:
    """Name rows off what the stated weights and temperatures allow: half a unit of their last digit moves a logit."""
    weights, temperatures = stated
    logs = _calibrated(run, members, temperatures.tolist())
    mixed = np.einsum("m,mnk->nk", weights, logs)
    of_weights = HALF_A_DIGIT * np.abs(logs).sum(axis=0)
    of_temperatures = np.einsum("m,mnk->nk", weights * HALF_A_DIGIT / temperatures, np.abs(logs))
    slack = 4 * (of_weights + of_temperatures).max(axis=1) + 1e-9
    expected = np.exp(normalised(mixed))
    logs_of_both = [np.log(np.clip(values, NO_DIGITS, 1)) for values in (probabilities_of(run, own), expected)]
    for place in np.flatnonzero((np.abs(logs_of_both[0] - logs_of_both[1]) > slack[:, None]).any(axis=1)):
        first = float(expected[place, 0])
        yield (
            f"{file}, row {place + 1} ({own['slice'].iloc[place]}), probability:"
            f" {own['probability'].iloc[place]}, its members give {first:.6f}"
        )


def _text_of(packaged: str, values: list[float]) -> str:
    """Write numbers as the table does; as the packaged text, where that says nearly the same."""
    read = _read(packaged, len(values))
    if read is not None and all(
        abs(one - other) <= NEAR * max(1, abs(other)) for one, other in zip(read, values, strict=True)
    ):
        return packaged
    return " ".join(f"{value:.4f}" for value in values)


def ensemble_rows(run: Run) -> Iterator[Expected]:
    """Compute report/ensembles.tsv: a row for each ensemble, stage, cohort and unit."""
    for stage in dict.fromkeys(ensemble.stage for ensemble in ensembles_of(run)):
        of_stage = [ensemble for ensemble in ensembles_of(run) if ensemble.stage == stage]
        cohort = run.trained_on(stage)
        places = _ranked(run, of_stage, cohort)
        for ensemble in of_stage:
            texts = _texts(run, ensemble)
            for on, table in ensemble.own.items():
                for unit, rows in units_of(test_rows(table)).items():
                    key: dict[str, Value] = {"ensemble": ensemble.name, "stage": stage, "cohort": on, "unit": unit}
                    values: dict[str, Value] = {"members": " ".join(ensemble.members), **texts, "threshold": 0.5}
                    is_ranked = on == cohort and unit == "patient"
                    values |= places[ensemble.name] if is_ranked else _UNRANKED
                    yield Expected(key, values | _metrics(run, rows))


_UNRANKED: dict[str, Value] = {"compared_with": ""} | dict.fromkeys(
    ("rank", "ranked", "difference", "difference_lo", "difference_hi", "p", "p_holm"), NAN
)


def _metrics(run: Run, rows: pd.DataFrame) -> dict[str, float]:
    values = all_values(rows, run.drawing)
    return values | (overall(run, rows, probabilities_of(run, rows)) if run.of_classes else {})


def _ranked(run: Run, ensembles: list[Ensemble], cohort: str) -> dict[str, dict[str, Value]]:
    """Rank ensembles among all pipelines of the stage, and compare each with the best pipeline."""
    tables = {
        model.pipeline: table
        for (model, on), table in run.predictions.items()
        if (model.stage, on) == (ensembles[0].stage, cohort)
    }

    def auc(table: pd.DataFrame) -> float:
        return exact_auc(of_patients(test_rows(table)), run.drawing.positive)

    singles = {name: auc(table) for name, table in tables.items()}
    combined = {each.name: auc(each.own[cohort]) for each in ensembles}
    all_of = [*singles.values(), *combined.values()]
    highest = max(singles.values())
    order = run.crate.table(TABLE, ["stage", "compared_with"])
    named = [name for name in order.loc[order["stage"] == ensembles[0].stage, "compared_with"] if name]
    equal = [name for name, auc in singles.items() if auc == highest]
    best = next((name for name in named if name in equal), equal[0])  # of equal ones, the config's order decides
    pairs = {
        each.name: compared(tables[best], each.own[cohort], "patient", run).metrics["roc_auc"] for each in ensembles
    }
    corrected = dict(zip(pairs, holm([pair["p"] for pair in pairs.values()]), strict=True))
    columns = ("difference", "difference_lo", "difference_hi", "p")
    return {
        name: {
            **{"rank": 1 + sum(other > combined[name] for other in all_of), "ranked": len(all_of)},
            **{"compared_with": best, "p_holm": corrected[name]},
            **{column: pair[column] for column in columns},
        }
        for name, pair in pairs.items()
    }
