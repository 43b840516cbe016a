"""Sanity checks of the maps: parameter randomisation, deletion and insertion: report/audit.tsv."""

from typing import Any

import pandas as pd

from lungsight.audit.rows import FULLY_RANDOMISED, SIMILAR
from lungsight.report.components import Cell, PageTable, audit_estimate, missing, model_cells
from lungsight.report.headings import MODEL
from lungsight.report.results import RunResults

AREAS = ("map", "random", "map − random")


def section(results: RunResults) -> dict[str, Any]:
    """Give the tables, and the models whose maps do not pass."""
    return {
        "failed": failed_models(results),
        "randomisation": randomisation_table(results),
        "deletion_insertion": deletion_insertion_table(results),
    }


def failed_models(results: RunResults) -> list[str]:
    """Name the models whose maps are not shown to depend on what was learned."""
    failed = results.verdicts[results.verdicts["maps_pass"] == 0]
    return [f"{results.display_name(row['pipeline'])}, stage {row['stage']}" for _, row in failed.iterrows()]


def randomisation_table(results: RunResults) -> PageTable:
    """Show the rank correlation of the maps with the trained model's, block by block."""
    correlations = results.audit_by_model("randomisation", "rank_correlation", "slice")
    enrichments = results.audit_by_model("randomisation", "enrichment", "slice")
    passes = results.verdicts.set_index(["pipeline", "stage"])["maps_pass"]
    blocks = list(dict.fromkeys(block for of_model in correlations.values() for block in of_model.index))
    blocks = [block for block in blocks if block != FULLY_RANDOMISED] + [FULLY_RANDOMISED]
    rows = [
        [
            *model_cells(results, *model),
            Cell("passes", tone="good") if passes[model] else Cell("not passed", tone="bad"),
            *(_block(of_model, block) for block in blocks),
            audit_estimate(enrichments[model].loc[FULLY_RANDOMISED]),
        ]
        for model, of_model in correlations.items()
    ]
    headings = [*MODEL, ("Grad-CAM", f"passes where the last interval lies below {SIMILAR}")]
    headings += [(block, "re-initialised, with all blocks to the left of it") for block in blocks]
    headings.append(("Enrichment", "of the maps of the network with random weights"))
    caption = "Parameter randomisation: rank correlation of the maps with the trained model's, from the output down"
    return PageTable("randomisation", caption, headings, rows)


def _block(of_model: pd.DataFrame, block: str) -> Cell:
    return audit_estimate(of_model.loc[block]) if block in of_model.index else missing()


def deletion_insertion_table(results: RunResults) -> PageTable:
    """Show deletion and insertion areas, beside those of random maps."""
    tests = {test: results.audit_by_model(test, "area", "slice") for test in ("deletion", "insertion")}
    rows = [
        [
            *model_cells(results, *model),
            *(audit_estimate(of_models[model].loc[area]) for of_models in tests.values() for area in AREAS),
        ]
        for model in tests["deletion"]
    ]
    headings = [*MODEL]
    for test, good in (("Deletion", "below 0 is good"), ("Insertion", "above 0 is good")):
        headings += [(test, "area under the probability"), ("Random", "a map of random numbers"), ("Difference", good)]
    caption = "Do the hottest pixels carry the prediction? Deletion and insertion of pixels in the order of the map"
    return PageTable("deletion-insertion", caption, headings, rows)
