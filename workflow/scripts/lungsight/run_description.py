"""Describe a run for the rooms that show it: what its config means, and which files each table and page is made from.

Imported while the workflow is parsed: standard library and the config alone. Roots and tables of the user's cohorts
stay out, so they cannot reach a page.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from lungsight.config import LABELLED_ROLES, cohorts_with_role
from lungsight.evaluation.leakage_inflation.settings import leakage_pipelines
from lungsight.intake.cohort_table import IdCounts, TableRow, count_ids
from lungsight.intake.harmonise import washings_chosen
from lungsight.intake.person_columns import read_under_other_names
from lungsight.layout import LEAKAGE_REPEATS, REPLICATE_MAPS, REPLICATES
from lungsight.segmentation.settings import cohorts_with_lungs, mask_origin
from lungsight.splits.settings import split_unit_of
from lungsight.training import published_models, remedies
from lungsight.training.pipelines import ROLE_OF_STAGE, generated_folder, pipelines_of, stages_of
from lungsight.training.replicates import names_of_replicates
from lungsight.training.settings import SIMSIAM, pretraining_path

# Tables of the report that say more of how well the models do; each has a schema of its name.
EVALUATION_TABLES = ("differences", "aggregation", "reliability", "subgroups", "decision_curves")
# Those of more than two classes.
CLASS_TABLES = ("classes", "confusion", "class_curves", "renormalised", "pairs")

# Settings that may hold a path of the user's, or that change no number.
PIPELINE_WITHOUT_REMEDY = ("input view", "architecture", "weights")
NOT_SHOWN = ("imagenet", "model", "previous", "threads", "gpus", "executable")


class IntakeCohort(TypedDict):
    """A cohort, as the page of intake needs it."""

    name: str
    role: str
    labelled: bool


class CohortDescription(IntakeCohort):
    """A cohort, as the report needs it. phantom: whether its images are generated."""

    format: str
    patients_known: bool
    phantom: bool


class IdsRead(IdCounts):
    """How the patient ids of a cohort were read. rule: exact, normalise, or "" where the config says none."""

    cohort: str
    rule: str


class ReadAs(TypedDict):
    """A column of a cohort's table that is read under another name: meaning is age or sex."""

    cohort: str
    column: str
    meaning: str


class IntakeDescription(TypedDict):
    """What the page of intake needs to know of a config and its tables."""

    title: str
    window: list[float]
    labels: list[str]
    cohorts: list[IntakeCohort]
    ids: list[IdsRead]
    read_as: list[ReadAs]


class PublishedModelDescription(TypedDict):
    """A published model of the run: its paper, what it is, and what is a substitution here."""

    paper: str
    citation: str
    title: str
    substituted: str


class GeneratedDescription(TypedDict):
    """Generated slices: the cohort and the input view of their training slices, and their folder below the run's."""

    cohort: str
    input_view: str
    folder: str


class PretrainingDescription(TypedDict):
    """A pre-training without labels: network, input view, and how the paths of its files begin, below the run's."""

    backbone: str
    input_view: str
    path: str


class RunDescription(TypedDict):
    """What the report shows or needs of a config, as JSON values.

    Attributes
    ----------
    bootstrap
        Resamples for intervals.
    labels
        The classes in order, the positive one first.
    mask_origin
        "trained", "given", "classical", "lungmask", "totalsegmentator" or "own".
    own_lungs
        Cohorts whose tables name lung masks.
    people
        Labelled cohorts whose tables or headers may tell age or sex.
    pipelines
        Input view, architecture and weights of each, and its remedy if it has one, in the config's order.
    systems
        The published models among the pipelines, by their word.
    stages
        The stages that are trained: none where there are no lung masks or no public cohort.
    settings
        Sections of the config, by their title on the page.
    split_unit
        The run's unit of splitting, or slice where one cohort is split so.
    leakage_pipelines
        Names of the pipelines whose leakage inflation is measured.
    ensembles
        Names of the ensembles of pipelines.
    replicates
        How often every pipeline is trained.
    splits_repeat
        Whether each replicate has a split of its own.
    leakage_repeats
        How often the leakage experiment is done.
    generated
        Generated slices that pipelines are trained on.
    pretrained
        Pre-trainings without labels that pipelines start from.
    """

    title: str
    seed: int
    bootstrap: int
    labels: list[str]
    cohorts: list[CohortDescription]
    has_contours: bool
    has_masks: bool
    mask_origin: str
    own_lungs: list[str]
    people: list[str]
    pipelines: list[list[str]]
    systems: dict[str, PublishedModelDescription]
    stages: list[int]
    settings: dict[str, Any]
    split_unit: str
    leakage_pipelines: list[str]
    ensembles: list[str]
    replicates: int
    splits_repeat: bool
    leakage_repeats: int
    generated: list[GeneratedDescription]
    pretrained: list[PretrainingDescription]


def shown(settings: dict[str, Any]) -> dict[str, Any]:
    """Keep what the page shows of a section of the config."""
    return {key: value for key, value in settings.items() if key not in NOT_SHOWN}


def describe_intake(config: dict[str, Any], rows: Mapping[str, Sequence[TableRow]]) -> IntakeDescription:
    """Describe a complete config and the rows of its tables for the page of intake."""
    cohorts = [
        IntakeCohort(name=name, role=cohort["role"], labelled=cohort["role"] in LABELLED_ROLES)
        for name, cohort in config["cohorts"].items()
    ]
    window, labels = config["intake"]["window"], list(config["labels"])
    ids = [
        IdsRead(cohort=name, rule=cohort.get("patient_ids", ""), **count_ids(rows[name]))
        for name, cohort in config["cohorts"].items()
    ]
    title = config["report"]["title"]
    read_as = [
        ReadAs(cohort=name, column=column, meaning=meaning)
        for name, cohort in config["cohorts"].items()
        for column, meaning in read_under_other_names(Path(cohort["table"]))
    ]
    return IntakeDescription(title=title, window=window, labels=labels, cohorts=cohorts, ids=ids, read_as=read_as)


def describe_run(config: dict[str, Any], rows: Mapping[str, Sequence[TableRow]] | None = None) -> RunDescription:
    """Describe a complete config, and the rows of its tables, for the report."""
    origin = mask_origin(config)
    has_contours = bool(cohorts_with_role(config, "segmentation"))
    has_masks = has_contours or origin != "trained"
    return RunDescription(
        title=config["report"]["title"],
        seed=config["seed"],
        bootstrap=config["report"]["bootstrap"],
        labels=list(config["labels"]),
        cohorts=[_describe_cohort(name, cohort) for name, cohort in config["cohorts"].items()],
        has_contours=has_contours,
        has_masks=has_masks,
        mask_origin=origin,
        own_lungs=cohorts_with_lungs(rows or {}),
        people=_cohorts_with_people(config, rows or {}),
        pipelines=[pipeline.words for pipeline in pipelines_of(config)],
        systems={
            name: describe_published_model(name, len(config["labels"])) for name in config["pipelines"]["systems"]
        },
        stages=stages_of(config) if has_masks else [],
        settings={
            "intake window, HU": config["intake"]["window"],
            "slices made alike in": washings_chosen(config["intake"]["harmonise"]) or "nothing",
            "lung segmentation": shown(config["segmentation"]),
            "splits": shown(config["splits"]),
            "training": shown(_training_of_run(config)),
            "explanation": shown(config["explain"]),
            "audit": config["audit"],
            "leakage inflation": config["leakage"],
        },
        split_unit=_worst_split_unit(config),
        leakage_pipelines=[pipeline.name for pipeline in leakage_pipelines(config)],
        ensembles=list(config["pipelines"]["ensembles"]),
        replicates=config["training"]["replicates"],
        splits_repeat=config["splits"]["repeats"],
        leakage_repeats=config["leakage"]["repeats"],
        generated=_describe_generated(config) if has_masks else [],
        pretrained=_describe_pretrained(config) if has_masks and stages_of(config) else [],
    )


def _describe_generated(config: dict[str, Any]) -> list[GeneratedDescription]:
    """Describe the generated slices of all pipelines whose remedy needs them, in the stages that it changes, once."""
    needing = [each for each in pipelines_of(config) if remedies.GENERATED in remedies.load(each.remedy).needs]
    found = {
        generated_folder(pipeline, cohort, config["training"]): (cohort, pipeline.input_view)
        for stage in stages_of(config)
        for cohort in cohorts_with_role(config, ROLE_OF_STAGE[stage])
        for pipeline in needing
        if remedies.load(pipeline.remedy).is_for(stage)
    }
    return [
        GeneratedDescription(cohort=cohort, input_view=view, folder=folder) for folder, (cohort, view) in found.items()
    ]


def _describe_pretrained(config: dict[str, Any]) -> list[PretrainingDescription]:
    """Describe the pre-trainings without labels of all pipelines, each once: remedies share them."""
    training = config["training"]
    found = {
        pretraining_path(pipeline, training): (
            published_models.network_of(pipeline.architecture, training),
            pipeline.input_view,
        )
        for pipeline in pipelines_of(config)
        if pipeline.weights == SIMSIAM
    }
    return [
        PretrainingDescription(backbone=backbone, input_view=view, path=path)
        for path, (backbone, view) in found.items()
    ]


def _training_of_run(config: dict[str, Any]) -> dict[str, Any]:
    """Return the section `training`; of the remedies, those that the run takes, and simsiam where a pipeline has it."""
    taken = {pipeline.remedy for pipeline in pipelines_of(config)} & {*config["training"]["remedies"]}
    unused = {"remedies"} if SIMSIAM in config["pipelines"]["weights"] else {"remedies", SIMSIAM}
    settings = {name: value for name, value in config["training"].items() if name not in unused}
    of_remedies = {name: value for name, value in config["training"]["remedies"].items() if name in taken}
    return settings | ({"remedies": of_remedies} if of_remedies else {})


def _cohorts_with_people(config: dict[str, Any], rows: Mapping[str, Sequence[TableRow]]) -> list[str]:
    return [
        name
        for name in cohorts_with_role(config, *LABELLED_ROLES)
        if config["cohorts"][name]["format"] == "dicom" or any(row.age or row.sex for row in rows.get(name, ()))
    ]


def _describe_cohort(name: str, cohort: dict[str, Any]) -> CohortDescription:
    return CohortDescription(
        name=name,
        role=cohort["role"],
        format=cohort["format"],
        patients_known=cohort["patients"] == "known",
        phantom="phantom" in cohort,
        labelled=cohort["role"] in LABELLED_ROLES,
    )


def describe_published_model(name: str, classes: int) -> PublishedModelDescription:
    """Describe a published model for the page. classes: how many the run has."""
    model, (title, substituted) = published_models.load(name), published_models.description_of(name, classes)
    return PublishedModelDescription(paper=model.paper, citation=model.citation, title=title, substituted=substituted)


def _worst_split_unit(config: dict[str, Any]) -> str:
    units = [split_unit_of(config, name) for name in cohorts_with_role(config, *LABELLED_ROLES)]
    return "slice" if "slice" in units else config["splits"]["unit"]


def cohorts_of(run: RunDescription, *roles: str) -> list[str]:
    """Name the cohorts with one of the roles; all of them where no role is given."""
    return [cohort["name"] for cohort in run["cohorts"] if not roles or cohort["role"] in roles]


def labelled_cohorts_of(run: RunDescription | IntakeDescription) -> list[str]:
    """Name the cohorts that have labels."""
    return [cohort["name"] for cohort in run["cohorts"] if cohort["labelled"]]


def input_views_of(run: RunDescription) -> list[str]:
    """Name the configured input views, in order."""
    return list(dict.fromkeys(input_view for input_view, *_ in run["pipelines"]))


def models_of(run: RunDescription) -> list[tuple[str, int]]:
    """List pipeline name and stage of every trained model, in the config's order."""
    return [("-".join(pipeline), stage) for pipeline in run["pipelines"] for stage in run["stages"]]


def cohort_of_stage(run: RunDescription, stage: int) -> str:
    """Name the cohort that a stage is trained on."""
    return cohorts_of(run, ROLE_OF_STAGE[stage])[0]


def common_split(run: RunDescription, stage: int) -> str:
    """Name the split of a stage's cohort by which the slices of all input views are assigned: that of whole slices."""
    return f"splits/{cohort_of_stage(run, stage)}/whole.tsv"


def metrics_inputs(run: RunDescription) -> list[str]:
    """List the files that report/metrics.tsv is made from, relative to the results folder."""
    return [
        f"models/{name}/stage{stage}/{file}.json"
        for file in ("metrics", "provenance")
        for name, stage in models_of(run)
    ]


def saliency_inputs(run: RunDescription) -> list[str]:
    """List the files that report/saliency.tsv is made from, relative to the results folder."""
    files = ("models/{}/stage{}/provenance.json", "explain/{}/stage{}/saliency.tsv")
    return [file.format(name, stage) for file in files for name, stage in models_of(run)]


def metadata_tables(run: RunDescription) -> list[tuple[str, str, str]]:
    """List (cohort, input view, file) of the metadata classifiers: those of every cohort that a stage is trained on."""
    return [
        (cohort, input_view, f"explain/metadata/{cohort}/{input_view}.tsv")
        for cohort in (cohort_of_stage(run, stage) for stage in run["stages"])
        for input_view in input_views_of(run)
    ]


def pairs_inputs(run: RunDescription) -> list[str]:
    """List the files that report/pairs.tsv of more than two classes is made from, relative to the results folder."""
    tables = ("intervention_logits", "swap_logits")
    return [f"explain/{name}/stage{stage}/{table}.tsv" for name, stage in models_of(run) for table in tables]


def audit_inputs(run: RunDescription) -> list[str]:
    """List the files that the audit's tables are made from, relative to the results folder."""
    many = len(run["labels"]) > 2
    tables = ("shortcuts", "sanity", "making", "intervention_logits", *(["swap_logits"] if many else []), "saliency")
    of_models = [f"explain/{name}/stage{stage}/{table}.tsv" for name, stage in models_of(run) for table in tables]
    splits = [common_split(run, stage) for stage in run["stages"]]
    of_pairs = ["report/pairs.tsv"] if many else []
    metadata = [path for _, _, path in metadata_tables(run)]
    of_run = ["report/saliency.tsv", "report/forensics.tsv"] if of_models else ["report/saliency.tsv"]
    return [*of_models, *metadata, *splits, *of_run, *of_pairs, *replicate_tables(run)]


def replicate_tables(run: RunDescription) -> list[str]:
    """Name the table of replicates, where the models were trained more than once; relative to the results folder."""
    return [REPLICATES] if run["replicates"] > 1 and run["stages"] else []


def replicates_inputs(run: RunDescription) -> list[str]:
    """List the files that report/replicates.tsv is made from, relative to the results folder."""
    return [
        *(
            f"models/{replicate}/stage{stage}/metrics.json"
            for name, stage in models_of(run)
            for replicate in names_of_replicates(name, run["replicates"])
        ),
        *(f"explain/{name}/stage{stage}/{REPLICATE_MAPS}" for name, stage in models_of(run)),
    ]


def has_remedies(run: RunDescription) -> bool:
    """Tell whether a pipeline that is trained has a remedy."""
    return bool(run["stages"]) and any(len(pipeline) > len(PIPELINE_WITHOUT_REMEDY) for pipeline in run["pipelines"])


def remedies_inputs(run: RunDescription) -> list[str]:
    """List the files that report/remedies.tsv is made from, relative to the results folder."""
    tables = ("intervention_logits", *(["swap_logits"] if len(run["labels"]) > 2 else []), "saliency")
    last = max(run["stages"])
    home = cohort_of_stage(run, last)
    predicted = {1: [home], last: [home, *cohorts_of(run, "external")]}
    models = models_of(run)
    return [
        *(f"explain/{name}/stage{stage}/{table}.tsv" for name, stage in models if stage == last for table in tables),
        *(
            f"models/{name}/stage{stage}/predictions/{cohort}.tsv"
            for name, stage in models
            for cohort in predicted[stage]
        ),
        *(f"models/{name}/stage{stage}/history.tsv" for name, stage in models),
        "report/verdicts.tsv",
    ]


def ranking_inputs(run: RunDescription) -> list[str]:
    """List the files that the ranking of pipelines is made from, relative to the results folder."""
    of_models = [
        f"models/{name}/stage{stage}/{file}"
        for name, stage in models_of(run)
        for file in (f"predictions/{cohort_of_stage(run, stage)}.tsv", "provenance.json")
    ]
    return [*of_models, *(f"report/{table}.tsv" for table in ("metrics", "saliency", "verdicts"))]


def _page_inputs(run: RunDescription) -> Iterator[str]:
    labelled = labelled_cohorts_of(run)
    yield from (f"cohorts/{name}/cases.tsv" for name in cohorts_of(run))
    yield from (f"cohorts/{name}/slices.tsv" for name in labelled)
    yield "report/intake_labels.tsv"
    yield from ["report/forensics.tsv"] if labelled else []
    if run["has_contours"]:
        yield from (f"segmentation/{name}" for name in ("metrics.tsv", "curve.png", "worst.png"))
    if run["own_lungs"]:
        yield "report/lungs.tsv"
    if run["has_masks"]:
        yield from (f"qc/{name}/manifest.tsv" for name in labelled)
        yield from ["report/selection.tsv"] if labelled else []
    if run["stages"]:
        yield from (f"splits/{name}/{input_view}.tsv" for name in labelled for input_view in input_views_of(run))
        yield from ("report/leakage.tsv", *(["report/leakage_inflation.tsv"] if run["leakage_pipelines"] else []))
        yield from ("report/metrics.tsv", "report/saliency.tsv")
        yield from (f"report/{name}.tsv" for name in EVALUATION_TABLES)
        yield from ("report/audit.tsv", "report/verdicts.tsv", "report/comparisons.tsv", "report/systems.tsv")
        yield from ["report/ensembles.tsv"] if run["ensembles"] else []
        yield from ["report/remedies.tsv"] if has_remedies(run) else []
        yield from (
            f"{each['folder']}/{file}" for each in run["generated"] for file in ("memorisation.tsv", "sheet.png")
        )
        yield from (f"{each['path']}.{table}.tsv" for each in run["pretrained"] for table in ("history", "probe"))
        yield from replicate_tables(run)
        yield from [LEAKAGE_REPEATS] if run["leakage_pipelines"] and run["leakage_repeats"] > 1 else []
        if len(run["labels"]) > 2:
            yield from (f"report/{name}.tsv" for name in CLASS_TABLES)
    for name, stage in models_of(run):
        yield from (f"models/{name}/stage{stage}/{file}" for file in ("history.tsv", "provenance.json"))
        yield from (
            f"explain/{name}/stage{stage}/{file}"
            for file in ("summary.json", "overlays", "layers.npz", "mean_maps.png")
        )


def page_inputs(run: RunDescription) -> list[str]:
    """List the files and folders that the page is made from, relative to the results folder."""
    return list(_page_inputs(run))
