"""What the audit leaves of a made run: made logits under every intervention, and the tables that follow from them."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit

from lungsight.audit.intervals import sanity_rows, shortcut_rows
from lungsight.audit.interventions import INTERVENTIONS
from lungsight.audit.making import NUMBERS, VERSIONS, making_rows
from lungsight.audit.metadata_classifier import metadata_rows
from lungsight.audit.model_audit import IDENTITY, table_of_values
from lungsight.audit.rows import DIFFERENCE, FULLY_RANDOMISED, UNMODIFIED
from lungsight.audit.sanity_checks import SliceValues
from lungsight.audit.tables import read_audit, read_comparisons, read_verdicts
from lungsight.run_description import RunDescription
from lungsight.tables import write_table
from tests.factories.tables import NEGATIVE, POSITIVE


def made_logits(test: pd.DataFrame, of_lung: float, rng: np.random.Generator) -> pd.DataFrame:
    """Logits under every intervention of a model that takes the share `of_lung` from the lung. test: predictions."""
    unmodified = logit(test["probability"].to_numpy())
    kept = {"background_only": 1 - of_lung, "lung_only": of_lung}
    logits = {UNMODIFIED: unmodified}
    for name in INTERVENTIONS:
        part = next((share for key, share in kept.items() if name.startswith(key)), 0.5)
        factor = 2 * part - 1 if name.endswith("other") else part
        logits[name] = factor * unmodified + 0.1 * rng.normal(size=len(unmodified))
    return pd.DataFrame(logits)


def made_audit(folder: Path, test: pd.DataFrame, of_lung: float, config: dict, rng: np.random.Generator) -> None:
    """The tables of audit_stage and audit_intervals. test: the test rows of a prediction table, in order."""
    resamples, seed = config["report"]["bootstrap"], config["seed"]
    logits = made_logits(test, of_lung, rng)
    table = pd.concat([test[IDENTITY].reset_index(drop=True), logits], axis=1)
    write_table(folder / "intervention_logits.tsv", table, schema="intervention_logits")
    made = pd.DataFrame({name: table[UNMODIFIED] + 0.1 * rng.normal(size=len(table)) for name in VERSIONS})
    made = pd.concat([test[IDENTITY].reset_index(drop=True), made], axis=1)
    write_table(folder / "making_logits.tsv", made, schema="making_logits")
    traces = pd.DataFrame({"slice": test["slice"], **{name: np.nan for name in NUMBERS}})
    write_table(folder / "making.tsv", making_rows(made, traces, POSITIVE, resamples, seed), schema="audit")
    sources = test[["slice", "patient"]].assign(source="one", predicted="")
    write_table(folder / "source_predictions.tsv", sources, schema="source_predictions")
    shortcuts = shortcut_rows(table, sources, POSITIVE, resamples, seed)
    write_table(folder / "shortcuts.tsv", shortcuts, schema="audit")
    correlations = {"head": 0.4, "stride 8": 0.1, FULLY_RANDOMISED: 0.1}
    means = {("randomisation", block, "rank_correlation"): value for block, value in correlations.items()}
    means["randomisation", FULLY_RANDOMISED, "enrichment"] = 1.1
    for turn, value in (("deletion", -0.2), ("insertion", 0.2)):
        areas = {"map": 0.5 + value, "random": 0.5, DIFFERENCE: value}
        means |= {(turn, name, "area"): area for name, area in areas.items()}
    half = {"rank_correlation": 0.1, "enrichment": 0.2, "area": 0.1}
    sampled = test.drop_duplicates("patient").head(8)
    apart = np.tile([-1, 1], 4)[: len(sampled)]  # of every two patients one lies above and one below the mean
    values = table_of_values(
        sampled, [SliceValues(*name, value + half[name[2]] * apart) for name, value in means.items()]
    )
    write_table(folder / "sanity_values.tsv", values, schema="sanity_values")
    write_table(folder / "sanity.tsv", sanity_rows(values, resamples, seed), schema="audit")


def made_metadata(path: Path, split: pd.DataFrame, config: dict) -> None:
    """The table of metadata_classifier on metadata that tell nothing, and on some that are the same for all."""
    numbers = np.arange(len(split), dtype=float)[:, None] % 3
    groups = {"position": numbers, "image size": np.full((len(split), 2), 64.0)}
    rows = metadata_rows(
        split, groups, np.ones(len(split), bool), [POSITIVE, NEGATIVE], config["report"]["bootstrap"], config["seed"]
    )
    write_table(path, rows, schema="audit")


def made_audit_tables(folder: Path, run: RunDescription) -> None:
    """What audit_tables writes, from what the audit left below a run's folder."""
    audit = read_audit(folder, run)
    write_table(folder / "report/audit.tsv", audit, schema="report_audit")
    write_table(folder / "report/verdicts.tsv", read_verdicts(folder, run, audit), schema="verdicts")
    write_table(folder / "report/comparisons.tsv", read_comparisons(folder, run), schema="comparisons")
