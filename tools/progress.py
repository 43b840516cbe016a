"""Run the workflow for a person who waits: its progress and the time left, while Snakemake's own output goes to a log.

To estimate the time left, each job is weighted by the seconds of its rule in a table, and scaled by the speed of this
machine so far.
"""

import csv
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRESS_EVERY = 15.0  # seconds

STAT_LINE = re.compile(r"^(\w+)\s+(\d+)$")
START_LINE = re.compile(r"^(?:local)?rule (\w+):$")
JOB_LINE = re.compile(r"^\s+jobid: (\d+)$")
WILDCARDS_LINE = re.compile(r"^\s+wildcards: (.*)$")
DONE_LINE = re.compile(r"^Finished jobid: (\d+) \(Rule: (\w+)\)")


class Progress:
    """Follow Snakemake's output: the planned, the running and the finished jobs."""

    def __init__(self, weights: dict[str, float]):
        self.weights = weights
        self.planned: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()
        self.running: dict[str, tuple[str, str, float]] = {}  # jobid → rule, wildcards, start
        self.start = time.monotonic()
        self._rule, self._job = "", ""
        self._counting = False

    def read(self, line: str) -> bool:
        """Read one line; return True when it reports a finished job."""
        if line.startswith("Job stats:"):
            self._counting = not self.planned
        elif self._counting and (stat := STAT_LINE.match(line.strip())):
            if stat[1] == "total":
                self._counting = False
            else:
                self.planned[stat[1]] = int(stat[2])
        elif started := START_LINE.match(line):
            self._rule = started[1]
        elif job := JOB_LINE.match(line):
            self._job = job[1]
            self.running[self._job] = (self._rule, "", time.monotonic())
        elif (wildcards := WILDCARDS_LINE.match(line)) and self._job in self.running:
            rule, _, since = self.running[self._job]
            self.running[self._job] = (rule, wildcards[1], since)
        elif done := DONE_LINE.match(line):
            self.running.pop(done[1], None)
            self.finished[done[2]] += 1
            return True
        return False

    def _weight(self, rule: str) -> float:
        return self.weights.get(rule, 1.0)

    def share_done(self) -> float:
        """Return the finished share of the weighted work; running jobs count by their time so far."""
        total = sum(self._weight(rule) * count for rule, count in self.planned.items())
        done = sum(self._weight(rule) * count for rule, count in self.finished.items())
        now = time.monotonic()
        done += sum(min(now - since, 0.95 * self._weight(rule)) for rule, _, since in self.running.values())
        return min(done / total, 1.0) if total else 0.0

    def sentence(self) -> str:
        """Write the progress in one line, for the person who waits."""
        elapsed, share = time.monotonic() - self.start, self.share_done()
        left = f"about {clock(elapsed * (1 - share) / share)} to go" if share > 0.02 else "estimating"
        jobs = f"{sum(self.finished.values())} of {sum(self.planned.values())} jobs"
        now = ", ".join(
            f"{rule} ({wildcards})" if wildcards else rule for rule, wildcards, _ in list(self.running.values())[:2]
        )
        return f"{clock(elapsed)} · {share:4.0%} · {jobs} · {left}" + (f" · now {now}" if now else "")


def clock(seconds: float) -> str:
    """Format seconds as minutes and seconds, such as 3:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def available_memory() -> int:
    """Return the memory that jobs may use together, in MB: what the kernel reports as available now."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    return int(lines["MemAvailable"].split()[0]) // 1000


def read_weights(table: Path) -> dict[str, float]:
    """Read the recorded seconds per job by rule; none where nothing was recorded."""
    if not table.is_file():
        return {}
    with open(table, encoding="utf-8") as file:
        return {row["rule"]: float(row["seconds"]) for row in csv.DictReader(file, delimiter="\t")}


def record(results: Sequence[Path], table: Path) -> None:
    """Write the mean seconds per job of each rule, from the benchmark files of runs."""
    seconds: dict[str, list[float]] = {}
    for folder in (ROOT / run / "benchmarks" for run in results):
        for path in sorted(folder.rglob("*.tsv")):
            with open(path, encoding="utf-8") as file:
                row = next(csv.DictReader(file, delimiter="\t"))
            seconds.setdefault(path.relative_to(folder).parts[0].removesuffix(".tsv"), []).append(float(row["s"]))
    lines = [f"{rule}\t{sum(values) / len(values):.1f}" for rule, values in sorted(seconds.items())]
    table.write_text("\n".join(["rule\tseconds", *lines]) + "\n", encoding="utf-8")


def run(configfiles: Sequence[str], cores: int, log: Path, weights: Path, again: str) -> int:
    """Run the target `all`, print its progress, and return Snakemake's exit code.

    Parameters
    ----------
    configfiles : sequence of str
        Relative to the project's folder; a later one completes those before it.
    cores : int
    log : Path
        Where Snakemake's output goes, relative to the project's folder.
    weights : Path
        Table of the seconds that a job of each rule takes.
    again : str
        The command that continues a run that stopped.
    """
    progress = Progress(read_weights(weights))
    command = [
        *(str(Path(sys.executable).with_name("snakemake")), "--configfile", *configfiles, "--cores", str(cores)),
        *("--resources", f"mem_mb={available_memory()}", "--rerun-incomplete", "--", "all"),
    ]
    finished = threading.Event()

    def tick() -> None:
        while not finished.wait(PROGRESS_EVERY):
            print(progress.sentence(), flush=True)

    with open(ROOT / log, "w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        threading.Thread(target=tick, daemon=True).start()
        tail: list[str] = []
        try:
            for line in process.stdout or ():
                file.write(line)
                file.flush()
                tail = [*tail[-60:], line]
                if progress.read(line) and sum(progress.finished.values()) % 10 == 0:
                    print(progress.sentence(), flush=True)
        except KeyboardInterrupt:
            process.wait()
        finished.set()
    code = process.wait()
    if code:
        print("".join(tail), file=sys.stderr)
        print(f"The run stopped. Snakemake's output is in {log}. Run `{again}` again to continue.", file=sys.stderr)
    elif jobs := sum(progress.finished.values()):
        print(f"{jobs} jobs in {clock(time.monotonic() - progress.start)}.")
    else:
        print("Nothing to do: everything is up to date.")
    return code
