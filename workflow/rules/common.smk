"""What the rules share: the checked config, the cohort tables, and where files lie. No rules here."""

import hashlib
import json
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from lungsight.code import digest_of
from lungsight.config import LABELLED_ROLES, Pipeline, cohorts_with_role, complete_config, pipelines_of, stages_of
from lungsight.errors import UserError
from lungsight.intake.cohort_table import default_shards, read_cohort_tables, shard_name, shard_of
from lungsight.program import set_environment
from lungsight.qc.decision_files import files_of_cohort
from lungsight.training.backbones import check_backbones, module_file

try:
    config = complete_config(config)
    ROWS = read_cohort_tables(config["cohorts"], config["labels"])
    check_backbones(config)
except UserError as error:
    raise WorkflowError(str(error)) from None

RESULTS = config["results"].rstrip("/")
PRIVATE = f"{RESULTS}.private"
KEY = f"{PRIVATE}/key"
PIPELINES = pipelines_of(config)
PHANTOM_COHORTS = {cohort["root"]: name for name, cohort in config["cohorts"].items() if "phantom" in cohort}

set_environment(private=PRIVATE)


wildcard_constraints:
    cohort="|".join(config["cohorts"]),
    shard=r"\d{3}",
    framework="whole|segmented",
    pipeline="|".join(pipeline.name for pipeline in PIPELINES),
    stage="[12]",


def program(name):
    """The program of a rule, as its input; edits count through `code`, not through the file's time."""
    return os.path.relpath(SCRIPTS / f"{name}.py")


def code(name):
    """Digest of what a rule's program and the modules it imports do; comments do not count."""
    return digest_of(SCRIPTS / f"{name}.py")


def as_json(value):
    """A setting with structure, as one argument of a program."""
    return json.dumps(value, ensure_ascii=False)


def shards_of(cohort):
    """Names of the shards of a cohort that have a case."""
    rows, count = ROWS[cohort], number_of_shards(cohort)
    return [shard_name(shard) for shard in sorted({shard_of(row.path, count) for row in rows})]


def number_of_shards(cohort):
    """Jobs that share a cohort's cases."""
    settings = config["cohorts"][cohort]
    return settings.get("shards", default_shards(len(ROWS[cohort]), settings["format"]))


def rows_of_shard(cohort, shard):
    count = number_of_shards(cohort)
    return [row for row in ROWS[cohort] if shard_name(shard_of(row.path, count)) == shard]


def digest(value):
    """A short digest of a setting that is too long to be a parameter."""
    return hashlib.sha256(as_json(value).encode()).hexdigest()[:12]


def scans_of_shard(wildcards):
    """What a shard reads: the root where a rule makes it, else its cases' paths and masks."""
    cohort = config["cohorts"][wildcards.cohort]
    if "phantom" in cohort:
        return cohort["root"]
    rows = rows_of_shard(wildcards.cohort, wildcards.shard)
    return [os.path.join(cohort["root"], path) for row in rows for path in (row.path, row.mask) if path]


def min_slices_of(cohort):
    """The fewest slices that a cohort's series may have."""
    return config["cohorts"][cohort].get("min_slices", config["min_slices"])


def what_of_shard(wildcards):
    """Digest of what a shard converts: an edit of a label, a source or a patient reruns nothing here."""
    return digest([(row.path, row.mask) for row in rows_of_shard(wildcards.cohort, wildcards.shard)])


def settings_of_images(*more):
    """The settings of intake that every conversion depends on, and those named."""
    names = ("window", "png_size", "burned_in", "nifti_values", *more)
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
        raise WorkflowError(
            "Lung segmentation by nnU-Net is trained on a cohort with role: segmentation, and the config has none."
            " Add one, or set segmentation.method: classical."
        )
    return cohorts[0]


def annotated(path):
    """An input function: a path with {cohort} for the annotated cohort, once for each of its shards where {shard} is."""

    def paths(wildcards):
        cohort = annotated_cohort()
        shards = shards_of(cohort) if "{shard}" in path else [""]
        return [path.format(cohort=cohort, shard=shard) for shard in shards]

    return paths


def settings_of_segmentation(*names):
    """Some settings of the segmentation, as one argument of a program."""
    return as_json({name: config["segmentation"][name] for name in names})


def segmentation_metrics_wanted(wildcards):
    """The comparison with contours, where there are any; nnU-Net cannot do without."""
    needed = config["segmentation"]["method"] == "nnunet" and annotated_cohort()
    return rules.segmentation_metrics.output if needed or cohorts_with_role(config, "segmentation") else []


def phantom_settings(root):
    """What the phantom cohort that is made into a root follows from."""
    cohort = config["cohorts"][PHANTOM_COHORTS[root]]
    return {key: cohort[key] for key in ("role", "format", "table", "root", "patients", "phantom")}


def cohorts_predicted(stage):
    """Cohorts that a stage's model is evaluated on: stage 1 also before adaptation, on the target cohort."""
    roles = {"1": ("public", "target", "external"), "2": ("target", "external")}
    return cohorts_with_role(config, *roles[str(stage)])


def cohort_of_stage(stage):
    """The cohort that a stage is trained on."""
    return cohort_with_role({"1": "public", "2": "target"}[str(stage)])


def repository_file(path):
    """A file that comes with lungsight, from wherever Snakemake runs."""
    return os.path.relpath(Path(workflow.basedir) / path)


def shard_folders(folder):
    """An input function: one folder per shard of the cohort below `folder`."""
    return lambda wildcards: [f"{folder}/{shard}".format(**wildcards) for shard in shards_of(wildcards.cohort)]


def decision_files(wildcards):
    """The person's QC decisions that a cohort's manifest is made from."""
    folder = config["qc"]["decisions"]
    cases = {cohort: Path(f"{RESULTS}/cohorts/{cohort}/cases.tsv") for cohort in labelled_cohorts()}
    return files_of_cohort(folder, wildcards.cohort, cases) if folder else []


def slices_decided_on(wildcards):
    """Tables of the slices that a decision may name, those of any cohort.

    No input: other cohorts' tables may be made later, and a change there is none of this cohort's.
    """
    cohorts = labelled_cohorts() if decision_files(wildcards) else []
    return [f"{RESULTS}/cohorts/{cohort}/slices.tsv" for cohort in cohorts]


def assigned_together(cohort):
    """Cohorts that a cohort's split is made with: all where they share patients, else itself."""
    return labelled_cohorts() if config["shared_ids"] else [cohort]


def tables_assigned_together(pattern):
    """An input function: one table for every cohort that is assigned together with the wanted one."""
    return lambda wildcards: expand(pattern, cohort=assigned_together(wildcards.cohort))


def imagenet_source(backbone):
    """Where weights for `imagenet` come from: a local file of the config's, stand-ins, or Keras's download."""
    if backbone in config["training"]["imagenet"]:
        return "file"
    return "stand-in" if config["training"]["stand_in"] is not None else "download"


def imagenet_file(backbone):
    """The config's local weights of a backbone: file, sha256."""
    return config["training"]["imagenet"][backbone]


def start_of_stage(wildcards):
    """What a stage starts from: the parent model, weights of the backbone, or nothing."""
    if wildcards.stage == "2":
        parent = f"{RESULTS}/models/{wildcards.pipeline}/stage1"
        return {"parent": f"{parent}/model.keras", "parent_provenance": f"{parent}/provenance.json"}
    pipeline = Pipeline.parse(wildcards.pipeline)
    if pipeline.weights == "scratch":
        return {}
    if imagenet_source(pipeline.backbone) == "file":
        verified = f"{RESULTS}/training/imagenet/{pipeline.backbone}.verified"
        return {"weights": imagenet_file(pipeline.backbone)["file"], "verified": verified}
    if imagenet_source(pipeline.backbone) == "stand-in":
        made = f"{RESULTS}/stand_in/{pipeline.backbone}.weights.h5"
    else:
        made = f"{RESULTS}/training/imagenet/{pipeline.backbone}.h5"
    return {"weights": made, "sha256": f"{made}.sha256"}


def start_arguments(wildcards, input):
    """The arguments of train_stage that say what it starts from."""
    if wildcards.stage == "2":
        return shlex.join(["--parent", input.parent, "--parent-provenance", input.parent_provenance])
    if not input.get("weights"):
        return ""
    backbone = Pipeline.parse(wildcards.pipeline).backbone
    source = imagenet_source(backbone)
    known = ["--weights-sha256", imagenet_file(backbone)["sha256"]] if source == "file" else []
    kind = "stand-in" if source == "stand-in" else "imagenet"
    return shlex.join(["--weights", input.weights, "--weights-kind", kind, *known])


def settings_of_stage(wildcards):
    """The settings that a stage's model depends on; epochs and learning rate are its own."""
    head, norm = ("head_units", "head_activation"), ("batch_norm_momentum", "batch_norm_recalibration")
    shared = ("image_size", "batch_size", *head, *norm, "augmentation")
    training = config["training"]
    own = {name: training[name][f"stage{wildcards.stage}"] for name in ("epochs", "learning_rate")}
    return as_json({name: training[name] for name in shared} | own)


def cached_images(cohort_of):
    """An input function: cached images as the pipeline sees them and their index, of the cohort `cohort_of` names."""

    def files(wildcards):
        framework, cohort = Pipeline.parse(wildcards.pipeline).framework, cohort_of(wildcards)
        return {
            "images": f"{RESULTS}/training/images/{cohort}/{framework}.npy",
            "index": f"{RESULTS}/training/images/{cohort}/index.tsv",
        }

    return files


def images_for(cohort_of):
    """An input function: as `cached_images`, and the split of those images."""

    def files(wildcards):
        framework, cohort = Pipeline.parse(wildcards.pipeline).framework, cohort_of(wildcards)
        return cached_images(cohort_of)(wildcards) | {"split": f"{RESULTS}/splits/{cohort}/{framework}.tsv"}

    return files


def predictions_of_stage(wildcards):
    """What a model predicts for the cohort that it is trained on."""
    cohort = cohort_of_stage(wildcards.stage)
    return f"{RESULTS}/models/{wildcards.pipeline}/stage{wildcards.stage}/predictions/{cohort}.tsv"


def code_of_backbone(wildcards):
    """Digest of the pipeline's backbone, a module that programs load by its name."""
    return digest_of(module_file(Pipeline.parse(wildcards.pipeline).backbone))
