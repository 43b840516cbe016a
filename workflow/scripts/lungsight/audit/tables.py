"""The audit's tables of a run: every number, the verdict on each model, the comparisons between models."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lungsight.audit.attention_differences import comparison_rows, patients_of
from lungsight.audit.verdict import KINDS, Estimate, decide, evidence_of
from lungsight.run_description import cohort_of_stage, metadata_tables, models_of
from lungsight.tables import columns_of, read_table
from lungsight.training.pipelines import Pipeline

Model = tuple[str, int]
ESTIMATES = ("auc", "background", "swap", "enrichment", "similarity")


def verdict_row(model: Model, audited: pd.DataFrame, saliency: pd.DataFrame) -> dict:
    """A row of report/verdicts.tsv.

    audited: the model's rows of report/audit.tsv. saliency: report/saliency.tsv.
    """
    name, stage = model
    pipeline = Pipeline.parse(name)
    overall = saliency.query("pipeline == @name and stage == @stage and outcome == 'all'")
    enrichment = Estimate(*overall.iloc[0][["enrichment", "enrichment_lo", "enrichment_hi"]].astype(float))
    seen = evidence_of(pipeline.input_view, audited, enrichment)
    verdict = decide(seen)
    numbers = {
        f"{key}{end}": number
        for key in ESTIMATES
        for end, number in zip(("", "_lo", "_hi"), getattr(seen, key), strict=True)
    }
    said = {"verdict": KINDS[verdict.kind], "rule": verdict.rule, "sentence": verdict.text}
    return {
        "pipeline": name,
        **pipeline.columns,
        "stage": stage,
        **said,
        "patients": seen.patients,
        **numbers,
        "maps_pass": int(seen.maps_pass),
    }


def verdict_table(models: Iterable[Model], audit: pd.DataFrame, saliency: pd.DataFrame) -> pd.DataFrame:
    """report/verdicts.tsv. audit: report/audit.tsv. saliency: report/saliency.tsv."""
    of_model = {model: rows for model, rows in audit.dropna(subset="stage").groupby(["pipeline", "stage"], sort=False)}
    return pd.DataFrame(
        [verdict_row(model, of_model[model], saliency) for model in models], columns=columns_of("verdicts")
    )


def audit_table(
    of_models: Iterable[tuple[Model, str, pd.DataFrame]], of_metadata: Iterable[tuple[str, str, pd.DataFrame]]
) -> pd.DataFrame:
    """report/audit.tsv.

    of_models: (model, cohort, an audit table). of_metadata: (cohort, framework, an audit table).
    """
    parts = [
        table.assign(pipeline=name, framework=Pipeline.parse(name).input_view, stage=stage, cohort=cohort)
        for (name, stage), cohort, table in of_models
    ] + [
        table.assign(pipeline="", framework=framework, stage=None, cohort=cohort)
        for cohort, framework, table in of_metadata
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(stage=table["stage"].astype(float))[columns_of("report_audit")]


def read_audit(results: Path, facts: dict) -> pd.DataFrame:
    """report/audit.tsv, from the audit tables of every model and of every cohort's metadata below `results`."""
    of_models = [
        (model, cohort_of_stage(facts, model[1]), read_table(_folder(results, model) / f"{name}.tsv", schema="audit"))
        for model in models_of(facts)
        for name in ("shortcuts", "sanity")
    ]
    of_metadata = [
        (cohort, framework, read_table(results / path, schema="audit"))
        for cohort, framework, path in metadata_tables(facts)
    ]
    return audit_table(of_models, of_metadata)


def read_comparisons(results: Path, facts: dict) -> list[dict]:
    """report/comparisons.tsv, from what every model said of every test patient."""
    patients = {model: _read_patients(results, model) for model in models_of(facts)}
    return comparison_rows(patients, facts["labels"][0], facts["bootstrap"], facts["seed"])


def _folder(results: Path, model: Model) -> Path:
    return results / "explain" / model[0] / f"stage{model[1]}"


def _read_patients(results: Path, model: Model) -> pd.DataFrame:
    return patients_of(
        read_table(_folder(results, model) / "intervention_logits.tsv", schema="intervention_logits"),
        read_table(_folder(results, model) / "saliency.tsv", schema="saliency"),
    )
