"""Name the files that the checklists read.

The workflow asks for them when it is parsed, so nothing that reads tables is imported here.
"""

from lungsight.run_description import RunDescription, labelled_cohorts_of, page_inputs

# Read where the run has cohorts with labels: field → (file, schema).
OF_LABELLED = {
    "predictability": ("report/intake_labels.tsv", "intake_labels"),
    "duplicates": ("cohorts/duplicates.tsv", "duplicates"),
    "power": ("report/power.tsv", "power"),
}
SETTINGS = "run.json"


def evidence_inputs(run: RunDescription) -> list[str]:
    """List the files that `read_evidence` reads beside flow.tsv and risk.tsv, relative to the results folder."""
    tables = [path for path in page_inputs(run) if path.endswith((".tsv", ".json"))]
    more = [file for file, _ in OF_LABELLED.values()] if labelled_cohorts_of(run) else []
    return [*tables, *more, SETTINGS]
