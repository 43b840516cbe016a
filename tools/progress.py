"""Run the workflow for a person who waits: print its progress, and keep Snakemake's output in a log."""

import csv
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.forecast import kind_of  # noqa: E402

SECONDS = ROOT / "workflow" / "scripts" / "lungsight" / "job_seconds.tsv"

# What the run itself says of its progress (lungsight.run_progress).
PROGRESS_LINE = re.compile(r"^\d+:\d\d(:\d\d)? · ")
DONE_LINE = re.compile(r"^Finished jobid: \d+ ")


def available_memory() -> int:
    """Return the memory that jobs may use together, in MB: what the kernel reports as available now."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    return int(lines["MemAvailable"].split()[0]) // 1000


def record(results: Sequence[Path], table: Path = SECONDS) -> None:
    """Write the mean seconds per job of each kind, from the benchmark files of those runs that are there."""
    seconds: dict[str, list[float]] = {}
    for folder in (ROOT / run / "benchmarks" for run in results):
        for path in sorted(folder.rglob("*.tsv")):
            with open(path, encoding="utf-8") as file:
                row = next(csv.DictReader(file, delimiter="\t"))
            seconds.setdefault(kind_of_benchmark(path.relative_to(folder)), []).append(float(row["s"]))
    lines = [f"{kind}\t{sum(values) / len(values):.1f}" for kind, values in sorted(seconds.items())]
    table.write_text("\n".join(["kind\tseconds", *lines]) + "\n", encoding="utf-8")


def kind_of_benchmark(path: Path) -> str:
    """Name the kind of the job that wrote a benchmark file, by its place below the benchmarks folder."""
    rule, *wildcards = path.with_suffix("").parts
    pipeline = next((part for part in wildcards if part.count("-") >= 2), "")
    backbone = wildcards[0] if rule == "stand_in_weights" else ""
    return kind_of(rule, {"pipeline": pipeline, "backbone": backbone})


def run(configfiles: Sequence[str], cores: int, log: Path, again: str) -> int:
    """Run the target `all`, print its progress, and return Snakemake's exit code.

    Parameters
    ----------
    configfiles : sequence of str
        Relative to the project's folder; a later one completes those before it.
    cores : int
    log : Path
        Where Snakemake's output goes, relative to the project's folder.
    again : str
        The command that continues a run that stopped.
    """
    command = [
        *(str(Path(sys.executable).with_name("snakemake")), "--configfile", *configfiles, "--cores", str(cores)),
        *("--resources", f"mem_mb={available_memory()}", "--rerun-incomplete", "--", "all"),
    ]
    start, jobs = time.monotonic(), 0
    tail: list[str] = []
    with open(ROOT / log, "w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        try:
            for line in process.stdout or ():
                file.write(line)
                file.flush()
                tail = [*tail[-60:], line]
                jobs += bool(DONE_LINE.match(line))
                if PROGRESS_LINE.match(line):
                    print(line, end="", flush=True)
        except KeyboardInterrupt:
            process.wait()
    code = process.wait()
    if code:
        print("".join(tail), file=sys.stderr)
        print(f"The run stopped. Snakemake's output is in {log}. Run `{again}` again to continue.", file=sys.stderr)
    elif jobs:
        minutes, seconds = divmod(int(time.monotonic() - start), 60)
        print(f"{jobs} jobs in {minutes}:{seconds:02d}.")
    else:
        print("Nothing to do: everything is up to date.")
    return code
