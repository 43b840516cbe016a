"""Compute the rows of the report's tables again from a package's prediction tables."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from lungsight.verify.compare import Expected, Value
from lungsight.verify.crate import CONFIG, Crate, NotChecked, numbers
from lungsight.verify.statistics import (
    NAN,
    Drawing,
    Scores,
    all_values,
    calibration_bin,
    drawn,
    holm,
    interval,
    pairs_won,
    point_values,
    resampled,
    resampled_auc,
    two_sided_p,
    without_interval,
)

MOST_RESAMPLES = 100_000  # a package must not fill the memory of who checks it: they are drawn at once
COMPARED = ("roc_auc", "accuracy", "recall", "specificity")
ROLE = {"1": "public", "2": "target"}  # of the cohort that a stage is trained on
TOP, CUTS = (3, 1, 2, 5, 10), (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)
NOT_OF_SHARES = ("brier", "ece")
SPLIT_COLUMNS = ("slice", "patient", "label", "split")
OF_CLASS = ("sensitivity", "specificity", "precision", "f1", "roc_auc", "brier", "ece")
SCORED = ("probability", "patient_probability")
OF_CLASSES = ("p", "patient_p")  # p_1, … of more than two classes


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


def by_patient(table: pd.DataFrame, column: str = "probability") -> pd.DataFrame:
    """Average a column over the slices of each patient: patient, label, probability."""
    means = table.groupby(["patient", "label"], sort=False)[column].mean()
    return means.rename("probability").reset_index()


def of_patients(table: pd.DataFrame) -> pd.DataFrame:
    """Score patients by the model's own prediction of a patient where there is one, else by the mean of the slices."""
    return by_patient(table, "patient_probability" if "patient_probability" in table else "probability")


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
        self.drawing = Drawing(self.classes[0], self.config["report"]["bootstrap"], self.config["seed"])

    @cached_property
    def predictions(self) -> dict[tuple[Model, str], pd.DataFrame]:
        """The prediction tables, by model and cohort."""
        found = {}
        n = len(self.classes)
        of_each = [f"p_{k}" for k in range(1, n + 1)] if n > 2 else []
        for name in self.crate.names("models/", ".tsv"):
            parts = name.split("/")
            if len(parts) == 5 and parts[3] == "predictions":
                table = self.crate.table(name, [*SPLIT_COLUMNS, SCORED[0], *of_each])
                of_classes = [f"{prefix}_{k}" for prefix in OF_CLASSES for k in range(1, len(self.classes) + 1)]
                for column in table.columns.intersection([*SCORED, *of_classes]):
                    table[column] = numbers(table[column], name, column).to_numpy()
                found[Model(parts[1], parts[2].removeprefix("stage")), parts[4].removesuffix(".tsv")] = table
        return found

    def evaluated(self) -> Iterator[tuple[Model, str, pd.DataFrame]]:
        """Yield model, cohort and predictions of the models that the report evaluates."""
        yield from (
            (model, cohort, table) for (model, cohort), table in self.predictions.items() if model.stage in ROLE
        )

    def trained_on(self, stage: str) -> str:
        """Name the cohort that a stage is trained on."""
        for name, cohort in self.config["cohorts"].items():
            if cohort["role"] == ROLE.get(stage[:1]):
                return str(name)
        raise NotChecked(f"{CONFIG} has no cohort that stage {stage} is trained on.")

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


def metrics_rows(run: Run) -> Iterator[Expected]:
    """Compute report/metrics.tsv."""
    for model, cohort, table in run.evaluated():
        test = test_rows(table)
        for unit, rows in (("slice", test), ("patient", of_patients(test))):
            key = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort, "unit": unit}
            yield Expected(key, {"threshold": 0.5} | all_values(rows, run.drawing))


def reliability_rows(run: Run) -> Iterator[Expected]:
    """Compute report/reliability.tsv."""
    for model, cohort, table in run.evaluated():
        test = test_rows(table)
        bins = calibration_bin(test["probability"].to_numpy(float))
        for number in np.unique(bins):
            members = test[bins == number]
            key = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort, "low": round(number / 10, 1)}
            share = float((members["label"] == run.drawing.positive).mean())
            values = {
                "high": (number + 1) / 10,
                "n": len(members),
                "mean_probability": float(members["probability"].mean()),
            }
            yield Expected(key, values | {"share_positive": share})


def _highest(table: pd.DataFrame, k: float) -> pd.DataFrame:
    """Average the k highest probabilities of each patient."""
    kept = table.groupby(["patient", "label"], sort=False)["probability"].nlargest(int(k)).index.get_level_values(-1)
    return by_patient(table[table.index.isin(kept)])


def _share(table: pd.DataFrame, cut: float) -> pd.DataFrame:
    """Take the share of a patient's slices at or above a cut."""
    return by_patient(table.assign(probability=(table["probability"] >= cut).astype(float)))


AGGREGATIONS: dict[str, tuple[Callable[[pd.DataFrame, float], pd.DataFrame], tuple[float, ...]]] = {
    "slice": (lambda table, _: table, (NAN,)),
    "pooled": (lambda table, _: of_patients(table), (NAN,)),
    "mean": (lambda table, _: by_patient(table), (NAN,)),
    "top_k": (_highest, TOP),
    "fraction": (_share, CUTS),
}


def exact_auc(table: pd.DataFrame, positive: str) -> float:
    """Compute an AUC in whole and half pairs, so that equal ones are equal; −1 for one class, below all others."""
    scores = Scores(table, positive)
    pairs = int(scores.truth.sum()) * int((~scores.truth).sum())
    return float(pairs_won(scores).sum() / pairs) if pairs else -1.0


def youden_threshold(table: pd.DataFrame, positive: str) -> float | None:
    """Choose the threshold with the highest sensitivity + specificity, nearest to 0.5; None for one class."""
    scores = Scores(table, positive)
    if scores.truth.all() or not scores.truth.any():
        return None
    false_positive, recall, levels = roc_curve(scores.truth, scores.probability, drop_intermediate=False)
    gains, levels = (recall - false_positive)[1:], levels[1:]  # without the level above all scores
    thresholds = np.append((levels[:-1] + levels[1:]) / 2, levels[-1])  # halfway to the next lower score
    best = thresholds[np.isclose(gains, gains.max())]
    return float(min(best, key=lambda at: (abs(at - 0.5), at)))


def aggregation_rows(run: Run) -> Iterator[Expected]:
    """Compute report/aggregation.tsv: validation chooses, the test subset is scored."""
    for model, cohort, table in run.evaluated():
        trained_on = run.predictions.get((model, run.trained_on(model.stage)))
        if trained_on is None:
            raise NotChecked(f"{model.folder}/predictions/{run.trained_on(model.stage)}.tsv is missing.")
        validation = trained_on[trained_on["split"] == "val"].reset_index(drop=True)
        test = test_rows(table).reset_index(drop=True)
        for name, (score, parameters) in AGGREGATIONS.items():
            if name == "pooled" and "patient_probability" not in table:
                continue
            parameter = parameters[0]
            if len(parameters) > 1 and len(validation):
                aucs = [exact_auc(score(validation, value), run.drawing.positive) for value in parameters]
                parameter = parameters[aucs.index(max(aucs))]
            fitted = youden_threshold(score(validation, parameter), run.drawing.positive)
            for source, threshold in (("fixed", 0.5), ("validation", fitted)):
                if threshold is not None:
                    values = all_values(score(test, parameter), run.drawing, threshold)
                    kept = {column: value for column, value in values.items() if not column.startswith(NOT_OF_SHARES)}
                    key = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort, "aggregation": name}
                    chosen = {"threshold_from": source}
                    yield Expected(key | chosen, {"parameter": parameter, "threshold": threshold} | kept)


def _of_class(rows: pd.DataFrame, label: str, run: Run) -> pd.DataFrame:
    """Score rows for one class: its own probability."""
    return rows if label == run.drawing.positive else rows.assign(probability=1 - rows["probability"])


def _called_first(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Tell which rows are predicted to be of the first class: of equal probabilities the first is taken."""
    return rows["probability"] >= 1 - rows["probability"]


def class_rows(run: Run) -> Iterator[Expected]:
    """Compute the point values of report/classes.tsv: each class against the other."""
    for key, rows in _classified(run):
        for label in run.classes:
            called = (_called_first(rows) == (label == run.drawing.positive)).to_numpy()
            values = point_values(Scores(_of_class(rows, label, run), label), 0.5, called)
            shown = {name: values["recall" if name == "sensitivity" else name] for name in OF_CLASS}
            yield Expected(key | {"class": label}, {"n": int((rows["label"] == label).sum())} | shown)


def confusion_rows(run: Run) -> Iterator[Expected]:
    """Compute report/confusion.tsv."""
    for key, rows in _classified(run):
        called = np.where(_called_first(rows), *run.classes)
        for true in run.classes:
            for predicted in run.classes:
                n = int(((rows["label"] == true) & (called == predicted)).sum())
                yield Expected(key | {"true": true, "predicted": predicted}, {"n": n})


def _classified(run: Run) -> Iterator[tuple[dict[str, Value], pd.DataFrame]]:
    """Yield the test slices and test patients of each model for each cohort, with the columns that find them."""
    for model, cohort, table in run.evaluated():
        for unit, rows in (("slice", test_rows(table)), ("patient", of_patients(test_rows(table)))):
            key: dict[str, Value] = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort, "unit": unit}
            yield key | {"probabilities": "raw"}, rows


class Compared(NamedTuple):
    """Two models on the test rows that both have: number of rows and patients, and the numbers of each metric."""

    rows: int
    patients: int
    metrics: dict[str, dict[str, float]]


def compared(first: pd.DataFrame, second: pd.DataFrame, unit: str, drawing: Drawing) -> Compared:
    """Compare two prediction tables under the same draws: first, second, difference, its interval and p-value."""
    tables = [test_rows(table) if unit == "slice" else of_patients(test_rows(table)) for table in (first, second)]
    key = ["slice"] if unit == "slice" else ["patient", "label"]
    joined = tables[0].merge(tables[1][[*key, "probability"]], on=key, suffixes=("", "_of_second"))
    pair = [
        Scores(joined.assign(probability=joined[f"probability{end}"]), drawing.positive) for end in ("", "_of_second")
    ]
    values = [point_values(scores, 0.5) for scores in pair]
    samples: list[dict[str, Any]] = [{}, {}]
    if drawing.resamples and pair[0].patients > 1:
        draws = drawn(pair[0].patients, drawing.resamples, drawing.seed)
        samples = [resampled(scores, draws, 0.5, COMPARED) for scores in pair]
    found = {}
    for metric in COMPARED:
        is_drawn = samples[0] and metric not in without_interval(pair[0])
        differences = samples[1][metric] - samples[0][metric] if is_drawn else np.array([])
        low, high = interval(differences)
        found[metric] = {
            **{
                "first": values[0][metric],
                "second": values[1][metric],
                "difference": values[1][metric] - values[0][metric],
            },
            **{"difference_lo": low, "difference_hi": high, "p": two_sided_p(differences)},
        }
    return Compared(len(joined), pair[0].patients, found)


def difference_rows(run: Run) -> Iterator[Expected]:
    """Compute the rows that report/differences.tsv has, of the pairs that it names."""
    names = (
        "comparison",
        "first_pipeline",
        "first_stage",
        "second_pipeline",
        "second_stage",
        "cohort",
        "unit",
        "metric",
    )
    table, known = run.crate.table("report/differences.tsv", names), {}
    families: dict[tuple[str, ...], list[Expected]] = {}
    for row in table.to_dict("records"):
        pair = tuple(Model(row[f"{which}_pipeline"], row[f"{which}_stage"]) for which in ("first", "second"))
        place = (*pair, row["cohort"], row["unit"])
        if place not in known:
            tables = [run.predictions.get((model, row["cohort"])) for model in pair]
            if tables[0] is None or tables[1] is None:
                raise NotChecked(
                    f"report/differences.tsv compares {pair[0].folder} with {pair[1].folder} on"
                    f" {row['cohort']}, and a prediction table of them is missing."
                )
            known[place] = compared(tables[0], tables[1], row["unit"], run.drawing)
        if row["metric"] not in COMPARED:
            continue  # then nothing in the package gives this row
        numbers_of = {"n": known[place].rows, "n_patients": known[place].patients} | known[place].metrics[row["metric"]]
        expected = Expected({name: row[name] for name in names}, numbers_of)
        families.setdefault((row["comparison"], row["cohort"], row["unit"], row["metric"]), []).append(expected)
    for members in families.values():
        corrected = holm([float(member.values["p"]) for member in members])
        yield from (
            Expected(member.key, {**member.values, "p_holm": p}) for member, p in zip(members, corrected, strict=True)
        )


GROUPINGS = {"source": "source", "scanner": "manufacturer", "kernel": "kernel", "contrast": "contrast"}
OF_PEOPLE = ("age", "sex")  # groupings by people.tsv, which not every cohort has
CONTRAST = {"0": "without", "1": "with", "0.0": "without", "1.0": "with"}


def subgroup_rows(run: Run) -> Iterator[Expected]:
    """Compute report/subgroups.tsv from predictions, slices.tsv, cases.tsv and people.tsv."""
    for model, cohort, table in run.evaluated():
        slices = run.crate.table(f"cohorts/{cohort}/slices.tsv", ["slice", "case"])
        cases = run.crate.table(f"cohorts/{cohort}/cases.tsv", ["case"])
        case_of, test = dict(zip(slices["slice"], slices["case"], strict=True)), test_rows(table)
        people = f"cohorts/{cohort}/people.tsv"
        sources = [(grouping, column, cases) for grouping, column in GROUPINGS.items() if column in cases]
        if people in run.crate.files:
            persons = run.crate.table(people, ["case", *OF_PEOPLE])
            sources += [(grouping, grouping, persons) for grouping in OF_PEOPLE]
        for grouping, column, source in sources:
            of_case = dict(zip(source["case"], source[column], strict=True))
            words = [of_case.get(case_of.get(name, ""), "") for name in test["slice"]]
            if grouping == "contrast":
                words = [CONTRAST.get(word, "") for word in words]
            values = pd.Series([word or "unknown" for word in words], index=test.index)
            for value in sorted(values.unique()) if values.nunique() > 1 else []:
                members = test[values == value]
                for unit, rows in (("slice", members), ("patient", by_patient(members))):
                    key = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort}
                    numbers_of = all_values(rows, run.drawing, metrics=COMPARED)
                    counted = {"n": len(rows), "n_positive": int((rows["label"] == run.drawing.positive).sum())}
                    counted["n_patients"] = members["patient"].nunique()
                    measured = {name: number for name, number in numbers_of.items() if name.startswith(COMPARED)}
                    yield Expected(key | {"grouping": grouping, "value": value, "unit": unit}, counted | measured)


def inflation_rows(run: Run) -> Iterator[Expected]:
    """Compute report/leakage_inflation.tsv from the predictions of the leakage experiment."""
    for name in run.crate.names("leakage_inflation/", ".tsv"):
        table = run.crate.table(name, ["labels", "unit", "patient", "label", "probability"])
        table["probability"] = numbers(table["probability"], name, "probability").to_numpy()
        for labels in ("true", "shuffled"):
            parts = {
                unit: table[(table["labels"] == labels) & (table["unit"] == unit)] for unit in ("slice", "patient")
            }
            for unit, tested in parts.items():
                values = all_values(tested, run.drawing, metrics=("accuracy", "roc_auc"))
                kept = {column: value for column, value in values.items() if column.startswith(("accuracy", "roc_auc"))}
                inflation = _inflation(parts["slice"], parts["patient"], run.drawing) if unit == "slice" else (NAN,) * 3
                ends = {f"inflation{end}": value for end, value in zip(("", "_lo", "_hi"), inflation, strict=True)}
                counted = {"slices": len(tested), "patients": tested["patient"].nunique()}
                key = {"pipeline": name.split("/")[1].removesuffix(".tsv"), "labels": labels, "unit": unit}
                yield Expected(key, counted | kept | ends)


def _inflation(by_slice: pd.DataFrame, by_patients: pd.DataFrame, drawing: Drawing) -> tuple[float, float, float]:
    """Compute the AUC under the split by slice minus that under the split by patient, with its interval."""
    if by_slice.empty or by_patients.empty:
        return NAN, NAN, NAN
    both = pd.concat([by_slice, by_patients])
    order = list(dict.fromkeys(both["patient"]))
    draws = np.ones((1, len(order)))
    alone = any("roc_auc" in without_interval(Scores(part, drawing.positive)) for part in (by_slice, by_patients))
    if drawing.resamples and not alone:
        draws = np.concatenate([draws, drawn(len(order), drawing.resamples, drawing.seed)])
    values = []
    for part in (by_slice, by_patients):
        present = list(dict.fromkeys(part["patient"]))
        values.append(resampled_auc(Scores(part, drawing.positive), draws[:, [order.index(name) for name in present]]))
    differences = values[0] - values[1]
    return float(differences[0]), *interval(differences[1:])


def system_rows(run: Run) -> Iterator[Expected]:
    """Compute what follows from predictions in report/systems.tsv: ranks, metrics, differences to the first."""
    for stage in sorted({model.stage for model, _, _ in run.evaluated()}):
        cohort = run.trained_on(stage)
        tables = {model.pipeline: table for model, on, table in run.evaluated() if (model.stage, on) == (stage, cohort)}
        metrics = {name: all_values(of_patients(test_rows(table)), run.drawing) for name, table in tables.items()}
        packaged = run.crate.table("report/systems.tsv", ["stage", "pipeline"])
        order = [name for name in packaged.loc[packaged["stage"] == stage, "pipeline"] if name in tables]
        aucs = [exact_auc(of_patients(test_rows(tables[name])), run.drawing.positive) for name in order]
        others = {name: compared(tables[order[0]], tables[name], "patient", run.drawing) for name in order[1:]}
        p_holm = dict(zip(others, holm([of.metrics["roc_auc"]["p"] for of in others.values()]), strict=True))
        for name, auc in zip(order, aucs, strict=True):
            better = sum(other > auc for other in aucs)
            shown = (
                "n",
                "roc_auc",
                "roc_auc_lo",
                "roc_auc_hi",
                "accuracy",
                "accuracy_lo",
                "accuracy_hi",
                "brier",
                "ece",
            )
            values = {column: metrics[name][column] for column in shown} | {"rank": better + 1}
            if name in others:
                auc_of_both = others[name].metrics["roc_auc"]
                values |= {
                    column: auc_of_both[column] for column in ("difference", "difference_lo", "difference_hi", "p")
                }
                values["p_holm"] = p_holm[name]
            yield Expected({"stage": stage, "cohort": cohort, "pipeline": name}, values)


def overlap_rows(run: Run) -> Iterator[Expected]:
    """Compute the counts of report/leakage.tsv that follow from the splits."""
    views = {model.pipeline.split("-")[0] for model, _ in run.predictions}
    for name in run.crate.names("splits/", ".tsv"):
        _, cohort, view = name.removesuffix(".tsv").split("/")
        if view not in views:
            continue  # the split of whole slices is there for the audit, also where no pipeline looks at them
        split = run.crate.table(name, SPLIT_COLUMNS)
        on_two_sides = int((split.groupby("patient")["split"].nunique() > 1).sum())
        counted = {"slices": len(split), "patients": split["patient"].nunique(), "patients_on_two_sides": on_two_sides}
        yield Expected({"cohort": cohort, "framework": view}, counted)


def prediction_problems(run: Run) -> Iterator[str]:
    """Name the rows of prediction tables that are not those of their split, or not what the maps were made for."""
    for (model, cohort), table in run.predictions.items():
        name, view = f"{model.folder}/predictions/{cohort}.tsv", model.pipeline.split("-")[0]
        yield from _unlike_split(
            table, name, run.crate.table(f"splits/{cohort}/{view}.tsv", SPLIT_COLUMNS), view, cohort
        )
        yield from _unlike_maps(run, model, cohort, table, name)


def _unlike_split(table: pd.DataFrame, name: str, split: pd.DataFrame, view: str, cohort: str) -> Iterator[str]:
    """Name the rows that their split does not have, and the slices of it that no row has."""
    file, columns = f"splits/{cohort}/{view}.tsv", list(SPLIT_COLUMNS)
    of_split = {row[0]: row for row in split[columns].itertuples(index=False, name=None)}
    seen: set[str] = set()
    for number, row in enumerate(table[columns].itertuples(index=False, name=None), start=1):
        if row[0] in seen:
            yield f"{name}, row {number} ({row[0]}): the slice has a row already"
        elif of_split.get(row[0]) != row:
            yield f"{name}, row {number} ({row[0]}): not the row of {file}"
        seen.add(row[0])
    yield from (f"{name}: the slice {missing} of {file} has no row" for missing in of_split if missing not in seen)


def impossible_probabilities(run: Run) -> Iterator[str]:
    """Name the probabilities, those of training slices too, that are none: not finite, or not from 0 to 1."""
    tables = {f"{model.folder}/predictions/{cohort}.tsv": table for (model, cohort), table in run.predictions.items()}
    for name in run.crate.names("leakage_inflation/", ".tsv"):
        scores = numbers(run.crate.table(name, ["probability"])["probability"], name, "probability")
        tables[name] = pd.DataFrame({"probability": scores})
    for name, table in tables.items():
        for column in table.columns.intersection(list(SCORED)):
            wrong = np.flatnonzero(~table[column].between(0, 1).to_numpy())
            for place in wrong:
                shown = "nothing" if np.isnan(table[column].iloc[place]) else table[column].iloc[place]
                yield f"{name}, row {place + 1}, {column}: {shown} is no probability from 0 to 1"


def _unlike_maps(run: Run, model: Model, cohort: str, table: pd.DataFrame, name: str) -> Iterator[str]:
    """Name the rows whose probability is not the one that saliency.tsv states, on the cohort that the maps are of."""
    maps = f"explain/{model.pipeline}/stage{model.stage}/saliency.tsv"
    if maps not in run.crate.files or model.stage not in ROLE or cohort != run.trained_on(model.stage):
        return
    explained = run.crate.table(maps, ["slice", "probability"])
    stated = dict(zip(explained["slice"], numbers(explained["probability"], maps, "probability"), strict=True))
    for number, (name_of_slice, probability) in enumerate(
        zip(table["slice"], table["probability"], strict=True), start=1
    ):
        if name_of_slice in stated and not np.isclose(stated[name_of_slice], probability, rtol=0, atol=1e-9):
            other = f"{maps} says {stated[name_of_slice]}"
            yield f"{name}, row {number} ({name_of_slice}), probability: {probability}, {other}"
