"""Measure how long the review page takes from a key to the next slice.

python benchmarks/review_page.py results/demo/qc/hospital/index.html --decisions 200
"""

import argparse
import shutil
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

DRAWN = """async (before) => {
  const image = document.querySelector("#whole-image");
  while (image.getAttribute("src") === before) await new Promise(requestAnimationFrame);
  await image.decode();
  await new Promise(requestAnimationFrame);
}"""


def seconds_of(page: Page, key: str) -> float:
    """Press a key, and wait until another slice is drawn."""
    before, started = page.get_attribute("#whole-image", "src"), time.perf_counter()
    page.keyboard.press(key)
    page.evaluate(DRAWN, before)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--decisions", type=int, default=200)
    args = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(args.page.resolve().as_uri())
        page.fill("#reviewer", "AB")
        page.keyboard.press("Enter")
        taken = np.array([seconds_of(page, "a") for _ in range(args.decisions)])
        counted = page.text_content("#counts")
        browser.close()
    print(f"{counted}; from key to next slice: median {np.median(taken):.3f} s, 95 % {np.quantile(taken, 0.95):.3f} s,")
    share = 100 * np.median(taken) / 7.2
    print(f"longest {taken.max():.3f} s: {share:.1f} % of the 7.2 s of a decision at 500 an hour")


if __name__ == "__main__":
    main()
