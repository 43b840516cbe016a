"""Gather what a reader must know of a model before its predictions: verdict, results, and what it was trained on.

All of it stands in the tables of the finished run. A run need not have them: it may be older, or its audit and report
were never made. What is absent is null or empty, and the page says so.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lungsight.layout import CASES, METRICS_TABLE, VERDICTS, cohort_folder, split_file
from lungsight.predict.run_settings import cohorts_trained_on
from lungsight.training.pipelines import Pipeline

VERDICT_COLUMNS = ("verdict", "sentence")
MEASURES = ("roc_auc", "recall", "specificity", "accuracy")
# Words for the patients of a row of results.
OWN, BEFORE, EXTERNAL = "own test patients", "before adaptation", "never trained on"
# Columns of cases.tsv whose range is shown.
RANGES = ("rows", "columns", "spacing_row", "spacing_slice", "slice_thickness", "kvp")
CONTRAST = {1: "with", 0: "without"}


def record_of_model(
    results: Path,
    pipeline: Pipeline,
    stage: int,
    trained_on: dict[str, str],
    window: Sequence[float],
    patients_unknown: Collection[str] = (),
) -> dict[str, Any]:
    """Read the record of a model from the tables of its run.

    Parameters
    ----------
    results
        Folder of the run.
    pipeline, stage
        The model.
    trained_on
        Of run.json: `stage1`, `stage2` → cohort.
    window
        HU that became black and white in images of scans.
    patients_unknown
        Of run.json: cohorts of which each image counts as a patient.

    Returns
    -------
    dict
        `verdict`: the columns VERDICT_COLUMNS, or None. `results`: a row for each cohort that the model was tested on.
        `training`: an entry for each cohort that it was trained on, the last one last. Both say `patients_known`.
    """
    verdicts = _rows_of_model(results / VERDICTS, pipeline.name, (stage,), VERDICT_COLUMNS)
    tested = _rows_of_model(results / METRICS_TABLE, pipeline.name, (1, stage), ("cohort", "unit"))
    return {
        "verdict": {name: verdicts[0][name] for name in VERDICT_COLUMNS} if verdicts else None,
        "results": [
            row | {"patients_known": row["cohort"] not in patients_unknown}
            for row in _results(tested, stage, trained_on)
        ],
        "training": [
            {"stage": number, "cohort": cohort, "patients_known": cohort not in patients_unknown}
            | _patients(split_file(results, cohort, pipeline.input_view))
            | _acquisition(cohort_folder(results, cohort) / CASES, window)
            for number, cohort in cohorts_trained_on(trained_on, stage).items()
        ],
    }


def _read(path: Path) -> pd.DataFrame:
    """Read a table as it is: the schema of an older run's table may be another. Without the file, no row."""
    if not path.is_file():
        return pd.DataFrame()
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""])


def _rows_of_model(path: Path, pipeline: str, stages: Sequence[int], needed: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of a model, None where a field is empty; none if the table lacks a column that is needed."""
    table = _read(path)
    if not {"pipeline", "stage", *needed} <= set(table):
        return []
    chosen = table[(table["pipeline"] == pipeline) & table["stage"].isin(stages)]
    rows = chosen.astype(object).to_dict("records")
    return [{str(name): None if pd.isna(value) else value for name, value in row.items()} for row in rows]


def _results(rows: list[dict[str, Any]], stage: int, trained_on: dict[str, str]) -> list[dict[str, Any]]:
    """Choose the results by patient of this model, and of the model before adaptation on the same cohort."""
    home, found = trained_on[f"stage{stage}"], []
    for row in rows:
        if row["unit"] != "patient":
            continue
        if row["stage"] == stage:
            relation = OWN if row["cohort"] == home else EXTERNAL
        elif row["cohort"] == home:
            relation = BEFORE
        else:
            continue
        numbers = {f"{name}{end}": row.get(f"{name}{end}") for name in MEASURES for end in ("", "_lo", "_hi")}
        found.append(
            {"relation": relation, "stage": row["stage"], "cohort": row["cohort"], "n": row.get("n"), **numbers}
        )
    order = (OWN, BEFORE, EXTERNAL)
    return sorted(found, key=lambda row: order.index(row["relation"]))


def _patients(split: Path) -> dict[str, Any]:
    """Count the patients of each class in each subset of a split."""
    table = _read(split)
    if not {"patient", "label", "split"} <= set(table):
        return {"patients": None}
    unique = table.drop_duplicates(["patient", "label", "split"])
    counts = unique.groupby(["split", "label"], sort=False).size()
    subsets = {name: {} for name in ("train", "val", "test")}
    for (subset, label), n in counts.items():  # pyright: ignore[reportGeneralTypeIssues]
        subsets[subset][label] = int(n)
    return {"patients": subsets}


def _acquisition(path: Path, window: Sequence[float]) -> dict[str, Any]:
    """Describe the scans of a cohort: kind of file, window, sizes, spacings, contrast agent."""
    cases = _read(path)
    if not {"status", "kind"} <= set(cases):
        return {"kinds": None}
    cases = cases[cases["status"] == "ok"]
    kinds = {str(kind): int(n) for kind, n in cases["kind"].value_counts().items()}
    ranges = {
        name: [float(values.min()), float(values.max())]
        for name in RANGES
        if name in cases and len(values := cases[name].dropna())
    }
    contrast = cases["contrast"] if "contrast" in cases else pd.Series(dtype=float)
    agents = {word: int((contrast == value).sum()) for value, word in CONTRAST.items()}
    agents["unknown"] = len(cases) - sum(agents.values())
    # A picture has been windowed by whoever made it.
    return {
        "kinds": kinds,
        "window": list(window) if set(kinds) - {"image"} else None,
        "ranges": ranges,
        "contrast": agents,
    }
