"""Describe a package as a Workflow Run RO-Crate: the workflow, its inputs and outputs, and the job behind each file.

The metadata are plain JSON-LD of RO-Crate 1.1. They name no person unless the config does, no host and no path outside
the package.

References
----------
Leo, S. et al. (2024). Recording provenance of workflow runs with RO-Crate. PLOS ONE 19(9), e0309210.
Workflow Run Crate 0.5: https://w3id.org/ro/wfrun/workflow/0.5
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from lungsight import __version__
from lungsight.package.archive import digest
from lungsight.package.jobs import Job, utc
from lungsight.run_description import RunDescription, cohorts_of

METADATA, CONFIG, LOCK, WORKFLOW = "ro-crate-metadata.json", "config.json", "requirements.lock", "workflow/Snakefile"
README = "README.md"
RUN = "#run"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
BIOSCHEMAS = "https://bioschemas.org/profiles/{}/1.0-RELEASE"
# Terms that RO-Crate 1.1 lacks or that later versions name otherwise, so that the file means the same with each.
TERMS = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/properties/input",
    "output": "https://bioschemas.org/properties/output",
    "sha256": "https://w3id.org/ro/terms/workflow-run#sha256",
}
FORMATS = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "md": "text/markdown",
    "py": "text/x-python",
    "toml": "application/toml",
    "tsv": "text/tab-separated-values",
    "yaml": "application/yaml",
}
NO_LICENCE = "No licence was given. Ask the authors before you use or share anything of this package."

Entity = dict[str, Any]


class Published(NamedTuple):
    """What the config says of the package: `package.licence`, "" if nothing, and `package.authors`, empty if nobody."""

    licence: str
    authors: Sequence[str]


def reference(name: str) -> Entity:
    """Refer to an entity by its @id."""
    return {"@id": name}


def references(names: Iterable[str]) -> Entity | list[Entity]:
    """Refer to entities by their @id: a list, or the reference itself where there is one."""
    found = [reference(name) for name in names]
    return found[0] if len(found) == 1 else found


def file_entity(name: str, content: bytes, **more: Any) -> Entity:
    """Describe a file of the package, with its size and SHA-256."""
    ending = name.rpartition(".")[2]
    size = {"contentSize": str(len(content)), "sha256": digest(content)}
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "encodingFormat": FORMATS.get(ending, "text/plain"),
        **size,
        **more,
    }


def parameter(name: str, file: str, kind: str, description: str) -> Entity:
    """Describe an input or output of the workflow, and the file of the package that it was in this run."""
    return {
        **{"@id": f"#{name}", "@type": "FormalParameter", "additionalType": kind, "name": name},
        **{"description": description, "workExample": reference(file)},
        "conformsTo": reference(BIOSCHEMAS.format("FormalParameter")),
    }


def _inputs(run: RunDescription) -> dict[str, Entity]:
    """Return file → parameter, of what the run was made from: its settings and its images by hash."""
    images = {
        f"cohorts/{name}/slices.tsv": parameter(
            f"images-{name}",
            f"cohorts/{name}/slices.tsv",
            "File",
            f"The slices of {name}, each by the SHA-256 of its pixels",
        )
        for name in cohorts_of(run)
    }
    return {CONFIG: parameter("config", CONFIG, "File", "Every setting of the run, without paths"), **images}


def _outputs(names: Iterable[str]) -> dict[str, Entity]:
    """Return file → parameter, of the tables that the run was made for."""
    return {
        name: parameter(
            f"table-{name.removeprefix('report/').removesuffix('.tsv')}", name, "File", "A table of the report"
        )
        for name in names
        if name.startswith("report/") and name.endswith(".tsv")
    }


def _agents(authors: Sequence[str]) -> list[Entity]:
    return [{"@id": f"#author-{n}", "@type": "Person", "name": name} for n, name in enumerate(authors, start=1)]


def is_link(text: str) -> bool:
    """Tell whether a licence is a link and nothing else: a link with words after it identifies nothing."""
    return re.fullmatch(r"https?://[^\s<>\"\\^`{|}]+", text) is not None


def _licence(text: str) -> Entity:
    """Describe the licence of the package: a link, a sentence, or that none was given."""
    link = is_link(text)
    described = {"name": text} if link else {"name": "Licence of this package", "description": text or NO_LICENCE}
    return {"@id": text if link else "#licence", "@type": "CreativeWork", **described}


def _cost(job: Job) -> str:
    measured = {
        "seconds": job.seconds,
        "seconds of processor time": job.cpu_seconds,
        "MB of memory at most": job.peak_mb,
    }
    return ", ".join(f"{value:.1f} {words}" for words, value in measured.items() if value is not None)


def _times(start: float | None, end: float | None) -> Entity:
    return {name: utc(value) for name, value in (("startTime", start), ("endTime", end)) if value}


def _actions(jobs: Sequence[Job], files: set[str], agents: list[Entity]) -> list[Entity]:
    """Describe the jobs that made a file of the package. Each was done by a program of the workflow."""
    by = {"agent": references(agent["@id"] for agent in agents)} if agents else {}
    actions = []
    for number, job in enumerate(jobs, start=1):
        made, program = [name for name in job.outputs if name in files], f"workflow/scripts/{job.rule}.py"
        if made and program in files:
            measured = f": {cost}" if (cost := _cost(job)) else ""
            actions.append(
                {
                    **{"@id": f"#job-{number}", "@type": "CreateAction", "name": f"{job.rule} made {made[0]}"},
                    "description": f"A job of the rule {job.rule}{measured}",
                    **{"instrument": reference(program), "actionStatus": COMPLETED},
                    **({"object": references(used)} if (used := [n for n in job.inputs if n in files]) else {}),
                    **{"result": references(made), **_times(job.start, job.end), **by},
                }
            )
    return actions


COMPLETED = "http://schema.org/CompletedActionStatus"


def crate_metadata(
    title: str,
    run: RunDescription,
    contents: dict[str, bytes],
    jobs: Sequence[Job],
    published: Published,
    snakemake: str,
    date: str,
) -> Entity:
    """Write the metadata file of a package, as JSON values.

    Parameters
    ----------
    title
        Of the run.
    run
        Its description.
    contents
        Name in the package → bytes, of everything but the metadata and the manifest.
    jobs
        Of the run.
    published
        What the config says of the package.
    snakemake
        Version of Snakemake.
    date
        The day on which the run ended.
    """
    files, agents, licence = set(contents), _agents(published.authors), _licence(published.licence)
    inputs = {name: entity for name, entity in _inputs(run).items() if name in files}
    outputs = _outputs(sorted(files))
    actions = _actions(jobs, files, agents)
    starts, ends = ([time for job in jobs if (time := getattr(job, end))] for end in ("start", "end"))
    results = sorted({name for job in jobs for name in job.outputs if name in files} | set(outputs))
    run_of_workflow = {
        **{"@id": RUN, "@type": "CreateAction", "name": title, "instrument": reference(WORKFLOW)},
        "description": f"One run of lungsight {__version__}: {len(jobs)} jobs are known",
        **_times(min(starts, default=None), max(ends, default=None)),
        **{"actionStatus": COMPLETED, "object": references(inputs), "result": references(results)},
        **({"agent": references(agent["@id"] for agent in agents)} if agents else {}),
    }
    root = {
        **{"@id": "./", "@type": "Dataset", "name": title, "datePublished": date},
        "description": f"A run of lungsight on {', '.join(cohorts_of(run))}: tables, predictions, model cards and"
        " provenance. No pixels of patients unless the report's pages are among the files.",
        **{"license": reference(licence["@id"]), "conformsTo": references(PROFILES)},
        **({"author": references(agent["@id"] for agent in agents)} if agents else {}),
        **{"mainEntity": reference(WORKFLOW), "hasPart": references(sorted(files))},
        "mentions": references([RUN, *(action["@id"] for action in actions)]),
    }
    return {
        "@context": ["https://w3id.org/ro/crate/1.1/context", TERMS],
        "@graph": [
            _descriptor(),
            root,
            *_profiles(),
            _workflow(contents[WORKFLOW], inputs, outputs, files),
            *_languages(snakemake),
            *inputs.values(),
            *outputs.values(),
            *_file_entities(contents, inputs | outputs),
            licence,
            *agents,
            run_of_workflow,
            *actions,
        ],
    }


def _descriptor() -> Entity:
    conforms = ["https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"]
    return {"@id": METADATA, "@type": "CreativeWork", "about": reference("./"), "conformsTo": references(conforms)}


def _profiles() -> list[Entity]:
    return [
        {"@id": link, "@type": "CreativeWork", "name": name, "version": version}
        for link, (name, version) in PROFILES.items()
    ]


def _workflow(content: bytes, inputs: dict[str, Entity], outputs: dict[str, Entity], files: set[str]) -> Entity:
    return file_entity(
        WORKFLOW,
        content,
        **{"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"]},
        **{"version": __version__, "license": reference("https://spdx.org/licenses/MIT")},
        **{
            "programmingLanguage": reference("#snakemake"),
            "conformsTo": reference(BIOSCHEMAS.format("ComputationalWorkflow")),
        },
        input=references(entity["@id"] for entity in inputs.values()),
        output=references(entity["@id"] for entity in outputs.values()),
        hasPart=references(sorted(name for name in files if _is_program(name))),
        **({"softwareRequirements": reference(LOCK)} if LOCK in files else {}),
    ) | {"name": "lungsight"}


def _is_program(name: str) -> bool:
    """Tell whether a file is the program of a rule."""
    return name.startswith("workflow/scripts/") and name.count("/") == 2 and name.endswith(".py")


def _languages(snakemake: str) -> list[Entity]:
    language = {
        **{"@id": "#snakemake", "@type": "ComputerLanguage", "name": "Snakemake", "version": snakemake},
        **{"identifier": "https://doi.org/10.1093/bioinformatics/bts480", "url": "https://snakemake.readthedocs.io"},
    }
    licence = {"@id": "https://spdx.org/licenses/MIT", "@type": "CreativeWork", "name": "MIT License"}
    return [language, licence]


def _file_entities(contents: dict[str, bytes], parameters: dict[str, Entity]) -> list[Entity]:
    """Describe all files but the workflow's main file."""
    entities = []
    for name in sorted(contents):
        if name == WORKFLOW:
            continue
        more: Entity = {"exampleOfWork": reference(parameters[name]["@id"])} if name in parameters else {}
        if _is_program(name):
            more |= {"@type": ["File", "SoftwareSourceCode"], "version": __version__}
        if name == README:
            more |= {"about": reference("./")}
        entities.append(file_entity(name, contents[name], **more))
    return entities
