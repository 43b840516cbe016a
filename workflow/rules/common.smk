"""What the rules of several rooms share: the checked config, the cohort tables, and where files lie. No rules here."""

import json
import os
import sys
import time
from dataclasses import fields
from functools import cache
from itertools import chain
from operator import attrgetter
from pathlib import Path

sys.path.insert(0, str(SCRIPTS))

from lungsight.checklists.study import check_study
from lungsight.classes import Classes
from lungsight.code import digest_of, libraries_of
from lungsight.config import LABELLED_ROLES, cohorts_with_role
from lungsight.config_check import complete_config
from lungsight.config_file import check_config_files
from lungsight.digests import digest, digest_of_many
from lungsight.errors import UserError
from lungsight.evaluation.leakage_inflation.settings import check_leakage
from lungsight.file_stamps import stamp_of_files
from lungsight.files import sha256_of
from lungsight.intake.bucket import listed_cohorts, read_listed_tables, use_storage_settings
from lungsight.intake.cohort_table import TableRow
from lungsight.intake.settings import patient_id_rules
from lungsight.intake.shards import default_shards, rows_by_shard
from lungsight.libraries import FOLDER as FOLDER_OF_LIBRARIES
from lungsight.libraries import WITHOUT_EFFECT
from lungsight.paths import is_bucket
from lungsight.predict.request import COHORT as NEW
from lungsight.predict.request import prediction_request
from lungsight.program import log as log_line
from lungsight.program import set_environment
from lungsight.run_description import describe_run
from lungsight.run_record import RunRecord
from lungsight.segmentation.lung_tools import check_tool_inputs
from lungsight.segmentation.model_folder import check_given_model
from lungsight.segmentation.settings import check_own_masks
from lungsight.splits.settings import earlier_files
from lungsight.training import backbones, remedies
from lungsight.training.cohort_classes import class_notices
from lungsight.training.pipelines import (
    ROLE_OF_STAGE,
    Pipeline,
    check_pipelines,
    pipelines_of,
    settings_of_pipeline,
    stages_of,
)
from lungsight.training.published_models import network_of
from lungsight.training.regions import WHOLE_IMAGE
from lungsight.training.remedy_checks import check_patients_of_remedies
from lungsight.training.replicates import (
    check_repeats,
    further_replicates,
    names_of_replicates,
    replicate_of_split,
    seed_of_replicate,
)
from lungsight.training.settings import cohorts_predicted, stage_number, stages_with_controls

try:
    check_config_files(workflow.configfiles)
    # What `estimate_resources` reads and writes anew: words of the command line alone, of no meaning for any result.
    LEARNED_FROM = {key: workflow.config_settings.config.get(key) for key in ("pilot", "profile")}
    config = {key: value for key, value in config.items() if LEARNED_FROM.get(key) is None}
    # New scans for a trained model stand for a config and a cohort of their own.
    REQUEST = prediction_request(config) if "scans" in config else None
    config = REQUEST.config if REQUEST else complete_config(config)
    use_storage_settings(workflow.storage_provider_settings)
    # The cohorts as what runs before a job sees them: a list of its scans stands for a bucket.
    LISTED, REMARKS = listed_cohorts(
        config["cohorts"], Path(f"{config['results'].rstrip('/')}.private/listed"), list_now=workflow.is_main_process
    )
    ROWS = (
        {NEW: REQUEST.rows}
        if REQUEST
        else read_listed_tables(config["cohorts"], LISTED, config["labels"], config["shared_ids"])
    )
    check_pipelines(config)
    check_repeats(config, ROWS)
    check_patients_of_remedies(config, ROWS)
    check_given_model(config)
    check_own_masks(config, ROWS)
    check_tool_inputs(config, ROWS)
    check_leakage(config)
    STUDY_CHECK = check_study(config["study"], (row.patient for rows in ROWS.values() for row in rows))
    EARLIER = earlier_files(config)
    RECORD = RunRecord.read(config["results"].rstrip("/"))
except UserError as error:
    stop(f"{error}{UNCONFIGURED if THESIS_CONFIG in workflow.configfiles else ''}")

RESULTS = config["results"].rstrip("/")
PRIVATE = f"{RESULTS}.private"
KEY = f"{PRIVATE}/key"
PIPELINES = pipelines_of(config)
REMEDIES = sorted({pipeline.remedy for pipeline in PIPELINES if pipeline.remedy})
# Names of the trainings that measure how far results depend on the seed; none where every pipeline is trained once.
REPLICATES = further_replicates(config)
RUN = describe_run(config, ROWS)

# What every training needs of all cohorts comes before the first: its process then finds all images to predict.
BEFORE_TRAININGS = 15

STARTED = time.time()
CLOCKS_DIFFER = 60  # seconds, between machines that share a disk


def in_storage(path):
    """The object in a bucket that stands for a path of the run."""
    prefix = (workflow.storage_settings.default_storage_prefix or "").rstrip("/")
    if not prefix:
        stop("--default-storage-provider needs --default-storage-prefix, as s3://BUCKET/FOLDER")
    return workflow.storage_registry.default_storage_provider.object(f"{prefix}/{path}")


# With --default-storage-provider, what rules make lies in a bucket, and jobs read and write copies of it.
IN_STORAGE = workflow.storage_settings.default_storage_provider is not None
RESULTS_HERE = str(in_storage(RESULTS).local_path()) if IN_STORAGE else RESULTS


def here(path):
    """Where a path of the run lies on this machine. Inputs and outputs need no such word: Snakemake knows them."""
    return RESULTS_HERE + path.removeprefix(RESULTS) if path == RESULTS or path.startswith(f"{RESULTS}/") else path


def folders_here(folders_of):
    """A parameter: the folder, or folders, that an input function names, as they lie on this machine."""

    def folders(wildcards):
        named = folders_of(wildcards)
        return here(named) if isinstance(named, str) else [here(path) for path in named]

    return folders


# Folders that a job's wildcards fill in.
COHORT = f"{RESULTS}/cohorts/{{cohort}}"
SHARD = f"{COHORT}/shards/{{shard}}"
MASKS = f"{RESULTS}/segmentation/masks/{{cohort}}"
IMAGES = f"{RESULTS}/training/images/{{cohort}}"
MODEL = f"{RESULTS}/models/{{pipeline}}/stage{{stage}}"
EXPLANATION = f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}"

set_environment(private=PRIVATE, gpus=config["training"]["gpus"])
os.environ[FOLDER_OF_LIBRARIES] = f"{RESULTS}/libraries"


wildcard_constraints:
    cohort="|".join(config["cohorts"]),
    shard=r"\d{3}",
    input_view="whole|segmented",
    pipeline="|".join([pipeline.name for pipeline in PIPELINES] + REPLICATES),
    stage="[12]",


def code(name, backbone=None, taken=REMEDIES):
    """Digest of the code that a rule's program reaches; of backbones and remedies, of those that it loads."""
    loads = {remedies.__name__: taken} | ({backbones.__name__: [backbone]} if backbone else {})
    return digest_of(SCRIPTS / f"{name}.py", loads=loads)


def libraries(name):
    """The libraries that the results of a program depend on; none for a program that is there no more."""
    path = SCRIPTS / f"{name}.py"
    return libraries_of(path) - WITHOUT_EFFECT if path.is_file() else frozenset()


def backbone_of(wildcards):
    """The network of a pipeline, also where its name has a published model or the name of another network instead."""
    return network_of(Pipeline.parse(wildcards.pipeline).architecture, config["training"])


def code_with_backbone(name):
    """An input function: as `code`, of a program that loads one backbone and remedy, its wildcard's or the pipeline's."""

    def code_of_program(wildcards):
        remedy = Pipeline.parse(wildcards.pipeline).remedy if "pipeline" in wildcards.keys() else ""
        return code(name, wildcards.get("backbone") or backbone_of(wildcards), [remedy] if remedy else [])

    return code_of_program


def folder(pattern):
    """A parameter: a folder that holds inputs or outputs, with the job's wildcards filled in."""

    def filled(wildcards):
        return here(pattern).format(**dict(wildcards.items()))

    return filled


def as_json(value):
    """Settings, as one argument of a program."""
    return json.dumps(value, ensure_ascii=False)


def digest_of_files(paths):
    """A short digest of what files hold, in any order and wherever they lie."""
    return digest(sorted(map(sha256_of, paths)))


# What a row of the user's table says, but for what `take_lungs` and `people_table` alone read.
WORDS = [field.name for field in fields(TableRow) if field.name not in ("lungs", "age", "sex")]


def words_of(cohort):
    """What each row of a cohort's table says."""
    return (dict(zip(WORDS, words, strict=True)) for words in map(attrgetter(*WORDS), ROWS[cohort]))


@cache
def digest_of_tables(cohorts):
    """Digest of all that the tables of these cohorts say."""
    return digest_of_many(chain.from_iterable(map(words_of, cohorts)))


def is_in_the_future(seconds):
    """Whether a time is after now, by more than clocks differ."""
    return seconds > STARTED + CLOCKS_DIFFER


def say_if_in_the_future(file, seconds):
    """Say that a file of the user is dated after now; such a date does no harm, but a clock is wrong."""
    if is_in_the_future(seconds) and workflow.is_main_process:
        day = time.strftime("%Y-%m-%d", time.localtime(seconds))
        log_line(f"{file} is dated in the future ({day}). It counts as it is; set its time right (touch).")


def number_of_shards(cohort):
    """Jobs that share a cohort's cases."""
    settings = config["cohorts"][cohort]
    return settings.get("shards", default_shards(len(ROWS[cohort]), settings["format"]))


@cache
def shards_with_rows(cohort):
    """Name of a shard → its rows."""
    return rows_by_shard(ROWS[cohort], number_of_shards(cohort))


def shards_of(cohort):
    """Names of the shards of a cohort that have a case."""
    return list(shards_with_rows(cohort))


def shards_of_cohort(wildcards):
    """Names of the shards of the wildcard's cohort."""
    return shards_of(wildcards.cohort)


def patient_ids_of(cohorts):
    """How the patient ids of some cohorts are read; a cohort that is added later changes nothing."""
    rules = patient_id_rules(config)
    return {name: rules[name] for name in cohorts}


def labelled_cohorts():
    """Names of the cohorts whose cases have a label."""
    return cohorts_with_role(config, *LABELLED_ROLES)


def training_cohort(wildcards):
    """The cohort that a model of this stage is trained on; a message where the config has none."""
    role = ROLE_OF_STAGE[stage_number(wildcards.stage)]
    names = cohorts_with_role(config, role)
    if not names:
        stop(f"This target needs a cohort with role: {role}; the config has none.")
    return names[0]


def input_view_of(wildcards):
    """What a pipeline's network sees: whole or segmented slices."""
    return Pipeline.parse(wildcards.pipeline).input_view


def images_folder(pipeline, cohort, results=RESULTS):
    """Folder of a cohort's cached images, of the region of each slice that the pipeline's network sees.

    Whole slices lie in the cohort's folder, those of another region in one of its name there.
    """
    region = settings_of_pipeline(pipeline, config["training"])["region"]
    folder = f"{results}/training/images/{cohort}"
    return folder if region == WHOLE_IMAGE else f"{folder}/{region}"


def audit_settings(wildcards):
    """The config's section audit, the seed, and the part of each slice that a pipeline's network sees, as JSON."""
    of_network = settings_of_pipeline(Pipeline.parse(wildcards.pipeline), config["training"])
    return as_json(config["audit"] | {"seed": config["seed"], "region": of_network["region"]})


def images_of_stage(wildcards):
    """Folder of the images that a model of this stage is trained on."""
    return images_folder(Pipeline.parse(wildcards.pipeline), training_cohort(wildcards))


def shards_of_array(images, array):
    """The files of an array of cached images: one in each shard of the cohort, whose folder of images it is."""
    cohort = Path(images).relative_to(f"{RESULTS}/training/images").parts[0]
    return [f"{images}/{shard}/{array}.npy" for shard in shards_of(cohort)]


def arrays_of(images_of, *arrays):
    """An input function: the files of arrays, or of those that functions name, of the folder that another names."""

    def files(wildcards):
        names = [array if isinstance(array, str) else array(wildcards) for array in arrays]
        return [file for name in names for file in shards_of_array(images_of(wildcards), name)]

    return files


def split_of(pipeline, cohort):
    """The split of a cohort that a pipeline, or a replicate of one, is trained and tested by."""
    number = replicate_of_split(config, pipeline.replicate, cohort)
    folder = f"{RESULTS}/splits/{cohort}" if number == 1 else f"{RESULTS}/splits/{cohort}/r{number}"
    return f"{folder}/{pipeline.input_view}.tsv"


def predictions_of_stage(wildcards):
    """What a model predicts for the cohort that it is trained on."""
    folder = MODEL.format(pipeline=wildcards.pipeline, stage=wildcards.stage)
    return f"{folder}/predictions/{training_cohort(wildcards)}.tsv"


def training_cohort_folder(wildcards):
    """Folder of the cohort that a model is trained on."""
    return COHORT.format(cohort=training_cohort(wildcards))


def png_of_training_cohort(wildcards):
    """The slices of the cohort that a model is trained on, by shard."""
    name = training_cohort(wildcards)
    return expand(f"{COHORT}/png/{{shard}}", cohort=name, shard=shards_of(name))


def masks_of_training_cohort(wildcards):
    """The lung masks of the cohort that a model is trained on, by shard."""
    name = training_cohort(wildcards)
    return expand(f"{MASKS}/{{shard}}", cohort=name, shard=shards_of(name))


def masks_folder_of_training_cohort(wildcards):
    """Folder of the lung masks of the cohort that a model is trained on."""
    return MASKS.format(cohort=training_cohort(wildcards))


def predictions_of_models(stages):
    """The prediction tables of every pipeline in these stages, on every cohort that they are evaluated on."""
    return [
        f"{RESULTS}/models/{pipeline.name}/stage{stage}/predictions/{cohort}.tsv"
        for pipeline in PIPELINES
        for stage in stages
        for cohort in cohorts_predicted(config, stage)
    ]


def of_models(pattern):
    """The files of every pipeline and stage; the pattern has {pipeline} and {stage}."""
    return expand(pattern, pipeline=[pipeline.name for pipeline in PIPELINES], stage=stages_of(config))


# What every program with intervals needs: the positive class, how often patients are drawn anew, and the seed.
STATISTICS = {
    "positive": Classes.of(config["labels"]).positive,
    "resamples": config["report"]["bootstrap"],
    "seed": config["seed"],
}

# Published results that tables of the run stand beside.
THESIS, TABLE_2_2 = "config/thesis.tsv", "config/table-2-2.tsv"
