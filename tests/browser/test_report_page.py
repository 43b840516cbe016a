"""The report in a real browser: it opens from disk, asks nobody for anything, sorts, folds and prints."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from lungsight.files import write_text
from lungsight.report.page import render_page
from tests.factories.results import made_results

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.is_file():
        pytest.skip(f"no browser: {CHROMIUM} is absent (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    results = made_results(
        folder,
        {"lungs": "segmentation", "open": "public", "clinic": "target"},
        pipelines={"frameworks": ["whole"], "backbones": ["resnet50", "densenet201"], "weights": ["imagenet"]},
        explain={"overlays": 1},
    )
    path = folder / "report/index.html"
    write_text(path, render_page(results))
    return path


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[tuple[Page, list[str]]]:
    """The page, and everything that went wrong or left it."""
    page, trouble = browser.new_page(), []
    page.on("request", lambda request: trouble.append(request.url) if not _inside(request.url) else None)
    page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(report.as_uri())
    yield page, trouble
    page.close()


def _inside(url: str) -> bool:
    return url.startswith("data:") or url.endswith("/report/index.html")


def test_opens_from_disk_without_a_request_or_an_error(opened: tuple[Page, list[str]]) -> None:
    page, trouble = opened
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    pictures = page.locator("img")
    assert pictures.count() > 4
    assert pictures.evaluate_all("all => all.every(image => image.complete && image.naturalWidth > 100 && image.alt)")
    assert page.locator(".chart svg").count() == page.locator(".chart").count() > 3
    assert trouble == []


def column_of(page: Page, table: str, title: str) -> list[str]:
    headings = page.locator(f"#{table}-table thead button").all_inner_texts()
    return page.locator(f"#{table}-table tbody tr > :nth-child({headings.index(title) + 1})").all_inner_texts()


def test_tables_sort_by_number_both_ways(opened: tuple[Page, list[str]]) -> None:
    page, trouble = opened
    button = page.locator("#performance-patient-table thead button", has_text="Accuracy")
    button.click()
    rising = [float(cell.split()[0]) for cell in column_of(page, "performance-patient", "Accuracy")]
    assert rising == sorted(rising) and len(set(rising)) > 1
    assert page.locator("#performance-patient-table th[aria-sort=ascending]").inner_text().startswith("Accuracy")
    button.click()
    falling = [float(cell.split()[0]) for cell in column_of(page, "performance-patient", "Accuracy")]
    assert falling == sorted(rising, reverse=True)
    assert trouble == []


def test_tables_sort_by_word(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    page.locator("#saliency-table thead button", has_text="Pipeline").click()
    assert column_of(page, "saliency", "Pipeline") == sorted(column_of(page, "saliency", "Pipeline"))


def test_sections_fold_open_by_a_click(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    matrix = page.locator(".confusion").first
    assert not matrix.is_visible()
    page.locator("summary", has_text="Confusion matrices").click()
    assert matrix.is_visible()


def test_a_small_screen_shows_no_sideways_scroll(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_prints_with_everything_open(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    assert page.pdf().startswith(b"%PDF")
