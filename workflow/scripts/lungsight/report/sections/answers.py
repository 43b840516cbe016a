"""The first screen: one sentence for each question, and four overlays that were chosen by rule."""

from typing import Any

from lungsight.report.answers import answers
from lungsight.report.layered import Overlay, is_right, layers_of, overlay
from lungsight.report.results import Model, RunResults, model_of


def section(results: RunResults) -> dict[str, Any]:
    """Give the answers; and where there are maps, the overlays, with the rule that chose them."""
    values: dict[str, Any] = {"answers": answers(results), "overlays": [], "rule": "", "model": "", "missing": ""}
    best = results.best_model() if results.run["stages"] else None
    if best is None:
        return values
    model = model_of(best)
    chosen = results.summaries[model]["by_confidence"]
    return values | {
        "overlays": overlays_of(results, model, chosen["pictures"]),
        "rule": chosen["rule"],
        "model": results.model_name(model),
        "missing": missing(chosen["pictures"]),
    }


def missing(entries: list[dict[str, Any]]) -> str:
    """Say why there are no right, or no wrong, predictions among the overlays."""
    right = sum(map(is_right, entries))
    absent = [word for word, n in (("right", right), ("wrong", len(entries) - right)) if not n]
    return f"No test slice with a map was predicted {absent[0]}ly." if entries and absent else ""


def overlays_of(results: RunResults, model: Model, entries: list[dict[str, Any]]) -> list[Overlay]:
    """Make overlays of a model. entries: pictures of its summary.json."""
    layers = layers_of(results, model) if entries else None
    return [overlay(layers, entry) for entry in entries] if layers else []
