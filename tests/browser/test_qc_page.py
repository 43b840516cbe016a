"""The review page in headless Chromium: review, reload, export, and what the manifest makes of the export."""

import contextlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Error

from lungsight.files import write_text
from lungsight.qc.decisions import agreement_of_reviewers, overrule, read_decisions
from lungsight.qc.page import SCORES, page_data, render, save_picture
from lungsight.qc.rules import CUT_OUT, decide, in_brief
from lungsight.qc.scores import volume_scores
from tests.browser.accessible import AXE, faults, faults_by_axe
from tests.factories.tables import made_slice
from tests.unit.qc.test_rules import RULES

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


def press(page, keys) -> None:
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
    page.evaluate("for (let number = 0; number < 20; number++) accept()")
    assert page.text_content("#counts").startswith(f"20 of {count} decided")
    # What is drawn stays one page of the list, however many slices there are.
    assert page.locator("#list button").count() == 24 and page.locator("*").count() < 500
    page.close()


@pytest.mark.parametrize("width", [360, 800, 1120, 1366])
def test_what_is_counted_does_not_run_into_its_neighbours(reviewed, width):
    page, _ = reviewed
    page.set_viewport_size({"width": width, "height": 700})
    press(page, "aa")
    counts, reviewer = (page.locator(selector).bounding_box() for selector in ("#counts", ".reviewer"))
    beside = counts["x"] + counts["width"] <= reviewer["x"] or reviewer["x"] + reviewer["width"] <= counts["x"]
    below = counts["y"] + counts["height"] <= reviewer["y"]
    assert beside or below
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (2560, 1440)])
def test_everything_to_decide_with_is_in_sight(reviewed, width, height):
    page, _ = reviewed
    page.set_viewport_size({"width": width, "height": height})
    for selector in ("#whole-image", "#segmented-image", "#accept", "#reject", "#reasons button:last-child", "#export"):
        box = page.locator(selector).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, selector
        assert box["y"] >= 0 and box["y"] + box["height"] <= height, selector
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def filtered(page) -> int:
    return int(page.text_content("#identity").split(" of ")[-1].removesuffix(" here)"))


def test_slices_are_filtered_by_the_rule_that_they_break(reviewed):
    page, automatic = reviewed
    faults_of = [[in_brief(fault) for fault in reason.split("; ") if fault] for reason in automatic["reason"]]
    rules = page.evaluate("data.rules")
    assert set(rules) == {fault for faults in faults_of for fault in faults} and rules
    for number, rule in enumerate(rules):
        page.select_option("#rule", str(number))
        assert filtered(page) == sum(rule in faults for faults in faults_of)
    page.select_option("#rule", "")
    assert filtered(page) == SLICES
    page.focus("body")
    page.locator("#rule").evaluate("each => each.blur()")
    press(page, "g")
    assert page.input_value("#rule") == "0"


def test_a_review_by_keyboard_alone(reviewed, tmp_path):
    page, _ = reviewed
    page.focus("#reviewer")
    page.keyboard.type("ab")
    press(page, ["Enter", "f"])
    assert page.get_attribute("[data-filter=undecided]", "aria-pressed") == "true"
    for _ in range(SLICES):
        press(page, "a")
    assert page.text_content("#counts").startswith(f"{SLICES} of {SLICES} decided")
    assert page.text_content("#pace").startswith(f"{SLICES} not exported")
    with page.expect_download() as download:
        press(page, "x")
    download.value.save_as(tmp_path / "decisions.tsv")
    assert len(read_decisions(tmp_path / "decisions.tsv")) == SLICES
    assert page.text_content("#pace").startswith("all exported")
    press(page, "u")
    assert page.text_content("#counts").startswith(f"{SLICES - 1} of {SLICES} decided")


def test_the_pace_leaves_out_pauses(reviewed):
    page, _ = reviewed
    seconds = [*range(0, 70, 7), 1000, *range(1007, 1030, 7)]
    assert page.evaluate("times => paceOf(times)", [1000 * each for each in seconds]) == pytest.approx(3600 / 7)
    assert page.evaluate("paceOf([0, 1000, 2000])") is None


def test_a_second_tab_and_a_crash_lose_no_decision(reviewed, tmp_path):
    page, _ = reviewed
    other = page.context.new_page()
    other.goto(page.url)
    press(page, "aa")
    other.wait_for_function("decided.size === 2")
    press(other, "jjr")
    page.wait_for_function("decided.size === 3")
    other.evaluate("undo()")
    page.wait_for_function("decided.size === 2")
    press(other, "a")
    page.wait_for_function("decided.size === 3")
    expected = page.evaluate("log.map((entry) => entry.slice)")
    other.close()
    with page.expect_event("crash"), contextlib.suppress(Error):
        page.goto("chrome://crash")
    again = page.context.new_page()
    again.goto((tmp_path / "page" / "index.html").as_uri())
    assert again.evaluate("log.map((entry) => entry.slice)") == expected
    assert export(again, tmp_path / "decisions.tsv")["slice"].tolist() == expected


def write_decisions(path, reviewer, kept, names) -> None:
    lines = ["slice\twhole_keep\tsegmented_keep\treason\treviewer\ttime"]
    for number, (name, keep) in enumerate(zip(names, kept, strict=True)):
        lines.append(f"{name}\t1\t{keep}\t{'' if keep else 'other'}\t{reviewer}\t2026-01-01T00:00:{number:02d}Z")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_two_reviewers_have_the_kappa_of_the_log_and_their_disputes_are_listed(reviewed, tmp_path):
    page, automatic = reviewed
    names = automatic["slice"].tolist()
    write_decisions(tmp_path / "ab.tsv", "AB", [1, 1, 0, 0, 1, 1], names[:6])
    write_decisions(tmp_path / "cd.tsv", "CD", [1, 0, 1, 1, 1], names[1:6])
    page.set_input_files("#files", [tmp_path / "ab.tsv", tmp_path / "cd.tsv"])
    page.wait_for_selector("#agreement p")
    both = pd.concat([read_decisions(tmp_path / name) for name in ("ab.tsv", "cd.tsv")])
    segmented = next(pair for pair in agreement_of_reviewers(both) if pair.input_view == "segmented")
    shown = page.locator("#agreement p").all_inner_texts()
    assert shown[0].startswith("AB and CD, whole: 5 slices decided by both, agreement 1.00, no kappa")
    assert shown[1] == (
        f"AB and CD, segmented: 5 slices decided by both, agreement {segmented.agreement:.2f},"
        f" Cohen's kappa {segmented.kappa:.2f}."
    )
    assert segmented.slices == 5 and 0 < segmented.kappa < 1
    assert page.get_attribute("[data-filter=disputed]", "aria-pressed") == "true"
    assert filtered(page) == 1 and current(page) == names[3]


def test_a_file_of_something_else_is_refused_with_its_name(reviewed, tmp_path):
    page, _ = reviewed
    (tmp_path / "other.tsv").write_text("a\tb\n1\t2\n", encoding="utf-8")
    page.set_input_files("#files", [tmp_path / "other.tsv"])
    page.wait_for_function("document.getElementById('notice').textContent.startsWith('other.tsv lacks some of the')")


def test_nothing_serious_stands_in_the_way_of_those_who_see_badly(reviewed):
    page, _ = reviewed
    assert faults(page) == []
    if AXE.is_file():
        assert faults_by_axe(page) == []
