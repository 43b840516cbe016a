"""Say what the config asks of intake, checked while the workflow is parsed. Standard library alone."""

import re

from lungsight.intake.layouts import LAYOUTS


def _layout_problems(name: str, cohort: dict) -> list[str]:
    """Whether a cohort has either a table or a layout, and a layout that fits it."""
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
    return wrong


def name_layout_tables(config: dict) -> None:
    """Say where the table of each data set with a layout is written: it names patients, so in the private folder."""
    for name, cohort in config["cohorts"].items():
        if "layout" in cohort:
            cohort["table"] = f"{config['results'].rstrip('/')}.private/layouts/{name}.tsv"


def _expression_problems(roi_names: dict[str, list[str]]) -> list[str]:
    wrong = []
    for region, expressions in roi_names.items():
        for expression in expressions:
            try:
                re.compile(expression)
            except re.error as error:
                wrong.append(f"intake.roi_names.{region}: {expression!r} is no regular expression: {error}.")
    return wrong


def intake_problems(config: dict) -> list[str]:
    """List what a schema cannot say of the intake's settings, a sentence each."""
    low, high = config["intake"]["window"]
    wrong = [] if low < high else [f"intake.window: {low} is not below {high}."]
    for name, cohort in config["cohorts"].items():
        wrong += _layout_problems(name, cohort)
    return wrong + _expression_problems(config["intake"]["roi_names"])
