"""What the page about new scans is made of. Standard library only: the workflow's parser asks for its digest."""

from pathlib import Path

from lungsight.report.templates import STYLE, read_part

_TEMPLATE = Path(__file__).with_name("page.html.jinja")


def new_page_parts() -> tuple[str, str]:
    """The template, and the style that it shares with the report."""
    return _TEMPLATE.read_text(encoding="utf-8"), read_part(STYLE)
