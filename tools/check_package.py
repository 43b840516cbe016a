"""Validate packages of lungsight with the reference tools, without the network, and compute their numbers again.

python tools/check_package.py results/mine.crate.zip
python tools/check_package.py --run my.yaml         # packages the finished run of this config first

RO-Crate and the Workflow Run profile: rocrate-validator, whose shapes are in its wheel. It asks the network for the
JSON-LD context of RO-Crate alone; that comes from the library `rocrate` instead. Its copy is of a later version (1.3).
The terms that later versions name otherwise stand in the package's own context, so both mean the same here.
Croissant: mlcroissant, which needs no network. Model cards: huggingface_hub's own reader.
Numbers: `lungsight.verify` as it lies in the package.
"""

import argparse
import json
import os
import subprocess
import sys
import zipfile
from importlib import resources
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import mlcroissant
import requests
import yaml
from huggingface_hub import ModelCard
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester
from urllib3 import HTTPResponse

SNAKEFILE = Path(__file__).resolve().parents[1] / "Snakefile"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
# What the validator says that it takes, where it loads the context and where it checks it: part of the cache's key.
ACCEPTED = ("application/ld+json, application/json, */*;q=0.1", "application/ld+json, application/json")
PROFILE = "workflow-run-crate"


class Bundled(HTTPAdapter):
    """Answer every request by the JSON-LD context that `rocrate` brings."""

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        content = resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
        headers = {"Content-Type": "application/ld+json"}
        raw = HTTPResponse(BytesIO(content), headers, status=200, preload_content=False, request_url=request.url)
        return self.build_response(request, raw)


def keep_context(cache: Path) -> None:
    """Put the context of RO-Crate into the validator's cache, as if it had been fetched."""
    with CachedSession(cache_name=str(cache), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Bundled())
        for accepted in ACCEPTED:
            session.get(CONTEXT, headers={"Accept": accepted})


def crate_problems(package: Path, severity: str = "REQUIRED") -> list[str]:
    """List what the Workflow Run profile finds wrong with a package, one line each."""
    with TemporaryDirectory() as folder:
        keep_context(Path(folder) / "cache")
        settings = services.ValidationSettings(
            rocrate_uri=str(package),
            profile_identifier=PROFILE,
            requirement_severity=models.Severity[severity],
            cache_path=Path(folder) / "cache",
            offline=True,
        )
        result = services.validate(settings)
        problems = [f"{issue.severity.name} {issue.check.identifier}: {issue.message}" for issue in result.get_issues()]
        HttpRequester().session.close()
    return sorted(set(problems))


def croissant_problems(folder: Path) -> list[str]:
    """List what mlcroissant finds wrong with an unpacked package, and read the first records of every table."""
    try:
        dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
        for records in dataset.metadata.record_sets:
            next(iter(dataset.records(records.uuid)), None)
    except Exception as error:
        return [str(error)]
    return [*dataset.metadata.ctx.issues.errors, *dataset.metadata.ctx.issues.warnings]


def card_problems(folder: Path) -> list[str]:
    """List the model cards of an unpacked package that the Hub would refuse, or whose results it cannot read."""
    problems = []
    for path in sorted(folder.glob("models/*/*/model_card.md")):
        try:
            card = ModelCard.load(path)
            if not card.data.eval_results:
                problems.append(f"{path.name}: no results")
        except Exception as error:
            problems.append(f"{path.relative_to(folder)}: {error}")
    return problems


def problems_of(package: Path) -> dict[str, list[str]]:
    """Validate a package: standard → what is wrong with it."""
    with TemporaryDirectory() as folder:
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        return {
            f"RO-Crate, {PROFILE}": crate_problems(package),
            "Croissant": croissant_problems(Path(folder)),
            "model cards": card_problems(Path(folder)),
        }


def make_package(config: Path, cores: int) -> Path:
    """Package the finished run of a config file. Where Snakemake refuses, it says why; exit with its status."""
    command = [Path(sys.executable).with_name("snakemake"), "--snakefile", SNAKEFILE, "--configfile", config]
    done = subprocess.run([*command, "--cores", str(cores), "--quiet", "rules", "--", "package"], check=False)
    if done.returncode:
        sys.exit(done.returncode)
    results = yaml.safe_load(config.read_text(encoding="utf-8-sig"))["results"]
    return Path(f"{results.rstrip('/')}.crate.zip")


def numbers_follow(package: Path) -> bool:
    """Run the check that lies in a package, by its readme's command. It prints what it finds."""
    package = package.resolve()
    with TemporaryDirectory() as folder:  # nothing else of lungsight is found from there
        environment = os.environ | {"PYTHONPATH": f"{package}/workflow/scripts"}
        command = [sys.executable, "-m", "lungsight.verify", package]
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode == 0


def check(package: Path) -> bool:
    """Check a package in every way, and print what is found. Return whether all is right."""
    right = True
    for standard, problems in problems_of(package).items():
        print(f"{package.name}, {standard}: {json.dumps(problems, indent=1) if problems else 'valid'}", flush=True)
        right = right and not problems
    return numbers_follow(package) and right


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("packages", type=Path, nargs="*")
    arguments.add_argument("--run", type=Path, metavar="CONFIG", help="package the finished run of this config first")
    arguments.add_argument("--cores", type=int, default=2)
    options = arguments.parse_args()
    packages = [*options.packages, *([make_package(options.run, options.cores)] if options.run else [])]
    if not packages:
        arguments.error("name a package, or a config with --run")
    sys.exit(not all([check(package) for package in packages]))


if __name__ == "__main__":
    main()
