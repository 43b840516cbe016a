"""A table is checked by column: only rows with a doubtful word are checked one by one, and no other row is wrong."""

import random
from pathlib import Path

import pytest

from lungsight.errors import UserError
from lungsight.intake import cohort_table
from lungsight.intake.cohort_table import TableRow, read_cohort_table
from lungsight.intake.real_places import RealPlaces, is_usual

LABELS = {"Covid-19": ["covid", "1"], "Non Covid": ["normal", "0"]}
PATHS = (
    *("a", "b", "c", "a/inner", "b/inner/deep", "./a/", "a//x.png", "c/../a", "../a", "", "link", "link/inner"),
    *(
        "up/b",
        "leaves",
        "leaves/x",
        "loop",
        "loop/x",
        ".",
        "..",
        "missing",
        "/etc/passwd",
        "a\\b",
        "x" * 300,
        ".hidden",
    ),
)
# The first word of each column is right, wherever it stands.
WORDS = {
    "patient": ("P", "P1", "p1", "P01", "NA", "", "1.2E+11", "007", "456"),
    "label": ("covid", "1", "normal", "Covid", "", "what"),
    "source": (
        *("", "site 1", "456", "7", "a", "a/inner", "LIDC/IDRI", "P1", "/data/x", "2020-03-14", "1.2.840.113619.2.55"),
        *("=cmd()", "s\u200b", "007", "up/b"),
    ),
    "mask": ("m.nii", "", "missing", "../a", "./m.nii"),
    "lesion": ("", "m.nii", "leaves/x", "missing"),
    "lungs": ("", "m.nii", "./m.nii", "m.jpg", "1.png"),
    "split": ("", "train", "val", "training"),
    "skip": ("", "no", "yes", "pending", "other phase"),
    "age": ("", "57", "old", "130"),
    "sex": ("", "f", "girl"),
    "gender": ("", "f", "m"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "scans"
    for name in ("a/inner", "b/inner/deep", "c", ".hidden", "../outside"):
        (root / name).mkdir(parents=True)
    for name in ("m.nii", "m.jpg", "1.png", "../outside/x", *(f"{number}.png" for number in range(20))):
        (root / name).touch()
    for name, to in (("link", "a"), ("up", "."), ("leaves", "../outside"), ("loop", "loop")):
        (root / name).symlink_to(to)
    return root


def made_table(draw: random.Random, table: Path) -> None:
    """Write a table of which about every tenth field is drawn, in a third of the tables every second."""
    header = ["patient", "path", "label", *draw.sample(sorted(set(WORDS) - {"patient", "label"}), draw.randint(0, 6))]
    wrong = draw.choice((0.02, 0.1, 0.5))

    def field(column: str, row: int) -> str:
        if column == "path":
            return draw.choice(PATHS) if draw.random() < wrong else f"{row}.png"
        word = draw.choice(WORDS[column]) if draw.random() < wrong else WORDS[column][0]
        return f"Q{row}" if (column, word) == ("patient", "P") else word

    rows = [[field(column, row) for column in header] for row in range(draw.randint(1, 20))]
    if draw.random() < 0.2:
        rows[0] = rows[0][:-1]
    table.write_text("\n".join("\t".join(fields) for fields in [header, *rows]) + "\n", encoding="utf-8")


def made_cohort(draw: random.Random, root: Path, table: Path) -> dict[str, str]:
    ids = draw.choice(({}, {"patient_ids": "exact"}, {"patient_ids": "normalise"}))
    return {
        **{"role": draw.choice(("target", "segmentation")), "format": draw.choice(("dicom", "png")), **ids},
        **{"patients": draw.choice(("known", "unknown")), "root": str(root), "table": str(table)},
    }


def outcome(cohort: dict[str, str]) -> list[TableRow] | str:
    try:
        return read_cohort_table("hospital", cohort, LABELS)
    except UserError as error:
        return str(error)


def test_the_rows_that_are_not_looked_at_one_by_one_are_right(root, tmp_path, monkeypatch):
    """Compare with the check of every row by itself, on 300 drawn tables."""
    monkeypatch.setattr(cohort_table, "_MOST_ERRORS_SHOWN", 1000)
    draw, accepted = random.Random(25), 0
    for number in range(300):
        table = tmp_path / f"{number}.tsv"
        made_table(draw, table)
        cohort = made_cohort(draw, root, table)
        by_column = outcome(cohort)
        with monkeypatch.context() as each:
            each.setattr(cohort_table, "_doubtful", lambda raw, *others: set(range(len(raw.records))))
            each.setattr(cohort_table, "_real_places", lambda *of: {})
            by_row = outcome(cohort)
        assert by_column == by_row
        accepted += not isinstance(by_column, str)
    assert 30 < accepted < 270


def test_a_real_place_is_that_of_the_operating_system(root):
    places = RealPlaces(root)
    for path in ("a", "b/inner/deep", "link/inner", "up/b", "0.png"):
        assert places.of(path) == str((root / path).resolve())
    for path in ("link", "leaves/x", "missing", "loop/x", "../outside/x", "./a", "", "/etc/passwd"):
        assert places.of(path) == ""


@pytest.mark.parametrize("path", ["", "/a", ".", "..", "./a", "../a", "a/", "a//b", "a/./b", "a/../b", "a/..", "a\\b"])
def test_an_unusual_path(path):
    assert not is_usual(path)


@pytest.mark.parametrize("path", ["a", "a/b.png", "a b/c", "…/ü", "a..b", "a/b..", "~"])
def test_a_usual_path_has_no_other_form(path):
    assert is_usual(path)
    assert str(Path(path)) == path
