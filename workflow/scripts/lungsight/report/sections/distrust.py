"""What to distrust: the first thing to read, the most serious finding first."""

from typing import Any

from lungsight.report.cautions import cautions
from lungsight.report.results import RunResults


def section(results: RunResults) -> dict[str, Any]:
    """Give the findings."""
    return {"findings": cautions(results)}
