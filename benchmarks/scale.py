"""Measure what Snakemake itself costs on a data set of the thesis's size, and on a tenth of it.

python benchmarks/scale.py
python benchmarks/scale.py --pictures 15000

Time and memory are measured of a dry run, of a run with nothing to do, and of the graphs of the workflow. The scans are
empty files, as many as the real data set has. No program runs. With --pictures, on so many pictures beside few scans:
the first dry run, a whole run in which each program only makes its outputs, empty, and a run with nothing to do. What
the whole run takes more than the dry run is what Snakemake takes to schedule. tests/e2e/test_scale.py uses `Scale` too.
"""

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
POSITIVE, NEGATIVE = "Covid-19", "Non Covid"

STAND_IN_FILE = "stand_in.smk"
# The workflow, but each program only makes its outputs, empty. Snakemake's own book-keeping is real.
STAND_IN = """
import os

from snakemake.io import is_flagged


include: "Snakefile"


def stand_in(outputs):
    folders = [is_flagged(path, "directory") for path in outputs]

    def make_outputs(input, output, *others):
        for path, is_folder in zip(output, folders, strict=True):
            os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)
            if not is_folder:
                open(path, "a").close()

    return make_outputs


for made in workflow.rules:
    if made.shellcmd:
        made.run_func = stand_in(made.output)
        made._benchmark = None
"""


@dataclass(frozen=True)
class Size:
    """Count the patients, images and slices of a made data set."""

    annotated: int = 422
    annotated_slices: int = 50_854
    positive: int = 466
    positive_images: int = 7_593
    negative: int = 6_839
    negative_images: int = 6_893
    scans: int = 103
    scan_slices: int = 9_146

    def part(self, share: float) -> "Size":
        """Scale every count by `share`."""
        return Size(*(round(number * share) for number in vars(self).values()))


THESIS = Size()


def spread(total: int, over: int) -> list[int]:
    """Distribute `total` things over `over` places as evenly as possible."""
    return [total // over + (place < total % over) for place in range(over)]


def make_series(folder: Path, slices: int) -> None:
    """Make a folder of empty files, one per slice."""
    folder.mkdir(parents=True)
    for number in range(slices):
        (folder / f"{number:04d}.dcm").touch()


def write_rows(path: Path, rows: list[dict]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


def make_annotated(root: Path, size: Size) -> list[dict]:
    """Make a segmentation cohort below `root`; return the rows of its table."""
    rows = []
    for number, slices in enumerate(spread(size.annotated_slices, size.annotated), start=1):
        name = f"LUNG1-{number:03d}"
        make_series(root / name / "CT", slices)
        (root / name / "RTSTRUCT.dcm").touch()
        rows.append({"patient": name, "path": f"{name}/CT", "mask": f"{name}/RTSTRUCT.dcm"})
    return rows


def make_images(root: Path, size: Size) -> list[dict]:
    """Make a public cohort of PNG files below `root`; return the rows of its table."""
    rows = []
    for label, patients, images in (
        (POSITIVE, size.positive, size.positive_images),
        (NEGATIVE, size.negative, size.negative_images),
    ):
        folder = label.replace(" ", "")
        (root / folder).mkdir(parents=True)
        for patient, count in enumerate(spread(images, patients)):
            for image in range(count):
                path = f"{folder}/{patient:05d}_{image:03d}.png"
                (root / path).touch()
                rows.append({"patient": f"{folder}-{patient}", "path": path, "label": label})
    return rows


def make_scans(root: Path, size: Size) -> list[dict]:
    """Make a target cohort of DICOM series below `root`; return the rows of its table."""
    rows = []
    for number, slices in enumerate(spread(size.scan_slices, size.scans), start=1):
        make_series(root / f"scan-{number:03d}", slices)
        label = POSITIVE if number <= size.scans * 65 // 103 else NEGATIVE
        rows.append({"patient": f"H{number:03d}", "path": f"scan-{number:03d}", "label": label})
    return rows


class Scale:
    """Make a data set and a copy of the workflow beside it, so that a test may edit either."""

    def __init__(self, folder: Path, size: Size = THESIS):
        self.folder = folder
        self.workflow = folder / "workflow-copy"
        for part in ("workflow", "config", "envs"):
            shutil.copytree(ROOT / part, self.workflow / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Snakefile", self.workflow)
        (self.workflow / STAND_IN_FILE).write_text(STAND_IN, encoding="utf-8")
        makers = {"nsclc": make_annotated, "curated": make_images, "hospital": make_scans}
        for name, make in makers.items():
            write_rows(folder / f"{name}.tsv", make(folder / "data" / name, size))
        config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
        for name, cohort in config["cohorts"].items():
            cohort |= {"root": f"data/{name}", "table": f"{name}.tsv"}
        self.write_config(config)

    @property
    def config_path(self) -> Path:
        return self.folder / "config.yaml"

    def write_config(self, config: dict) -> None:
        self.config = config
        self.config_path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")

    def snakemake(self, *arguments: str, snakefile: str = "Snakefile") -> subprocess.CompletedProcess:
        """Run Snakemake on the copy; both streams are in stdout."""
        return subprocess.run(
            [
                *(str(SNAKEMAKE), "--snakefile", str(self.workflow / snakefile), "--workflow-profile", "none"),
                *("--directory", str(self.folder), "--configfile", str(self.config_path), *arguments),
            ],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def prepare(self) -> list[str]:
        """Make what a run without any program needs; return the arguments of Snakemake."""
        # The hooks would draw the key, but also refuse a run that the disk cannot hold.
        private = self.folder / f"{self.config['results']}.private"
        private.mkdir(parents=True, mode=0o700, exist_ok=True)
        (private / "key").touch(mode=0o600)
        (private / "key").write_text("ab" * 32, encoding="ascii")
        return ["--cores", "8", "--no-hooks", "all"]

    def finish(self) -> None:
        """Finish the run without any program: all outputs exist, empty, and Snakemake has recorded their origin."""
        done = self.snakemake(*self.prepare(), snakefile=STAND_IN_FILE)
        if done.returncode:
            raise RuntimeError(done.stdout[-4000:])

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Count the jobs of a dry run by rule; empty where nothing is to be done."""
        done = self.snakemake("-n", "--quiet", "rules", *arguments, "--", "all")
        if done.returncode:
            raise RuntimeError(done.stdout[-4000:])
        words = [line.split() for line in done.stdout.splitlines()]
        return {line[0]: int(line[1]) for line in words if len(line) == 2 and line[1].isdigit() and line[0] != "total"}


@dataclass(frozen=True)
class Cost:
    """Hold the cost of a command: median CPU seconds, median wall seconds, largest resident memory of any repeat."""

    processor: float
    clock: float
    megabytes: float


def cost_of(scale: Scale, arguments: list[str], repeats: int, snakefile: str = "Snakefile") -> Cost:
    """Measure a Snakemake command in a separate process, so that the peak memory is its own."""
    processor, clock, peaks = [], [], []
    for _ in range(repeats):
        start = time.monotonic()
        process = subprocess.Popen(
            [
                *(str(SNAKEMAKE), "--snakefile", str(scale.workflow / snakefile), "--workflow-profile", "none"),
                *("--directory", str(scale.folder), "--configfile", str(scale.config_path), *arguments),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}")
        processor.append(usage.ru_utime + usage.ru_stime)
        clock.append(time.monotonic() - start)
        peaks.append(usage.ru_maxrss / 1000)
    return Cost(statistics.median(processor), statistics.median(clock), max(peaks))


COMMANDS = {
    "snakemake -n all": ["-n", "all"],
    "snakemake --dag": ["--dag"],
    "snakemake --rulegraph": ["--rulegraph"],
}
COMMANDS_AFTER = {
    "snakemake all, nothing to do": ["--cores", "2", "all"],
    "snakemake --summary": ["--summary"],
}


def measure(size: Size, folder: Path, repeats: int) -> tuple[int, dict[str, Cost]]:
    """Count the jobs of a whole run, and measure each command before and after it."""
    scale = Scale(folder, size)
    jobs = sum(scale.jobs().values())
    costs = {name: cost_of(scale, arguments, repeats) for name, arguments in COMMANDS.items()}
    scale.finish()
    return jobs, costs | {name: cost_of(scale, arguments, repeats) for name, arguments in COMMANDS_AFTER.items()}


def size_with_pictures(pictures: int) -> Size:
    """Count a public cohort of so many pictures, and few scans."""
    positive = pictures // 2
    return Size(20, 400, pictures // 20, positive, pictures // 4, pictures - positive, 20, 400)


def measure_pictures(scale: Scale, pictures: int, repeats: int) -> None:
    """Measure and print a dry run, a whole run without programs and a run with nothing to do, each as it ends."""
    commands = {
        "dry run": (COMMANDS["snakemake -n all"], "Snakefile", repeats),
        "whole run, without programs": (scale.prepare(), STAND_IN_FILE, 1),
        "nothing to do": (COMMANDS_AFTER["snakemake all, nothing to do"], "Snakefile", repeats),
    }
    for name, (arguments, snakefile, times) in commands.items():
        cost = cost_of(scale, arguments, times, snakefile)
        print(
            f"{name}, {pictures} pictures: {cost.processor:.1f} processor s, {cost.megabytes:.0f} MB at most",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pictures", type=int, help="measure on so many pictures, and nothing else")
    args = parser.parse_args()
    if args.pictures:
        with tempfile.TemporaryDirectory(prefix="lungsight-scale-") as folder:
            scale = Scale(Path(folder), size_with_pictures(args.pictures))
            measure_pictures(scale, args.pictures, args.repeats)
        return
    with tempfile.TemporaryDirectory(prefix="lungsight-scale-") as folder:
        tenth_jobs, tenth = measure(THESIS.part(0.1), Path(folder) / "tenth", args.repeats)
        jobs, whole = measure(THESIS, Path(folder) / "whole", args.repeats)
    print(f"jobs of a whole run: {jobs} ({tenth_jobs} at a tenth)\n")
    print(
        "| command | processor s | at a tenth | ratio | clock s | peak MB | at a tenth |\n|---|---|---|---|---|---|---|"
    )
    for name, cost in whole.items():
        less = tenth[name]
        print(
            f"| `{name}` | {cost.processor:.1f} | {less.processor:.1f} | {cost.processor / less.processor:.1f}"
            f" | {cost.clock:.1f} | {cost.megabytes:.0f} | {less.megabytes:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
