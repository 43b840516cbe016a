"""The words of the page."""

from typing import Any

from lungsight.report.glossary import GLOSSARY
from lungsight.report.results import RunResults


def section(_: RunResults) -> dict[str, Any]:
    """Give the words: the same for every run."""
    return {"terms": GLOSSARY}
