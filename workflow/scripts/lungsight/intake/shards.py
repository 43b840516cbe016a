"""Spread the cases of a cohort over shards; one job converts one shard.

Standard library only: it runs while the workflow is parsed.
"""

import hashlib

from lungsight.intake.cohort_table import TableRow

CASES_PER_SHARD = {"dicom": 64, "nifti": 64, "png": 512}  # a case is a series, a volume or a single image
MOST_SHARDS = 128  # Snakemake takes milliseconds for a job, in each command; and a folder's name has three digits
_CASES_PER_THREAD = {format: cases // 4 for format, cases in CASES_PER_SHARD.items()}


def default_shards(n_cases: int, format: str) -> int:
    """Choose a cohort's number of shards, a power of two, so that a growing cohort rarely changes it."""
    wanted = max(1, -(-n_cases // CASES_PER_SHARD[format]))
    return min(1 << (wanted - 1).bit_length(), MOST_SHARDS)


def threads_for(n_cases: int, format: str, most: int) -> int:
    """Choose how many cases of a shard are converted at once: more would cost more to start than they save."""
    return max(1, min(most, -(-n_cases // _CASES_PER_THREAD[format])))


def shard_of(path: str, shards: int) -> int:
    """Assign a case to a shard by a hash of its path in the table.

    Neither the key nor another row changes the shard.
    """
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") % shards


def shard_name(shard: int) -> str:
    """Name the folder of a shard."""
    return f"{shard:03d}"


def rows_by_shard(rows: list[TableRow], shards: int) -> dict[str, list[TableRow]]:
    """Group the rows of a table by shard.

    Returns
    -------
    dict
        Folder name of each shard that has a row, in order → its rows in the table's order.
    """
    grouped: dict[str, list[TableRow]] = {}
    for row in rows:
        grouped.setdefault(shard_name(shard_of(row.path, shards)), []).append(row)
    return dict(sorted(grouped.items()))
