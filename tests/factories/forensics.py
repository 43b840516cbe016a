"""Traces of how images were made, without images."""

import numpy as np
import pandas as pd

from lungsight.intake.forensics.traces import TRACES, WORD
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
