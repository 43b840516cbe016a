"""The review page in headless Chromium: review, reload, export, and what the manifest makes of the export."""

import shutil
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lungsight.files import write_text
from lungsight.qc.decisions import overrule, read_decisions
from lungsight.qc.page import SCORES, page_data, render, save_picture
from lungsight.qc.rules import CUT_OUT, decide
from lungsight.qc.scores import volume_scores
from tests.factories.tables import made_slice
from tests.unit.qc.test_rules import RULES

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
SLICES = 30


def write_page(folder, count=SLICES, cut_out=()) -> pd.DataFrame:
    """A page on `count` slices of which the third and the eighth lost their mask; returns the automatic decisions.

    cut_out: numbers of the slices that count as pictures of lungs that are cut out.
    """
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(1)
    rows = []
    for number in range(count):
        image, mask = made_slice(96, positive=number % 2 == 0, rng=rng)
        if number in (2, 7):
            mask[:] = False
        name = f"{number // 10:016x}-{number % 10:04d}"
        save_picture(folder / "images" / f"{name}.jpg", image, mask)
        images, masks = image[np.newaxis].astype(np.float32) / 255, mask[np.newaxis]
        rows.append({"slice": name} | volume_scores(images, masks, RULES["soft_level"], RULES["air_level"])[0])
    scores = pd.DataFrame(rows)
    scores.loc[list(cut_out), "cut_out"] = 1
    decided = decide(scores, RULES)
    write_text(folder / "index.html", render(page_data("hospital", scores, decided, sided=True)))
    return scores[["slice"]].join(decided)


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def reviewed(browser, tmp_path):
    """(page, automatic decisions): the page open from disk, errors of its script failing the test."""
    automatic = write_page(tmp_path / "page")
    context = browser.new_context(viewport={"width": 1366, "height": 768}, accept_downloads=True)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "page" / "index.html").as_uri())
    yield page, automatic
    context.close()
    assert errors == []


def export(page, path):
    with page.expect_download() as download:
        page.click("#export")
    assert download.value.suggested_filename == "decisions.tsv"
    download.value.save_as(path)
    return read_decisions(path)


def current(page) -> str:
    return page.get_attribute("#whole-image", "src").removeprefix("images/").removesuffix(".jpg")


def press(page, keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_review_reload_export_and_overrule(reviewed, tmp_path):
    page, automatic = reviewed
    names = automatic["slice"].tolist()
    assert {current(page)} <= {names[2], names[7]}  # suspicious first
    page.fill("#reviewer", "ab")
    page.keyboard.press("Enter")
    lost = current(page)
    press(page, "r2")  # reject, because a part of the lung is missing
    accepted = current(page)
    press(page, "a")
    jumped = current(page)
    press(page, "jwr1")  # leave one undecided; no lung visible on the next
    refused = page.evaluate("data.slices[3]")
    assert page.text_content("#counts").startswith(f"3 of {SLICES} decided")

    page.reload()
    assert page.text_content("#counts").startswith(f"3 of {SLICES} decided")
    assert page.input_value("#reviewer") == "AB"
    decisions = export(page, tmp_path / "decisions.tsv")
    assert decisions["slice"].tolist() == [lost, accepted, refused]
    assert decisions[["whole_keep", "segmented_keep"]].to_numpy().tolist() == [[1, 0], [1, 1], [0, 0]]
    assert decisions["reason"].tolist() == ["part of the lung missing", "", "no lung visible"]
    assert set(decisions["reviewer"]) == {"AB"} and decisions["moment"].is_monotonic_increasing

    manifest = overrule(automatic, decisions).set_index("slice")
    assert manifest.loc[[lost, accepted, refused], "segmented_keep"].tolist() == [0, 1, 0]
    assert manifest.loc[jumped, "decided_by"] == "auto"


def test_undo_survives_a_reload_and_goes_back_to_the_slice(reviewed, tmp_path):
    page, _ = reviewed
    first = current(page)
    press(page, "ara")
    page.reload()
    press(page, "uu")
    assert page.text_content("#counts").startswith("1 of")
    press(page, "u")
    assert current(page) == first
    assert page.text_content("#counts").startswith("0 of")
    press(page, "ua")
    assert export(page, tmp_path / "decisions.tsv")["reviewer"].tolist() == [""]
    assert "without initials" in page.text_content("#notice")


@pytest.mark.parametrize(("keys", "decided"), [("sr", (0, 0)), ("wr", (0, 0)), ("sa", (1, 1)), ("wa", (1, 0))])
def test_a_person_confirms_or_overrules_the_decision_on_lungs_that_are_cut_out(browser, tmp_path, keys, decided):
    automatic = write_page(tmp_path / "page", count=2, cut_out=[0, 1])
    page = browser.new_page()
    page.goto((tmp_path / "page" / "index.html").as_uri())
    name = current(page)
    press(page, keys)
    decisions = export(page, tmp_path / "decisions.tsv")
    page.close()
    columns = ["whole_keep", "segmented_keep"]
    assert automatic[columns].to_numpy().tolist() == [[0, 0], [0, 0]]
    final = overrule(automatic, decisions).set_index("slice")
    assert tuple(final.loc[name, columns]) == decided
    if decided == (0, 0):
        assert final.loc[name, "reason"] == CUT_OUT


def test_filters_pages_and_lazy_pictures(reviewed):
    page, automatic = reviewed
    assert page.text_content("#page") == "page 1 of 2"
    assert page.locator("#list button").count() == 24
    assert page.locator("#list img[loading=lazy]").count() == 24
    page.click("#next-page")
    assert page.locator("#list button").count() == SLICES - 24
    page.click("[data-filter=rejected]")
    assert page.locator("#list button").count() == (automatic["segmented_keep"] == 0).sum() == 2
    press(page, "a")
    page.click("[data-filter=rejected]")
    assert page.locator("#list button").count() == 1
    page.click("[data-filter=undecided]")
    assert page.text_content("#identity").endswith(f"of {SLICES - 1} here)")
    page.click("[data-filter=all]")
    page.select_option("#order", "position")
    assert current(page) == automatic["slice"][0]


def test_typing_initials_decides_nothing(reviewed):
    page, _ = reviewed
    page.click("#reviewer")
    page.keyboard.type("ar")
    assert page.text_content("#counts").startswith("0 of")


def test_many_slices_do_not_choke_it(browser, tmp_path):
    count = 25_000
    scores = pd.DataFrame({"slice": [f"{number // 100:016x}-{number % 100:04d}" for number in range(count)]})
    scores[list(SCORES)] = 0.3
    scores = scores.assign(
        lung_fraction=0.2, air_fraction=0.2, components=2, gas_fraction=0.0, classical_kept=0.9, cut_out=0
    )
    write_text(tmp_path / "index.html", render(page_data("many", scores, decide(scores, RULES), sided=False)))
    (tmp_path / "images").mkdir()
    for name in scores["slice"][:60]:
        Image.new("RGB", (64, 32)).save(tmp_path / "images" / f"{name}.jpg")
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    start = time.monotonic()
    page.evaluate("for (let number = 0; number < 20; number++) accept()")
    taken = (time.monotonic() - start) / 20
    assert page.text_content("#counts").startswith(f"20 of {count} decided")
    assert taken < 0.15, f"{1000 * taken:.0f} ms a decision"
    page.close()


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (2560, 1440)])
def test_everything_to_decide_with_is_in_sight(reviewed, width, height):
    page, _ = reviewed
    page.set_viewport_size({"width": width, "height": height})
    for selector in ("#whole-image", "#segmented-image", "#accept", "#reject", "#reasons button:last-child", "#export"):
        box = page.locator(selector).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, selector
        assert box["y"] >= 0 and box["y"] + box["height"] <= height, selector
    assert page.evaluate("document.documentElement.scrollWidth") <= width
