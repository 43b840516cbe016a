"""Measure how long pages take to open: the review page of a large cohort, and reports.

python benchmarks/page_opening.py [--slices 50000] [--repeats 5] [REPORT.html …]

The review page is made of generated scores, as `growth.py` makes them. A page is open when its first picture of a slice
is drawn: of the review page the slice to decide on, of a report that of its overlay browser.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

from benchmarks.growth import defaults, scores_table  # noqa: E402
from lungsight.qc.page import PANE, page_data, render, save_picture  # noqa: E402
from lungsight.qc.rules import decide  # noqa: E402

REVIEWED, OVERLAY = "#whole-image", "#overlay-browser .layers img"
DRAWN = """async (picture) => {
  const image = document.querySelector(picture);
  while (!image.getAttribute("src")) await new Promise(requestAnimationFrame);
  await image.decode();
  await new Promise(requestAnimationFrame);
}"""


def write_review_page(folder: Path, slices: int) -> Path:
    """Write the review page of a made cohort; every picture of a slice is the same file."""
    scores = scores_table(slices)
    data = page_data("c", scores, decide(scores, defaults()["qc"]["rules"]), True)
    (folder / "images").mkdir()
    save_picture(folder / "one.jpg", np.full((PANE, PANE), 90, np.uint8), np.zeros((PANE, PANE), bool))
    for name in scores["slice"]:
        (folder / "images" / f"{name}.jpg").symlink_to(folder / "one.jpg")
    page = folder / "index.html"
    page.write_text(render(data), encoding="utf-8")
    return page


def seconds_to_open(browser: Browser, path: Path, picture: str) -> float:
    """Open a page in a browser without a cache, and wait until its first picture is drawn."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    started = time.perf_counter()
    page.goto(path.resolve().as_uri(), wait_until="commit")
    page.wait_for_selector(picture, state="attached", timeout=120_000)
    page.evaluate(DRAWN, picture)
    seconds = time.perf_counter() - started
    page.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", type=Path, nargs="*")
    parser.add_argument("--slices", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lungsight-pages-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        review = write_review_page(Path(folder), args.slices)
        pages = {f"review page, {args.slices} slices": (review, REVIEWED)}
        pages |= {str(path): (path, OVERLAY) for path in args.reports}
        for name, (path, picture) in pages.items():
            taken = [seconds_to_open(browser, path, picture) for _ in range(args.repeats)]
            size = path.stat().st_size / 1e6
            print(f"{name}: {size:.1f} MB, opens in {median(taken):.2f} s (median; longest {max(taken):.2f} s)")
        browser.close()


if __name__ == "__main__":
    main()
