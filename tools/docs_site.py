"""Extend the MkDocs site by pages from outside docs/ and by API pages, and correct the links between pages.

Each page exists once, in the repository, and its links work there. These functions, called by MkDocs, turn them into
links of the site. A linked file that is not a page is copied into the site, below files/.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "workflow" / "scripts" / "lungsight"

# Pages from outside docs/: path in the repository → page of the site.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "config/README.md": "configuration.md",
}
PATHS = {page: path for path, page in PAGES.items()}
# The rooms in the order in which data passes through them. The library's other packages follow by name.
ROOMS = ("intake", "segmentation", "qc", "splits", "training", "evaluation", "explain", "audit", "report")
LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)\s#]+)")


def page_of(path: str) -> str | None:
    """Name the site's page of a file of the repository; None where it has none."""
    inside_docs = path.removeprefix("docs/") if path.startswith("docs/") else None
    return PAGES.get(path, inside_docs)


def site_link(link: str, page: str, root: Path = ROOT) -> tuple[str, str | None]:
    """Turn a link of a file in the repository into one of the page that shows it.

    Parameters
    ----------
    link
        As written: relative to the file's folder, without a fragment.
    page
        The page, relative to the site: `index.md`.
    root
        The repository.

    Returns
    -------
    The link in the site, and the path of a file that the site needs for it, or None. A link to nothing in the
    repository is returned unchanged; the strict build then reports it.
    """
    path = PATHS.get(page, f"docs/{page}")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    if target.startswith("..") or not (root / target).is_file():
        return link, None
    destination = page_of(target)
    carried = None if destination else target
    return posixpath.relpath(destination or f"files/{target}", posixpath.dirname(page) or "."), carried


def packages(library: Path = LIBRARY) -> list[str]:
    """List the library's packages: the rooms in their order, then the others."""
    found = {path.parent.name for path in library.glob("*/__init__.py")}
    return [room for room in ROOMS if room in found] + sorted(found - set(ROOMS))


def api_pages(library: Path = LIBRARY) -> dict[str, str]:
    """Write the API pages: page → its text, one for each package and one for the modules beside them."""
    pages = {
        f"api/{name}.md": f"# {name}\n\n::: lungsight.{name}\n    options:\n      show_submodules: true\n"
        for name in packages(library)
    }
    modules = sorted(path.stem for path in library.glob("*.py") if path.stem != "__init__")
    shared = "\n".join(f"::: lungsight.{name}\n    options:\n      show_root_heading: true\n" for name in modules)
    return pages | {"api/lungsight.md": f"# lungsight\n\nWhat all rooms share.\n\n{shared}"}


def named_pages(nav: list) -> set[str]:
    """Collect the pages of a navigation, at any depth."""
    pages: set[str] = set()
    for part in nav:
        for entry in part.values():
            pages |= {entry} if isinstance(entry, str) else named_pages(entry)
    return pages


def room_pages(named: set[str], docs: Path = ROOT / "docs") -> list[str]:
    """List the pages of docs/ that the navigation does not name: the rooms' pages in order, then the others."""
    pages = sorted({path.name for path in docs.glob("*.md")} - named)
    of_room = [[page for page in pages if re.split(r"[-.]", page)[0] == room] for room in ROOMS]
    in_order = [page for group in of_room for page in group]
    return in_order + [page for page in pages if page not in in_order]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the sections of the rooms and of the API."""
    nav = config.nav or []
    named = named_pages(nav)
    for part in nav:
        if "Rooms" in part:
            part["Rooms"] = [{page.removesuffix(".md").replace("-", " "): page} for page in room_pages(named)]
        if "API" in part:
            part["API"] = [{page.removeprefix("api/").removesuffix(".md"): page} for page in api_pages()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/ and those of the API."""
    for path, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    for page, text in api_pages().items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page into links of the site, and add the files that they name."""

    def turned(match: re.Match[str]) -> str:
        link, carried = site_link(match[1], page.file.src_uri)
        if carried and files.get_file_from_path(f"files/{carried}") is None:
            files.append(File.generated(config, f"files/{carried}", abs_src_path=str(ROOT / carried)))
        return link

    return LINK.sub(turned, markdown)
