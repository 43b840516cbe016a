"""The report in a real browser: as a person opens it, with every control used."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lungsight.files import write_text
from lungsight.report.page import render_page
from tests.browser.accessible import AXE, faults, faults_by_axe
from tests.factories.results import made_results

WIDTHS = (360, 1280, 1920)


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
def opened(browser: Browser, report: Path) -> Iterator[Page]:
    """The page at the width of a laptop; it fails the test if anything went wrong in it or left it."""
    page, trouble = browser.new_page(viewport={"width": 1280, "height": 800}), []
    page.on("request", lambda request: trouble.append(request.url) if not _inside(request.url) else None)
    page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(report.as_uri())
    yield page
    page.close()
    assert trouble == []


def _inside(url: str) -> bool:
    return url.startswith("data:") or url.endswith("/report/index.html")


def open_all(page: Page) -> None:
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")


def test_opens_from_disk_with_every_picture_and_chart(opened: Page) -> None:
    open_all(opened)
    pictures = opened.locator("img")
    assert pictures.count() > 4
    assert pictures.evaluate_all("all => all.every(image => image.complete && image.naturalWidth > 30 && image.alt)")
    assert opened.locator(".chart svg").count() == opened.locator(".chart").count() > 5


def test_the_first_screen_answers_four_questions_over_four_overlays(opened: Page) -> None:
    answers, strip = opened.locator(".answer"), opened.locator(".strip > *")
    assert answers.count() == 4 and strip.count() >= 3
    for box in [*answers.all(), *opened.locator(".strip .layers").all()]:
        edges = box.bounding_box()
        assert edges is not None and edges["y"] >= 0 and edges["y"] + edges["height"] <= 800
    for mark in opened.locator(".answer .tone").all_inner_texts():
        assert re.fullmatch(r"[●▲■–] (Good|Caution|Warning|Not known)", mark)
    assert opened.locator(".strip path.lung").evaluate_all("all => all.every(each => each.getBBox().width > 10)")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_passes_the_edge_of_the_page(opened: Page, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    open_all(opened)
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    # A wide table moves inside its own frame, and the first column stays where it is.
    stays = """frame => {
      frame.scrollLeft = frame.scrollWidth;
      const first = frame.querySelector("tbody th").getBoundingClientRect(), edge = frame.getBoundingClientRect();
      return edge.right <= innerWidth && Math.abs(first.left - edge.left) < 2 && first.width < edge.width / 2 + 40;
    }"""
    for frame in opened.locator(".scroll:visible").all():
        assert frame.evaluate(stays), frame.get_attribute("aria-label")


def column_of(page: Page, table: str, title: str) -> list[str]:
    headings = page.locator(f"#{table}-table thead button").all_inner_texts()
    return page.locator(f"#{table}-table tbody tr > :nth-child({headings.index(title) + 1})").all_inner_texts()


def test_tables_sort_by_number_both_ways(opened: Page) -> None:
    button = opened.locator("#performance-patient-table thead button", has_text="Accuracy")
    button.click()
    rising = [float(cell.split()[0]) for cell in column_of(opened, "performance-patient", "Accuracy")]
    assert rising == sorted(rising) and len(set(rising)) > 1
    assert opened.locator("#performance-patient-table th[aria-sort=ascending]").inner_text().startswith("Accuracy")
    button.click()
    falling = [float(cell.split()[0]) for cell in column_of(opened, "performance-patient", "Accuracy")]
    assert falling == sorted(rising, reverse=True)


def test_tables_sort_by_word(opened: Page) -> None:
    opened.locator("#saliency-table thead button", has_text="Pipeline").click()
    assert column_of(opened, "saliency", "Pipeline") == sorted(column_of(opened, "saliency", "Pipeline"))


def test_a_search_leaves_the_rows_that_have_every_word_and_the_copy_holds_these(opened: Page) -> None:
    fold = opened.locator("details.table", has=opened.locator("#performance-patient-table"))
    rows = opened.locator("#performance-patient-table tbody tr:visible")
    before = rows.count()
    fold.locator("input[type=search]").fill("DENSENET after")
    assert rows.count() == 1 < before
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    fold.get_by_role("button", name="Copy as CSV").click()
    fold.get_by_role("button", name="Copied").wait_for()
    copied = opened.evaluate("navigator.clipboard.readText()").strip().split("\n")
    assert len(copied) == 2 and copied[0].startswith("Pipeline,Evaluation,n,AUC,")
    assert copied[1].startswith("whole-densenet201-imagenet †,stage 2 on clinic (after adaptation),6,")
    fold.locator("input[type=search]").fill("")
    assert rows.count() == before


def test_tables_and_sections_fold(opened: Page) -> None:
    matrix, table = opened.locator(".confusion").first, opened.locator("#performance-slice-table")
    assert not matrix.is_visible() and not table.is_visible()
    opened.locator("summary", has_text="Confusion matrices").click()
    assert matrix.is_visible()
    opened.locator("summary", has_text="By slice, test split").click()
    assert table.is_visible()


def caption(page: Page) -> str:
    return page.locator(".browser .caption").inner_text()


def shown(page: Page) -> str:
    return page.locator(".browser .count").inner_text()


def test_overlays_are_filtered_by_model_class_outcome_and_patient(opened: Page) -> None:
    total = int(shown(opened).split()[-1])
    for name in ("model", "class", "outcome", "patient"):
        select = opened.locator(f".browser select[data-filter={name}]")
        options = select.locator("option").evaluate_all("all => all.map(each => each.value)")[1:]
        counts = []
        for option in options:
            select.select_option(option)
            counts.append(int(shown(opened).split()[-1]))
            assert counts[-1] > 0
        select.select_option("")
        assert shown(opened) == f"1 of {total}"
        # Right and wrong are offered beside the outcomes that they are made of.
        assert sum(counts) == (2 * total if name == "outcome" else total)
    opened.locator(".browser select[data-filter=class]").select_option("Covid-19")
    assert "Covid-19, p = " in caption(opened)


def test_overlays_by_keyboard_alone(opened: Page) -> None:
    first = caption(opened)
    opened.locator("#overlay-browser").focus()
    opened.keyboard.press("j")
    assert caption(opened) != first and shown(opened).startswith("2 of")
    opened.keyboard.press("k")
    assert caption(opened) == first
    outline, heat = opened.locator(".browser .covered path.lung"), opened.locator(".browser .heat")
    opened.keyboard.press("l")
    assert not outline.is_visible()
    opened.keyboard.press("l")
    assert outline.is_visible()
    opened.keyboard.press("e")
    assert not opened.locator(".browser [data-outline=lesions]").is_checked()
    opened.keyboard.press("m")
    assert heat.evaluate("each => getComputedStyle(each).opacity") == "0"
    opened.keyboard.press("m")
    assert heat.evaluate("each => getComputedStyle(each).opacity") == "1"
    opened.locator("[data-opacity]").fill("40")
    assert heat.evaluate("each => getComputedStyle(each).opacity") == "0.4"


def test_a_point_of_the_scatter_plot_opens_the_maps_of_its_model(opened: Page) -> None:
    link = opened.locator('.chart a[*|href="#maps-whole-densenet201-imagenet-stage2"]').last
    link.click()
    expect(opened.locator(".browser .caption")).to_contain_text("whole-densenet201-imagenet † stage 2: ")
    chosen = opened.locator(".browser select[data-filter=model]")
    assert chosen.evaluate("each => each.selectedOptions[0].text") == "whole-densenet201-imagenet † stage 2"
    assert opened.locator("#overlay-browser").evaluate("each => each.getBoundingClientRect().top < innerHeight")


def test_words_explain_themselves(opened: Page) -> None:
    word = opened.locator(".answer abbr", has_text="AUC").first
    assert (word.get_attribute("title") or "").startswith("Area under the ROC curve")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_those_who_see_badly(opened: Page, scheme: str) -> None:
    opened.emulate_media(color_scheme=scheme)
    open_all(opened)
    assert faults(opened) == []
    dark = opened.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


@pytest.mark.skipif(not AXE.is_file(), reason=f"no axe-core: {AXE} is absent; .ci/run installs it")
def test_axe_finds_nothing_serious(opened: Page) -> None:
    open_all(opened)
    assert faults_by_axe(opened) == []


def test_prints_what_is_open_on_few_pages(opened: Page) -> None:
    pages = len(re.findall(rb"/Type\s*/Page\b", opened.pdf(prefer_css_page_size=True)))
    assert 3 <= pages <= 12
    opened.emulate_media(media="print")
    assert not opened.locator("#overlay-browser").is_visible()
    assert opened.locator("#performance-patient-table").is_visible()
    assert not opened.locator("summary", has_text="Confusion matrices").is_visible()
