"""Traces of how images were made, without images."""

from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.audit.forensics import ALL, ANSWERS, LABEL, MAKING
from lungsight.intake.forensics.traces import TRACES, WORD
from lungsight.tables import write_table
from tests.factories.tables import NEGATIVE, POSITIVE

FORMATS = np.array(["png", "jpeg", "dicom"])


def made_traces(
    patients: int = 60,
    slices: int = 1,
    labels: tuple[str, ...] = (POSITIVE, NEGATIVE),
    planted: dict[str, float] | None = None,
    seed: int = 1,
) -> pd.DataFrame:
    """Rows of forensics.tsv with patient and label, noise but for the planted traces: name → strength.

    A planted trace says the class for this share of the patients, and a random class for the others.
    """
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(patients), slices)
    label = number % len(labels)
    table = pd.DataFrame(
        {
            "slice": [f"{who:016x}-{place:04d}" for who in range(patients) for place in range(slices)],
            **{"patient": [f"{seed}-{who}" for who in number], "label": np.array(labels)[label]},
        }
    )
    ranges = {"field_of_view": (0.2, 0.8), "clipped_low": (0, 1), "clipped_high": (0, 1), "body_cut": (0, 1)}
    for trace in TRACES:
        said = np.where(rng.random(patients) < (planted or {}).get(trace.name, 0), 1, 0)[number]
        random = rng.integers(0, len(labels), patients)[number]
        of_class = np.where(said, label, random)
        if trace.kind == WORD:
            table[trace.name] = FORMATS[of_class] if trace.name == "format" else ""
        else:
            low, high = ranges.get(trace.name, (1, 2))
            table[trace.name] = low + (high - low) * (of_class + rng.random(len(table))) / len(labels)
    whole = ["bits", "jpeg_quality", "rows", "columns", "block_row", "block_column", "grey_levels", "letterbox_rows"]
    whole += ["letterbox_columns", "border", "border_grey", "marks"]
    table[whole] = np.rint(5 * (table[whole] - 1) + 1)
    shares = ["coloured", "histogram_gaps", "resampling_frequency"]
    table[shares] = (table[shares] - 1) / 2
    return table


def made_forensics(run: Path, cohort: str, slices: pd.DataFrame, **planted: float) -> pd.DataFrame:
    """Write forensics.tsv of a made cohort, whose patients alternate positive and negative."""
    counts = slices.groupby("patient", sort=False).size()
    traces = made_traces(len(counts), int(counts.iloc[0]), planted=planted)
    traces = traces.assign(slice=slices["slice"].to_numpy()).drop(columns=["patient", "label"])
    write_table(run / "cohorts" / cohort / "forensics.tsv", traces, schema="forensics")
    return traces


def answer_rows(cohort: str, tells: str = LABEL, **auc: float) -> list[dict]:
    """Rows of report/forensics.tsv: traces of a given AUC differ from chance, and the others do not."""
    return [
        {
            **{"cohort": cohort, "trace": name, "patients": 40, "known": 40, "classes": 2, "tells": tells},
            **{"chance": 0.48, "patients_known": 1},
            **{"auc": auc.get(name, 0.5), "balanced_accuracy": auc.get(name, 0.5)},
            **{"p": 0.001 if name in auc else 0.6, "p_holm": 0.02 if name in auc else 1.0},
        }
        for name in (*(trace.name for trace in TRACES), MAKING, ALL)
    ]


def made_answers(run: Path, cohorts: list[str]) -> None:
    """Write report/forensics.tsv of cohorts in which nothing tells the label."""
    rows = [row for cohort in cohorts for row in answer_rows(cohort)]
    write_table(run / ANSWERS, rows, schema="report_forensics")
