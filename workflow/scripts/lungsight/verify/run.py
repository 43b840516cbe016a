"""Read a packaged run: its config and its prediction tables."""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lungsight.verify.crate import CONFIG, Crate, NotChecked, numbers
from lungsight.verify.statistics import Drawing, Floats

MOST_RESAMPLES = 100_000  # a package must not fill the memory of who checks it: they are drawn at once
ROLE = {"1": "public", "2": "target"}  # of the cohort that a stage is trained on
SPLIT_COLUMNS = ("slice", "patient", "label", "split")
OWN = "patient_"  # begins the columns of a model's own prediction of a patient
SCORED = ("probability", f"{OWN}probability")


class Model(NamedTuple):
    """A trained model: its pipeline and stage, "1", "2" or "2-target-only"."""

    pipeline: str
    stage: str

    @property
    def folder(self) -> str:
        """Its folder in the package."""
        return f"models/{self.pipeline}/stage{self.stage}"


def test_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the test subset."""
    return table[table["split"] == "test"]


def by_patient(table: pd.DataFrame, prefix: str = "") -> pd.DataFrame:
    """Average the probabilities over the slices of each patient: patient, label, probability, and those of classes.

    Parameters
    ----------
    table
        Slices.
    prefix
        Of the columns to average.
    """
    scored = [name for name in table.columns if re.fullmatch(rf"{prefix}(probability|p_[0-9]+)", name)]
    means = table.groupby(["patient", "label"], sort=False)[scored].mean()
    return means.rename(columns=lambda name: name.removeprefix(prefix)).reset_index()


def of_patients(table: pd.DataFrame) -> pd.DataFrame:
    """Score patients by the model's own prediction of a patient where there is one, else by the mean of the slices."""
    return by_patient(table, OWN if f"{OWN}probability" in table else "")


def units_of(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Give the rows that are classified: the slices, and a row for each patient."""
    return {"slice": table, "patient": of_patients(table)}


def probabilities_of(run: "Run", table: pd.DataFrame) -> Floats:
    """Read the probabilities of all classes, (n, k)."""
    if run.of_classes:
        return table[run.of_classes].to_numpy(float)
    first = table["probability"].to_numpy(float)
    return np.stack([first, 1 - first], axis=1)


def _check_config(config: dict[str, Any]) -> None:
    """Refuse a config that lacks what the check needs of it, or holds it as something else."""
    labels, report, cohorts = (config.get(name) for name in ("labels", "report", "cohorts"))
    bootstrap = report.get("bootstrap") if isinstance(report, dict) else None
    wrong = {
        "labels": not (isinstance(labels, dict) and labels),
        "report.bootstrap": not _is_count(bootstrap),
        "seed": not _is_count(config.get("seed")),
        "cohorts": not (
            isinstance(cohorts, dict)
            and all(isinstance(of, dict) and isinstance(of.get("role"), str) for of in cohorts.values())
        ),
    }
    if named := [name for name, is_wrong in wrong.items() if is_wrong]:
        raise NotChecked(f"{CONFIG} is damaged: {', '.join(named)} is gone or not as a run writes it.")
    if isinstance(bootstrap, int) and bootstrap > MOST_RESAMPLES:
        raise NotChecked(f"{CONFIG}: report.bootstrap is {bootstrap}; this check draws at most {MOST_RESAMPLES}.")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class Run:
    """A packaged run: its config and its prediction tables."""

    def __init__(self, crate: Crate):
        self.crate = crate
        self.config = crate.json(CONFIG)
        _check_config(self.config)
        self.classes = list(self.config["labels"])
        resamples, seed = self.config["report"]["bootstrap"], self.config["seed"]
        self.drawing = Drawing(self.classes[0], resamples, seed, many=len(self.classes) > 2)

    @cached_property
    def predictions(self) -> dict[tuple[Model, str], pd.DataFrame]:
        """The prediction tables, by model and cohort."""
        found = {}
        for name in self.crate.names("models/", ".tsv"):
            parts = name.split("/")
            if len(parts) == 5 and parts[3] == "predictions":
                model = Model(parts[1], parts[2].removeprefix("stage"))
                found[model, parts[4].removesuffix(".tsv")] = self.scored(name)
        return found

    @property
    def of_classes(self) -> list[str]:
        """The columns with the probability of each class, of more than two."""
        return [f"p_{k}" for k in range(1, len(self.classes) + 1)] if len(self.classes) > 2 else []

    def scored(self, name: str) -> pd.DataFrame:
        """Read a prediction table."""
        table = self.crate.table(name, [*SPLIT_COLUMNS, SCORED[0], *self.of_classes])
        own = [f"{OWN}{column}" for column in self.of_classes]
        for column in table.columns.intersection([*SCORED, *self.of_classes, *own]):
            table[column] = numbers(table[column], name, column).to_numpy()
        return table

    def evaluated(self) -> Iterator[tuple[Model, str, pd.DataFrame]]:
        """Yield model, cohort and predictions of the models that the report evaluates."""
        yield from (
            (model, cohort, table) for (model, cohort), table in self.predictions.items() if model.stage in ROLE
        )

    def models(self) -> list[Model]:
        """List the models that the report evaluates."""
        return list(dict.fromkeys(model for model, _, _ in self.evaluated()))

    def trained_on(self, stage: str) -> str:
        """Name the cohort that a stage is trained on."""
        for name, cohort in self.config["cohorts"].items():
            if cohort["role"] == ROLE.get(stage[:1]):
                return str(name)
        raise NotChecked(f"{CONFIG} has no cohort that stage {stage} is trained on.")

    def validation(self, pipeline: str, stage: str) -> pd.DataFrame:
        """Return the validation rows of a model for the cohort that it was trained on."""
        table = self.predictions.get((Model(pipeline, stage), self.trained_on(stage)))
        if table is None:
            raise NotChecked(f"models/{pipeline}/stage{stage}/predictions/{self.trained_on(stage)}.tsv is missing.")
        return table[table["split"] == "val"].reset_index(drop=True)

    def absent(self) -> list[str]:
        """List the prediction tables that the packaged splits and models ask for, and that are not there."""
        wanted = []
        for model in {model for model, _ in self.predictions} | set(self._models_with_cards()):
            for name, cohort in self.config["cohorts"].items():
                if cohort["role"] in ("target", "external") or (cohort["role"] == "public" and model.stage == "1"):
                    wanted.append(f"{model.folder}/predictions/{name}.tsv")
        return sorted(name for name in wanted if name not in self.crate.files)

    def _models_with_cards(self) -> Iterator[Model]:
        for name in self.crate.names("models/", "/model_card.md"):
            _, pipeline, stage, _ = name.split("/")
            yield Model(pipeline, stage.removeprefix("stage"))
