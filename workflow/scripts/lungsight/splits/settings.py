"""Read and check what the config says about splits, while the workflow is parsed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lungsight.config import LABELLED_ROLES, cohorts_with_role
from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.intake.settings import has_official_split
from lungsight.segmentation.settings import trains_segmentation

WITH_DUPLICATES = "patient+duplicates"  # the unit that links patients of several cohorts
OFFICIAL = "official"  # subsets by the data set's own lists
REPEATS = "repeats"  # whether replicates have splits of their own
SOURCE_KEYS = ("val_source", "test_source")


def split_unit_of(config: dict, cohort: str) -> str:
    """Return the unit that a cohort is split by: its own, else that of the run."""
    return config["cohorts"][cohort].get("split_unit", config["splits"]["unit"])


def split_origin_of(config: dict, cohort: str) -> str:
    """Say what a cohort's subsets come from: OFFICIAL lists, else its unit of splitting."""
    return OFFICIAL if has_official_split(config, cohort) else split_unit_of(config, cohort)


def split_settings_of(config: dict, cohort: str) -> dict:
    """Return the config's `splits` for one cohort, which may name sources of its own.

    Official lists are no part of them: they reach a split by the column of the table. Nor are repeats: those of
    replicates differ in their seed, and the run's own split stays what it is.
    """
    settings = config["cohorts"][cohort]
    of_run = {key: value for key, value in config["splits"].items() if key not in (OFFICIAL, REPEATS)}
    return of_run | {key: settings[key] for key in SOURCE_KEYS if key in settings}


def subsets_preassigned_elsewhere(config: dict, rows: Mapping[str, Sequence[TableRow]], cohort: str) -> dict[int, str]:
    """Return the subsets that other cohorts' tables assign to patients of a cohort, if cohorts share patients.

    Parameters
    ----------
    rows
        The rows of every cohort's table.

    Returns
    -------
    dict
        Number of the table row of `cohort` → subset.
    """
    if not config["shared_ids"]:
        return {}
    subset_of: dict[str, str] = {}
    for name, settings in config["cohorts"].items():
        if settings["role"] == "segmentation":
            continue
        for row in rows[name]:
            subset = "test" if settings["role"] == "external" else row.split
            if row.patient and subset:
                subset_of[row.person] = subset
    return {row.row: subset_of[row.person] for row in rows[cohort] if row.person in subset_of and not row.split}


def assigned_together(config: dict, cohort: str, labelled: list[str]) -> list[str]:
    """Return the cohorts that are split jointly with a cohort, in the order of the config.

    If cohorts share patients, these are all labelled ones. If the unit links patients by duplicate images, these are
    all cohorts of that unit, because a duplicate may lie in another cohort. Else it is the cohort alone.
    """
    if config["shared_ids"]:
        return labelled
    if split_unit_of(config, cohort) != WITH_DUPLICATES:
        return [cohort]
    return [name for name in labelled if split_unit_of(config, name) == WITH_DUPLICATES]


def has_network_on_contours(config: dict) -> bool:
    """Return whether patients of a segmentation cohort train the lung segmentation of this run."""
    return trains_segmentation(config) and bool(cohorts_with_role(config, "segmentation"))


def split_problems(config: dict) -> list[str]:
    """List what a schema cannot find wrong with `splits`, one sentence each. config: with its defaults filled in."""
    splits, wrong = config["splits"], []
    if abs(sum(splits["fractions"]) - 1) > 1e-6:
        wrong.append(f"splits.fractions: {splits['fractions']} do not sum to 1.")
    units = {split_unit_of(config, name) for name in cohorts_with_role(config, *LABELLED_ROLES)}
    for name, cohort in config["cohorts"].items():
        if "split_unit" in cohort and cohort["role"] == "segmentation":
            wrong.append(f"cohorts.{name}.split_unit: a segmentation cohort is split by patient.")
        wrong += [
            f"cohorts.{name}.{key} is for the unit source; this cohort is not split by it."
            for key in SOURCE_KEYS
            if key in cohort and split_unit_of(config, name) != "source"
        ]
    if splits["folds"] == 1:
        wrong.append("splits.folds: 1 is not a cross-validation; 0 switches it off.")
    if splits["folds"] and splits["fold"] > splits["folds"]:
        wrong.append(f"splits.fold: {splits['fold']} of {splits['folds']} folds; they count from 1.")
    if splits["folds"] and "source" in units:
        wrong.append("splits.folds: folds are of patients; with splits.unit: source name test_source in turn instead.")
    if splits["folds"] and splits["previous"]:
        wrong.append("splits.previous: an earlier split cannot be followed by a cross-validation, which has its own.")
    if splits["folds"] and config["shared_ids"] and has_network_on_contours(config):
        wrong.append(
            "splits.folds: with shared_ids the patients that train the lung segmentation stay in train, so they cannot"
            " take turns in test. Set segmentation.method: classical, or shared_ids: false if no patient is shared."
        )
    if config["shared_ids"] and (len(units) > 1 or "source" in units):
        wrong.append(
            f"splits.unit: with shared_ids all cohorts are split together, by one unit that is not source; here"
            f" {', '.join(sorted(units))}."
        )
    if splits["previous"] and "slice" in units:
        wrong.append("splits.previous: an earlier split is followed by patient; with splits.unit: slice it cannot be.")
    if (splits["val_source"] or splits["test_source"]) and "source" not in units:
        wrong.append("splits.val_source and test_source are for the unit source; no cohort is split by it.")
    return wrong


def earlier_files(config: dict) -> list[str]:
    """List the split and private tables of the earlier run that this run follows. Raise UserError if one is absent."""
    previous = config["splits"]["previous"].rstrip("/")
    if not previous:
        return []
    if Path(previous).resolve() == Path(config["results"]).resolve():
        raise UserError("splits.previous: that is this run's own folder; give this run another name under results.")
    splits = sorted(Path(previous).glob("splits/*/*.tsv"))
    if not splits:
        raise UserError(f"splits.previous: {previous} holds no splits/<cohort>/<framework>.tsv.")
    cohorts = list(dict.fromkeys(path.parent.name for path in splits))
    if not config["shared_ids"] and not set(cohorts) & set(config["cohorts"]):
        raise UserError(f"splits.previous: {previous} has splits of none of this run's cohorts.")
    for path in (Path(f"{previous}.private/{name}.tsv") for name in cohorts):
        if not path.is_file():
            raise UserError(
                f"splits.previous: {path} does not exist. The private tables of both runs alone can show that patients"
                " are the same."
            )
    contours = sorted(Path(previous).glob("segmentation/split.tsv"))
    return [str(path) for path in [*splits, *contours, *sorted(Path(f"{previous}.private").glob("*.tsv"))]]
