"""Write the page about new scans: it opens from disk, with the pictures in the folder beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from lungsight import __version__
from lungsight.classes import class_columns
from lungsight.predict.model_section import (
    class_statements,
    detector_sentence,
    result_statements,
    results_table,
    training_table,
    verdict_statements,
)
from lungsight.predict.templates import new_page_parts
from lungsight.report.rendering import page_environment
from lungsight.report.templates import read_part
from lungsight.rows import NewPredictionsRow, NewSlicePredictionsRow
from lungsight.tables import rows_of
from lungsight.training.provenance import bag_size_of
from lungsight.wording import count, listed, number, tally

POSITIONS = ("highest", "median", "lowest")
STARTS = {
    "parent": "the model of stage 1",
    "scratch": "random weights",
    "imagenet": "ImageNet weights",
    "stand-in": "stand-ins for ImageNet weights",
    "simsiam": "weights pre-trained without labels (SimSiam)",
}


def render_page(
    predictions: pd.DataFrame, slices: pd.DataFrame, overlays: Path, provenance: dict, reference: dict, record: dict
) -> str:
    """Render the page as HTML, with every text escaped. What the model is worth comes before any probability.

    Parameters
    ----------
    predictions, slices
        The tables `new_predictions` and `new_slice_predictions`.
    overlays
        Folder of the pictures, beside the page.
    provenance, reference, record
        Contents of the model's provenance.json, of reference.json and of model_record.json.
    """
    text, style, _ = new_page_parts()
    template = page_environment(jinja2.FunctionLoader(read_part)).from_string(text)
    patients = predictions.groupby("patient", sort=False)
    return template.render(
        style=Markup(style),
        version=__version__,
        summary=summary(predictions),
        verdict=[*verdict_statements(record), *result_statements(record), *class_statements(provenance["labels"])],
        results=results_table(record),
        training=training_table(record, reference.get("training_images")),
        model=_model(provenance, reference),
        detector=detector_sentence(reference),
        patients=[_patient(str(name), cases, provenance["labels"], slices, overlays) for name, cases in patients],
    )


def summary(predictions: pd.DataFrame) -> list[str]:
    """Write what was predicted, in sentences."""
    predicted = predictions[predictions["label"] != ""]
    labels = ", ".join(f"{n} {label}" for label, n in predicted["label"].value_counts().items())
    lines = [
        f"{count(len(predictions), 'scan')} of {count(predictions['patient'].nunique(), 'patient')}; "
        f"{len(predicted)} with a prediction{f': {labels}' if labels else ''}."
    ]
    if without := len(predictions) - len(predicted):
        lines.append(f"{count(without, 'scan')} without a prediction; the reason stands with each.")
    if outside := int((predictions["out_of_range"] != "").sum()):
        lines.append(
            f"{count(outside, 'scan')} out of distribution, unlike the training: predictions there were never tested."
        )
    return lines


def _model(provenance: dict, reference: dict) -> list[tuple[str, str]]:
    calibration = reference["calibration"]
    by_slices = bag_size_of(provenance) == 1
    method = "mean over the slices" if by_slices else "the network's prediction from all slices together"
    known = reference.get("training_distribution", {}).get("patients_known", True)
    validation = count(calibration["n_patients"], f"validation {'patient' if known else 'image'}")
    calibrated = calibration["note"] or f"calibrated on {validation}"
    return [
        ("Model", f"{provenance['pipeline']}, stage {provenance['stage']}"),
        ("Predicts", _predicts(provenance["labels"])),
        (
            "Trained on",
            f"{count(provenance['images']['train'], 'slice')}, starting from {STARTS[provenance['weights']['kind']]}",
        ),
        ("Probability", f"{method}; {calibrated}"),
        ("Threshold", number(calibration["threshold"]))
        if "threshold" in calibration
        else ("Class", "the most probable one"),
    ]


def _predicts(labels: list[str]) -> str:
    if len(labels) == 2:
        return f"the probability of {labels[0]}, against {labels[1]}"
    return f"the probabilities of {listed(labels)}"


def _patient(name: str, cases: pd.DataFrame, labels: list[str], slices: pd.DataFrame, overlays: Path) -> dict[str, Any]:
    scans = [_scan(case, labels, slices, overlays) for case in rows_of(cases, NewPredictionsRow)]
    return {"name": name, "scans": scans}


def _ranked(case: NewPredictionsRow, labels: list[str]) -> list[str]:
    """List the classes with their probabilities, the most probable first; none with two classes, or no prediction."""
    if not case.get("ranked"):
        return []
    numbers = [(name, case[column]) for name, column in zip(labels, class_columns(len(labels)), strict=True)]
    return [f"{name} {number(value)}" for name, value in sorted(numbers, key=lambda each: -each[1])]


def _scan(case: NewPredictionsRow, labels: list[str], slices: pd.DataFrame, overlays: Path) -> dict[str, Any]:
    used = rows_of(slices[slices["case"] == case["case"]], NewSlicePredictionsRow)
    pictures = [
        {
            "file": path.name,
            "alt": f"Slice {row['z_index']} with the lung's outline and the Grad-CAM map: probability"
            f" {_of_slice(row)}, enrichment {number(row['enrichment'])}",
            "caption": f"the slice of the {position} probability{_no_numbers([row])}",
        }
        for position in POSITIONS
        for row in used
        if (path := overlays / f"{row['slice']}-{position}.png").is_file()
    ]
    return {
        **{"row": case["row"], "case": case["case"], "label": case["label"], "note": case["outcome_note"]},
        **{"probability": number(case["probability"]), "threshold": number(case["threshold"])},
        "ranked": _ranked(case, labels),
        **{"lung_mass": number(case["lung_mass"]), "enrichment": number(case["enrichment"])},
        "no_numbers": _no_numbers(used),
        **{"slices": f"{case['n_used']} of {count(case['n_slices'], 'slice')} used"},
        **{"outside": _outside(case), "pictures": pictures},
    }


def _of_slice(row: NewSlicePredictionsRow) -> str:
    """Write the probability of a slice; with more than two classes that of the class that the map explains."""
    if "explained" in row and "explained_probability" in row:
        return f"{row['explained_probability']:.2f} for {row['explained']}"
    return f"{row['probability']:.2f}"


def _no_numbers(slices: Sequence[NewSlicePredictionsRow]) -> str:
    """Say why the map of some slices was not measured; "" where all were."""
    reasons = [row["reason"] for row in slices if row["reason"]]
    return f"; not measured: {tally(reasons) if len(slices) > 1 else reasons[0]}" if reasons else ""


def _outside(case: NewPredictionsRow) -> list[tuple[str, str]]:
    """Pair the words of `out_of_range` with what was found."""
    words, notes = (case[name].split("; ") if case[name] else [] for name in ("out_of_range", "out_of_range_note"))
    return list(zip(words, notes, strict=True))
