"""Read the parts of the page about new scans. Standard library alone: the workflow's parser takes their digest."""

from pathlib import Path

from lungsight.report.templates import STYLE, read_part

_TEMPLATE = Path(__file__).with_name("page.html.jinja")


def new_page_parts() -> tuple[str, str, str]:
    """Return the template, and the style and the macros that it shares with the report."""
    return _TEMPLATE.read_text(encoding="utf-8"), read_part(STYLE), read_part("macros.html.jinja")
