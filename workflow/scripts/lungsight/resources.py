"""Requests of memory and time for a cluster, learned from the benchmark files of a pilot run.

A pilot is a run of the same config on shorter tables of the same cohorts. Of each rule the most expensive job counts,
carried over to the run that is planned:

- time: the job's seconds × the number of slices that the job will work on / that it worked on in the pilot. Time grows
  in proportion to the slices or less (docs/scale.md, "How the steps grow"), so the start of a program is multiplied as
  well: the smaller the pilot, the more is asked for. Rules of WITHOUT_SLICES take the same time at any size.
- memory: the job's peak + SLICE_MB for every further slice, which is what tables take. What images take depends on
  their size, and was not measured at the size of a study: rules of HOLDS_IMAGES ask for no less than the profile does.

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
# The most that the peak of a step that reads tables alone grew by a slice (docs/scale.md): `evaluate_subgroups`,
# 180 → 404 MB at 10,000 → 100,000 slices.
SLICE_MB = (404 - 180) / 90_000
# Their processes hold scans, images or arrays of them. image_cache grew by 4.4 kB a slice of 32 × 32.
HOLDS_IMAGES = frozenset(
    {
        *("run_lung_tool", "nnunet_prepare", "nnunet_train", "segment_shard", "image_cache", "generate_slices"),
        *("pretrain_simsiam", "train_stage", "leakage_training", "transfer_training", *OUTPUT_OF, "replicate_maps"),
        *("model_reference", "predict_cases"),
    }
)
# Rules whose benchmarks lie with those of the rule that they are derived from (`use rule`).
DERIVED = {
    "image_cache": ("image_cache_of_region",),
    "image_index": ("image_index_of_region",),
    "make_split": ("make_split_again",),
}
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
        Cohort → shard → slices. A planned cohort without shards (phantoms that are not made yet) counts as large as in
        the pilot.

    Raises
    ------
    UserError
        A cohort of one has another name in the other, or is missing there: its growth is not known.
    """

    pilot: Slices
    planned: Slices

    def __post_init__(self) -> None:
        """Compare the names of the cohorts."""
        lacking = sorted(
            name for name, shards in self.planned.items() if any(shards.values()) and name not in self.pilot
        )
        unknown = sorted(self.pilot.keys() - self.planned.keys())
        if lacking or unknown:
            only = {"in this config alone": lacking, "in the pilot alone": unknown}
            found = "; ".join(f"{where}: {', '.join(names)}" for where, names in only.items() if names)
            raise UserError(
                "The pilot must have converted scans of the same cohorts, under the same names, else nobody knows how"
                f" much larger they will be. Cohorts {found}. Name them alike, or let the pilot convert all of them"
                " (target intake)."
            )

    def growth(self, job: str) -> Growth:
        """Return the growth of a job, by its wildcards.

        It is that of its shard against the largest shard that is planned, or of its cohort. A job that names none may
        read any cohort, and counts as the one that grows most: the model of stage 1 also predicts the other cohorts,
        and stage 2 may read the images of stage 1.
        """
        parts = job.split("/")
        named = [part for part in parts if part in self.pilot]
        if not named:
            alone = [self._of_cohort(cohort) for cohort in self.pilot]
            return Growth(max((one.ratio for one in alone), default=1.0), sum(one.more for one in alone))
        cohort = named[0]
        shard = parts[-1]
        if shard not in self.pilot[cohort]:
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


def read_profile(profile: Path) -> dict[str, Any]:
    """Read a profile of Snakemake; a UserError says which of its parts is not written as here."""
    try:
        settings = read_own_yaml(profile)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{profile} cannot be read: {error}") from None
    parts = {"the file": settings}
    if isinstance(settings, dict):
        parts |= {key: settings.get(key, {}) for key in ("default-resources", "set-resources")}
    if isinstance(parts.get("set-resources"), dict):
        parts |= parts["set-resources"]
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise UserError(
                f"{profile}: {name} holds {'nothing' if part is None else repr(part)}; it must hold lines `name:"
                " value`, as in profiles/slurm/profile.yaml. Fill it or delete it."
            )
    return settings


def profile_with(profile: Path, rows: list[ResourcesRow]) -> dict[str, Any]:
    """Put learned requests into a profile of Snakemake, over its own; all else in it stays.

    A job that comes back gets twice, then three times as much. Time is asked for where the profile does so.
    """
    settings = read_profile(profile)
    defaults, requests = settings.get("default-resources", {}), settings.setdefault("set-resources", {})
    for row in rows:
        for rule in (row["rule"], *DERIVED.get(row["rule"], ())):
            before = defaults | requests.get(rule, {})
            asked = {"mem_mb": f"{row['mem_mb']} * attempt"}
            if row["rule"] in HOLDS_IMAGES and "mem_mb" in before:
                asked["mem_mb"] = f"max({before['mem_mb']}, {asked['mem_mb']})"
            if "runtime" in before:
                asked["runtime"] = f"{row['runtime']} * attempt"
            requests[rule] = requests.get(rule, {}) | asked
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
    derived = {rule for base in measured for rule in DERIVED.get(base, ())}
    ahead = measured & set(OUTPUT_OF)
    names = {
        "Too short for a sample of their memory": sorted(measured - learned_rules - ahead),
        "Their results may have been made ahead, by the process of a training": sorted(ahead),
        "Not in the pilot": sorted(set(read_profile(profile).get("set-resources", {})) - measured - derived),
    }
    counted = f"Learned time and memory of {len(rows)} rules from {sum(row['jobs'] for row in rows)} jobs."
    kept = [f"{why}, so the profile's requests stay: {', '.join(rules)}." for why, rules in names.items() if rules]
    command = f"Go on with: snakemake --configfile my.yaml --profile {written.parent} all"
    return "\n".join([counted, *kept, command])
