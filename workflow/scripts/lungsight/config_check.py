"""Check a whole config against its schema and against what each package knows of its own settings.

This module imports the settings of the packages; they import `lungsight.config` alone. It is imported while the
workflow is parsed, so it needs nothing but the standard library, PyYAML and jsonschema.
"""

import os

from lungsight.config import (
    cohort_problems,
    config_schema,
    path_problems,
    schema_problems,
    with_defaults,
    with_numbers,
    with_presets,
)
from lungsight.errors import UserError
from lungsight.evaluation.settings import evaluation_problems
from lungsight.intake.settings import (
    intake_problems,
    name_layout_tables,
    name_official_splits,
    name_patient_id_rules,
)
from lungsight.segmentation.settings import segmentation_problems
from lungsight.splits.settings import split_problems
from lungsight.training.replicates import replicate_problems
from lungsight.training.settings import training_problems

CHECKS = (
    *(path_problems, cohort_problems, intake_problems, segmentation_problems, split_problems, training_problems),
    replicate_problems,
    evaluation_problems,
)


def complete_config(config: dict) -> dict:
    """Check a config as the user wrote it, and return a copy with every default filled in.

    Raises
    ------
    UserError
        With everything that is wrong, one line each.
    """
    config = with_numbers(config, config_schema())
    _refuse(schema_problems(config))
    filled = with_defaults(with_presets(config), config_schema())
    _refuse([problem for check in CHECKS for problem in check(filled)])
    filled["results"] = os.path.normpath(filled["results"])
    name_layout_tables(filled)
    name_official_splits(filled)
    name_patient_id_rules(filled)
    return filled


def _refuse(problems: list[str]) -> None:
    if problems:
        raise UserError("The config is not right:\n" + "\n".join(f"  {line}" for line in problems))
