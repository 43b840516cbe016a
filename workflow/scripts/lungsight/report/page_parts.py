"""The template, style and script of the page. Standard library only: the workflow's parser asks for their digest."""

import hashlib
from pathlib import Path

HERE = Path(__file__).parent
TEMPLATE, STYLE, SCRIPT = "page.html.jinja", "page.css", "page.js"


def read_part(name: str) -> str:
    """The text of one part."""
    return (HERE / name).read_text(encoding="utf-8")


def digest_of_parts() -> str:
    """A digest of all three: an edit of one makes the page again."""
    return hashlib.sha256("\0".join(map(read_part, (TEMPLATE, STYLE, SCRIPT))).encode()).hexdigest()[:12]
