"""The overlay browser: every overlay of every model, to be filtered, with layers that can be shown and hidden."""

import json
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from lungsight.explain.layers import Layers
from lungsight.report.layered import heat_picture, is_right, layers_of, overlay, slice_picture
from lungsight.report.model_charts import maps_anchor
from lungsight.report.pictures import outcome_in_words, shown_probability
from lungsight.report.results import Model, RunResults
from lungsight.run_description import cohort_of_stage

# The page must be small enough to mail. What does not fit is shown from explain/<pipeline>/stage<k>/overlays.
BROWSER_BYTES = 9_000_000


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the first overlay, the script's data, and how many overlays there are; None where nothing is drawn."""
    data = browser_data(results)
    if not data["items"]:
        return None
    model = next(model for model, _, _ in entries_of(results))
    first = overlay(layers_of(results, model), next(entry for _, _, entry in entries_of(results)))
    kept = sum("heat" in item for item in data["items"])
    return {
        "first": first,
        # No "<" can end the script element that holds the data.
        "data": Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")),
        "anchors": [one["anchor"] for one in data["models"]],
        "inside": kept,
        "beside": len(data["items"]) - kept,
        "rules": _rules(results),
    }


def entries_of(results: RunResults) -> Iterator[tuple[Model, int, dict[str, Any]]]:
    """Yield (model, turn, entry) of every overlay: those by confidence have turn 0, then the first of each outcome.

    With more than two classes, the first of each outcome of each class.
    """
    for model, summary in results.summaries.items():
        seen: dict[tuple[str, str], int] = {}
        drawn = {entry["slice"] for entry in summary["overlays"]["pictures"]}
        for entry in summary["by_confidence"]["pictures"]:
            if entry["slice"] not in drawn:
                yield model, 0, entry
        for entry in summary["overlays"]["pictures"]:
            kind = entry["outcome"], entry["label"]
            seen[kind] = seen.get(kind, 0) + 1
            yield model, seen[kind], entry


def browser_data(results: RunResults) -> dict[str, Any]:
    """Make what the script shows: models, classes, slices (each once), and overlays in the order of the models.

    An overlay that fits has the picture of its map; another one the address of its picture in the run's folder.
    """
    entries = list(entries_of(results))
    layers: dict[Model, Layers] = {model: layers_of(results, model) for model, _, _ in entries}
    patients = {model: _patients_of(results, model) for model in layers}
    models = list(results.summaries)
    slices: dict[str, dict[str, Any]] = {}
    items: list[dict[str, Any] | None] = [None] * len(entries)
    used = 0
    for place in sorted(range(len(entries)), key=lambda each: entries[each][1]):
        model, _, entry = entries[place]
        row = list(layers[model].slices).index(entry["slice"])
        key = f"{model[0].partition('-')[0]} {layers[model].images.shape[1]} {entry['slice']}"
        item = _item(entry, models.index(model), key, patients[model].get(entry["slice"], ""))
        picture = slices.get(key) or slice_picture(layers[model], row)._asdict()
        heat = heat_picture(layers[model].maps[row])
        size = len(heat) + (0 if key in slices else len(picture["image"]) + len(picture["lung"]))
        if used + size <= BROWSER_BYTES:
            used += size
            slices[key] = picture
            items[place] = item | {"heat": heat}
        elif entry in results.summaries[model]["overlays"]["pictures"]:
            items[place] = item | {"file": f"../explain/{model[0]}/stage{model[1]}/overlays/{entry['file']}"}
    return {
        "models": [{"name": results.model_name(model), "anchor": maps_anchor(model)} for model in models],
        "classes": results.run["labels"],
        "slices": slices,
        "items": [item for item in items if item is not None],
    }


def _item(entry: dict[str, Any], model: int, key: str, patient: str) -> dict[str, Any]:
    """Give what the filters and the caption need of one overlay. key: of its slice."""
    probability, of = shown_probability(entry)
    return {
        "model": model,
        "slice": key,
        "name": entry["slice"],
        "patient": patient,
        "class": entry["label"],
        "right": is_right(entry),
        "outcome": outcome_in_words(entry),
        "position": entry["position"],
        "probability": round(probability, 3),
        "of": of,
        "enrichment": round(entry["enrichment"], 2),
    }


def _patients_of(results: RunResults, model: Model) -> dict[str, str]:
    """Tell whose each slice is. By the split that the model was tested on."""
    split = results.splits[cohort_of_stage(results.run, model[1]), model[0].partition("-")[0]]
    return dict(zip(split["slice"], split["patient"], strict=True))


def _rules(results: RunResults) -> list[str]:
    """Say by which rules the slices were chosen."""
    summary = next(iter(results.summaries.values()))
    return [summary["overlays"]["rule"], summary["by_confidence"]["rule"]]
