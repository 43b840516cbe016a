"""The audit's tables of a run: every number, the verdict on each model, the differences between models."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lungsight.audit.attention_differences import Model, comparison_rows, patients_of
from lungsight.audit.fair_sample import audited_sample, with_slices_not_seen
from lungsight.audit.forensics import read_answers
from lungsight.audit.making import making_of
from lungsight.audit.pair_verdicts import pair_rows, verdicts_of
from lungsight.audit.replicate_table import ABOVE_RANDOM
from lungsight.audit.rows import Estimate
from lungsight.audit.verdict import CONCLUSIONS, PairVerdict, decide, evidence_of
from lungsight.layout import INTERVENTION_LOGITS, PAIRS, REPLICATES, SWAP_LOGITS
from lungsight.rows import ComparisonsRow
from lungsight.run_description import (
    RunDescription,
    cohort_of_stage,
    common_split,
    labelled_cohorts_of,
    metadata_tables,
    models_of,
    replicate_tables,
)
from lungsight.tables import columns_in, columns_of, read_table
from lungsight.training import remedies
from lungsight.training.pipelines import Pipeline

ESTIMATES = ("auc", "background", "swap", "enrichment", "similarity")


class ModelSlices(NamedTuple):
    """The test slices of a model.

    Attributes
    ----------
    explained
        Its saliency.tsv: those that it was tested on.
    common
        Those of the common split, which follows from whole slices: slice, patient, label.
    """

    explained: pd.DataFrame
    common: pd.DataFrame


def verdict_row(
    model: Model,
    audited: pd.DataFrame,
    saliency: pd.DataFrame,
    slices: ModelSlices,
    resamples: int,
    seed: int,
    pairs: tuple[PairVerdict, ...] = (),
    repeatability: Estimate | None = None,
    traces: pd.DataFrame | None = None,
) -> dict[str, str | int | float]:
    """Make a row of report/verdicts.tsv.

    Parameters
    ----------
    model
        Pipeline and stage.
    audited
        The model's rows of report/audit.tsv.
    saliency
        report/saliency.tsv.
    slices
        The model's test slices.
    resamples, seed
        Of the intervals of what was left out.
    pairs
        The verdicts on the pairs of the model's classes, with more than two.
    repeatability
        Of the maps of its replicates; None where each pipeline was trained once: the row then has no such columns.
    traces
        Rows of report/forensics.tsv on the model's cohort; None: no trace tells the class.
    """
    name, stage = model
    pipeline = Pipeline.parse(name)
    of_model = (saliency["pipeline"] == name) & (saliency["stage"] == stage)
    overall = saliency[of_model & (saliency["outcome"] == "all")].iloc[0]
    enrichment = Estimate(*(float(overall[name]) for name in ("enrichment", "enrichment_lo", "enrichment_hi")))
    sample = audited_sample(with_slices_not_seen(slices.explained, slices.common), resamples, seed)
    of_replicates = {} if repeatability is None else {"repeatability": repeatability}
    making = () if traces is None else making_of(traces, audited)
    trained_on = remedies.load(pipeline.remedy).instruments
    seen = evidence_of(
        *(pipeline.input_view, audited, enrichment, sample, pairs),
        making=making,
        trained_on=trained_on,
        **of_replicates,
    )
    verdict = decide(seen)
    estimates: dict[str, Estimate] = {key: getattr(seen, key) for key in ESTIMATES}
    estimates |= {"making": seen.by_making.counterfactual if seen.by_making else Estimate()}
    estimates |= {"lost_by_class": sample.by_class, "lost_by_outcome": sample.by_outcome, **of_replicates}
    numbers = {
        f"{key}{end}": value
        for key, estimate in estimates.items()
        for end, value in zip(("", "_lo", "_hi"), estimate, strict=True)
    }
    return {
        "pipeline": name,
        **pipeline.columns,
        "stage": stage,
        "verdict": CONCLUSIONS[verdict.conclusion],
        "rule": verdict.rule,
        "sentence": verdict.sentence,
        "patients": seen.patients,
        **numbers,
        "making_trace": seen.named_making.trace if seen.named_making else "",
        "maps_pass": int(seen.maps_pass),
        "slices": sample.slices,
        "slices_left_out": sample.lost,
        "left_out_of_classes": sample.lost_of_classes,
    }


def verdict_table(
    of_models: Mapping[Model, ModelSlices],
    audit: pd.DataFrame,
    saliency: pd.DataFrame,
    resamples: int,
    seed: int,
    pairs: pd.DataFrame | None = None,
    replicates: pd.DataFrame | None = None,
    traces: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Make report/verdicts.tsv.

    Parameters
    ----------
    of_models
        The test slices of each model.
    audit, saliency
        report/audit.tsv, report/saliency.tsv.
    resamples, seed
        Of the intervals of what was left out.
    pairs
        report/pairs.tsv; None with two classes.
    replicates
        report/replicates.tsv; None where each pipeline was trained once.
    traces
        report/forensics.tsv; None: no trace tells the class.
    """
    rows = [
        verdict_row(
            (name, stage),
            _of_model(audit, name, stage),
            saliency,
            slices,
            resamples,
            seed,
            () if pairs is None else verdicts_of(_of_model(pairs, name, stage)),
            None if replicates is None else repeatability_of(_of_model(replicates, name, stage)),
            None if traces is None else _of_cohort(traces, _of_model(audit, name, stage)),
        )
        for (name, stage), slices in of_models.items()
    ]
    return pd.DataFrame(rows, columns=columns_in("verdicts", rows))


def repeatability_of(replicates: pd.DataFrame) -> Estimate:
    """Look up how far the maps of a model's replicates are more alike than chance. replicates: the model's rows."""
    rows = replicates[replicates["metric"] == ABOVE_RANDOM]
    return Estimate(*map(float, rows[["value", "value_lo", "value_hi"]].iloc[0])) if len(rows) else Estimate()


def audit_table(
    of_models: Iterable[tuple[Model, str, pd.DataFrame]], of_metadata: Iterable[tuple[str, str, pd.DataFrame]]
) -> pd.DataFrame:
    """Make report/audit.tsv.

    Parameters
    ----------
    of_models
        (model, cohort, one of its audit tables).
    of_metadata
        (cohort, input view, the table of its metadata classifier).
    """
    parts = [
        table.assign(pipeline=name, framework=Pipeline.parse(name).input_view, stage=stage, cohort=cohort)
        for (name, stage), cohort, table in of_models
    ] + [
        table.assign(pipeline="", framework=input_view, stage=None, cohort=cohort)
        for cohort, input_view, table in of_metadata
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(stage=table["stage"].astype(float))[columns_of("report_audit")]


def read_audit(results: Path, run: RunDescription) -> pd.DataFrame:
    """Make report/audit.tsv from the tables of every model and of every cohort's metadata.

    Parameters
    ----------
    results
        The run's folder.
    run
        The run's description.
    """
    of_models = [
        (model, cohort_of_stage(run, model[1]), read_table(_folder(results, model) / f"{name}.tsv", schema="audit"))
        for model in models_of(run)
        for name in ("shortcuts", "sanity", "making")
    ]
    of_metadata = [
        (cohort, input_view, read_table(results / path, schema="audit"))
        for cohort, input_view, path in metadata_tables(run)
    ]
    return audit_table(of_models, of_metadata)


def read_verdicts(results: Path, run: RunDescription, audit: pd.DataFrame) -> pd.DataFrame:
    """Make report/verdicts.tsv from report/audit.tsv and the saliency of all models. results, run: `read_audit`'s."""
    saliency = read_table(results / "report/saliency.tsv", schema="report_saliency")
    common = {stage: _read_test_slices(results / common_split(run, stage)) for stage in run["stages"]}
    of_models = {
        model: ModelSlices(read_table(_folder(results, model) / "saliency.tsv", schema="saliency"), common[model[1]])
        for model in models_of(run)
    }
    pairs = read_table(results / PAIRS, schema="pairs") if len(run["labels"]) > 2 else None
    replicates = read_table(results / REPLICATES, schema="replicates") if replicate_tables(run) else None
    traces = read_answers(results, labelled_cohorts_of(run))
    return verdict_table(of_models, audit, saliency, run["bootstrap"], run["seed"], pairs, replicates, traces)


def read_pairs(results: Path, run: RunDescription) -> list[dict[str, Any]]:
    """Make report/pairs.tsv from what every model predicts for changed slices. Arguments: `read_audit`'s."""
    return [
        row
        for model in models_of(run)
        for row in pair_rows(
            model,
            read_table(_folder(results, model) / INTERVENTION_LOGITS, schema="intervention_logits"),
            read_table(_folder(results, model) / SWAP_LOGITS, schema="swap_logits"),
            run["bootstrap"],
            run["seed"],
        )
    ]


def read_comparisons(results: Path, run: RunDescription) -> list[ComparisonsRow]:
    """Make report/comparisons.tsv from what every model predicts for every test patient. Arguments: `read_audit`'s."""
    many = len(run["labels"]) > 2
    patients = {model: _read_patients(results, model, many) for model in models_of(run)}
    return comparison_rows(patients, run["labels"][0], run["bootstrap"], run["seed"])


def _of_cohort(traces: pd.DataFrame, audited: pd.DataFrame) -> pd.DataFrame:
    return traces[traces["cohort"].isin(audited["cohort"])]


def _of_model(table: pd.DataFrame, name: str, stage: int) -> pd.DataFrame:
    return table[(table["pipeline"] == name) & (table["stage"] == stage)]


def _folder(results: Path, model: Model) -> Path:
    return results / "explain" / model[0] / f"stage{model[1]}"


def _read_test_slices(path: Path) -> pd.DataFrame:
    split = read_table(path, schema="split")
    return split[split["split"] == "test"]


def _read_patients(results: Path, model: Model, many: bool) -> pd.DataFrame:
    return patients_of(
        read_table(_folder(results, model) / INTERVENTION_LOGITS, schema="intervention_logits"),
        read_table(_folder(results, model) / "saliency.tsv", schema="saliency"),
        read_table(_folder(results, model) / SWAP_LOGITS, schema="swap_logits") if many else None,
    )
