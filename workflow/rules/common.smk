"""What the rules share: the checked config, the cohort tables, and where files lie. No rules here."""

import hashlib
import json
import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(SCRIPTS))

from lungsight.code import digest_of, libraries_of
from lungsight.training.pipelines import (
    TARGET_ONLY,
    ROLE_OF_STAGE,
    Pipeline,
    check_pipelines,
    input_views_of,
    pipelines_of,
    stages_of,
)
from lungsight.config import LABELLED_ROLES, cohorts_with_role
from lungsight.config_check import complete_config
from lungsight.segmentation.settings import trains_segmentation
from lungsight.errors import UserError
from lungsight.intake.cohort_table import default_shards, read_cohort_tables, rows_by_shard, threads_for
from lungsight.evaluation.leakage_inflation.settings import (
    LEAKAGE_CONDITIONS,
    check_leakage,
    leakage_cohort,
    leakage_pipelines,
    settings_of_leakage_training,
)
from lungsight.libraries import FOLDER as FOLDER_OF_LIBRARIES
from lungsight.predict.request import COHORT as NEW
from lungsight.predict.request import prediction_request
from lungsight.program import set_environment
from lungsight.qc.decision_files import files_of_cohort, known_cases
from lungsight.segmentation.model_folder import check_given_model, files_of_model
from lungsight.run_description import (
    audit_inputs,
    describe_intake,
    describe_run,
    metrics_inputs,
    page_inputs,
    ranking_inputs,
    saliency_inputs,
)
from lungsight.splits.settings import (
    assigned_together,
    earlier_files,
    has_network_on_contours,
    subsets_preassigned_elsewhere,
    split_settings_of,
    split_unit_of,
)
from lungsight.training import backbones
from lungsight.training.regions import REGIONS, WHOLE_IMAGE
from lungsight.training.published_models import recipe_of, training_settings
from lungsight.training.settings import (
    cohorts_predicted,
    settings_of_stage,
    stage_number,
    stages_with_controls,
    start_files,
    start_words,
)

try:
    # New scans for a trained model stand for a config and a cohort of their own.
    REQUEST = prediction_request(config) if "scans" in config else None
    config = REQUEST.config if REQUEST else complete_config(config)
    ROWS = {NEW: REQUEST.rows} if REQUEST else read_cohort_tables(config["cohorts"], config["labels"])
    check_pipelines(config)
    check_given_model(config)
    check_leakage(config)
    EARLIER = earlier_files(config)
except UserError as error:
    raise WorkflowError(str(error)) from None

RESULTS = config["results"].rstrip("/")
PRIVATE = f"{RESULTS}.private"
KEY = f"{PRIVATE}/key"
PIPELINES = pipelines_of(config)
RUN = describe_run(config)
PHANTOM_COHORTS = {cohort["root"]: name for name, cohort in config["cohorts"].items() if "phantom" in cohort}

set_environment(private=PRIVATE, gpus=config["training"]["gpus"])
os.environ[FOLDER_OF_LIBRARIES] = f"{RESULTS}/libraries"


wildcard_constraints:
    cohort="|".join(config["cohorts"]),
    shard=r"\d{3}",
    input_view="whole|segmented",
    pipeline="|".join(pipeline.name for pipeline in PIPELINES),
    stage="[12]",


def program(name):
    """The program of a rule, as its input; edits count through `code`, not through the file's time."""
    return os.path.relpath(SCRIPTS / f"{name}.py")


def code(name, backbone=None):
    """Digest of the code that a rule's program reaches; of the backbones, of the one that it loads."""
    return digest_of(SCRIPTS / f"{name}.py", loads={backbones.__name__: [backbone]} if backbone else None)


def libraries(name):
    """The libraries that the results of a program depend on; none for a program that is there no more."""
    path = SCRIPTS / f"{name}.py"
    return libraries_of(path) if path.is_file() else frozenset()


def code_with_backbone(name):
    """An input function: as `code`, of a program that loads the pipeline's backbone."""
    return lambda wildcards: code(name, backbone_of(wildcards))


def as_json(value):
    """A setting with structure, as one argument of a program."""
    return json.dumps(value, ensure_ascii=False)


def shards_of(cohort):
    """Names of the shards of a cohort that have a case."""
    return list(shards_with_rows(cohort))


def number_of_shards(cohort):
    """Jobs that share a cohort's cases."""
    settings = config["cohorts"][cohort]
    return settings.get("shards", default_shards(len(ROWS[cohort]), settings["format"]))


@cache
def shards_with_rows(cohort):
    """Name of a shard → its rows."""
    return rows_by_shard(ROWS[cohort], number_of_shards(cohort))


def threads_of_shard(wildcards):
    """Cases of a shard that are converted at once."""
    rows = shards_with_rows(wildcards.cohort).get(wildcards.shard, [])
    return threads_for(len(rows), config["cohorts"][wildcards.cohort]["format"], config["intake"]["threads"])


def digest(value):
    """A short digest of a setting that is too long to be a parameter."""
    return hashlib.sha256(as_json(value).encode()).hexdigest()[:12]


def scans_of_shard(wildcards):
    """What a shard reads: the root where a rule makes it, else its cases' paths, masks and lesion masks."""
    cohort = config["cohorts"][wildcards.cohort]
    if "phantom" in cohort:
        return cohort["root"]
    rows = shards_with_rows(wildcards.cohort).get(wildcards.shard, [])
    read = [path for row in rows if not row.skip for path in (row.path, row.mask, row.lesion) if path]
    return [os.path.join(cohort["root"], path) for path in dict.fromkeys(read)]


def min_slices_of(cohort):
    """The fewest slices that a cohort's series may have."""
    return config["cohorts"][cohort].get("min_slices", config["min_slices"])


def what_of_shard(wildcards):
    """Digest of what a shard converts: an edit of a label, a source or a patient reruns nothing here."""
    rows = shards_with_rows(wildcards.cohort).get(wildcards.shard, [])
    return digest([(row.path, row.mask, row.lesion, row.skip, row.note) for row in rows])


def settings_of_images(*more):
    """The settings of intake that every conversion depends on, and those named."""
    names = ("window", "png_size", "burned_in", "nifti_values", "series", *more)
    return as_json({name: config["intake"][name] for name in names})


def shard_tables(name):
    """An input function: one table of every shard of a cohort."""
    path = f"{RESULTS}/cohorts/{{cohort}}/shards/{{shard}}/{name}.tsv"
    return lambda wildcards: expand(path, cohort=wildcards.cohort, shard=shards_of(wildcards.cohort))


def cohort_with_role(role):
    """The one cohort with a role; a message where the config has none."""
    names = cohorts_with_role(config, role)
    if not names:
        raise WorkflowError(f"This target needs a cohort with role: {role}; the config has none.")
    return names[0]


def labelled_cohorts():
    return cohorts_with_role(config, *LABELLED_ROLES)


def annotated_cohort():
    """The cohort whose contours train the lung segmentation; a message where the config has none."""
    cohorts = cohorts_with_role(config, "segmentation")
    if not cohorts:
        # Snakemake would surround an exception of an input function with a traceback.
        sys.exit(
            "error: Lung segmentation by nnU-Net is trained on a cohort with role: segmentation, and the config has none."
            " Add one, name a trained model (segmentation.model), or set segmentation.method: classical."
        )
    return cohorts[0]


def annotated(path):
    """An input function: a path with {cohort} for the annotated cohort, once for each of its shards where {shard} is."""

    def paths(wildcards):
        cohort = annotated_cohort()
        shards = shards_of(cohort) if "{shard}" in path else [""]
        return [path.format(cohort=cohort, shard=shard) for shard in shards]

    return paths


def settings_of(section, *names):
    """Some settings of a section of the config, as one argument of a program."""
    return as_json({name: config[section][name] for name in names})


def segmentation_metrics_wanted(wildcards):
    """The comparison with contours, where there are any; a network that is trained here cannot do without."""
    needed = trains_segmentation(config) and annotated_cohort()
    return rules.segmentation_metrics.output if needed or cohorts_with_role(config, "segmentation") else []


def phantom_settings(root):
    """What the phantom cohort that is made into a root follows from."""
    cohort = config["cohorts"][PHANTOM_COHORTS[root]]
    return {key: cohort[key] for key in ("role", "format", "table", "root", "patients", "phantom")}


def predictions_of_models(stages):
    """The prediction tables of every pipeline in these stages, on every cohort that they are evaluated on."""
    return [
        f"{RESULTS}/models/{pipeline.name}/stage{stage}/predictions/{cohort}.tsv"
        for pipeline in PIPELINES
        for stage in stages
        for cohort in cohorts_predicted(config, stage)
    ]


def cohort_of_stage(stage):
    """The cohort that a stage is trained on."""
    return cohort_with_role(ROLE_OF_STAGE[stage_number(stage)])


def repository_file(path):
    """A file that comes with lungsight, from wherever Snakemake runs."""
    return os.path.relpath(REPOSITORY / path)


def shard_folders(folder):
    """An input function: one folder per shard of the cohort below `folder`."""
    return lambda wildcards: [f"{folder}/{shard}".format(**wildcards) for shard in shards_of(wildcards.cohort)]


def decision_files(wildcards):
    """The person's QC decisions that a cohort's manifest is made from."""
    folder = config["qc"]["decisions"]
    if not folder:
        return []
    tables = {cohort: f"{RESULTS}/cohorts/{cohort}/cases.tsv" for cohort in labelled_cohorts()}
    cases = {cohort: known_cases(cohort, table, KEY, ROWS[cohort]) for cohort, table in tables.items()}
    return files_of_cohort(folder, wildcards.cohort, cases)


def slices_decided_on(wildcards):
    """Tables of the slices that a decision may name, those of any cohort.

    No input: other cohorts' tables may be made later, and a change there is none of this cohort's.
    """
    cohorts = labelled_cohorts() if decision_files(wildcards) else []
    return [f"{RESULTS}/cohorts/{cohort}/slices.tsv" for cohort in cohorts]


def cohorts_assigned_with(cohort):
    """Cohorts that a cohort's split is made with."""
    return assigned_together(config, cohort, labelled_cohorts())


def split_unit(cohort):
    """What stays on one side when a cohort is split."""
    return split_unit_of(config, cohort)


def tables_assigned_together(pattern):
    """An input function: one table for every cohort that is assigned together with the wanted one."""
    return lambda wildcards: expand(pattern, cohort=cohorts_assigned_with(wildcards.cohort))


def duplicates_wanted(wildcards):
    """The table of near_duplicates, where a cohort's split keeps them together."""
    return rules.find_duplicates.output[0] if split_unit(wildcards.cohort) == "patient+duplicates" else []


def segmentation_split_wanted():
    """The split of the patients that train the lung segmentation, where they may be in other cohorts too."""
    shared = config["shared_ids"] and has_network_on_contours(config)
    return rules.segmentation_split.output[0] if shared else []


def earlier_run_arguments(wildcards, input):
    """The arguments of a split that say which earlier run it follows, and how to find its patients there."""
    words = ["--shared-ids"] if config["shared_ids"] else []
    if input.get("previous"):
        private = [input.private] if isinstance(input.private, str) else input.private
        words += ["--previous", str(Path(config["splits"]["previous"])), "--private", *private]
    return shlex.join(words)


def known_side_arguments(wildcards, input):
    """The arguments of make_split that say which sides patients already have."""
    words = ["--duplicates", input.duplicates] if input.get("duplicates") else []
    words += ["--segmentation-split", input.segmentation] if input.get("segmentation") else []
    return " ".join([shlex.join(words), earlier_run_arguments(wildcards, input)])


def imagenet_file(backbone):
    """The config's local weights of a backbone: file, sha256."""
    return config["training"]["imagenet"][backbone]


def start_of_stage(wildcards):
    """What a stage starts from: the parent model, weights of the backbone, or nothing."""
    return start_files(config, RESULTS, wildcards.pipeline, wildcards.stage)


def start_arguments(wildcards, input):
    """The arguments of train_stage that say what it starts from."""
    return shlex.join(start_words(config, wildcards.pipeline, wildcards.stage, input))


def images_of_leakage_training(wildcards):
    """What a priced pipeline is trained on: the splits of all arms, cached images and their index."""
    input_view = Pipeline.parse(wildcards.pipeline).input_view
    arms = expand(rules.leakage_conditions.output, input_view=input_view)
    return cached_images(lambda wildcards: leakage_cohort(config))(wildcards) | {"arms": arms}


def start_of_leakage_training(wildcards):
    """What a priced pipeline starts from: what its first stage does."""
    return start_files(config, RESULTS, wildcards.pipeline, "1")


def start_arguments_of_leakage_training(wildcards, input):
    """The arguments of leakage_training that say what it starts from."""
    return shlex.join(start_words(config, wildcards.pipeline, "1", input))


def cached_arrays(pipeline, images, *more):
    """Cached images as a pipeline sees them, their index and the arrays `more`. images: the folder of a cohort's.

    Whole images lie in that folder, those of another region in one of its name there.
    """
    region = training_settings(pipeline.architecture, config["training"])["region"]
    folder = images if region == WHOLE_IMAGE else os.path.join(images, region)
    files = {"images": f"{pipeline.input_view}.npy", "index": "index.tsv"} | {name: f"{name}.npy" for name in more}
    return {name: f"{folder}/{file}" for name, file in files.items()}


def cached_images(cohort_of, *more):
    """An input function: as `cached_arrays`, of a pipeline and the cohort that `cohort_of` names."""
    return lambda wildcards: cached_arrays(
        Pipeline.parse(wildcards.pipeline), f"{RESULTS}/training/images/{cohort_of(wildcards)}", *more
    )


def images_for(cohort_of):
    """An input function: as `cached_images`, and the split of those images."""

    def files(wildcards):
        input_view, cohort = Pipeline.parse(wildcards.pipeline).input_view, cohort_of(wildcards)
        return cached_images(cohort_of)(wildcards) | {"split": f"{RESULTS}/splits/{cohort}/{input_view}.tsv"}

    return files


def predictions_of_stage(wildcards):
    """What a model predicts for the cohort that it is trained on."""
    cohort = cohort_of_stage(wildcards.stage)
    return f"{RESULTS}/models/{wildcards.pipeline}/stage{wildcards.stage}/predictions/{cohort}.tsv"


def backbone_of(wildcards):
    """The pipeline's backbone, also where a system stands in its name."""
    return recipe_of(Pipeline.parse(wildcards.pipeline).architecture).backbone


def scans_and_model_wanted(wildcards):
    """The input of a prediction that nobody described."""
    raise WorkflowError("predict needs scans and a model: --config scans=DIR model=RESULTS/models/<pipeline>/stage2")


THESIS = repository_file("config/thesis.tsv")
