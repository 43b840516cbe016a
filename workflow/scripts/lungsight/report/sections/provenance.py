"""How the run was made: what each model started from, settings, versions: provenance.json and the config."""

import json
import platform
from importlib.metadata import version
from typing import Any

from lungsight import __version__
from lungsight.report.components import Cell, PageTable, missing, model_cells, text, whole
from lungsight.report.headings import MODEL
from lungsight.report.results import Model, RunResults
from lungsight.wording import number

OWN_LIBRARIES = ("numpy", "pandas", "matplotlib", "jinja2")


def section(results: RunResults) -> dict[str, Any]:
    """Give the table of models, settings and versions."""
    return {
        "models": model_table(results) if results.provenance else None,
        "settings": settings(results),
        "versions": versions(results),
    }


def settings(results: RunResults) -> list[tuple[str, str]]:
    """List the settings as JSON."""
    run = results.run
    values = {"seed": run["seed"], "resamples for intervals": run["bootstrap"]} | run["settings"]
    return [(name, json.dumps(value, ensure_ascii=False)) for name, value in values.items()]


def versions(results: RunResults) -> list[tuple[str, str]]:
    """List the versions of lungsight, of Python, and of the libraries of this page and of the models."""
    by_name = {"lungsight": __version__, "Python": platform.python_version()}
    by_name |= {name: version(name) for name in OWN_LIBRARIES}
    for provenance in results.provenance.values():
        by_name |= provenance["packages"]
    return sorted(by_name.items(), key=lambda item: item[0].lower())


def model_table(results: RunResults) -> PageTable:
    """Show what each model started from and was trained on."""
    rows = [[*model_cells(results, *model), *_model(results, model)] for model in results.provenance]
    headings = [*MODEL, ("Started from", ""), ("SHA-256", "first digits, of those weights")]
    headings += [("Train", "slices"), ("Val", "slices"), ("Epochs", ""), ("Seconds", ""), ("Preprocessing", "")]
    return PageTable("models", "What each model is made of", headings, rows)


def _model(results: RunResults, model: Model) -> list[Cell]:
    provenance, history = results.provenance[model], results.histories[model]
    start, images, seconds = provenance["weights"], provenance["images"], history["seconds"].sum()
    kept = history.loc[history["kept"] == 1, "epoch"].iloc[0]
    epochs = whole(len(history))._replace(note=f"{history['stopped'].iloc[-1]}, epoch {kept} kept")
    return [
        text(start["kind"]),
        text(start["sha256"][:12]) if start["sha256"] else missing(),
        *(whole(images["train"]), whole(images["val"])),
        *(epochs, Cell(number(seconds, 0), float(seconds)), text(provenance["preprocessing"])),
    ]
