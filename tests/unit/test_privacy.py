"""Pseudonyms and the scrubber."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from lungsight.errors import UserError
from lungsight.privacy import (
    key_of,
    make_private_folder,
    protect_key,
    pseudonym,
    read_key,
    scrub,
    shorten_paths,
)


def test_pseudonyms_are_stable_keyed_and_safe_as_names():
    name = pseudonym(b"k", "patient", "hospital", "../../Doe")
    assert name == pseudonym(b"k", "patient", "hospital", "../../Doe")
    assert re.fullmatch("[0-9a-f]{16}", name)
    assert name != pseudonym(b"other", "patient", "hospital", "../../Doe")


def test_the_borders_of_the_parts_count():
    assert len({pseudonym(b"k", *parts) for parts in (("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"))}) == 4


def test_a_key_is_random_private_and_stays(tmp_path):
    path = tmp_path / "run.private" / "key"
    key = key_of(path)
    assert len(key) == 32 and key != key_of(tmp_path / "other.private" / "key")
    assert key_of(path) == read_key(path) == key
    assert [place.stat().st_mode & 0o777 for place in (path.parent, path)] == [0o700, 0o600]
    assert list(path.parent.iterdir()) == [path]


def test_jobs_that_ask_at_once_get_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(key_of, [tmp_path / "run.private" / "key"] * 32))
    assert len(set(keys)) == 1


@pytest.mark.parametrize("content", ["", "\n", "ab" * 31, "ab" * 33, "zz" * 32, "ab" * 16 + "\n" + "ab" * 16])
def test_a_damaged_key_is_refused(tmp_path, content):
    (tmp_path / "key").write_text(content)
    for read in (read_key, key_of):
        with pytest.raises(UserError, match="does not hold the key of the pseudonyms"):
            read(tmp_path / "key")


def test_a_key_that_others_can_read_is_closed_with_a_word(tmp_path):
    key = tmp_path / "run.private" / "key"
    key_of(key)
    assert protect_key(key) == ""
    key.chmod(0o644)
    key.parent.chmod(0o755)
    said = protect_key(key)
    assert "run.private (mode 755)" in said and "key (mode 644)" in said
    assert [place.stat().st_mode & 0o777 for place in (key.parent, key)] == [0o700, 0o600]
    assert protect_key(key) == ""


def test_only_the_owner_may_enter_a_private_folder(tmp_path):
    (tmp_path / "p").mkdir(mode=0o755)
    assert make_private_folder(tmp_path / "p").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("cannot open /data/Doe Jane/scan.dcm", "cannot open [path]"),
        ("cannot open /data/Doe Jane.dcm now", "cannot open [path] now"),
        ("No such file: 'hospital/Doe Jane'", "No such file: '[path]'"),
        ("No such file: hospital/Doe/1.dcm", "No such file: [path]"),
        ("~/scans/Doe/ is empty", "[path] is empty"),
        ('File "workflow/scripts/convert.py", line 3', 'File "…/workflow/scripts/convert.py", line 3'),
        ("cannot open ../hospital/MRN4711/1.dcm now", "cannot open [path] now"),
        ("acquired 20200314 at 101112.131415", "acquired [value] at [value]"),
        ("taken 1970-01-01, sent 2020-03-14T10:11:12.5+01:00", "taken [value], sent [value]"),
        ("taken 2020-03-14 10:11:12 by her", "taken [value] by her"),
        (r"cannot open C:\Users\Jane Doe\1.dcm now", "cannot open [path] now"),
        (r"No such file: 'C:\\Users\\Doe, Jane'", "No such file: '[path]'"),
        (r"cannot open \\pacs\scans\Doe\1.dcm", "cannot open [path]"),
        ("UID 1.2.840.113619.2.55.3.604688 is bad", "UID [value] is bad"),
        ("1 of 2 slices, 0.5 mm", "1 of 2 slices, 0.5 mm"),
    ],
)
def test_paths_dates_and_uids_are_removed(text, scrubbed):
    assert scrub(text) == scrubbed


def test_names_are_removed_and_paths_of_code_stay():
    text = 'File "/home/doe/lungsight/workflow/scripts/lungsight/intake/series.py", line 3: Doe'
    assert scrub(text, ("Doe",)) == 'File "…/workflow/scripts/lungsight/intake/series.py", line 3: [name]'


@pytest.mark.parametrize(
    ("text", "shortened"),
    [
        ("/home/jane.doe/weights/resnet50.h5 is not the expected file", "…/resnet50.h5 is not the expected file"),
        ("The table /home/Jane Doe/my cases.tsv, row 3", "The table …/my cases.tsv, row 3"),
        ("No such file: '/home/Doe, Jane/a.h5' or \"/mnt/b/c.h5\"", "No such file: '…/a.h5' or \"…/c.h5\""),
        ("~/Doe/a.tsv and ../../Doe/b.tsv", "…/a.tsv and …/b.tsv"),
        (r"C:\Users\Jane Doe\a.h5 and \\pacs\Doe\b.h5", "…/a.h5 and …/b.h5"),
        ("results/run/split.tsv has no row", "results/run/split.tsv has no row"),
        ("https://example.org/a/b.h5 does not answer", "https://example.org/a/b.h5 does not answer"),
    ],
)
def test_a_path_is_shortened_to_its_last_component(text, shortened):
    assert shorten_paths(text) == shortened
