"""Learning requests for a cluster from a pilot, and planning with them."""

import re

import yaml

from lungsight.tables import read_table
from tests.factories.tables import made_cohort
from tests.rules.test_run import CONFIG, workspace
from tests.unit.test_run_summary import benchmark


def test_estimate_resources(tmp_path):
    """The pilot has 12 slices of the hospital, the run that is planned 30 images in one shard."""
    space = workspace(tmp_path)
    rows = [f"P{number}\t{number}.png\tCovid-19" for number in range(30)]
    (tmp_path / "hospital.tsv").write_text("\n".join(["patient\tpath\tlabel", *rows, ""]), encoding="utf-8")
    for number in range(30):
        (tmp_path / "hospital" / f"{number}.png").touch()
    pilot = tmp_path / "results" / "pilot"
    made_cohort(pilot, "hospital", patients=4, slices=3)
    made_cohort(pilot, "curated", patients=1, slices=1)
    benchmark(pilot / "benchmarks" / "convert" / "hospital" / "000.tsv", 1200.0, 2000.0)
    benchmark(pilot / "benchmarks" / "image_cache" / "hospital" / "000.tsv", 1200.0, 2000.0)
    benchmark(pilot / "benchmarks" / "metrics_table.tsv", 0.1, "NA")

    asked = ("--cores", "1", "estimate_resources", "--config")
    done = space.snakemake(*asked, "pilot=results/pilot")
    assert done.returncode == 0, done.stdout
    assert "so the profile's requests stay: metrics_table." in done.stdout
    row, _ = read_table(space.run_folder / "resources/resources.tsv", "resources").to_dict("records")
    assert (row["rule"], row["growth"], row["runtime"], row["mem_mb"]) == ("convert", 2.5, 150, 3100)

    # Snakemake plans with the profile that was written.
    written = space.run_folder / "resources"
    profile = yaml.safe_load((written / "profile.yaml").read_text(encoding="utf-8"))
    assert profile["executor"] == "slurm" and profile["set-resources"]["train_stage"]["gpu"] == 1
    planned = space.snakemake("--profile", str(written), "-n", "train")
    assert planned.returncode == 0, planned.stdout
    for rule, memory in (("convert", 3100), ("image_cache", 8000)):
        jobs = re.findall(rf"^rule {rule}:\n(?:    .*\n)*", planned.stdout, flags=re.MULTILINE)
        (job,) = (job for job in jobs if "cohort=hospital" in job)
        assert f"mem_mb={memory}," in job and "runtime=150" in job, job

    failed = space.snakemake(*asked, "pilot=results/none")
    assert failed.returncode != 0 and "Traceback" not in failed.stdout
    assert "none has no benchmarks to learn from. Run the same config on shorter tables first" in failed.stdout


def test_another_target_asks_for_neither_pilot_nor_profile(tmp_path):
    """Where lungsight is a module, `pilot` may be a word of the outer workflow, and there may be no profiles/slurm."""
    space = workspace(tmp_path)
    words = ("--config", "pilot=3", "profile=results/none")
    done = space.snakemake("--cores", "1", "-n", "intake", *words)
    assert done.returncode == 0, done.stdout
    for word, said in (
        ("pilot=3", "pilot: Snakemake reads the value as 3"),
        (words[2], "none/profile.yaml does not exist"),
    ):
        done = space.snakemake("--cores", "1", "-n", "estimate_resources", "--config", word)
        assert done.returncode != 0 and said in done.stdout and "Traceback" not in done.stdout, done.stdout


def test_the_pilot_is_a_word_of_the_command_line_alone(tmp_path):
    """In a config file it is a key that nobody knows."""
    space = workspace(tmp_path)
    space.config = CONFIG | {"pilot": "results/pilot"}
    space.write_config()
    refused = space.snakemake("--cores", "1", "-n", "estimate_resources")
    assert refused.returncode != 0 and "pilot" in refused.stdout
