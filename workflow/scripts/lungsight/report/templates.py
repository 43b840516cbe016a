"""The files that the pages are made of.

Standard library alone: the workflow asks for their digest when it is parsed.
"""

import hashlib
from pathlib import Path

HERE = Path(__file__).parent
TEMPLATE, INTAKE_TEMPLATE, STYLE, SCRIPT = "page.html.jinja", "intake.html.jinja", "page.css", "page.js"
BROWSER_SCRIPT = "browser.js"
CHECKLISTS_TEMPLATE, RISK_TEMPLATE = "checklists.html.jinja", "risk.html.jinja"
TRANSFER_TEMPLATE = "transfer_study.html.jinja"
_SHARED = ("macros.html.jinja", STYLE, SCRIPT)


def section_template(name: str) -> str:
    """Name the template of a section of the page."""
    return f"sections/{name}.html.jinja"


def read_part(name: str) -> str:
    """Read one file."""
    return (HERE / name).read_text(encoding="utf-8")


def digest_of_parts(template: str = TEMPLATE) -> str:
    """Hash a page's template, its sections' and what all pages share: an edit of one makes the page again."""
    own: list[str] = []
    if template == TEMPLATE:
        sections = sorted(path.name for path in (HERE / "sections").glob("*.html.jinja"))
        own = [*(f"sections/{name}" for name in sections), BROWSER_SCRIPT]
    parts = (template, *own, *_SHARED)
    return hashlib.sha256("\0".join(map(read_part, parts)).encode()).hexdigest()[:12]
