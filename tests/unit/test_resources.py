"""Requests that are learned from a pilot: what is carried over, what tells nothing, and the profile that is written."""

import math
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lungsight.errors import UserError
from lungsight.resources import (
    LEAST_MB,
    LEAST_MINUTES,
    MEMORY_FACTOR,
    SLICE_MB,
    TIME_FACTOR,
    Growth,
    Sizes,
    in_words,
    jobs_of_pilot,
    learned,
    profile_text,
    profile_with,
    slices_of_run,
)
from tests.factories.tables import made_cohort
from tests.factories.workspace import ROOT
from tests.unit.test_run_summary import benchmark

SLURM = ROOT / "profiles" / "slurm" / "profile.yaml"
# Ten times as many slices of the hospital, in shards of twice the size; the public images stay the same.
SIZES = Sizes(
    pilot={"hospital": {"000": 100, "001": 50}, "curated": {"000": 40}},
    planned={"hospital": {f"{number:03d}": 200 if number else 100 for number in range(8)}, "curated": {"000": 40}},
)


def jobs(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["rule", "job", "s", "max_rss"]).assign(cpu_time=1.0)


def only(*rows: tuple[str, str, float, float]) -> dict:
    (row,) = learned(jobs(*rows), SIZES)
    return dict(row)


@pytest.mark.parametrize(
    ("job", "ratio", "more"),
    [
        ("hospital/000", 2.0, 100),  # the largest shard that is planned has 200 slices
        ("hospital/001", 4.0, 150),
        ("hospital", 10.0, 1350),
        ("whole-x-scratch/stage2/hospital", 10.0, 1350),
        ("whole-x-scratch/stage2", 10.0, 1350),
        ("whole-x-scratch/stage1", 10.0, 1350),  # its model predicts the hospital's cohort too
        ("whole-x-scratch/stage1/curated", 1.0, 0),
        ("", 10.0, 1350),  # of all cohorts: the one that grows most
        ("curated/000", 1.0, 0),
    ],
)
def test_a_job_grows_with_the_slices_that_it_works_on(job, ratio, more):
    assert SIZES.growth(job) == Growth(ratio, more)


def test_what_is_not_known_or_is_smaller_asks_for_what_was_measured():
    pilot = {"hospital": {"000": 100}, "other": {"000": 0}, "phantoms": {"000": 5}}
    sizes = Sizes(pilot, {"hospital": {"000": 10}, "other": {"000": 7}, "phantoms": {}})
    jobs = ("hospital/000", "hospital", "other", "phantoms/000", "x/stage1", "")
    assert {sizes.growth(job) for job in jobs} == {Growth()}


@pytest.mark.parametrize(
    ("planned", "named"),
    [
        ({"clinic": {"000": 900}}, "in this config alone: clinic; in the pilot alone: hospital"),
        ({"hospital": {"000": 9}, "clinic": {"000": 900}}, r"Cohorts in this config alone: clinic\."),
        ({}, r"Cohorts in the pilot alone: hospital\."),
    ],
)
def test_cohorts_of_other_names_are_refused(planned, named):
    with pytest.raises(UserError, match=named):
        Sizes({"hospital": {"000": 100}}, planned)


def test_time_is_that_of_the_most_expensive_job_carried_over():
    """The second shard took less, but has half the slices: 50 × 4 seconds against 60 × 2."""
    row = only(("convert", "hospital/000", 60.0, 300.0), ("convert", "hospital/001", 50.0, 200.0))
    assert row["runtime"] == math.ceil(50 * 4 * TIME_FACTOR / 60) == 10
    row = only(("convert", "hospital/000", 600.0, 300.0), ("convert", "hospital/001", 500.0, 200.0))
    assert row["runtime"] == math.ceil(500 * 4 * TIME_FACTOR / 60) == 100
    assert (row["jobs"], row["seconds"], row["peak_mb"], row["growth"]) == (2, 600.0, 300.0, 4.0)


def test_memory_grows_by_what_a_slice_takes_and_is_rounded_up():
    row = only(("qc_scores", "hospital", 1.0, 5000.0))
    exact = (5000 + SLICE_MB * 1350) * MEMORY_FACTOR
    assert row["mem_mb"] == 100 * math.ceil(exact / 100) == 7600
    assert pytest.approx(0.00249, abs=1e-5) == SLICE_MB


def test_there_is_a_floor():
    row = only(("find_duplicates", "", 0.1, 90.0))
    assert (row["runtime"], row["mem_mb"]) == (LEAST_MINUTES, LEAST_MB)


def test_a_training_of_so_many_steps_takes_the_same_time_at_any_size():
    row = only(("nnunet_train", "", 36000.0, 900.0))
    assert (row["growth"], row["runtime"]) == (1.0, 36000 * TIME_FACTOR / 60)


def test_jobs_that_tell_nothing_are_named_and_keep_the_requests_of_the_profile(tmp_path):
    """Snakemake had no sample, its sample has the shell alone, or a training's process had made the results."""
    run = tmp_path / "pilot"
    benchmark(run / "benchmarks" / "image_cache" / "hospital.tsv", 0.3, "NA")
    benchmark(run / "benchmarks" / "split_overlap.tsv", 0.4, 2.9)
    benchmark(run / "benchmarks" / "audit_stage" / "p" / "stage1.tsv", 9.0, 900.0)
    benchmark(run / "benchmarks" / "convert" / "hospital" / "000.tsv", 60.0, 700.0)
    benchmark(run / "benchmarks" / "convert" / "hospital" / "001.tsv", 0.1, "NA")
    found = jobs_of_pilot(run)
    rows = learned(found, SIZES)
    assert [(row["rule"], row["jobs"], row["mem_mb"]) for row in rows] == [("convert", 1, 1100)]
    before, after = (yaml.safe_load(SLURM.read_text(encoding="utf-8")), profile_with(SLURM, rows))
    for rule in ("image_cache", "audit_stage", "nnunet_train"):
        assert after["set-resources"][rule] == before["set-resources"][rule]
    said = in_words(SLURM, found, rows, tmp_path / "resources" / "profile.yaml")
    assert "Too short for a sample of their memory, so the profile's requests stay: image_cache, split_overlap." in said
    assert "made ahead, by the process of a training, so the profile's requests stay: audit_stage." in said
    assert f"--profile {tmp_path / 'resources'} all" in said
    assert "Not in the pilot, so the profile's requests stay: convert_annotated, " in said


def test_all_else_in_the_profile_stays(tmp_path):
    (tmp_path / "profile.yaml").write_text(
        "executor: slurm\ndefault-resources: {slurm_account: mine, mem_mb: 4000 * attempt}\n"
        "set-resources:\n  train_stage: {runtime: 1440, mem_mb: 16000 * attempt, gpu: 1}\n",
        encoding="utf-8",
    )
    rows = learned(jobs(("train_stage", "p/stage1", 1200.0, 3000.0)), SIZES)
    (row,) = rows
    text = profile_text(tmp_path / "profile.yaml", rows, Path("results/pilot"))
    assert text.startswith("# Written by") and "× 3 and × 1.5" in text
    assert yaml.safe_load(text) == {
        "executor": "slurm",
        "default-resources": {"slurm_account": "mine", "mem_mb": "4000 * attempt"},
        "set-resources": {
            "train_stage": {
                "runtime": f"{row['runtime']} * attempt",
                "mem_mb": "max(16000 * attempt, 4600 * attempt)",
                "gpu": 1,
            }
        },
    }


def asked_of(folder, text, *measured):
    (folder / "profile.yaml").write_text(text, encoding="utf-8")
    return profile_with(folder / "profile.yaml", learned(jobs(*measured), SIZES))["set-resources"]


def test_a_rule_that_holds_images_asks_for_no_less_than_its_profile(tmp_path):
    """The 2.5 kB a slice hold for tables alone; what images take at the size of a study is not known."""
    measured = [(rule, "hospital/000", 900.0, 900.0) for rule in ("segment_shard", "image_cache", "convert")]
    asked = asked_of(
        tmp_path,
        "default-resources: {mem_mb: 4000}\nset-resources: {segment_shard: {mem_mb: 12000 * attempt}}",
        *measured,
    )
    assert asked["segment_shard"]["mem_mb"] == "max(12000 * attempt, 1400 * attempt)"
    assert asked["image_cache"]["mem_mb"] == "max(4000, 1400 * attempt)"
    assert asked["convert"]["mem_mb"] == "1400 * attempt"


def test_time_is_asked_for_where_the_profile_does_so(tmp_path):
    """Kubernetes asks for none."""
    measured = [(rule, "hospital/000", 900.0, 900.0) for rule in ("convert", "take_lungs")]
    asked = asked_of(tmp_path, "set-resources: {convert: {runtime: 60}}", *measured)
    assert set(asked["convert"]) == {"runtime", "mem_mb"} and set(asked["take_lungs"]) == {"mem_mb"}
    assert set(asked_of(tmp_path, "default-resources: {runtime: 60}", *measured)["take_lungs"]) == {"runtime", "mem_mb"}


def test_a_derived_rule_asks_for_what_its_base_asks_for(tmp_path):
    """Their benchmarks lie together."""
    measured = ("image_cache", "hospital/lung-box/000", 900.0, 9000.0)
    asked = asked_of(tmp_path, SLURM.read_text(encoding="utf-8"), measured)
    assert asked["image_cache_of_region"] == asked["image_cache"]
    assert asked["image_cache"]["mem_mb"] == "max(8000 * attempt, 13600 * attempt)"
    said = in_words(SLURM, jobs(measured), learned(jobs(measured), SIZES), tmp_path / "profile.yaml")
    assert "image_cache_of_region" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file holds nothing"),
        ("executor: slurm\nset-resources:\n", "set-resources holds nothing"),
        ("set-resources: ['train_stage:mem_mb=1']", r"set-resources holds \['train_stage:mem_mb=1'\]"),
        ("default-resources: [mem_mb=1]", "default-resources holds"),
        ("set-resources:\n  train_stage:\n", "train_stage holds nothing"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_profile_that_is_written_otherwise_is_refused(tmp_path, text, said):
    with pytest.raises(UserError, match=rf"profile\.yaml.*{said}"):
        asked_of(tmp_path, text, ("train_stage", "p/stage1", 1200.0, 3000.0))


def test_slices_are_counted_by_shard(tmp_path):
    made_cohort(tmp_path / "run", "hospital", patients=4, slices=3)
    assert slices_of_run(tmp_path / "run") == {"hospital": {"000": 12}}
    assert slices_of_run(tmp_path / "none") == {}


def test_a_run_without_benchmarks_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"has no benchmarks to learn from\. Run the same config on shorter tables"):
        jobs_of_pilot(tmp_path)
