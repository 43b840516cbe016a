"""The documentation site: what its build adds to MkDocs. `make docs` builds it whole."""

import re
import sys

import pytest
import yaml

from tests.factories.workspace import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import docs_site


@pytest.mark.parametrize(
    ("page", "link", "in_site", "carried"),
    [
        ("index.md", "docs/splits.md", "splits.md", None),
        ("index.md", "docs/images/report.png", "images/report.png", None),
        ("index.md", "LICENSE", "files/LICENSE", "LICENSE"),
        ("splits.md", "../config/README.md", "configuration.md", None),
        ("splits.md", "../README.md", "index.md", None),
        ("splits.md", "scale.md", "scale.md", None),
        ("configuration.md", "../docs/splits.md", "splits.md", None),
        ("configuration.md", "demo.yaml", "files/config/demo.yaml", "config/demo.yaml"),
        ("splits.md", "nowhere.md", "nowhere.md", None),
        ("splits.md", "../../outside.md", "../../outside.md", None),
    ],
)
def test_a_link_of_the_repository_becomes_one_of_the_site(page, link, in_site, carried):
    assert docs_site.site_link(link, page) == (in_site, carried)


def test_links_to_other_sites_and_fragments_stay():
    text = "[a](https://semver.org) [b](#here) [c](splits.md#units) ![d](images/report.png)"
    assert docs_site.LINK.findall(text) == ["splits.md", "images/report.png"]


def test_every_package_has_its_page(tmp_path):
    for name in ("report", "intake", "demo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "__init__.py").touch()
    (tmp_path / "files.py").touch()
    pages = docs_site.api_pages(tmp_path)
    assert list(pages) == ["api/intake.md", "api/report.md", "api/demo.md", "api/lungsight.md"]
    assert "::: lungsight.intake\n" in pages["api/intake.md"]
    assert "::: lungsight.files\n" in pages["api/lungsight.md"] and "__init__" not in pages["api/lungsight.md"]


def test_pages_that_no_section_names_are_those_of_the_rooms(tmp_path):
    for name in ("report", "predict", "segmentation-qc", "intake", "tutorial", "audit"):
        (tmp_path / f"{name}.md").touch()
    found = docs_site.room_pages({"tutorial.md"}, tmp_path)
    assert found == ["intake.md", "segmentation-qc.md", "audit.md", "report.md", "predict.md"]


def test_the_navigation_names_pages_that_exist():
    """The strict build fails for another; this says so in a second."""
    named = docs_site.named_pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert named <= {path.name for path in (ROOT / "docs").glob("*.md")} | set(docs_site.PAGES.values())
    assert {"index.md", "configuration.md", "architecture.md"} <= named


def test_where_to_look_names_modules_and_functions_that_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Where to look")[2].partition("\n## ")[0]
    rows = [line.split("|")[2:4] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for modules, functions in rows:
        paths = [docs_site.LIBRARY / name for name in re.findall(r"`([\w/.]+)`", modules) if "schemas" not in name]
        sources = [path for path in paths if "<" not in path.name]
        assert all(path.exists() for path in sources), modules
        files = [file for path in sources for file in ([path] if path.is_file() else path.glob("*.py"))]
        code = "".join(file.read_text(encoding="utf-8") for file in files)
        for name in re.findall(r"`(\w+)`", functions):
            assert not files or re.search(rf"^(def|class) {name}\b|^{name}\b.*=", code, flags=re.MULTILINE), name
