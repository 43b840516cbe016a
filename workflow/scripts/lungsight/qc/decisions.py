"""Read a person's decisions from the files that the review page exports, check them, and apply them."""

from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lungsight.errors import UserError
from lungsight.qc.decision_files import called
from lungsight.qc.rules import NO_MASK, has_mask
from lungsight.raw_table import is_formula, read_raw_table
from lungsight.rows import DecisionsRow
from lungsight.tables import check_table, columns_of, rows_of

PERSON, AUTO = "person", "auto"
NO_REASON = "rejected by a person"


class Decision(DecisionsRow):
    """Row of a table of decisions as `read_decisions` returns it."""

    file: str
    row: int
    moment: datetime


def moment(text: str) -> datetime:
    """Parse a time in ISO 8601; a time without a zone is UTC. Raise ValueError if it is not one."""
    parsed = datetime.fromisoformat(text.strip())
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def read_decisions(path: Path) -> pd.DataFrame:
    """Read one table of decisions and check every row.

    Returns
    -------
    DataFrame
        The columns of the table `decisions`, and `file`, `row` (1-based, without the header) and `moment`.

    Raises
    ------
    UserError
        With the file and the row that are wrong.
    """
    name, raw, expected = Path(path).name, read_raw_table(path, called(path)), columns_of("decisions")
    header = [column for column in raw.header if column]
    if sorted(header) != sorted(expected):
        raise UserError(
            f"qc.decisions, file {name}: the header is {', '.join(header)}; it must be {', '.join(expected)}, "
            "as the review page exports it."
        )
    for number, record in enumerate(raw.records, start=1):
        if misfit := raw.misfit(record):
            raise UserError(f"qc.decisions, file {name}, row {number}: {misfit}")
    table = pd.DataFrame([raw.by_column(record) for record in raw.records], columns=expected, dtype=str)
    for column in ("whole_keep", "segmented_keep"):
        wrong = table.index[~table[column].isin(["0", "1"])]
        if len(wrong):
            raise UserError(f"qc.decisions, file {name}, row {wrong[0] + 1}: {column} is neither 0 nor 1.")
        table[column] = table[column].astype(int)
    formulas = table.index[table["reason"].map(is_formula).astype(bool)]
    if len(formulas):
        raise UserError(
            f"qc.decisions, file {name}, row {formulas[0] + 1}: reason would run as a formula where a spreadsheet opens"
            " the results; write it in words."
        )
    check_table(table, "decisions", where=f"qc.decisions, file {name}")
    contradictory = table.index[(table["segmented_keep"] == 1) & (table["whole_keep"] == 0)]
    if len(contradictory):
        raise UserError(
            f"qc.decisions, file {name}, row {contradictory[0] + 1}: segmented_keep is 1 where whole_keep is 0; a "
            "slice without lung has no lung to segment."
        )
    table["moment"] = [_moment_of(text, name, row) for row, text in enumerate(table["time"], start=1)]
    return table.assign(file=name, row=range(1, len(table) + 1))


def _moment_of(text: str, name: str, row: int) -> datetime:
    try:
        return moment(text)
    except ValueError:
        raise UserError(f"qc.decisions, file {name}, row {row}: time is not ISO 8601 (2021-03-05T14:30:00Z).") from None


def check_known(decisions: pd.DataFrame, slices: set[str]) -> None:
    """Raise UserError with file and row if a decision is about a slice that no cohort has. slices: of all cohorts."""
    unknown = decisions[~decisions["slice"].isin(slices)]
    if len(unknown):
        first = unknown.iloc[0]
        more = f", and {len(unknown) - 1} more rows" if len(unknown) > 1 else ""
        raise UserError(
            f"qc.decisions, file {first['file']}, row {first['row']}: no cohort has the slice {first['slice']}{more}. "
            "Decisions belong to the run whose page they come from: pseudonyms change with the key and the tables."
        )


def latest(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the latest decision on every slice, by any person, with the slice as index."""
    ordered = decisions.sort_values(["moment", "file", "row"], kind="stable")
    return ordered.drop_duplicates("slice", keep="last").set_index("slice")


def disagreements(decisions: pd.DataFrame) -> list[str]:
    """Write a sentence for every slice on which two files or two reviewers differ in their last decisions."""
    ordered = decisions.sort_values(["moment", "file", "row"], kind="stable")
    final = ordered.drop_duplicates(["slice", "file", "reviewer"], keep="last")
    sentences = []
    for name, group in final.groupby("slice", sort=True):
        if len(group[["whole_keep", "segmented_keep"]].drop_duplicates()) > 1:
            listed = "; ".join(
                f"{row['file']} row {row['row']} ({row['reviewer'] or 'no initials'}, {row['time']}): "
                f"whole {row['whole_keep']}, segmented {row['segmented_keep']}"
                for row in rows_of(group, Decision)
            )
            sentences.append(f"slice {name}: {listed}. The latest counts.")
    return sentences


def overrule(automatic: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Replace automatic decisions by those of a person.

    Parameters
    ----------
    automatic
        The columns `slice whole_keep segmented_keep reason`, and others, which stay.
    decisions
        As `read_decisions` returns them. Decisions on other slices have no effect.

    Returns
    -------
    DataFrame
        The rows of `automatic`, with `decided_by`.
    """
    table = automatic.assign(decided_by=AUTO).set_index("slice", drop=False)
    final = latest(decisions)
    final = final[final.index.isin(table.index)]
    reason = final["reason"].where(final["reason"] != "", NO_REASON)
    reason = reason.where(final["segmented_keep"] == 0, "")
    for column, values in {
        "whole_keep": final["whole_keep"],
        "segmented_keep": final["segmented_keep"],
        "reason": reason,
        "decided_by": pd.Series(PERSON, index=final.index),
    }.items():
        table.loc[final.index, column] = values
    return table.reset_index(drop=True)


def refuse_without_mask(manifest: pd.DataFrame) -> pd.DataFrame:
    """Reject the segmented image of every slice without a lung mask, even if a person kept it."""
    refused = ~has_mask(manifest) & (manifest["segmented_keep"] == 1)
    table = manifest.copy()
    table.loc[refused, ["segmented_keep", "reason"]] = [0, NO_MASK]
    return table


def require_decisions(cohort: str, decisions: pd.DataFrame | None, slices: set[str], page: str, folder: str) -> None:
    """Raise UserError, with the steps of a review, unless a person decided on a slice of the cohort."""
    if decisions is None or not decisions["slice"].isin(slices).any():
        raise UserError(
            f"qc.review is required and nobody has reviewed cohort {cohort} yet.\n"
            f"  1. Open {page} in a browser, decide and export decisions.tsv.\n"
            f"  2. Put the file into {folder} (any name that ends in .tsv or .csv).\n"
            "  3. Run snakemake again. Or set qc.review: automatic."
        )


def cohens_kappa(first: pd.Series, second: pd.Series) -> float:
    """Return Cohen's kappa of two reviewers' 0/1 decisions on the same slices.

    It is NaN if both give one and the same decision on every slice.
    """
    observed = float((first == second).mean())
    expected = float(first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean()))
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan")


class ReviewerAgreement(NamedTuple):
    """Agreement of two reviewers on the slices that both decided, of one input view."""

    first: str
    second: str
    input_view: str
    slices: int
    agreement: float
    kappa: float


def agreement_of_reviewers(decisions: pd.DataFrame) -> list[ReviewerAgreement]:
    """Measure how far every two reviewers agree, by their last decisions on the slices that both decided."""
    final = decisions.sort_values("moment", kind="stable").drop_duplicates(["slice", "reviewer"], keep="last")
    pairs = []
    for input_view in ("whole", "segmented"):
        kept = final.pivot(index="slice", columns="reviewer", values=f"{input_view}_keep")
        for first, second in combinations(sorted(kept.columns), 2):
            both = kept[[first, second]].dropna()
            if len(both):
                agreement = float((both[first] == both[second]).mean())
                kappa = cohens_kappa(both[first], both[second])
                pairs.append(ReviewerAgreement(first, second, input_view, len(both), agreement, kappa))
    return pairs


def agreement_in_words(decisions: pd.DataFrame) -> list[str]:
    """Write sentences for the log: where files or reviewers disagree, and how far every two reviewers agree."""
    return disagreements(decisions) + [
        f"reviewers {pair.first} and {pair.second}, {pair.input_view}: {pair.slices} slices decided by both, "
        f"agreement {pair.agreement:.2f}, Cohen's kappa {pair.kappa:.2f}"
        for pair in agreement_of_reviewers(decisions)
    ]
