"""What the report needs to know of the config, and which files of a run it reads.

Imported while the workflow is parsed: standard library and the config alone. Roots and tables of the user's cohorts
stay out, so they cannot reach the page.
"""

from collections.abc import Iterator
from typing import Any

from lungsight.config import LABELLED_ROLES, cohorts_with_role
from lungsight.evaluation.leakage_inflation.settings import leakage_pipelines
from lungsight.segmentation.settings import mask_origin
from lungsight.splits.settings import split_unit_of
from lungsight.training import published_models
from lungsight.training.pipelines import ROLE_OF_STAGE, pipelines_of, stages_of

# Tables of the report that say more of how well the models do; each has a schema of its name.
EVALUATION_TABLES = ("differences", "aggregation", "reliability", "subgroups")

# Settings that may hold a path of the user's, or that change no number.
NOT_SHOWN = ("imagenet", "model", "threads", "gpus")


def shown(settings: dict) -> dict:
    """A section of the config without what the page leaves out."""
    return {key: value for key, value in settings.items() if key not in NOT_SHOWN}


def describe_intake(config: dict) -> dict[str, Any]:
    """What the page of intake needs to know of a complete config, as JSON values."""
    cohorts = [
        {"name": name, "role": cohort["role"], "labelled": cohort["role"] in LABELLED_ROLES}
        for name, cohort in config["cohorts"].items()
    ]
    window, labels = config["intake"]["window"], list(config["labels"])
    return {"title": config["report"]["title"], "window": window, "labels": labels, "cohorts": cohorts}


def describe_run(config: dict) -> dict[str, Any]:
    """The part of a complete config that the page shows or needs, as JSON values."""
    cohorts = [
        {
            "name": name,
            "role": cohort["role"],
            "format": cohort["format"],
            "patients_known": cohort["patients"] == "known",
            "phantom": "phantom" in cohort,
            "labelled": cohort["role"] in LABELLED_ROLES,
        }
        for name, cohort in config["cohorts"].items()
    ]
    training, segmentation = config["training"], config["segmentation"]
    has_contours = bool(cohorts_with_role(config, "segmentation"))
    has_masks = has_contours or mask_origin(config) != "trained"
    return {
        "title": config["report"]["title"],
        "seed": config["seed"],
        "bootstrap": config["report"]["bootstrap"],
        "labels": list(config["labels"]),
        "cohorts": cohorts,
        "has_contours": has_contours,
        "has_masks": has_masks,
        "mask_origin": mask_origin(config),
        "pipelines": [list(pipeline) for pipeline in pipelines_of(config)],
        "systems": {name: describe_published_model(name) for name in config["pipelines"]["systems"]},
        "stages": stages_of(config) if has_masks else [],
        "settings": {
            "intake window, HU": config["intake"]["window"],
            "lung segmentation": shown(segmentation),
            "splits": config["splits"],
            "training": shown(training),
            "explanation": shown(config["explain"]),
            "audit": config["audit"],
            "leakage inflation": config["leakage"],
        },
        "split_unit": _worst_split_unit(config),
        "leakage_pipelines": [pipeline.name for pipeline in leakage_pipelines(config)],
    }


def describe_published_model(name: str) -> dict[str, str]:
    """What the page says of a system: its paper, what it is, and what is a substitution here."""
    system, (title, substituted) = published_models.load(name), published_models.description_of(name)
    return {"paper": system.paper, "citation": system.citation, "title": title, "substituted": substituted}


def _worst_split_unit(config: dict) -> str:
    """The run's unit of splitting, or slice where one cohort is split so."""
    units = [split_unit_of(config, name) for name in cohorts_with_role(config, *LABELLED_ROLES)]
    return "slice" if "slice" in units else config["splits"]["unit"]


def cohorts_of(run: dict, *roles: str) -> list[str]:
    """Names of the cohorts with one of the roles, all where none is given."""
    return [cohort["name"] for cohort in run["cohorts"] if not roles or cohort["role"] in roles]


def models_of(run: dict) -> list[tuple[str, int]]:
    """(pipeline name, stage) of every trained model, in the config's order."""
    return [("-".join(pipeline), stage) for pipeline in run["pipelines"] for stage in run["stages"]]


def metrics_inputs(run: dict) -> list[str]:
    """List the files that report/metrics.tsv is made from, relative to the results folder."""
    return [
        f"models/{name}/stage{stage}/{file}.json"
        for file in ("metrics", "provenance")
        for name, stage in models_of(run)
    ]


def saliency_inputs(run: dict) -> list[str]:
    """List the files that report/saliency.tsv is made from, relative to the results folder."""
    files = ("models/{}/stage{}/provenance.json", "explain/{}/stage{}/saliency.tsv")
    return [file.format(name, stage) for file in files for name, stage in models_of(run)]


def cohort_of_stage(run: dict, stage: int) -> str:
    """The cohort that a stage is trained on."""
    return cohorts_of(run, ROLE_OF_STAGE[stage])[0]


def metadata_tables(run: dict) -> list[tuple[str, str, str]]:
    """(cohort, framework, file) of the metadata classifiers: one for every cohort that a stage is trained on."""
    return [
        (cohort, framework, f"explain/metadata/{cohort}/{framework}.tsv")
        for cohort in (cohort_of_stage(run, stage) for stage in run["stages"])
        for framework in input_views_of(run)
    ]


def audit_inputs(run: dict) -> list[str]:
    """Files that the audit's tables are made from, relative to the results folder."""
    tables = ("shortcuts", "sanity", "intervention_logits", "saliency")
    of_models = [f"explain/{name}/stage{stage}/{table}.tsv" for name, stage in models_of(run) for table in tables]
    return [*of_models, *(path for _, _, path in metadata_tables(run)), "report/saliency.tsv"]


def ranking_inputs(run: dict) -> list[str]:
    """Files that the ranking of pipelines is made from, relative to the results folder."""
    of_models = [
        f"models/{name}/stage{stage}/{file}"
        for name, stage in models_of(run)
        for file in (f"predictions/{cohort_of_stage(run, stage)}.tsv", "provenance.json")
    ]
    return [*of_models, *(f"report/{table}.tsv" for table in ("metrics", "saliency", "verdicts"))]


def _page_inputs(run: dict) -> Iterator[str]:
    labelled = cohorts_of(run, *LABELLED_ROLES)
    yield from (f"cohorts/{name}/cases.tsv" for name in cohorts_of(run))
    yield from (f"cohorts/{name}/slices.tsv" for name in labelled)
    if run["has_contours"]:
        yield from (f"segmentation/{name}" for name in ("metrics.tsv", "curve.png", "worst.png"))
    if run["has_masks"]:
        yield from (f"qc/{name}/manifest.tsv" for name in labelled)
    if run["stages"]:
        yield from (f"splits/{name}/{framework}.tsv" for name in labelled for framework in input_views_of(run))
        yield from ("report/leakage.tsv", *(["report/leakage_inflation.tsv"] if run["leakage_pipelines"] else []))
        yield from ("report/metrics.tsv", "report/saliency.tsv")
        yield from (f"report/{name}.tsv" for name in EVALUATION_TABLES)
        yield from ("report/audit.tsv", "report/verdicts.tsv", "report/comparisons.tsv", "report/systems.tsv")
    for name, stage in models_of(run):
        yield from (f"models/{name}/stage{stage}/{file}" for file in ("history.tsv", "provenance.json"))
        yield from (f"explain/{name}/stage{stage}/{file}" for file in ("summary.json", "overlays", "mean_maps.png"))


def page_inputs(run: dict) -> list[str]:
    """Files and folders that the page is made from, relative to the results folder."""
    return list(_page_inputs(run))


def input_views_of(run: dict) -> list[str]:
    """The configured frameworks, in order."""
    return list(dict.fromkeys(framework for framework, _, _ in run["pipelines"]))
