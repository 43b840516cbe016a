"""Template and values → a page."""

from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from lungsight.report.templates import SCRIPT, STYLE, read_part


def page_environment(loader: jinja2.BaseLoader | None = None) -> jinja2.Environment:
    """How every page is rendered: text is escaped, and a value that is missing is an error."""
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def render(template: str, view: Mapping[str, Any]) -> str:
    """The whole page as HTML. Everything that is text is escaped; scripts, styles and pictures are inside."""
    environment = page_environment(jinja2.FunctionLoader(read_part))
    style, script = Markup(read_part(STYLE)), Markup(read_part(SCRIPT))
    return environment.get_template(template).render(style=style, script=script, **view)
