"""The templates of a package.

Standard library alone: the workflow asks for their digest when it is parsed.
"""

import hashlib
from pathlib import Path

HERE = Path(__file__).parent
CARD_TEMPLATE, README_TEMPLATE = "model_card.md.jinja", "readme.md.jinja"


def read_template(name: str) -> str:
    """Read one template."""
    return (HERE / name).read_text(encoding="utf-8")


def digest_of_template(name: str) -> str:
    """Hash a template: an edit of it makes what it shows again."""
    return hashlib.sha256(read_template(name).encode()).hexdigest()[:12]
