"""A person's decisions: read from the files that the review page exports, checked, and laid over the automatic ones."""

import io
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import pandas as pd

from lungsight.errors import UserError
from lungsight.qc.rules import NO_MASK, has_mask
from lungsight.tables import check_table, columns_of

PERSON, AUTO = "person", "auto"
NO_REASON = "rejected by a person"


def moment(text: str) -> datetime:
    """A point in time from ISO 8601; one without a zone is UTC. Raises ValueError."""
    parsed = datetime.fromisoformat(text.strip())
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def read_decisions(path: Path) -> pd.DataFrame:
    """Read one table of decisions and check every row.

    Returns the columns of the table `decisions`, and `file`, `row` (1-based, the header not counted) and `moment`.
    Raises UserError that names the file and the row.
    """
    name = Path(path).name
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        table = pd.read_csv(io.StringIO(text), sep="\t", dtype=str, keep_default_na=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(f"qc.decisions, file {name}: no tab-separated UTF-8 table ({error}).") from None
    expected = columns_of("decisions")
    if list(table.columns) != expected:
        raise UserError(
            f"qc.decisions, file {name}: the header is {', '.join(table.columns)}; it must be {', '.join(expected)}, "
            "separated by tabs, as the review page exports it."
        )
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes a first field too many as the name of the row
        raise UserError(f"qc.decisions, file {name}, row 1: it has more fields than the header.")
    for column in ("whole_keep", "segmented_keep"):
        wrong = table.index[~table[column].isin(["0", "1"])]
        if len(wrong):
            raise UserError(f"qc.decisions, file {name}, row {wrong[0] + 1}: {column} is neither 0 nor 1.")
        table[column] = table[column].astype(int)
    check_table(table, "decisions", where=f"qc.decisions, file {name}")
    contrary = table.index[(table["segmented_keep"] == 1) & (table["whole_keep"] == 0)]
    if len(contrary):
        raise UserError(
            f"qc.decisions, file {name}, row {contrary[0] + 1}: segmented_keep is 1 where whole_keep is 0; a slice "
            "without lung has no lung to segment."
        )
    table["moment"] = [_moment_of(text, name, row) for row, text in enumerate(table["time"], start=1)]
    return table.assign(file=name, row=range(1, len(table) + 1))


def _moment_of(text: str, name: str, row: int) -> datetime:
    try:
        return moment(text)
    except ValueError:
        raise UserError(f"qc.decisions, file {name}, row {row}: time is not ISO 8601 (2021-03-05T14:30:00Z).") from None


def check_known(decisions: pd.DataFrame, known: set[str]) -> None:
    """Raise UserError, naming file and row, when a decision is about a slice that no cohort has."""
    unknown = decisions[~decisions["slice"].isin(known)]
    if len(unknown):
        first = unknown.iloc[0]
        more = f", and {len(unknown) - 1} more rows" if len(unknown) > 1 else ""
        raise UserError(
            f"qc.decisions, file {first['file']}, row {first['row']}: no cohort has the slice {first['slice']}{more}. "
            "Decisions fit the run whose page they come from: its pseudonyms change with the key and the tables."
        )


def latest(decisions: pd.DataFrame) -> pd.DataFrame:
    """The decision that stands for every slice: the latest, whoever made it. Index: slice."""
    ordered = decisions.sort_values(["moment", "file", "row"], kind="stable")
    return ordered.drop_duplicates("slice", keep="last").set_index("slice")


def disagreements(decisions: pd.DataFrame) -> list[str]:
    """A sentence for every slice on which the last words of two files or two reviewers differ."""
    ordered = decisions.sort_values(["moment", "file", "row"], kind="stable")
    last_words = ordered.drop_duplicates(["slice", "file", "reviewer"], keep="last")
    sentences = []
    for name, group in last_words.groupby("slice", sort=True):
        verdicts = group[["whole_keep", "segmented_keep"]].drop_duplicates()
        if len(verdicts) > 1:
            said = "; ".join(
                f"{row.file} row {row.row} ({row.reviewer or 'no initials'}, {row.time}): "
                f"whole {row.whole_keep}, segmented {row.segmented_keep}"
                for row in group.itertuples()
            )
            sentences.append(f"slice {name}: {said}. The latest counts.")
    return sentences


def overrule(automatic: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Lay a person's decisions over the automatic ones.

    automatic: `slice whole_keep segmented_keep reason` and more. decisions: as `read_decisions` returns them; those of
    other slices are left out. Returns the automatic table with the decided rows replaced and `decided_by` added.
    """
    table = automatic.assign(decided_by=AUTO).set_index("slice", drop=False)
    standing = latest(decisions)
    standing = standing[standing.index.isin(table.index)]
    reason = standing["reason"].where(standing["reason"] != "", NO_REASON)
    reason = reason.where(standing["segmented_keep"] == 0, "")
    for column, values in {
        "whole_keep": standing["whole_keep"],
        "segmented_keep": standing["segmented_keep"],
        "reason": reason,
        "decided_by": pd.Series(PERSON, index=standing.index),
    }.items():
        table.loc[standing.index, column] = values
    return table.reset_index(drop=True)


def refuse_without_mask(manifest: pd.DataFrame) -> pd.DataFrame:
    """A manifest in which no slice without a lung mask is kept segmented, whoever decided so: there is none to make."""
    refused = ~has_mask(manifest) & (manifest["segmented_keep"] == 1)
    table = manifest.copy()
    table.loc[refused, ["segmented_keep", "reason"]] = [0, NO_MASK]
    return table


def require_decisions(cohort: str, decisions: pd.DataFrame | None, slices: set[str], page: str, folder: str) -> None:
    """Raise UserError, saying where to look and what to do, unless a person decided on a slice of the cohort."""
    if decisions is None or not decisions["slice"].isin(slices).any():
        raise UserError(
            f"qc.review is required and nobody has reviewed cohort {cohort} yet.\n"
            f"  1. Open {page} in a browser, decide and export decisions.tsv.\n"
            f"  2. Put the file into {folder} (any name that ends in .tsv).\n"
            "  3. Run snakemake again. Or set qc.review: automatic."
        )


def cohens_kappa(first: pd.Series, second: pd.Series) -> float:
    """Cohen's kappa of two reviewers' 0/1 verdicts on the same slices; NaN where both always say the same one thing."""
    observed = float((first == second).mean())
    expected = float(first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean()))
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan")


def agreement_of_reviewers(decisions: pd.DataFrame) -> pd.DataFrame:
    """How far every two reviewers agree on the slices that both decided, by their last words.

    Returns `first second framework slices agreement kappa`.
    """
    last_words = decisions.sort_values("moment", kind="stable").drop_duplicates(["slice", "reviewer"], keep="last")
    found = []
    for framework in ("whole", "segmented"):
        verdicts = last_words.pivot(index="slice", columns="reviewer", values=f"{framework}_keep")
        for first, second in combinations(sorted(verdicts.columns), 2):
            both = verdicts[[first, second]].dropna()
            if len(both):
                agreement = float((both[first] == both[second]).mean())
                kappa = cohens_kappa(both[first], both[second])
                found.append((first, second, framework, len(both), agreement, kappa))
    return pd.DataFrame(found, columns=["first", "second", "framework", "slices", "agreement", "kappa"])


def agreement_in_words(decisions: pd.DataFrame) -> list[str]:
    """Sentences for the log: where files or reviewers disagree, and how far every two reviewers agree."""
    pairs = agreement_of_reviewers(decisions)
    return disagreements(decisions) + [
        f"reviewers {pair.first} and {pair.second}, {pair.framework}: {pair.slices} slices decided by both, "
        f"agreement {pair.agreement:.2f}, Cohen's kappa {pair.kappa:.2f}"
        for pair in pairs.itertuples()
    ]
