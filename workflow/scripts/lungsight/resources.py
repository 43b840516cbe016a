"""Requests of memory and time for a cluster, learned from the benchmark files of a pilot run.

A pilot is a run of the same config on shorter tables of the same cohorts. Of each rule the most expensive job counts,
carried over to the run that is planned:

- time: the job's seconds × the number of slices that the job will work on / that it worked on in the pilot. Time grows
  in proportion to the slices or less (docs/scale.md, "How the steps grow"), so the start of a program is multiplied as
  well: the smaller the pilot, the more is asked for. Rules of WITHOUT_SLICES take the same time at any size.
- memory: the job's peak + SLICE_MB for every further slice. Programs read scans, batches and shards one after another.

Both are multiplied by a factor and rounded up, to no less than a floor. A request is never below what was measured.

Two kinds of jobs tell nothing. Of one that is over before the first sample, or whose sample caught the shell alone,
Snakemake knows no memory. And where the process of a training worked ahead, the job that takes its results is over at
once; on another day it may have to work by itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from lungsight.ahead import OUTPUT_OF
from lungsight.benchmark_files import measured_jobs
from lungsight.errors import UserError
from lungsight.own_yaml import read_own_yaml
from lungsight.rows import ResourcesRow
from lungsight.tables import read_table

MEMORY_FACTOR, TIME_FACTOR = 1.5, 3.0
LEAST_MB, LEAST_MINUTES = 1000, 10
STEP_MB = 100  # requests are multiples of it
STARTED_MB = 40  # below it a program has not loaded its libraries; with them the smallest has 80 MB
# The most that the peak of a step grew by a slice: `evaluate_subgroups`, 180 → 404 MB at 10,000 → 100,000 slices.
SLICE_MB = (404 - 180) / 90_000
# Their work is set by the config, or by nothing.
WITHOUT_SLICES = frozenset({"nnunet_train", "adopt_model", "try_lung_tool", "stand_in_weights", "power_table"})

Slices = Mapping[str, Mapping[str, int]]


class Growth(NamedTuple):
    """How much larger a job will be: the ratio of the slices, at least 1, and how many more they are, at least 0."""

    ratio: float = 1.0
    more: float = 0.0


@dataclass(frozen=True)
class Sizes:
    """How many slices a pilot had, and the run that is planned.

    Attributes
    ----------
    pilot, planned
        Cohort → shard → slices. A cohort that is missing counts as large as in the other.
    stages
        `stage1`, `stage2` → the cohort that it is trained on.
    """

    pilot: Slices
    planned: Slices
    stages: Mapping[str, str]

    def growth(self, job: str) -> Growth:
        """Return the growth of a job, by its wildcards.

        It is that of its shard against the largest shard that is planned, of its cohort, or of the cohort of its stage.
        A job that names none works on all cohorts, and counts as the one that grows most.
        """
        parts = job.split("/")
        named = [part for part in parts if part in self.pilot] or [self.stages[p] for p in parts if p in self.stages]
        if not named:
            alone = [self._of_cohort(cohort) for cohort in self.pilot]
            return Growth(max((one.ratio for one in alone), default=1.0), sum(one.more for one in alone))
        cohort = named[0]
        shard = parts[-1]
        if shard not in self.pilot.get(cohort, {}):
            return self._of_cohort(cohort)
        return _growth(self.pilot[cohort][shard], max(self.planned.get(cohort, {}).values(), default=0))

    def _of_cohort(self, cohort: str) -> Growth:
        return _growth(*(sum(slices.get(cohort, {}).values()) for slices in (self.pilot, self.planned)))


def _growth(before: int, after: int) -> Growth:
    return Growth(max(1.0, after / before), max(0, after - before)) if before else Growth()


def slices_of_run(run: Path) -> dict[str, dict[str, int]]:
    """Count the slices of a run that is on this machine, by cohort and shard, from its tables of cases."""
    found: dict[str, dict[str, int]] = {}
    for path in sorted((run / "cohorts").glob("*/shards/*/cases.tsv")):
        shard = path.parent
        slices = read_table(path, "converted_cases")["n_slices"].sum()
        found.setdefault(shard.parent.parent.name, {})[shard.name] = int(slices)
    return found


def jobs_of_pilot(pilot: Path) -> pd.DataFrame:
    """Read the benchmark files of a pilot, as `measured_jobs`; a UserError says what to do where there are none."""
    jobs = measured_jobs(pilot)
    if jobs.empty:
        raise UserError(
            f"{pilot} has no benchmarks to learn from. Run the same config on shorter tables first, with another"
            " `results:`, and name that folder: snakemake --configfile my.yaml --cores 1 estimate_resources --config"
            " pilot=DIR"
        )
    return jobs


def learned(jobs: pd.DataFrame, sizes: Sizes) -> list[ResourcesRow]:
    """Make resources.tsv: a row for each rule with a job that tells something. jobs: as of `jobs_of_pilot`."""
    tell = (jobs["max_rss"] >= STARTED_MB) & ~jobs["rule"].isin(OUTPUT_OF)
    return [_row(str(rule), of_rule, sizes) for rule, of_rule in jobs[tell].groupby("rule")]


def _row(rule: str, jobs: pd.DataFrame, sizes: Sizes) -> ResourcesRow:
    growths = [Growth() if rule in WITHOUT_SLICES else sizes.growth(job) for job in jobs["job"]]
    seconds = (jobs["s"] * [growth.ratio for growth in growths]).max() * TIME_FACTOR
    memory = (jobs["max_rss"] + [SLICE_MB * growth.more for growth in growths]).max() * MEMORY_FACTOR
    return {
        "rule": rule,
        "jobs": len(jobs),
        "seconds": float(jobs["s"].max()),
        "peak_mb": float(jobs["max_rss"].max()),
        "growth": max(growth.ratio for growth in growths),
        "runtime": max(LEAST_MINUTES, math.ceil(seconds / 60)),
        "mem_mb": max(LEAST_MB, STEP_MB * math.ceil(memory / STEP_MB)),
    }


def profile_with(profile: Path, rows: list[ResourcesRow]) -> dict[str, Any]:
    """Put learned requests into a profile of Snakemake, over its own; all else in it stays.

    A job that comes back gets twice, then three times as much.
    """
    settings = read_own_yaml(profile)
    requests = settings.setdefault("set-resources", {})
    for row in rows:
        asked = {"runtime": f"{row['runtime']} * attempt", "mem_mb": f"{row['mem_mb']} * attempt"}
        requests[row["rule"]] = requests.get(row["rule"], {}) | asked
    return settings


def profile_text(profile: Path, rows: list[ResourcesRow], pilot: Path) -> str:
    """Write a profile with learned requests, and how they came about."""
    head = (
        f"# Written by `snakemake estimate_resources`: {profile}, with time (minutes) and memory (MB) learned from the"
        f" benchmarks of\n# {pilot}: × {TIME_FACTOR:g} and × {MEMORY_FACTOR:g}, at least {LEAST_MINUTES} minutes and"
        f" {LEAST_MB} MB. docs/cluster.md says how.\n"
    )
    return head + yaml.safe_dump(profile_with(profile, rows), sort_keys=False, allow_unicode=True)


def in_words(profile: Path, jobs: pd.DataFrame, rows: list[ResourcesRow], written: Path) -> str:
    """Say what was learned, what was not and why, and how to go on. jobs: of the pilot."""
    learned_rules, measured = {row["rule"] for row in rows}, set(jobs["rule"])
    ahead = measured & set(OUTPUT_OF)
    names = {
        "Too short for a sample of their memory": sorted(measured - learned_rules - ahead),
        "Their results may have been made ahead, by the process of a training": sorted(ahead),
        "Not in the pilot": sorted(set(read_own_yaml(profile).get("set-resources", {})) - measured),
    }
    counted = f"Learned time and memory of {len(rows)} rules from {sum(row['jobs'] for row in rows)} jobs."
    kept = [f"{why}, so the profile's requests stay: {', '.join(rules)}." for why, rules in names.items() if rules]
    command = f"Go on with: snakemake --configfile my.yaml --profile {written.parent} all"
    return "\n".join([counted, *kept, command])
