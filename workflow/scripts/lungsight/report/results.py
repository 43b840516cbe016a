"""Read what a run left, once for the whole page."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from lungsight.audit.forensics import read_answers
from lungsight.files import read_json
from lungsight.run_description import (
    CLASS_TABLES,
    EVALUATION_TABLES,
    RunDescription,
    cohorts_of,
    has_remedies,
    input_views_of,
    labelled_cohorts_of,
    models_of,
    page_inputs,
)
from lungsight.tables import columns_of, read_table
from lungsight.training.pipelines import ROLE_OF_STAGE
from lungsight.wording import STAND_IN_MARK

Model = tuple[str, int]
# What a model lacks to be better than chance; of the first two, what the interval of its AUC is.
BELOW, NOT_SHOWN = "below chance", "not shown to be better than chance"
NO_INTERVAL, NO_AUC = "no interval of the AUC could be computed", "no AUC could be computed"
INTERVALS = {BELOW: "the interval of the AUC lies below 0.5", NOT_SHOWN: "the interval of the AUC reaches 0.5"}


@dataclass(frozen=True)
class RunResults:
    """The tables of a run. What this run did not make is an empty dictionary or table.

    Attributes
    ----------
    folder
        The run's folder, for pictures.
    run
        The run's description.
    cases, slices, manifests
        By cohort.
    splits
        By (cohort, input view).
    lungs, segmentation, selection, leakage, leakage_inflation, metrics, saliency, audit, verdicts, comparisons, thesis,
    ensembles, replicates, leakage_repeats
        The tables of these names.
    label_predictability
        report/intake_labels.tsv.
    ranking
        report/systems.tsv.
    forensics
        report/forensics.tsv.
    remedies
        report/remedies.tsv, where a pipeline has one.
    evaluation
        The tables of EVALUATION_TABLES, by name.
    of_classes
        The tables of CLASS_TABLES, by name, with more than two classes.
    histories, provenance, summaries
        By model: pipeline and stage. summaries: explain's summary.json.
    """

    folder: Path
    run: RunDescription
    cases: dict[str, pd.DataFrame] = field(default_factory=dict)
    slices: dict[str, pd.DataFrame] = field(default_factory=dict)
    manifests: dict[str, pd.DataFrame] = field(default_factory=dict)
    splits: dict[tuple[str, str], pd.DataFrame] = field(default_factory=dict)
    lungs: pd.DataFrame = field(default_factory=pd.DataFrame)
    ensembles: pd.DataFrame = field(default_factory=pd.DataFrame)
    replicates: pd.DataFrame = field(default_factory=pd.DataFrame)
    leakage_repeats: pd.DataFrame = field(default_factory=pd.DataFrame)
    segmentation: pd.DataFrame = field(default_factory=pd.DataFrame)
    label_predictability: pd.DataFrame = field(default_factory=pd.DataFrame)
    selection: pd.DataFrame = field(default_factory=pd.DataFrame)
    leakage: pd.DataFrame = field(default_factory=pd.DataFrame)
    leakage_inflation: pd.DataFrame = field(default_factory=pd.DataFrame)
    metrics: pd.DataFrame = field(default_factory=pd.DataFrame)
    saliency: pd.DataFrame = field(default_factory=pd.DataFrame)
    audit: pd.DataFrame = field(default_factory=pd.DataFrame)
    verdicts: pd.DataFrame = field(default_factory=pd.DataFrame)
    comparisons: pd.DataFrame = field(default_factory=pd.DataFrame)
    ranking: pd.DataFrame = field(default_factory=pd.DataFrame)
    remedies: pd.DataFrame = field(default_factory=pd.DataFrame)
    forensics: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=columns_of("report_forensics")))
    evaluation: dict[str, pd.DataFrame] = field(default_factory=dict)
    of_classes: dict[str, pd.DataFrame] = field(default_factory=dict)
    thesis: pd.DataFrame = field(default_factory=pd.DataFrame)
    histories: dict[Model, pd.DataFrame] = field(default_factory=dict)
    provenance: dict[Model, dict[str, Any]] = field(default_factory=dict)
    summaries: dict[Model, dict[str, Any]] = field(default_factory=dict)

    @property
    def input_views(self) -> list[str]:
        """The configured input views, in order."""
        return input_views_of(self.run)

    @property
    def many_classes(self) -> bool:
        """Whether models of more than two classes were trained."""
        return bool(self.of_classes)

    @property
    def auc_in_words(self) -> str:
        """The AUC of report/metrics.tsv: with more than two classes it is that of the first one against the rest."""
        return f"AUC of {self.run['labels'][0]} against the rest" if self.many_classes else "AUC"

    @property
    def positive_in_words(self) -> str:
        """What a slice of the first class is: positive, or of that class where there are more than two."""
        return f"of {self.run['labels'][0]}" if self.many_classes else "positive"

    @property
    def roles(self) -> dict[str, str]:
        """The role of each cohort."""
        return {cohort["name"]: cohort["role"] for cohort in self.run["cohorts"]}

    @property
    def stand_in_pipelines(self) -> list[str]:
        """Pipelines that started from stand-ins for ImageNet weights."""
        if self.metrics.empty:
            return []
        return list(self.metrics.loc[self.metrics["weights_origin"] == "stand-in", "pipeline"].unique())

    @property
    def other_networks(self) -> dict[str, str]:
        """Backbones in whose place other networks were trained (`training.networks`), with the names of these."""
        trained = {provenance["backbone"] for provenance in self.provenance.values()}
        networks = self.run["settings"]["training"]["networks"]
        return {backbone: network for backbone, network in networks.items() if network in trained}

    def display_name(self, pipeline: str) -> str:
        """Mark a pipeline's name where it started from stand-in weights."""
        return f"{pipeline} {STAND_IN_MARK}" if pipeline in self.stand_in_pipelines else pipeline

    def model_name(self, model: Model) -> str:
        """Name a model in a sentence."""
        return f"{self.display_name(model[0])} stage {model[1]}"

    def on_training_cohort(self, table: pd.DataFrame) -> pd.DataFrame:
        """Keep the rows on the cohort that a stage is trained on. table: with stage and cohort."""
        return table[table["cohort"].map(self.roles) == table["stage"].map(ROLE_OF_STAGE)]

    def metrics_on_training_cohort(self, unit: str) -> pd.DataFrame:
        """Give report/metrics.tsv by one unit, on the cohort that a stage is trained on."""
        return self.on_training_cohort(self.metrics[self.metrics["unit"] == unit])

    def audit_of_models(self, test: str, measure: str, unit: str) -> pd.DataFrame:
        """Give the rows of report/audit.tsv that hold one measure of the models, in the file's order."""
        table = self.audit
        of_models = (table["pipeline"] != "") & (table["test"] == test)
        return table[of_models & (table["measure"] == measure) & (table["unit"] == unit)]

    def audit_by_model(self, test: str, measure: str, unit: str) -> dict[Model, pd.DataFrame]:
        """Give the same rows for each model, indexed by variant."""
        grouped = self.audit_of_models(test, measure, unit).groupby(["pipeline", "stage"], sort=False)
        return {model_of(rows.iloc[0]): rows.set_index("variant") for _, rows in grouped}

    def best_model(self) -> "pd.Series | None":
        """Give the last stage's row by patient with the highest AUC; the first one among equals."""
        rows = last_stage(self.metrics_on_training_cohort("patient"))
        return None if rows["roc_auc"].isna().all() else rows.iloc[int(rows["roc_auc"].argmax())]


def model_of(row: pd.Series) -> Model:
    """Read which model a row is about."""
    return str(row["pipeline"]), int(row["stage"])


def last_stage(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of the last stage."""
    return table[table["stage"] == table["stage"].max()]


def better_than_chance(row: Any) -> bool | None:
    """Tell whether a model ranks test patients better than chance; None where its AUC has no interval."""
    return None if pd.isna(row["roc_auc_lo"]) else bool(row["roc_auc_lo"] > 0.5)


def not_better(row: Any) -> str:
    """Say what a model lacks to be better than chance, by the interval of its AUC; "" where it is better."""
    if better_than_chance(row) is None:
        return NO_AUC if pd.isna(row["roc_auc"]) else NO_INTERVAL
    return "" if better_than_chance(row) else BELOW if row["roc_auc_hi"] < 0.5 else NOT_SHOWN


def read_results(folder: Path, run: RunDescription, thesis: Path) -> RunResults:
    """Read everything that `page_inputs` lists, each table checked against its schema.

    Parameters
    ----------
    folder
        The run's folder.
    run
        Its description.
    thesis
        config/thesis.tsv.
    """
    labelled = labelled_cohorts_of(run)
    results = RunResults(
        folder=folder,
        run=run,
        cases={name: read_table(folder / f"cohorts/{name}/cases.tsv", schema="cases") for name in cohorts_of(run)},
        slices={name: read_table(folder / f"cohorts/{name}/slices.tsv", schema="slices") for name in labelled},
        label_predictability=read_table(folder / "report/intake_labels.tsv", schema="intake_labels"),
        forensics=read_answers(folder, labelled),
        thesis=read_table(thesis, schema="thesis"),
    )
    if run["has_contours"]:
        table = read_table(folder / "segmentation/metrics.tsv", schema="segmentation_metrics")
        results = replace(results, segmentation=table)
    if run["own_lungs"]:
        results = replace(results, lungs=read_table(folder / "report/lungs.tsv", schema="lungs"))
    if run["has_masks"]:
        manifests = {name: read_table(folder / f"qc/{name}/manifest.tsv", schema="manifest") for name in labelled}
        results = replace(results, manifests=manifests)
    if results.manifests:
        results = replace(results, selection=read_table(folder / "report/selection.tsv", schema="selection"))
    return _with_models(results) if run["stages"] else results


def _with_models(results: RunResults) -> RunResults:
    """Read what there is only where models were trained."""
    folder, run = results.folder, results.run
    models, tables = models_of(run), folder / "report"
    if run["leakage_pipelines"]:
        inflation = read_table(tables / "leakage_inflation.tsv", schema="leakage_inflation")
        results = replace(results, leakage_inflation=inflation)
    for name in ("replicates", "leakage_repeats"):
        if f"report/{name}.tsv" in page_inputs(run):
            results = replace(results, **{name: read_table(tables / f"{name}.tsv", schema=name)})
    if run["ensembles"]:
        results = replace(results, ensembles=read_table(tables / "ensembles.tsv", schema="ensembles"))
    if has_remedies(run):
        results = replace(results, remedies=read_table(tables / "remedies.tsv", schema="remedies"))
    return replace(
        results,
        splits={
            (name, input_view): read_table(folder / f"splits/{name}/{input_view}.tsv", schema="split")
            for name in labelled_cohorts_of(run)
            for input_view in input_views_of(run)
        },
        leakage=read_table(tables / "leakage.tsv", schema="leakage"),
        metrics=read_table(tables / "metrics.tsv", schema="metrics"),
        saliency=read_table(tables / "saliency.tsv", schema="report_saliency"),
        audit=read_table(tables / "audit.tsv", schema="report_audit"),
        verdicts=read_table(tables / "verdicts.tsv", schema="verdicts"),
        comparisons=read_table(tables / "comparisons.tsv", schema="comparisons"),
        ranking=read_table(tables / "systems.tsv", schema="systems"),
        evaluation={name: read_table(tables / f"{name}.tsv", schema=name) for name in EVALUATION_TABLES},
        of_classes={
            name: read_table(tables / f"{name}.tsv", schema=name)
            for name in (CLASS_TABLES if len(run["labels"]) > 2 else ())
        },
        histories={
            (name, stage): read_table(folder / f"models/{name}/stage{stage}/history.tsv", schema="history")
            for name, stage in models
        },
        provenance={
            (name, stage): read_json(folder / f"models/{name}/stage{stage}/provenance.json") for name, stage in models
        },
        summaries={
            (name, stage): read_json(folder / f"explain/{name}/stage{stage}/summary.json") for name, stage in models
        },
    )
