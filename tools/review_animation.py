"""Film the review page of a run: docs/images/review.webp, which README shows.

python tools/review_animation.py results/demo/qc/hospital/index.html

A person goes through masks by keyboard alone: accept, reject for a reason, undo, compare, a filter. Chromium draws the
page, one picture for each key.
"""

import argparse
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FILM = ROOT / "docs" / "images" / "review.webp"
SIZE = {"width": 1280, "height": 760}  # of the window; the film has the same
# Each key, and how long its picture stands, in milliseconds. 20 s together.
KEYS = [
    *(("", 2000), ("a", 1200), ("a", 1200), ("r", 1500), ("2", 1500), ("a", 1200), ("u", 1500), ("r", 1300)),
    *(("1", 1300), ("a", 1200), ("a", 1200), ("s", 1400), ("w", 1200), ("a", 1200), ("f", 1100)),
]


def pictures(page: Page) -> Iterator[tuple[Image.Image, int]]:
    """Press the keys one by one, and give what the page shows, with its milliseconds."""
    for key, milliseconds in KEYS:
        if key:
            page.keyboard.press(key)
        page.wait_for_timeout(200)  # pictures of slices load from disk
        yield Image.open(io.BytesIO(page.screenshot())).convert("RGB"), milliseconds


def main() -> None:
    """Film the page."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("page", type=Path, help="index.html of a review page")
    arguments.add_argument("--film", type=Path, default=FILM)
    options = arguments.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(options.page.resolve().as_uri())
        page.fill("#reviewer", "AB")
        page.keyboard.press("Enter")
        first, *rest = pictures(page)
        browser.close()
    options.film.parent.mkdir(parents=True, exist_ok=True)
    stills, durations = [each for each, _ in rest], [milliseconds for _, milliseconds in (first, *rest)]
    first[0].save(options.film, save_all=True, append_images=stills, duration=durations, loop=0, quality=50, method=6)


if __name__ == "__main__":
    main()
