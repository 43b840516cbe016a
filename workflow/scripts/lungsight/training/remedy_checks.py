"""Check before any job whether the patients of a run serve its remedies. It imports no TensorFlow."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from lungsight.config import cohorts_with_role
from lungsight.errors import UserError
from lungsight.training import remedies
from lungsight.training.pipelines import ROLE_OF_STAGE, pipelines_of

FEWEST = 2  # patients of each class, from whom a background can be taken


class Row(Protocol):
    """What is read of a row of a cohort table."""

    row: int
    patient: str
    label: str
    source: str
    skip: str


def check_patients_of_remedies(config: dict[str, Any], rows: Mapping[str, Sequence[Row]]) -> None:
    """Raise UserError where a cohort that is trained on has too few patients or classes for a remedy, or its sources.

    Parameters
    ----------
    config
        Complete config.
    rows
        Cohort → the rows of its table.
    """
    taken = dict.fromkeys(pipeline.remedy for pipeline in pipelines_of(config) if pipeline.remedy)
    for name in taken:
        if remedies.COMPANION in remedies.load(name).needs:
            _check_companion(name, config, rows)
    for cohort in cohorts_with_role(config, *ROLE_OF_STAGE.values()):
        used = [row for row in rows.get(cohort, ()) if not row.skip]
        for name in taken:
            if remedies.SWAP in remedies.load(name).instruments:
                _check_donors(name, cohort, used)
            if remedies.SOURCES in remedies.load(name).needs:
                _check_sources(name, cohort, used)
            if remedies.PATIENTS in remedies.load(name).needs:
                _check_sub_classes(name, cohort, used, config["training"]["remedies"][name]["sub_classes"])


def _check_companion(name: str, config: dict[str, Any], rows: Mapping[str, Sequence[Row]]) -> None:
    roles = list(ROLE_OF_STAGE.values())
    cohorts = [cohorts_with_role(config, role) for role in roles]
    absent = [role for role, found in zip(roles, cohorts, strict=True) if not found]
    if absent:
        raise UserError(
            f"pipelines.remedies: {name} trains on the cohort of stage 1 and on that of stage 2 together, and this run"
            f" has no {' and no '.join(absent)}"
            f" cohort. Leave {name} out, or add one."
        )
    first, second = ({row.label for row in rows.get(found[0], ()) if not row.skip} for found in cohorts)
    if second - first:
        raise UserError(
            f"pipelines.remedies: {name} takes images of each class of {cohorts[1][0]} from {cohorts[0][0]} too, which"
            f" has none of {', '.join(sorted(second - first))}. Leave {name} out."
        )


def _patients_by_class(rows: Iterable[Row]) -> dict[str, set[str]]:
    patients: dict[str, set[str]] = {}
    for row in rows:
        patients.setdefault(row.label, set()).add(row.patient or f"row {row.row}")
    return patients


def _check_sub_classes(name: str, cohort: str, rows: Iterable[Row], sub_classes: int) -> None:
    for label, patients in _patients_by_class(rows).items():
        if len(patients) < sub_classes:
            raise UserError(
                f"pipelines.remedies: {name} parts each class into {sub_classes}"
                f" (training.remedies.{name}.sub_classes), and {cohort} has {len(patients)} patient"
                f"{'s' if len(patients) != 1 else ''} of {label}. Lower sub_classes, leave {name} out, or add patients."
            )


def _check_donors(name: str, cohort: str, rows: Iterable[Row]) -> None:
    patients = _patients_by_class(rows)
    few = [label for label, of_class in patients.items() if len(of_class) < FEWEST]
    if len(patients) < 2 or few:
        lacks = f"one patient of {few[0]}" if few and len(patients) > 1 else f"{len(patients)} class"
        raise UserError(
            f"pipelines.remedies: {name} takes backgrounds of other patients of the same and of another class; {cohort}"
            f" has {lacks}. Leave {name} out, or add patients."
        )


def _check_sources(name: str, cohort: str, rows: Iterable[Row]) -> None:
    classes: dict[str, set[str]] = {}
    for row in rows:
        classes.setdefault(row.source, set()).add(row.label)
    if len(classes) > 1 and all(len(of_source) == 1 for of_source in classes.values()):
        raise UserError(
            f"pipelines.remedies: {name} weighs groups of source and class; in {cohort} the source of a scan tells its"
            f" class, since each source has one class alone. Leave {name} out, or add scans of a source with both."
        )
