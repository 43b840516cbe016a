"""Template and values → a page."""

from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from lungsight.report.page_parts import SCRIPT, STYLE, read_part


def render(template: str, view: Mapping[str, Any]) -> str:
    """The whole page as HTML. Everything that is text is escaped; scripts, styles and pictures are inside."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read_part),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = Markup(read_part(STYLE)), Markup(read_part(SCRIPT))
    return environment.get_template(template).render(style=style, script=script, **view)
