"""What a page must offer to those who do not see it, or see colours otherwise."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.factories.workspace import ROOT

AXE = Path(ROOT / ".cache/axe/node_modules/axe-core/axe.min.js")  # .ci/run puts it there
GRAVE = ("serious", "critical")

OWN_RULES = Path(__file__).with_name("accessible.js")


def faults(page: Page) -> list[str]:
    """List what breaks a rule of our own: each with the element."""
    return page.evaluate(OWN_RULES.read_text(encoding="utf-8").partition("\n")[2])


def faults_by_axe(page: Page) -> list[str]:
    """List what axe-core calls serious or critical: each rule with its elements."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    results: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{found['id']}: {'; '.join(node['html'][:120] for node in found['nodes'][:3])}"
        for found in results["violations"]
        if found["impact"] in GRAVE
    ]
