"""Check a whole config: its schema, and what every room knows of its own settings.

Here the rooms meet. `lungsight.config` knows none of them, and each knows `lungsight.config` alone. Imported while the
workflow is parsed: standard library, PyYAML and jsonschema alone.
"""

from lungsight.config import cohort_problems, config_schema, schema_problems, with_defaults, with_presets
from lungsight.errors import UserError
from lungsight.intake.settings import intake_problems, name_layout_tables
from lungsight.segmentation.settings import segmentation_problems
from lungsight.splits.settings import split_problems
from lungsight.training.settings import training_problems

PROBLEMS_OF_ROOMS = (cohort_problems, intake_problems, segmentation_problems, split_problems, training_problems)


def complete_config(config: dict) -> dict:
    """Check a config as the user wrote it and return a copy with every default filled in.

    Raises
    ------
    UserError
        With all that is wrong, a line each.
    """
    wrong = schema_problems(config)
    if not wrong:
        filled = with_defaults(with_presets(config), config_schema())
        wrong = [problem for problems_of in PROBLEMS_OF_ROOMS for problem in problems_of(filled)]
    if wrong:
        raise UserError("The config is not right:\n" + "\n".join(f"  {line}" for line in wrong))
    name_layout_tables(filled)
    return filled
