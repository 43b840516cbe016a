"""The templates, style and script of the pages. Standard library only: the workflow's parser asks for their digest."""

import hashlib
from pathlib import Path

HERE = Path(__file__).parent
TEMPLATE, INTAKE_TEMPLATE, STYLE, SCRIPT = "page.html.jinja", "intake.html.jinja", "page.css", "page.js"
_SHARED = ("macros.html.jinja", STYLE, SCRIPT)


def read_part(name: str) -> str:
    """The text of one part."""
    return (HERE / name).read_text(encoding="utf-8")


def digest_of_parts(template: str = TEMPLATE) -> str:
    """A digest of a template and of what all share: an edit of one makes the page again."""
    return hashlib.sha256("\0".join(map(read_part, (template, *_SHARED))).encode()).hexdigest()[:12]
