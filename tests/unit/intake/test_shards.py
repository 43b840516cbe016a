"""Spread cases over shards: stable, even, and in the order of the table."""

from lungsight.intake.cohort_table import TableRow
from lungsight.intake.shards import default_shards, rows_by_shard, shard_name, shard_of, threads_for


def test_shards_are_stable_and_even():
    assert [default_shards(n, "dicom") for n in (1, 64, 65, 129, 1000)] == [1, 1, 2, 4, 16]
    assert [default_shards(n, "png") for n in (1, 512, 513, 14_486)] == [1, 1, 2, 32]
    assert [default_shards(n, "png") for n in (65_536, 65_537, 1_000_000)] == [128, 128, 128]
    assert [threads_for(n, "dicom", 4) for n in (0, 16, 17, 64, 1000)] == [1, 1, 2, 4, 4]
    assert threads_for(14_486, "png", 2) == 2
    shards = [shard_of(f"patient{n}/series", 4) for n in range(400)]
    assert shards == [shard_of(f"patient{n}/series", 4) for n in range(400)]
    assert all(60 < shards.count(shard) < 140 for shard in range(4))


def test_rows_of_a_shard_keep_the_order_of_the_table():
    rows = [TableRow(n, f"P{n}", f"patient{n}/series", "", "", "", "") for n in range(1, 41)]
    shards = rows_by_shard(rows, 8)
    assert list(shards) == sorted(shards)
    assert sorted((row for of_shard in shards.values() for row in of_shard), key=lambda row: row.row) == rows
    for name, of_shard in shards.items():
        assert {shard_of(row.path, 8) for row in of_shard} == {int(name)}
        assert of_shard == sorted(of_shard, key=lambda row: row.row)
    assert shard_name(7) == "007"
