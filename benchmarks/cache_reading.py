"""Measure how fast a training reads its slices from the image cache: cold against warm, in shards and in one file.

python benchmarks/cache_reading.py [--slices 20000] [--size 128] [--shards 64] [--repeats 5]

The cache holds noise. All parts read the batches of an epoch as a training does: shuffled, with draws of the
augmentation.

batches      nothing is computed: the most that reading can cost
steps        a step of 10 ms for each batch, in which the processor only waits, as for a fast GPU
steps alone  the same, but nothing is read ahead while a step runs
training     steps of the small network, the shortest of all, on 1,000 of the slices

Cold and warm epochs alternate; ratios are of neighbours. Cold: the kernel was asked to forget the files (posix_fadvise
DONTNEED); what then came from the disk is counted by the kernel (read_bytes of /proc/self/io). Memory: what the process
holds in an epoch beyond what it held before, mapped files left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.tables import write_table
from lungsight.training.image_cache import INDEX, CachedImages

ARRAY, BATCH = "whole", 32
ROWS_AT_ONCE = 1000
PARTS = ("batches", "steps", "steps alone", "training")
STEP = 0.01  # seconds
TRAINED = 1000  # slices
# Of the thesis.
AUGMENTATION = {"horizontal_flip": True, "vertical_flip": True, "rotation": 10, "brightness": [0.2, 1.0]}
HEAD = {"head_units": 64, "head_activation": "sigmoid", "batch_norm_momentum": 0.99}


def write_noise(file: Path, rows: int, size: int, rng: np.random.Generator) -> None:
    """Write an array of noise, (rows, size, size) uint8."""
    file.parent.mkdir(parents=True, exist_ok=True)
    array = np.lib.format.open_memmap(file, "w+", np.uint8, (rows, size, size))
    for start in range(0, rows, ROWS_AT_ONCE):
        part = array[start : start + ROWS_AT_ONCE]
        part[:] = rng.integers(256, size=part.shape, dtype=np.uint8)
    array.flush()


def make_cache(folder: Path, slices: int, size: int, shards: int) -> None:
    """Make a cache whose slices lie in shards as a hash spreads them."""
    rng = np.random.default_rng(1)
    names = [f"{number:016x}-0000" for number in range(slices)]
    shard = np.concatenate([np.arange(shards), rng.integers(shards, size=slices - shards)])
    row = pd.Series(shard).groupby(shard).cumcount()
    for number, count in enumerate(np.bincount(shard)):
        write_noise(folder / f"{number:03d}" / f"{ARRAY}.npy", int(count), size, rng)
    of_shard = {"shard": [f"{number:03d}" for number in shard], "row": row}
    write_table(folder / INDEX, pd.DataFrame({"slice": names, **of_shard}), "image_index")


def forget(folder: Path) -> None:
    """Tell the kernel that nobody needs the arrays in memory."""
    os.sync()
    for file in folder.rglob("*.npy"):
        with open(file, "rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def counted(file: str, name: str) -> int:
    """Read a number of a file below /proc/self."""
    lines = Path("/proc/self", file).read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


class Memory:
    """What this process holds at most while a block runs, in MB, mapped files left out."""

    def __enter__(self) -> "Memory":
        """Begin to look, every 10 ms."""
        self.before = self.most = counted("status", "RssAnon")
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.over.wait(0.01):
            self.most = max(self.most, counted("status", "RssAnon"))

    def __exit__(self, *exception: object) -> None:
        """Look no more."""
        self.over.set()
        self.thread.join()
        self.megabytes = (self.most - self.before) / 1e3


def epoch_of(part: str, size: int) -> Callable[[Path], float]:
    """Make the function that runs one epoch of a cache, and returns the slices a second."""
    from lungsight.training import backbones, fit
    from lungsight.training.adam import optimizer_of
    from lungsight.training.labelled_images import LabelledImages
    from lungsight.training.losses import binary_crossentropy
    from lungsight.training.network import build_classifier, logits_of

    plan = fit.TrainingPlan(1, BATCH, 1e-6, seed=1, augmentation=AUGMENTATION)
    step = None
    if part == "training":
        backbone = backbones.load("small_cnn")
        model = logits_of(build_classifier(backbone, HEAD | {"image_size": size}))
        step = fit.make_train_step(model, backbone, binary_crossentropy, optimizer_of(model, weight_decay=0.0))
    if part == "steps alone":
        fit.read_ahead = map
    pause = STEP if part.startswith("steps") else 0.0

    def epoch(folder: Path) -> float:
        cached = CachedImages.of(folder, ARRAY)
        rows = np.random.default_rng(2).permutation(len(cached.names))[: TRAINED if step else None]
        images = LabelledImages(cached.pixels, rows, rows % 2)
        start = time.perf_counter()
        if step:
            fit.train_epoch(step, images, plan, 1)
        else:
            for _ in fit.batches_of_epoch(images, plan, 1):
                time.sleep(pause)
        return len(rows) / (time.perf_counter() - start)

    return epoch


def measure_here(part: str, folder: Path, size: int, repeats: int) -> dict[str, list[float]]:
    """Measure cold and warm epochs in turn, in this process."""
    epoch = epoch_of(part, size)
    epoch(folder)
    found: dict[str, list[float]] = {"cold": [], "warm": [], "disk cold": [], "disk warm": [], "memory": []}
    for _ in range(repeats):
        for how in ("cold", "warm"):
            if how == "cold":
                forget(folder)
            before = counted("io", "read_bytes")
            with Memory() as memory:
                found[how].append(epoch(folder))
            found[f"disk {how}"].append((counted("io", "read_bytes") - before) / 1e6)
            found["memory"].append(memory.megabytes)
    return found


def row_of(found: dict[str, list[float]]) -> str:
    """Write measurements as cells of the table."""
    ratios = sorted(cold / warm for cold, warm in zip(found["cold"], found["warm"], strict=True))
    cold, warm, *disk = (statistics.median(found[name]) for name in ("cold", "warm", "disk cold", "disk warm"))
    return (
        f"{cold:.0f} | {warm:.0f} | {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        f" | {disk[0]:.0f} and {disk[1]:.0f} | {max(found['memory']):.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--slices", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=128, help="rows and columns")
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="disk to measure; the system's temporary folder by default")
    parser.add_argument("--here", type=Path, help="measure this cache, in this process")
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measure_here(args.parts[0], args.here, args.size, args.repeats)))
        return
    print("| epoch | layout | cold, slices/s | warm | cold / warm | MB from disk | MB of memory |")
    print("|---|---|---|---|---|---|---|")
    for shards in (1, args.shards):
        with tempfile.TemporaryDirectory(prefix="lungsight-cache-", dir=args.folder) as folder:
            make_cache(Path(folder), args.slices, args.size, shards)
            for part in args.parts or PARTS:
                options = ["--here", folder, "--size", str(args.size), "--repeats", str(args.repeats)]
                command = [sys.executable, __file__, part, *options]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
                row = row_of(json.loads(done.stdout.splitlines()[-1]))
                print(f"| {part} | {shards} file{'s' * (shards > 1)} | {row} |", flush=True)


if __name__ == "__main__":
    main()
