"""Check the intake's part of the config while the workflow is parsed. Standard library only."""

import re
from typing import Any

from lungsight.intake.layouts import LAYOUTS
from lungsight.patient_ids import AS_NAMED, EXACT, NORMALISE


def _layout_problems(name: str, cohort: dict[str, Any]) -> list[str]:
    """List what is wrong with a cohort's `table` and `layout`: it needs exactly one, and a layout must fit it."""
    if ("table" in cohort) == ("layout" in cohort):
        return [f"cohorts.{name}: give either table or layout{', not both' if 'table' in cohort else ''}."]
    if "table" in cohort:
        return []
    layout, wrong = LAYOUTS[cohort["layout"]], []
    if "phantom" in cohort:
        wrong.append(f"cohorts.{name}: phantoms have a table; a layout is for a data set as it is distributed.")
    if cohort["format"] != layout.format:
        wrong.append(f"cohorts.{name}.format: layout {cohort['layout']} has format {layout.format}.")
    if cohort["role"] not in layout.roles:
        wrong.append(f"cohorts.{name}.role: layout {cohort['layout']} is for {' or '.join(layout.roles)}.")
    if not layout.patients_known and cohort["patients"] == "known":
        wrong.append(
            f"cohorts.{name}.patients: {cohort['layout']} does not say which patient a picture is of; write patients:"
            " unknown. Each picture then counts as a patient of its own, and the report says that leakage cannot be"
            " excluded."
        )
    return wrong


def has_official_split(config: dict[str, Any], cohort: str) -> bool:
    """Tell whether the subsets of a cohort are those of its data set's official lists.

    Parameters
    ----------
    config : dict
        With its defaults filled in.
    cohort : str
    """
    settings = config["cohorts"][cohort]
    layout = LAYOUTS.get(settings.get("layout", ""))
    wanted = settings.get("official_split", config["splits"]["official"])
    return wanted and layout is not None and layout.with_official_split is not None


def _official_split_problems(config: dict[str, Any]) -> list[str]:
    """List cohorts that shall be split by official lists which their data sets do not have."""
    with_lists = " or ".join(name for name, layout in LAYOUTS.items() if layout.with_official_split)
    official = {name: has_official_split(config, name) for name in config["cohorts"]}
    wrong = [
        f"cohorts.{name}.official_split: official lists are read for layout {with_lists} alone. Write a table's own"
        " subsets into its column split."
        for name, cohort in config["cohorts"].items()
        if cohort.get("official_split") and not official[name]
    ]
    if config["splits"]["official"] and not any(official.values()) and not wrong:
        wrong.append(f"splits.official: no cohort has official lists; they are read for layout {with_lists} alone.")
    if config["splits"]["folds"] and any(official.values()):
        wrong.append("splits.folds: an official split tests the same images in every fold; give one of both.")
    return wrong


def name_layout_tables(config: dict[str, Any]) -> None:
    """Set `table` of each cohort with a layout: a file in the private folder, since it names patients."""
    for name, cohort in config["cohorts"].items():
        if "layout" in cohort:
            cohort["table"] = f"{config['results'].rstrip('/')}.private/layouts/{name}.tsv"


def name_official_splits(config: dict[str, Any]) -> None:
    """Set `official_split` of each cohort with a layout: whether official lists give its subsets."""
    for name, cohort in config["cohorts"].items():
        if "layout" in cohort:
            cohort["official_split"] = has_official_split(config, name)


def name_patient_id_rules(config: dict[str, Any]) -> None:
    """Set `patient_ids` of each cohort to that of the config, where the cohort has none and the config has one."""
    for cohort in config["cohorts"].values():
        if "patient_ids" in config:
            cohort.setdefault("patient_ids", config["patient_ids"])


def patient_id_rules(config: dict[str, Any]) -> dict[str, str]:
    """Return how the patient ids of each cohort are read: normalise, exact, as named, or "" where nobody says.

    exact means the same as nothing once a table was read, except beside an earlier run (`splits.previous`).
    """
    counting = (NORMALISE, AS_NAMED, EXACT) if config["splits"]["previous"] else (NORMALISE, AS_NAMED)
    rules = {name: cohort.get("patient_ids", "") for name, cohort in config["cohorts"].items()}
    return {name: rule if rule in counting else "" for name, rule in rules.items()}


def _id_rule_problems(config: dict[str, Any]) -> list[str]:
    """List cohorts that share patients and read their ids in different ways."""
    rules = {cohort.get("patient_ids", config.get("patient_ids")) for cohort in config["cohorts"].values()}
    if config["shared_ids"] and len(rules) > 1:
        return ["patient_ids: with shared_ids all cohorts read ids in one way; write it beside shared_ids."]
    return []


def _expression_problems(roi_names: dict[str, list[str]]) -> list[str]:
    """List the regular expressions of `intake.roi_names` that do not compile."""
    wrong = []
    for region, expressions in roi_names.items():
        for expression in expressions:
            try:
                re.compile(expression)
            except re.error as error:
                wrong.append(f"intake.roi_names.{region}: {expression!r} is no regular expression: {error}.")
    return wrong


def intake_problems(config: dict[str, Any]) -> list[str]:
    """List what is wrong with the intake's settings beyond what a schema can check, a sentence each."""
    low, high = config["intake"]["window"]
    wrong = [] if low < high else [f"intake.window: {low} is not below {high}."]
    for name, cohort in config["cohorts"].items():
        wrong += _layout_problems(name, cohort)
    wrong += _official_split_problems(config)
    return wrong + _id_rule_problems(config) + _expression_problems(config["intake"]["roi_names"])
