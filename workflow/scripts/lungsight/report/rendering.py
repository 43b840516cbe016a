"""Turn a template and its values into HTML."""

from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from lungsight.report.charts import with_text
from lungsight.report.glossary import explained
from lungsight.report.sources import source_of
from lungsight.report.templates import SCRIPT, STYLE, read_part


def page_environment(loader: jinja2.BaseLoader | None = None) -> jinja2.Environment:
    """Make the environment of every page: text is escaped, and a missing value is an error."""
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"explained": explained, "with_text": with_text, "source": source_of}
    return environment


def render_part(template: str, values: Mapping[str, Any]) -> Markup:
    """Render one template of the report, with every text escaped."""
    environment = page_environment(jinja2.FunctionLoader(read_part))
    return Markup(environment.get_template(template).render(**values))


def render(template: str, values: Mapping[str, Any]) -> str:
    """Render a whole page, with script and style inside."""
    style, script = Markup(read_part(STYLE)), Markup(read_part(SCRIPT))
    return str(render_part(template, {"style": style, "script": script, **values}))
