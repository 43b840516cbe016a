"""What the config says about splits, checked while the workflow is parsed: standard library alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow

JOINT = "patient+duplicates"
SOURCES = ("val_source", "test_source")


def split_unit_of(config: dict, cohort: str) -> str:
    """The unit that a cohort is split by: its own, else the run's."""
    return config["cohorts"][cohort].get("split_unit", config["splits"]["unit"])


def split_settings_of(config: dict, cohort: str) -> dict:
    """The config's `splits` as they count for a cohort: it may name sources of its own."""
    own = config["cohorts"][cohort]
    return config["splits"] | {name: own[name] for name in SOURCES if name in own}


def subsets_preassigned_elsewhere(config: dict, rows: Mapping[str, Sequence[TableRow]], cohort: str) -> dict[int, str]:
    """Sides that patients of a cohort have by other cohorts' tables, where they share patients: table row → side.

    rows: of every cohort's table.
    """
    if not config["shared_ids"]:
        return {}
    sides = {}
    for name, own in config["cohorts"].items():
        if own["role"] == "segmentation":
            continue
        given = [(row.patient, "test" if own["role"] == "external" else row.split) for row in rows[name] if row.patient]
        sides |= {patient: side for patient, side in given if side}
    return {row.row: sides[row.patient] for row in rows[cohort] if row.patient in sides and not row.split}


def assigned_together(config: dict, cohort: str, labelled: list[str]) -> list[str]:
    """Cohorts whose patients are assigned in one go with a cohort's, in the config's order.

    All labelled ones where they share patients; those that keep twins together, since a twin may lie in another cohort;
    else the cohort alone.
    """
    if config["shared_ids"]:
        return labelled
    unit = split_unit_of(config, cohort)
    return [name for name in labelled if split_unit_of(config, name) == unit] if unit == JOINT else [cohort]


def has_network_on_contours(config: dict) -> bool:
    """Whether patients of a segmentation cohort train the lung segmentation of this run."""
    segmentation, roles = config["segmentation"], {cohort["role"] for cohort in config["cohorts"].values()}
    return segmentation["method"] == "nnunet" and not segmentation["model"] and "segmentation" in roles


def split_problems(config: dict) -> list[str]:
    """What a schema cannot say about `splits`, of a config with its defaults filled in."""
    splits, wrong = config["splits"], []
    if abs(sum(splits["fractions"]) - 1) > 1e-6:
        wrong.append(f"splits.fractions: {splits['fractions']} do not sum to 1.")
    named = [name for name, cohort in config["cohorts"].items() if cohort["role"] != "segmentation"]
    units = {split_unit_of(config, name) for name in named}
    for name, cohort in config["cohorts"].items():
        if "split_unit" in cohort and cohort["role"] == "segmentation":
            wrong.append(f"cohorts.{name}.split_unit: a segmentation cohort is split by patient.")
        for key in (key for key in SOURCES if key in cohort and split_unit_of(config, name) != "source"):
            wrong.append(f"cohorts.{name}.{key} is for the unit source; this cohort is not split by it.")
    if splits["folds"] == 1:
        wrong.append("splits.folds: 1 is no cross-validation; 0 switches it off.")
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
    """Split and private tables of the earlier run that this one follows. Raises UserError where one is absent."""
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
                f"splits.previous: {path} does not exist. Patients of two runs can only be told to be the same by the"
                " private tables of both."
            )
    contours = sorted(Path(previous).glob("segmentation/split.tsv"))
    return [str(path) for path in [*splits, *contours, *sorted(Path(f"{previous}.private").glob("*.tsv"))]]
