"""The words of the page. They are in the template."""

from lungsight.report.results import RunResults


def section(_: RunResults) -> dict[str, str]:
    """Give nothing: the words are the same for every run."""
    return {}
