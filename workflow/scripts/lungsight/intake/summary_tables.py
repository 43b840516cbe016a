"""What intake took and left out, and how far the label can be predicted without looking at a lung."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from lungsight.tables import columns_of, read_table

# Aspects of a case by which a model could tell the classes apart: words, then numbers.
WORDS = {
    **{"source": "source", "size": "rows × columns", "kernel": "kernel", "manufacturer": "manufacturer"},
    **{"transfer_syntax": "transfer syntax", "lossy": "lossy compression", "contrast": "contrast agent"},
}
NUMBERS = {
    **{"slices": "slices of a patient", "spacing_row": "pixel spacing", "spacing_slice": "slice spacing"},
    **{"slice_thickness": "slice thickness", "kvp": "kV", "hu_p01": "HU, 1st percentile"},
    **{"hu_p50": "HU, median", "hu_p99": "HU, 99th percentile"},
}


def with_size(cases: pd.DataFrame) -> pd.DataFrame:
    """Cases with a column `size`, `512 × 512`; yes/no columns as words. Columns that a table lacks are empty."""
    missing = {name: "" for name in ("kernel", "manufacturer", "transfer_syntax") if name not in cases}
    cases = cases.assign(**missing, **({"lossy": np.nan} if "lossy" not in cases else {}))
    sizes = zip(cases["rows"], cases["columns"], strict=True)
    size = [f"{rows:.0f} × {columns:.0f}" if rows > 0 else "" for rows, columns in sizes]
    yes_no = {name: cases[name].map({1: "yes", 0: "no"}).fillna("") for name in ("lossy", "contrast")}
    return cases.assign(size=size, **yes_no)


def normalise_reason(reason: str) -> str:
    """A reason without its numbers and details, so that alike ones can be counted.

    `5 slices, min_slices is 8` → `… slices, min_slices is …`.
    """
    words = re.sub(r"\s*\([^()]*\)", "", reason).split(":")[0]
    return re.sub(r"\d+(?:[.,]\d+)*", "…", words)


def counts(cohort: str, cases: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Rows of `intake` for one cohort. cases: its `cases` table; duplicates: rows of `duplicates`, any cohort's."""
    cases = with_size(cases)
    taken = cases[cases["status"] == "ok"]
    parts = [
        ("status", cases, cases["status"]),
        ("reason", left := cases[cases["status"] != "ok"], left["reason"].map(normalise_reason)),
        ("note", *_notes(taken)),
        *((WORDS[name], taken, taken[name]) for name in WORDS),
    ]
    rows = [_count(aspect, part.assign(value=value)) for aspect, part, value in parts if len(part)]
    rows.append(_duplicate_counts(taken, duplicates[duplicates["cohort"] == cohort]))
    table = pd.concat(rows, ignore_index=True)
    return table.assign(cohort=cohort)[["cohort", "aspect", "value", "label", "cases", "patients", "slices"]]


def _notes(taken: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """The cases that are ok with a note, once for each note, and the gist of it."""
    noted = taken[taken["reason"] != ""]
    outside_brackets = r"; (?![^(]*\))"
    noted = noted.assign(one=noted["reason"].str.split(outside_brackets, regex=True)).explode("one")
    return noted, noted["one"].map(normalise_reason)


def _count(aspect: str, cases: pd.DataFrame) -> pd.DataFrame:
    grouped = cases.groupby(["value", "label"], sort=True)
    counted = grouped.agg(cases=("case", "nunique"), patients=("patient", "nunique"), slices=("n_slices", "sum"))
    return counted.reset_index().assign(aspect=aspect)


def _duplicate_counts(taken: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Slices, cases and patients with twins in other patients, by kind."""
    near_duplicates = duplicates.assign(case=duplicates["slice"].str.split("-").str[0])
    near_duplicates = near_duplicates.merge(taken[["case", "label"]], on="case")
    grouped = near_duplicates.groupby(["kind", "label"])
    counted = grouped.agg(cases=("case", "nunique"), patients=("patient", "nunique"), slices=("slice", "size"))
    return counted.reset_index().rename(columns={"kind": "value"}).assign(aspect="duplicates")


def groups_with_two_labels(duplicates: pd.DataFrame, labels: pd.Series) -> int:
    """How many groups of twins hold more than one label. labels: label by case."""
    of_slice = duplicates["slice"].str.split("-").str[0].map(labels)
    return int((of_slice.groupby(duplicates["group"]).nunique() > 1).sum())


def accuracy_from_words(values: np.ndarray, positive: np.ndarray) -> float:
    """Balanced accuracy with which a value tells the class, each row judged by all the others; 0.5 where it cannot.

    values: (n,) words; positive: (n,) bool. The rule: the class in which the value is the more frequent. A value that
    occurs once tells nothing. NaN where a class has fewer than two rows.

    Judged by all the others, a value that both classes share equally always says the wrong class; that too is chance.
    """
    totals = np.array([(~positive).sum(), positive.sum()])
    if totals.min() < 2:
        return float("nan")
    code = pd.factorize(values)[0]
    own = np.eye(2)[positive.astype(int)]
    frequency = np.stack([np.bincount(code, weights=own[:, side]) for side in (0, 1)], axis=1)
    shares = (frequency[code] - own) / (totals - own)
    says = np.sign(shares[:, 1] - shares[:, 0])  # 1: positive, -1: negative, 0: cannot tell
    right = np.where(positive, says + 1, 1 - says) / 2
    return max(0.5, float((right[positive].mean() + right[~positive].mean()) / 2))


def accuracy_from_numbers(values: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of a number for the class, or 1 minus it if that is more. NaN without both classes."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    area = (rankdata(values)[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    return float(max(area, 1 - area))


def label_predictability(cohort: str, cases: pd.DataFrame, positive: str) -> pd.DataFrame:
    """Rows of `intake_labels` for one labelled cohort. A patient counts once for each value that it has."""
    taken = with_size(cases[cases["status"] == "ok"])
    taken = taken.assign(slices=taken.groupby(["patient", "label"])["n_slices"].transform("sum"))
    rows = list(_predictability_of_aspects(taken, positive))
    return pd.DataFrame(rows, columns=["aspect", "patients", "balanced_accuracy"]).assign(cohort=cohort)[
        ["cohort", "aspect", "patients", "balanced_accuracy"]
    ]


def _predictability_of_aspects(taken: pd.DataFrame, positive: str) -> Iterator[tuple[str, int, float]]:
    for measure, aspects in ((accuracy_from_words, WORDS), (accuracy_from_numbers, NUMBERS)):
        for name, title in aspects.items():
            known = taken[taken[name].notna() & (taken[name] != "")]
            known = known[["patient", "label", name]].drop_duplicates()
            if len(known):
                predictability = measure(known[name].to_numpy(), (known["label"] == positive).to_numpy())
                yield title, known["patient"].nunique(), predictability


def read_duplicates(path: Path | None) -> pd.DataFrame:
    """Read duplicates.tsv; without a file, which a run without labelled cohorts has not, return no row."""
    return read_table(path, schema="duplicates") if path else pd.DataFrame(columns=columns_of("duplicates"))


def counts_of_cohorts(cases: Mapping[str, pd.DataFrame], duplicates: pd.DataFrame) -> pd.DataFrame:
    """Make the table `intake` of all cohorts. cases: cohort → its cases.tsv."""
    return pd.concat([counts(name, table, duplicates) for name, table in cases.items()])


def predictability_of_cohorts(cases: Mapping[str, pd.DataFrame], positive: str) -> pd.DataFrame:
    """Make the table `intake_labels` of the labelled cohorts. cases: cohort → its cases.tsv."""
    tables = [label_predictability(name, table, positive) for name, table in cases.items()]
    return pd.concat(tables) if tables else pd.DataFrame(columns=columns_of("intake_labels"))
