"""The browser that all tests of the pages share."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDED = "LUNGSIGHT_NEEDS_CHROMIUM"
ABSENT = "no browser: chromium is not on the PATH (Debian: apt-get install chromium), so no page was opened"
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def without_browser() -> None:
    """Skip and say why; where the browser is needed, as in CI, fail and say what to install."""
    if os.environ.get(NEEDED) == "1":
        pytest.fail(f"{ABSENT}; {NEEDED}=1 says that it must be here.", pytrace=False)
    pytest.skip(ABSENT)


# Not for the session: a process that a later test forks would hold the driver's pipe, and the driver would never end.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    if not CHROMIUM:
        without_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
