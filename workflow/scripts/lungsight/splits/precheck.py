"""Build a cohort from the user's table alone, as if every row were usable, to find an impossible split early."""

from collections.abc import Sequence
from dataclasses import fields

import pandas as pd

from lungsight.intake.cohort_table import TableRow
from lungsight.splits.cohort_split import CohortTables


def cohort_of_rows(name: str, role: str, rows: Sequence[TableRow], shared_ids: bool) -> CohortTables:
    """Build a cohort of one slice per row. QC keeps all of them; skipped rows are left out.

    A row without a patient counts as its own patient.

    Parameters
    ----------
    shared_ids
        Whether one name means one patient in all cohorts.
    """
    scope = "" if shared_ids else name
    table = pd.DataFrame(
        [vars(row) | {"patient": row.person} for row in rows if not row.skip],
        columns=[field.name for field in fields(TableRow)],
    )
    table["case"] = name + "/" + table["row"].astype(str)
    table["slice"], table["z_index"] = table["case"], 0
    table["patient"] = (scope + "/" + table["patient"]).where(table["patient"] != "", table["case"])
    table["source"] = table["source"].where(table["source"] != "", name)
    return CohortTables(
        name,
        role,
        table[["row", "case", "label"]].assign(status="ok", preassigned_split=table["split"]),
        table[["slice", "case", "patient", "label", "source", "z_index"]],
        dict.fromkeys(("whole", "segmented"), pd.Series(1, index=table["slice"])),
    )
