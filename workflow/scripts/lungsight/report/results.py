"""What a run left, read once for the page."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from lungsight.files import read_json
from lungsight.run_description import EVALUATION_TABLES, cohorts_of, input_views_of, models_of
from lungsight.tables import read_table

Model = tuple[str, int]


@dataclass(frozen=True)
class RunResults:
    """The tables of a run. A room that this run did not need has left an empty dictionary or table.

    facts: as `facts_of`. cases, slices, manifests: by cohort. splits: by (cohort, framework). histories, provenance,
    summaries: by (pipeline, stage). evaluation: by name, those of EVALUATION_TABLES.
    """

    folder: Path
    facts: dict
    cases: dict[str, pd.DataFrame] = field(default_factory=dict)
    slices: dict[str, pd.DataFrame] = field(default_factory=dict)
    manifests: dict[str, pd.DataFrame] = field(default_factory=dict)
    splits: dict[tuple[str, str], pd.DataFrame] = field(default_factory=dict)
    segmentation: pd.DataFrame = field(default_factory=pd.DataFrame)
    leakage: pd.DataFrame = field(default_factory=pd.DataFrame)
    leakage_inflation: pd.DataFrame = field(default_factory=pd.DataFrame)
    metrics: pd.DataFrame = field(default_factory=pd.DataFrame)
    saliency: pd.DataFrame = field(default_factory=pd.DataFrame)
    audit: pd.DataFrame = field(default_factory=pd.DataFrame)
    verdicts: pd.DataFrame = field(default_factory=pd.DataFrame)
    comparisons: pd.DataFrame = field(default_factory=pd.DataFrame)
    ranking: pd.DataFrame = field(default_factory=pd.DataFrame)
    evaluation: dict[str, pd.DataFrame] = field(default_factory=dict)
    thesis: pd.DataFrame = field(default_factory=pd.DataFrame)
    histories: dict[Model, pd.DataFrame] = field(default_factory=dict)
    provenance: dict[Model, dict] = field(default_factory=dict)
    summaries: dict[Model, dict] = field(default_factory=dict)


def read_results(folder: Path, facts: dict, thesis: Path) -> RunResults:
    """Read everything that `facts.page_inputs` names below `folder`, each table checked against its schema."""
    cohorts = cohorts_of(facts)
    labelled = [cohort["name"] for cohort in facts["cohorts"] if cohort["labelled"]]
    models = models_of(facts)
    found = RunResults(
        folder=folder,
        facts=facts,
        cases={name: read_table(folder / f"cohorts/{name}/cases.tsv", schema="cases") for name in cohorts},
        slices={name: read_table(folder / f"cohorts/{name}/slices.tsv", schema="slices") for name in labelled},
        thesis=read_table(thesis, schema="thesis"),
    )
    if facts["has_contours"]:
        table = read_table(folder / "segmentation/metrics.tsv", schema="segmentation_metrics")
        found = replace(found, segmentation=table)
    if facts["has_masks"]:
        manifests = {name: read_table(folder / f"qc/{name}/manifest.tsv", schema="manifest") for name in labelled}
        found = replace(found, manifests=manifests)
    if not facts["stages"]:
        return found
    if facts["leakage_pipelines"]:
        found = replace(
            found, leakage_inflation=read_table(folder / "report/leakage_inflation.tsv", schema="leakage_inflation")
        )
    trained = {
        "splits": {
            (name, framework): read_table(folder / f"splits/{name}/{framework}.tsv", schema="split")
            for name in labelled
            for framework in input_views_of(facts)
        },
        "leakage": read_table(folder / "report/leakage.tsv", schema="leakage"),
        "metrics": read_table(folder / "report/metrics.tsv", schema="metrics"),
        "saliency": read_table(folder / "report/saliency.tsv", schema="report_saliency"),
        "audit": read_table(folder / "report/audit.tsv", schema="report_audit"),
        "verdicts": read_table(folder / "report/verdicts.tsv", schema="verdicts"),
        "comparisons": read_table(folder / "report/comparisons.tsv", schema="comparisons"),
        "ranking": read_table(folder / "report/systems.tsv", schema="systems"),
        "evaluation": {name: read_table(folder / f"report/{name}.tsv", schema=name) for name in EVALUATION_TABLES},
        "histories": {
            (name, stage): read_table(folder / f"models/{name}/stage{stage}/history.tsv", schema="history")
            for name, stage in models
        },
        "provenance": {
            (name, stage): read_json(folder / f"models/{name}/stage{stage}/provenance.json") for name, stage in models
        },
        "summaries": {
            (name, stage): read_json(folder / f"explain/{name}/stage{stage}/summary.json") for name, stage in models
        },
    }
    return replace(found, **trained)
