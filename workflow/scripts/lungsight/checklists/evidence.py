"""Read what a run left, once for all checklists and the risk page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lungsight.checklists.evidence_files import OF_LABELLED, SETTINGS
from lungsight.files import read_json
from lungsight.report.results import RunResults, last_stage, read_results
from lungsight.run_description import RunDescription, labelled_cohorts_of
from lungsight.tables import read_table


@dataclass(frozen=True)
class Evidence:
    """The tables of a run. What it did not make is an empty table or dictionary.

    Attributes
    ----------
    results
        What the page of the run shows.
    settings
        run.json: how scans become images.
    predictability, duplicates, power, flow, risk
        report/intake_labels.tsv, cohorts/duplicates.tsv, report/power.tsv, report/flow.tsv, report/risk.tsv.
    study
        The study file: key → text.
    """

    results: RunResults
    settings: dict[str, Any] = field(default_factory=dict)
    predictability: pd.DataFrame = field(default_factory=pd.DataFrame)
    duplicates: pd.DataFrame = field(default_factory=pd.DataFrame)
    power: pd.DataFrame = field(default_factory=pd.DataFrame)
    flow: pd.DataFrame = field(default_factory=pd.DataFrame)
    risk: pd.DataFrame = field(default_factory=pd.DataFrame)
    study: dict[str, Any] = field(default_factory=dict)

    @property
    def last_models(self) -> pd.DataFrame:
        """The rows of metrics.tsv by patient of the models of the last stage, on the cohort of their training."""
        metrics = self.results.metrics
        return metrics if metrics.empty else last_stage(self.results.metrics_on_training_cohort("patient"))


def read_evidence(
    folder: Path, run: RunDescription, thesis: Path, study: dict[str, Any], judged: bool = False
) -> Evidence:
    """Read everything that `evidence_inputs` lists, each table checked against its schema.

    Parameters
    ----------
    folder
        The run's folder.
    thesis
        config/thesis.tsv.
    judged
        Whether flow.tsv and risk.tsv are there already.
    """
    tables = dict(_tables(folder, run, judged))
    return Evidence(read_results(folder, run, thesis), read_json(folder / SETTINGS), study=study, **tables)


def _tables(folder: Path, run: RunDescription, judged: bool) -> Iterator[tuple[str, pd.DataFrame]]:
    wanted = dict(OF_LABELLED) if labelled_cohorts_of(run) else {}
    if judged:
        wanted |= {name: (f"report/{name}.tsv", name) for name in ("flow", "risk")}
    for name, (file, schema) in wanted.items():
        yield name, read_table(folder / file, schema)
