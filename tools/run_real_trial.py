"""Run the trial on two public data sets, there and back, print its progress, and print the paths of both reports last.

There: trained on SARS-CoV-2 CT-scan, adapted to COVID-CT (config/real-trial.yaml). Back: the other way round
(config/real-trial-back.yaml). Nothing is downloaded.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from progress import ROOT, run

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.errors import UserError
from lungsight.intake.layouts import LAYOUTS

THERE = "config/real-trial.yaml"
# Results of each run → the config files that it is made from, but for the one that names the data.
RUNS = {
    Path("results/real-trial"): [THERE],
    Path("results/real-trial-back"): [THERE, "config/real-trial-back.yaml"],
}
PLACES = Path("results/real-trial-data.yaml")
LAYOUT_OF_COHORT = {"sarscov2": "sars-cov-2-ct", "covidct": "ucsd-covid-ct"}
LABELS = {"Covid-19": ["Covid-19"], "Non Covid": ["Non Covid"]}
ADVICE = """
The trial needs two public data sets in one folder; it downloads nothing. Either get a repository that holds both,
  https://github.com/Coronavirus-Visualization-Team/CVT_COVID-CT-CNN   (Data/master-data and Data/Meta)
or get them one by one, into two folders of one folder:
  SARS-CoV-2 CT-scan (Soares 2020), Kaggle: the folders COVID and non-COVID
  COVID-CT (UCSD 2020), https://github.com/UCSD-AI4H/COVID-CT: Images-processed/CT_COVID and CT_NonCOVID, unpacked, and
  the files COVID-CT-MetaInfo.xlsx and NonCOVID-CT-MetaInfo.csv
Read their terms (docs/data.md). Then: make real-trial DATA=that-folder"""


def problems_of(data: str) -> list[str]:
    """List why the data sets cannot be read from a folder."""
    if not data:
        return ["DATA is not given."]
    folder = Path(data).expanduser()
    if not folder.is_dir():
        return [f"DATA={data} is no folder."]
    problems = []
    for layout in LAYOUT_OF_COHORT.values():
        try:
            LAYOUTS[layout].rows(folder, LABELS)
        except (UserError, OSError) as error:
            problems.append(str(error))
    return problems


def name_places(data: str) -> None:
    """Write the config file that says where the data lie; it completes those of the trial."""
    root = str(Path(data).expanduser().absolute())
    # JSON is YAML.
    text = json.dumps({"cohorts": {cohort: {"root": root} for cohort in LAYOUT_OF_COHORT}}, ensure_ascii=False)
    (ROOT / PLACES).write_text(text + "\n", encoding="utf-8")


def dry_run(configfiles: list[str]) -> int:
    """Let Snakemake print what it would run, and the estimate."""
    snakemake = str(Path(sys.executable).with_name("snakemake"))
    return subprocess.run(
        [snakemake, "--configfile", *configfiles, "-n", "--quiet", "rules", "--", "all"], cwd=ROOT
    ).returncode


def main() -> None:
    """Run the trial."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", default="", help="folder that holds both data sets")
    arguments.add_argument("--cores", type=int, default=2)
    arguments.add_argument("--dry-run", action="store_true", help="print the jobs of both runs, and run none")
    options = arguments.parse_args()
    if problems := problems_of(options.data):
        sys.exit("\n".join(["error:", *problems, ADVICE]))
    name_places(options.data)
    for results, configfiles in RUNS.items():
        files = [*configfiles, str(PLACES)]
        print(f"{results} …", flush=True)
        again = f"make real-trial DATA={options.data}"
        code = dry_run(files) if options.dry_run else run(files, options.cores, Path(f"{results}.log"), again)
        if code:
            sys.exit(code)
    if not options.dry_run:
        print("\n".join(str(ROOT / results / "report" / "index.html") for results in RUNS))


if __name__ == "__main__":
    main()
