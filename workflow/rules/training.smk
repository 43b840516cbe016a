"""Training: cached images → sixteen models (eight pipelines, two stages) → predictions → metrics."""

import shlex

from lungsight.config import stages_of
from lungsight.training import backbones

TRAINING = config["training"]

try:
    BACKBONE_CODE = {name: digest_of(backbones.module_file(name)) for name in config["pipelines"]["backbones"]}
except UserError as error:
    raise WorkflowError(str(error)) from None

if "imagenet" in config["pipelines"]["weights"]:
    for backbone, weights in TRAINING["imagenet"].items():
        if backbone in BACKBONE_CODE and not Path(weights["file"]).is_file():
            raise WorkflowError(f"training.imagenet.{backbone}.file: {weights['file']} does not exist.")


def imagenet_source(backbone):
    """Where weights for `imagenet` come from: a local file of the config's, stand-ins, or Keras's download."""
    if backbone in TRAINING["imagenet"]:
        return "file"
    return "stand-in" if TRAINING["stand_in"] is not None else "download"


def start_of_stage(wildcards):
    """What a stage starts from: the parent model, weights of the backbone, or nothing."""
    if wildcards.stage == "2":
        parent = f"{RESULTS}/models/{wildcards.pipeline}/stage1"
        return {"parent": f"{parent}/model.keras", "parent_provenance": f"{parent}/provenance.json"}
    pipeline = Pipeline.parse(wildcards.pipeline)
    if pipeline.weights == "scratch":
        return {}
    if imagenet_source(pipeline.backbone) == "file":
        return {"weights": TRAINING["imagenet"][pipeline.backbone]["file"]}
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
    kind = "stand-in" if imagenet_source(backbone) == "stand-in" else "imagenet"
    known = ["--weights-sha256", TRAINING["imagenet"][backbone]["sha256"]] if backbone in TRAINING["imagenet"] else []
    return shlex.join(["--weights", input.weights, "--weights-kind", kind, *known])


def settings_of_stage(wildcards):
    """The settings that a stage's model depends on; epochs and learning rate are its own."""
    shared = ("image_size", "batch_size", "head_units", "head_activation", "batch_norm_momentum", "augmentation")
    own = {name: TRAINING[name][f"stage{wildcards.stage}"] for name in ("epochs", "learning_rate")}
    return as_json({name: TRAINING[name] for name in shared} | own)


def images_for(cohort_of):
    """An input function: split, cached images and their index, of the cohort that `cohort_of` names."""

    def files(wildcards):
        framework, cohort = Pipeline.parse(wildcards.pipeline).framework, cohort_of(wildcards)
        return {
            "split": f"{RESULTS}/splits/{cohort}/{framework}.tsv",
            "images": f"{RESULTS}/training/images/{cohort}/{framework}.npy",
            "index": f"{RESULTS}/training/images/{cohort}/index.tsv",
        }

    return files


def code_of_backbone(wildcards):
    """Digest of the pipeline's backbone, a module that programs load by its name."""
    return BACKBONE_CODE[Pipeline.parse(wildcards.pipeline).backbone]


rule image_cache:
    input:
        program=ancient(program("image_cache")),
        slices=f"{RESULTS}/cohorts/{{cohort}}/slices.tsv",
        png=shard_folders(f"{RESULTS}/cohorts/{{cohort}}/png"),
        masks=shard_folders(f"{RESULTS}/segmentation/masks/{{cohort}}"),
    output:
        whole=f"{RESULTS}/training/images/{{cohort}}/whole.npy",
        segmented=f"{RESULTS}/training/images/{{cohort}}/segmented.npy",
        masks=f"{RESULTS}/training/images/{{cohort}}/masks.npy",
        index=f"{RESULTS}/training/images/{{cohort}}/index.tsv",
    log:
        f"{RESULTS}/logs/image_cache/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/image_cache/{{cohort}}.tsv"
    conda:
        "../../envs/keras.yaml"
    params:
        code=code("image_cache"),
        cohort=f"{RESULTS}/cohorts/{{cohort}}",
        masks=f"{RESULTS}/segmentation/masks/{{cohort}}",
        size=TRAINING["image_size"],
    shell:
        "python {input.program} --slices {input.slices} --cohort {params.cohort:q} --masks {params.masks:q}"
        " --size {params.size} --whole-array {output.whole} --segmented-array {output.segmented}"
        " --masks-array {output.masks} --index {output.index} > {log} 2>&1"


# Before everything else: where the weights cannot be had, that is known in seconds, not after the segmentation.
rule imagenet_weights:
    input:
        program=ancient(program("imagenet_weights")),
    output:
        weights=f"{RESULTS}/training/imagenet/{{backbone}}.h5",
        sha256=f"{RESULTS}/training/imagenet/{{backbone}}.h5.sha256",
    log:
        f"{RESULTS}/logs/imagenet_weights/{{backbone}}.log",
    priority: 1
    localrule: True
    conda:
        "../../envs/keras.yaml"
    params:
        code=code("imagenet_weights"),
    shell:
        "python {input.program} --backbone {wildcards.backbone} --weights {output.weights} > {log} 2>&1"


rule train_stage:
    input:
        unpack(images_for(lambda wildcards: cohort_of_stage(wildcards.stage))),
        unpack(start_of_stage),
        program=ancient(program("train_stage")),
    output:
        model=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/model.keras",
        history=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/history.tsv",
        provenance=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/provenance.json",
        curve=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/curve.png",
    log:
        f"{RESULTS}/logs/train_stage/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_stage/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/keras.yaml"
    threads: TRAINING["threads"]
    params:
        code=code("train_stage"),
        backbone=code_of_backbone,
        labels=as_json(list(config["labels"])),
        settings=settings_of_stage,
        seed=config["seed"],
        start=start_arguments,
        # Undeclared, so that what was trained survives a failure.
        checkpoints=f"{RESULTS}/training/checkpoints/{{pipeline}}-stage{{stage}}",
    shell:
        "python {input.program} --pipeline {wildcards.pipeline} --stage {wildcards.stage} --labels {params.labels:q}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads}"
        " --code {params.code}-{params.backbone} --split {input.split} --images {input.images} --index {input.index}"
        " {params.start} --checkpoints {params.checkpoints:q} --model {output.model} --history {output.history}"
        " --provenance {output.provenance} --curve {output.curve} > {log} 2>&1"


rule classify:
    input:
        unpack(images_for(lambda wildcards: wildcards.cohort)),
        program=ancient(program("classify")),
        model=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/model.keras",
        provenance=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/provenance.json",
    output:
        f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/predictions/{{cohort}}.tsv",
    log:
        f"{RESULTS}/logs/classify/{{pipeline}}/stage{{stage}}/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/classify/{{pipeline}}/stage{{stage}}/{{cohort}}.tsv"
    conda:
        "../../envs/keras.yaml"
    threads: TRAINING["threads"]
    params:
        code=code("classify"),
        backbone=code_of_backbone,
    shell:
        "python {input.program} --model {input.model} --provenance {input.provenance} --split {input.split}"
        " --images {input.images} --index {input.index} --threads {threads} --predictions {output} > {log} 2>&1"


rule evaluate:
    input:
        program=ancient(program("evaluate")),
        predictions=lambda wildcards: expand(
            f"{RESULTS}/models/{{{{pipeline}}}}/stage{{{{stage}}}}/predictions/{{cohort}}.tsv",
            cohort=cohorts_predicted(wildcards.stage),
        ),
    output:
        f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/metrics.json",
    log:
        f"{RESULTS}/logs/evaluate/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("evaluate"),
        positive=next(iter(config["labels"])),
        resamples=config["report"]["bootstrap"],
        seed=config["seed"],
    shell:
        "python {input.program} --pipeline {wildcards.pipeline} --stage {wildcards.stage} --positive {params.positive:q}"
        " --resamples {params.resamples} --seed {params.seed} --predictions {input.predictions} --metrics {output}"
        " > {log} 2>&1"


rule train:
    input:
        expand(
            f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/metrics.json",
            pipeline=[pipeline.name for pipeline in PIPELINES],
            stage=stages_of(config),
        ),
