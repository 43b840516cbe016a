"""Put a package together: what a run left, and the descriptions that make it readable."""

from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from lungsight import __version__
from lungsight.errors import UserError
from lungsight.files import read_json
from lungsight.package.archive import MANIFEST, as_json, manifest_of, workflow_files
from lungsight.package.contents import missing_files, published_files, refusal
from lungsight.package.crate import CONFIG, METADATA, README, Published, crate_metadata
from lungsight.package.croissant import CROISSANT, croissant_metadata, described_tables
from lungsight.package.jobs import Job, job_table, jobs_of, utc
from lungsight.package.templates import README_TEMPLATE, read_template
from lungsight.run_description import RunDescription, cohorts_of, models_of
from lungsight.tables import read_table

JOBS, ENVIRONMENT = "jobs.tsv", "environment.json"


class PackageSettings(NamedTuple):
    """What a package is made of.

    Attributes
    ----------
    results
        The run's folder, as the config names it.
    run
        The run's description.
    config
        The config without paths.
    snakemake
        Version of Snakemake.
    archive
        Name of the package's file.
    """

    results: str
    run: RunDescription
    config: dict[str, Any]
    snakemake: str
    archive: str

    @property
    def published(self) -> Published:
        """What the config says of the package."""
        return Published(self.config["package"]["licence"], self.config["package"]["authors"])


def package_contents(settings: PackageSettings, repository: Path, metadata: Path) -> dict[str, bytes]:
    """Return everything that a package holds: name in it → bytes.

    Parameters
    ----------
    settings
        What the package is made of.
    repository
        Where lungsight lies.
    metadata
        Snakemake's `.snakemake/metadata`.

    Raises
    ------
    UserError
        The run is not finished.
    """
    folder, run = Path(settings.results), settings.run
    if missing := missing_files(folder, run):
        raise UserError(refusal(settings.results, missing))
    jobs = jobs_of(settings.results, metadata)
    names = published_files(folder, run, settings.config["package"]["images"])
    contents = {name: (folder / name).read_bytes() for name in names}
    contents |= {name: path.read_bytes() for name, path in workflow_files(repository).items()}
    contents[CONFIG] = as_json(settings.config)
    contents[ENVIRONMENT] = as_json(environments(folder / "libraries"))
    contents[JOBS] = job_table(jobs).to_csv(sep="\t", index=False, lineterminator="\n").encode()
    day = day_of(folder, jobs)
    contents[CROISSANT] = as_json(_croissant(settings, folder, contents, day))
    contents[README] = _readme(settings, contents, jobs)
    crate = crate_metadata(run["title"], run, contents, jobs, settings.published, settings.snakemake, day)
    contents[METADATA] = as_json(crate)
    return contents | {MANIFEST: manifest_of(contents)}


def day_of(folder: Path, jobs: list[Job]) -> str:
    """Return the day on which a run ended: that of its last job, or of its run.json where no job is known."""
    known = [job.end for job in jobs if job.end]
    return utc(max(known, default=(folder / "run.json").stat().st_mtime))[:10]


def environments(libraries: Path) -> dict[str, dict[str, str]]:
    """Return program → library → the versions that its jobs loaded, joined where there are several."""
    found: dict[str, dict[str, set[str]]] = {}
    for path in sorted(libraries.glob("*/*.json")):
        for library, version in read_json(path)["libraries"].items():
            found.setdefault(path.parent.name, {}).setdefault(library, set()).add(version)
    return {
        program: {library: " and ".join(sorted(versions)) for library, versions in sorted(of_program.items())}
        for program, of_program in found.items()
    }


def _croissant(settings: PackageSettings, folder: Path, contents: dict[str, bytes], day: str) -> dict[str, Any]:
    tables: dict[str, pd.DataFrame] = {
        name: read_table(folder / name, schema) for name, schema in described_tables(sorted(contents)).items()
    }
    facts = {"window": settings.config["intake"]["window"], "unit": settings.run["split_unit"]}
    return croissant_metadata(settings.run["title"], tables, contents, settings.published, facts, day)


def _readme(settings: PackageSettings, contents: dict[str, bytes], jobs: list[Job]) -> bytes:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(read_template(README_TEMPLATE)).render(
        title=settings.run["title"],
        version=__version__,
        cohorts=cohorts_of(settings.run),
        models=len(models_of(settings.run)),
        tables=[name for name in contents if name.startswith("report/") and name.endswith(".tsv")],
        predictions=sum("/predictions/" in name for name in contents),
        timed=sum(job.end is not None for job in jobs),
        jobs=len(jobs),
        authors=settings.published.authors,
        licence=settings.published.licence,
        images=settings.config["package"]["images"],
        archive=settings.archive,
    )
    return text.encode()
