"""The lung masks that the users' tables name: how many were taken, and why others were not."""

from typing import Any

from lungsight.report.components import PageTable, decimal, text, whole
from lungsight.report.results import RunResults


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the tables of taken and of refused masks; None where no table names a mask."""
    table = results.lungs
    if table.empty:
        return None
    headings = [
        *(("Cohort", ""), ("Masks", "of usable cases"), ("Taken", "")),
        *(("Refused", "these cases have no lung mask"), ("With a note", "taken, and odd in some way")),
        ("Lowest Dice", "of a taken mask with the mask of the classical method"),
    ]
    rows = []
    for cohort, masks in table.groupby("cohort", sort=False):
        taken = masks[masks["status"] == "taken"]
        counts = len(masks), len(taken), len(masks) - len(taken), int((taken["reason"] != "").sum())
        rows.append([text(str(cohort)), *map(whole, counts), decimal(taken["classical_dice"].min(), 3)])
    refused = table[table["status"] == "refused"]
    reasons = [[text(row["cohort"]), whole(row["row"]), text(row["reason"])] for _, row in refused.iterrows()]
    where = [("Cohort", ""), ("Row", "of its table, the header not counted"), ("Reason", "")]
    return {
        "taken": PageTable("own-lungs", "Lung masks that the tables name", headings, rows),
        "refused": PageTable("own-lungs-refused", "Refused lung masks", where, reasons) if reasons else None,
    }
