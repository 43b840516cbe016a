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
    benchmark(pilot / "benchmarks" / "convert" / "hospital" / "000.tsv", 1200.0, 2000.0)
    benchmark(pilot / "benchmarks" / "metrics_table.tsv", 0.1, "NA")

    asked = ("--cores", "1", "estimate_resources", "--config")
    done = space.snakemake(*asked, "pilot=results/pilot")
    assert done.returncode == 0, done.stdout
    assert "so the profile's requests stay: metrics_table." in done.stdout
    (row,) = read_table(space.run_folder / "resources/resources.tsv", "resources").to_dict("records")
    assert (row["rule"], row["growth"], row["runtime"], row["mem_mb"]) == ("convert", 2.5, 150, 3100)

    # Snakemake plans with the profile that was written.
    written = space.run_folder / "resources"
    profile = yaml.safe_load((written / "profile.yaml").read_text(encoding="utf-8"))
    assert profile["executor"] == "slurm" and profile["set-resources"]["train_stage"]["gpu"] == 1
    planned = space.snakemake("--profile", str(written), "-n", "intake")
    assert planned.returncode == 0, planned.stdout
    of_convert = re.findall(r"^rule convert:\n(?:    .*\n)*", planned.stdout, flags=re.MULTILINE)
    (convert,) = (job for job in of_convert if "cohort=hospital" in job)
    assert "mem_mb=3100" in convert and "runtime=150" in convert

    failed = space.snakemake(*asked, "pilot=results/none")
    assert failed.returncode != 0 and "Traceback" not in failed.stdout
    assert "none has no benchmarks to learn from. Run the same config on shorter tables first" in failed.stdout


def test_the_pilot_is_a_word_of_the_command_line_alone(tmp_path):
    """In a config file it is a key that nobody knows."""
    space = workspace(tmp_path)
    space.config = CONFIG | {"pilot": "results/pilot"}
    space.write_config()
    refused = space.snakemake("--cores", "1", "-n", "estimate_resources")
    assert refused.returncode != 0 and "pilot" in refused.stdout
