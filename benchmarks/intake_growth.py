"""Measure how the cost of intake grows with cores, series and files; each figure has a name.

python benchmarks/intake_growth.py [headers] [duplicates] [memory] [cores] [series]

headers     CPU milliseconds a file to read the headers of 10,000 files
duplicates  CPU seconds and memory to search 10,000, 100,000 and 1,000,000 slices
memory      the peak of a job that converts 10 series, and of one that converts 40
cores       wall time on one core and on two, of the conversion and of the whole workflow up to the cohort's tables
series      the whole workflow on 100 series and on 1000
"""

import argparse
import dataclasses
import resource
import statistics
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from intake import PLANES, by_workflow, make_series, timed

from lungsight.demo.anatomy import thorax
from lungsight.demo.dicom_writer import write_ct_series
from lungsight.intake.duplicates import find_duplicates
from lungsight.intake.near_hashes import near_pairs
from lungsight.intake.slice_files import read_headers

ROUNDS = 3
FILES, PICTURES = 10_000, (10_000, 100_000, 1_000_000)
DISTANCE = 6  # bits, the default of intake.duplicate_distance
SLICES = 100  # of a series of 512 × 512
SMALL = {"slices": 10, "matrix": 128}


def headers(place: Path) -> None:
    phantom, folder = thorax(1, matrix=SMALL["matrix"], slices=PLANES), place / "headers"
    planes = phantom.hu[:, :, np.arange(FILES) % PLANES]
    write_ct_series(folder, dataclasses.replace(phantom, hu=planes), "benchmark", "P")
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        slices, others = read_headers(folder, folder)
        times.append(time.process_time() - start)
        assert len(slices) == FILES and not others
    print(f"header scan: {1000 * statistics.median(times) / FILES:.2f} ms a file (CPU), {FILES} files", flush=True)


def hashes_like(count: int, alike: bool) -> np.ndarray:
    """Draw hashes (count,): any bits, or about as alike as chests are: one pair in 1,400 is near.

    Of 120 real pictures, several of a patient among them, 10 of 7,140 pairs differ in at most six bits.
    """
    rng = np.random.default_rng(3)
    if not alike:
        return rng.integers(0, np.iinfo(np.uint64).max, count, dtype=np.uint64, endpoint=True)
    bits = rng.random((count, 64), np.float32) < 0.155
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def search_cost(count: int, alike: bool, key_parts: int | None) -> tuple[float, int]:
    """CPU seconds to find the near pairs of hashes, and their number."""
    hashes = hashes_like(count, alike)
    start = time.process_time()
    pairs = sum(len(bits) for _, bits in near_pairs(hashes, DISTANCE, key_parts))
    return time.process_time() - start, pairs


def table_cost(count: int) -> float:
    """CPU seconds to make the table of duplicates of slices of different patients; one in a hundred is a copy."""
    hashes = hashes_like(count, alike=False)
    copied = np.arange(0, count - 1, 100)
    hashes[copied + 1] = hashes[copied]
    names = [f"{number:016x}" for number in range(count)]
    table = pd.DataFrame({"slice": [f"{name}-0000" for name in names], "cohort": "c", "patient": names, "label": "l"})
    table = table.assign(sha256=names, perceptual_hash=[f"{value:016x}" for value in hashes])
    start = time.process_time()
    found = find_duplicates(table, DISTANCE, lambda place: picture_of(place - (place % 100 == 1)))
    seconds = time.process_time() - start
    assert len(found) == 2 * len(copied)
    return seconds


def picture_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (64, 64), dtype=np.uint8)


def duplicates(_: Path) -> None:
    """Measure sizes in ascending order: the peak is that of this process so far."""
    for name, measured, sizes in (
        ("table, hashes of any bits", table_cost, PICTURES),
        ("near pairs, hashes alike", lambda count: search_cost(count, True, None)[0], PICTURES[:2]),
        ("near pairs, any bits, each with each", lambda count: search_cost(count, False, 0)[0], PICTURES[:2]),
        ("near pairs, any bits", lambda count: search_cost(count, False, None)[0], PICTURES),
    ):
        for size in sizes:
            seconds = measured(size)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            print(f"duplicates, {name}: {size} slices, {seconds:.2f} s (CPU), peak {peak:.0f} MB", flush=True)


def workflow_costs(folders: list[Path], cores: int) -> tuple[float, float, float, float]:
    """Measure the workflow: wall and CPU seconds of all, wall seconds of its convert jobs together, peak MB of a job.

    Memory is that of a job with all its processes, as Snakemake samples it.
    """
    with tempfile.TemporaryDirectory(dir=folders[0].parent.parent) as place:
        wall, cpu = timed(lambda: by_workflow(folders, Path(place), cores))
        shards = Path(place).glob("results/run/benchmarks/convert/hospital/*.tsv")
        jobs = pd.concat([pd.read_csv(shard, sep="\t") for shard in shards])
        return wall, cpu, jobs["s"].sum(), jobs["max_rss"].max()


@cache
def large_series(place: Path) -> list[Path]:
    return make_series(place / "large", 40, SLICES, jpeg=False)


def cores(place: Path) -> None:
    folders = large_series(place)
    runs = [(workflow_costs(folders, 1), workflow_costs(folders, 2)) for _ in range(ROUNDS)]
    for what, place in (("whole workflow", 0), ("conversion", 2)):
        ratio = statistics.median(one[place] / two[place] for one, two in runs)
        times = [statistics.median(run[cores][place] for run in runs) for cores in (0, 1)]
        print(f"one core / two, {what}: {ratio:.2f} ({times[0]:.1f} s, {times[1]:.1f} s)", flush=True)


def memory(place: Path) -> None:
    for number in (10, 40):
        peaks = [workflow_costs(large_series(place)[:number], cores)[3] for cores in (1, 2)]
        print(
            f"peak memory of a job: {peaks[0]:.0f} MB on one core, {peaks[1]:.0f} MB on two, {number} series",
            flush=True,
        )


def series(place: Path) -> None:
    folders = make_series(place / "small", 1000, jpeg=False, **SMALL)
    runs = [(workflow_costs(folders[:100], 2), workflow_costs(folders, 2)) for _ in range(ROUNDS)]
    for what, place in (("whole workflow", 0), ("whole workflow, CPU", 1), ("conversion", 2)):
        few, many = (statistics.median(run[size][place] for run in runs) for size in (0, 1))
        print(f"{what}: {few:.1f} s for 100 series, {many:.1f} s for 1000, {many / few:.1f} times", flush=True)


FIGURES = {figure.__name__: figure for figure in (headers, duplicates, memory, cores, series)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("figures", nargs="*", choices=[*FIGURES, []], default=[])
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for figure in args.figures or FIGURES:
            FIGURES[figure](Path(name))


if __name__ == "__main__":
    main()
