"""Set the version in every file that holds it, and turn the unreleased part of CHANGELOG.md into its section.

python tools/version.py 0.2.0
"""

import argparse
import datetime
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# File → the text before and after the version, in the one line that holds it.
PLACES = {
    "pyproject.toml": (r'^(version = ")', r'(")$'),
    "CITATION.cff": (r"^(version: )", r"()$"),
    "workflow/scripts/lungsight/__init__.py": (r'^(__version__ = ")', r'(")$'),
}
NUMBER = r"\d+\.\d+\.\d+"
UNRELEASED = "## [Unreleased]\n"


def versions(root: Path = ROOT) -> dict[str, str]:
    """Read the version from each file."""
    found = {}
    for name, (before, after) in PLACES.items():
        text = (root / name).read_text(encoding="utf-8")
        (match,) = re.finditer(f"{before}({NUMBER}){after}", text, flags=re.MULTILINE)
        found[name] = match[2]
    return found


def set_version(version: str, day: str, root: Path = ROOT) -> None:
    """Write the version into each file, and a section with this date into the changelog.

    Raises
    ------
    ValueError
        The text is not a version, or not above the present version.
    """
    if not re.fullmatch(NUMBER, version):
        raise ValueError(f"{version} is no version. A version has three numbers, such as 0.2.0.")
    present = max(versions(root).values(), key=_as_numbers)
    if _as_numbers(version) <= _as_numbers(present):
        raise ValueError(f"{version} is not above {present}.")
    for name, (before, after) in PLACES.items():
        path = root / name
        text = re.sub(f"{before}{NUMBER}{after}", rf"\g<1>{version}\g<2>", path.read_text("utf-8"), flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")
    citation = root / "CITATION.cff"
    text = re.sub(r'^date-released: ".*"$', f'date-released: "{day}"', citation.read_text("utf-8"), flags=re.MULTILINE)
    citation.write_text(text, encoding="utf-8")
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(text.replace(UNRELEASED, f"{UNRELEASED}\n## [{version}] - {day}\n", 1), encoding="utf-8")


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version")
    try:
        set_version(parser.parse_args().version, datetime.date.today().isoformat())
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
