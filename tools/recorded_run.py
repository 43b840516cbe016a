"""Read from Snakemake's output when each job of a run began and ended: the record that the forecast is tested on."""

import csv
import re
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.forecast import kind_of

TIME_LINE = re.compile(r"^\[(\w{3} \w{3} +\d+ \d+:\d+:\d+ \d+)\]$")
START_LINE = re.compile(r"^(?:local)?rule (\w+):$")
FIELD_LINE = re.compile(r"^    (\w+): (.*)$")
DONE_LINE = re.compile(r"^Finished jobid: (\d+) ")
COLUMNS = ("job", "kind", "start", "end", "needs", "cores", "priority")


@dataclass
class RecordedJob:
    """A job as Snakemake's output tells of it; times in seconds since the epoch."""

    rule: str
    start: float
    end: float = 0.0
    fields: dict[str, str] = field(default_factory=dict)

    def kind(self) -> str:
        """Name its kind, as the forecast does."""
        values = dict(pair.partition("=")[::2] for pair in self.fields.get("wildcards", "").split(", "))
        return kind_of(self.rule, values)

    def files(self, name: str) -> set[str]:
        """List the files of a field, input or output."""
        return set(self.fields.get(name, "").split(", ")) - {""}


def jobs_of_log(text: str) -> dict[int, RecordedJob]:
    """Read all finished jobs by number, without targets, which have no output."""
    jobs: dict[int, RecordedJob] = {}
    now, current = 0.0, None
    for line in text.splitlines():
        if found := TIME_LINE.match(line):
            now, current = datetime.strptime(found[1], "%a %b %d %H:%M:%S %Y").timestamp(), None
        elif found := START_LINE.match(line):
            current = RecordedJob(found[1], now)
        elif current and (found := FIELD_LINE.match(line)):
            current.fields[found[1]] = found[2]
            if found[1] == "jobid":
                jobs[int(found[2])] = current
        elif found := DONE_LINE.match(line):
            jobs[int(found[1])].end = now
    return {number: job for number, job in jobs.items() if job.end and job.files("output")}


def write_recorded_run(log: Path, table: Path) -> None:
    """Write a row for each job: when it began and ended after the run's start, in seconds, and what it waited for."""
    jobs = jobs_of_log(log.read_text(encoding="utf-8"))
    maker = {file: number for number, job in jobs.items() for file in job.files("output")}
    begin = min(job.start for job in jobs.values())
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for number, job in sorted(jobs.items(), key=lambda item: (item[1].start, item[0])):
            needs = sorted({maker[path] for path in job.files("input") if path in maker})
            cores, priority = (job.fields.get(name, default) for name, default in (("threads", "1"), ("priority", "0")))
            # Snakemake's times are whole seconds; a job that took less took half of one.
            times = (f"{job.start - begin:.1f}", f"{max(job.end, job.start + 0.5) - begin:.1f}")
            writer.writerow([number, job.kind(), *times, " ".join(map(str, needs)), cores, priority])
