"""Training: cached images → a model of every pipeline in every stage, and its predictions."""

from lungsight.training.pipelines import TARGET_ONLY, backbones_from_imagenet, generated_folder
from lungsight.training.regions import REGIONS
from lungsight.training.settings import (
    SIMSIAM,
    identity_of_start,
    imagenet_source,
    settings_of_stage,
    simsiam_settings,
    start_files,
    start_of,
)

# Targets ask for these, and no rule needs them: a training checks the file that it loads.
CHECKED_WEIGHTS = [
    f"{RESULTS}/training/imagenet/{backbone}.verified"
    for backbone in backbones_from_imagenet(config)
    if imagenet_source(config, backbone) == "file"
]


PART_OF_IMAGE = "|".join(name for name in REGIONS if name != WHOLE_IMAGE)
GENERATED = f"{RESULTS}/training/generated/{{remedy}}/{{cohort}}/{{region}}/{{input_view}}"


include: "inputs/training.smk"


rule image_cache:
    input:
        slices=f"{SHARD}/slices.tsv",
        png=f"{COHORT}/png/{{shard}}",
        masks=f"{MASKS}/{{shard}}",
        lesions=f"{COHORT}/lesions/{{shard}}",
    output:
        whole=f"{IMAGES}/{{shard}}/whole.npy",
        segmented=f"{IMAGES}/{{shard}}/segmented.npy",
        masks=f"{IMAGES}/{{shard}}/masks.npy",
        lesions=f"{IMAGES}/{{shard}}/lesions.npy",
        index=f"{IMAGES}/{{shard}}/index.tsv",
    log:
        f"{RESULTS}/logs/image_cache/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/image_cache/{{cohort}}/{{shard}}.tsv"
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/keras.yaml"
    params:
        program=program("image_cache"),
        code=code("image_cache"),
        cohort=folder(COHORT),
        masks=folder(MASKS),
        size=lookup(dpath="training/image_size", within=config),
        region=WHOLE_IMAGE,
        images=folder(f"{IMAGES}/{{shard}}"),
    shell:
        "python {params.program:q} --cohort {params.cohort} --shard {wildcards.shard} --masks {params.masks}"
        " --size {params.size} --region {params.region} --images {params.images} > {log} 2>&1"


# The same of a part of every slice, in a folder of the region's name.
use rule image_cache as image_cache_of_region with:
    output:
        whole=f"{IMAGES}/{{region}}/{{shard}}/whole.npy",
        segmented=f"{IMAGES}/{{region}}/{{shard}}/segmented.npy",
        masks=f"{IMAGES}/{{region}}/{{shard}}/masks.npy",
        lesions=f"{IMAGES}/{{region}}/{{shard}}/lesions.npy",
        index=f"{IMAGES}/{{region}}/{{shard}}/index.tsv",
    log:
        f"{RESULTS}/logs/image_cache/{{cohort}}/{{region}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/image_cache/{{cohort}}/{{region}}/{{shard}}.tsv"
    wildcard_constraints:
        region=PART_OF_IMAGE,
    params:
        region="{region}",
        images=folder(f"{IMAGES}/{{region}}/{{shard}}"),


# In the order of the cohort, whichever shard a slice lies in.
rule image_index:
    input:
        slices=f"{COHORT}/slices.tsv",
        shards=expand(f"{IMAGES}/{{shard}}/index.tsv", shard=shards_of_cohort, allow_missing=True),
    output:
        f"{IMAGES}/index.tsv",
    log:
        f"{RESULTS}/logs/image_index/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/image_index/{{cohort}}.tsv"
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/keras.yaml"
    params:
        program=program("image_index"),
        code=code("image_index"),
        shards=shards_of_cohort,
        images=folder(IMAGES),
    shell:
        "python {params.program:q} --slices {input.slices} --shards {params.shards} --images {params.images} > {log} 2>&1"


use rule image_index as image_index_of_region with:
    input:
        slices=f"{COHORT}/slices.tsv",
        shards=expand(f"{IMAGES}/{{region}}/{{shard}}/index.tsv", shard=shards_of_cohort, allow_missing=True),
    output:
        f"{IMAGES}/{{region}}/index.tsv",
    log:
        f"{RESULTS}/logs/image_index/{{cohort}}/{{region}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/image_index/{{cohort}}/{{region}}.tsv"
    wildcard_constraints:
        region=PART_OF_IMAGE,
    params:
        images=folder(f"{IMAGES}/{{region}}"),


# Before everything else: where the weights cannot be had, that is known in seconds, not after the segmentation.
rule imagenet_weights:
    output:
        weights=f"{RESULTS}/training/imagenet/{{backbone}}.h5",
        sha256=f"{RESULTS}/training/imagenet/{{backbone}}.h5.sha256",
    log:
        f"{RESULTS}/logs/imagenet_weights/{{backbone}}.log",
    priority: 20
    localrule: True
    conda:
        "../../envs/keras.yaml"
    params:
        program=program("imagenet_weights"),
        code=code_with_backbone("imagenet_weights"),
    shell:
        "python {params.program:q} --backbone {wildcards.backbone} --weights {output.weights} > {log} 2>&1"


# As early: a wrong file stops the run at its start.
rule check_imagenet_file:
    output:
        f"{RESULTS}/training/imagenet/{{backbone}}.verified",
    log:
        f"{RESULTS}/logs/check_imagenet_file/{{backbone}}.log",
    priority: 20
    localrule: True
    conda:
        "../../envs/keras.yaml"
    params:
        program=program("check_imagenet_file"),
        code=code("check_imagenet_file"),
        weights=unrecorded(lookup(dpath="training/imagenet/{backbone}/file", within=config)),
        file=stamp_of_imagenet_file,
        sha256=lookup(dpath="training/imagenet/{backbone}/sha256", within=config),
    shell:
        "python {params.program:q} --weights {params.weights:q} --sha256 {params.sha256} --verified {output} > {log} 2>&1"


# Without labels, on the training patients of every cohort that a stage is trained on.
rule pretrain_simsiam:
    input:
        files=files_of_pretraining,
    output:
        weights=f"{RESULTS}/training/simsiam/{{input_view}}/{{backbone}}.weights.h5",
        sha256=f"{RESULTS}/training/simsiam/{{input_view}}/{{backbone}}.weights.h5.sha256",
        history=f"{RESULTS}/training/simsiam/{{input_view}}/{{backbone}}.history.tsv",
        probe=f"{RESULTS}/training/simsiam/{{input_view}}/{{backbone}}.probe.tsv",
    log:
        f"{RESULTS}/logs/pretrain_simsiam/{{input_view}}/{{backbone}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrain_simsiam/{{input_view}}/{{backbone}}.tsv"
    # As early as trainings, which wait for it.
    priority: 10
    conda:
        "../../envs/keras.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=4000,
        gpu=config["training"]["gpus"],
    params:
        program=program("pretrain_simsiam"),
        cohorts=folders_here(cohorts_of_pretraining),
        code=code_with_backbone("pretrain_simsiam"),
        settings=as_json(
            {"labels": list(config["labels"]), "training": simsiam_settings(config), "seed": config["seed"]}
        ),
        # Undeclared, so that what was trained survives a failure.
        checkpoints=f"{RESULTS}/training/checkpoints/simsiam-{{input_view}}-{{backbone}}",
    shell:
        "python {params.program:q} --cohorts {params.cohorts} --backbone {wildcards.backbone}"
        " --settings {params.settings:q} --code {params.code} --threads {threads} --checkpoints {params.checkpoints:q}"
        " --weights {output.weights} > {log} 2>&1"


# A generator for each class, or one for all, on the training patients of one cohort.
rule generate_slices:
    input:
        files=files_of_generator,
    output:
        array=f"{GENERATED}/generated.npy",
        table=f"{GENERATED}/generated.tsv",
        history=f"{GENERATED}/history.tsv",
        memorisation=f"{GENERATED}/memorisation.tsv",
        sheet=f"{GENERATED}/sheet.png",
    log:
        f"{RESULTS}/logs/generate_slices/{{remedy}}/{{cohort}}/{{region}}/{{input_view}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/generate_slices/{{remedy}}/{{cohort}}/{{region}}/{{input_view}}.tsv"
    wildcard_constraints:
        remedy="|".join(remedies.names()),
        region="|".join(REGIONS),
    # As early as trainings, which wait for it.
    priority: 10
    conda:
        "../../envs/keras.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=3000,
        gpu=config["training"]["gpus"],
    params:
        program=program("generate_slices"),
        cohort=folders_here(cohort_of_generator),
        code=code("generate_slices"),
        settings=settings_of_generator,
        # Undeclared, so that what was trained survives a failure.
        checkpoints=f"{RESULTS}/training/checkpoints/generate-{{remedy}}-{{cohort}}-{{region}}-{{input_view}}",
        folder=folder(GENERATED),
    shell:
        "python {params.program:q} --cohort {params.cohort} --settings {params.settings:q} --code {params.code}"
        " --threads {threads} --checkpoints {params.checkpoints:q} --generated {params.folder} > {log} 2>&1"


rule train_stage:
    input:
        split=split_of_training,
        images=arrays_of(images_of_stage, input_view_of),
        index=expand("{images}/index.tsv", images=images_of_stage),
        start=start_of_stage,
        masks=masks_of_remedy,
        tables=tables_of_remedy,
        companion=files_of_companion,
    output:
        model=f"{MODEL}/model.keras",
        history=f"{MODEL}/history.tsv",
        provenance=f"{MODEL}/provenance.json",
    log:
        f"{RESULTS}/logs/train_stage/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_stage/{{pipeline}}/stage{{stage}}.tsv"
    wildcard_constraints:
        stage=f"[12]|{TARGET_ONLY}",
    # Trainings are most of a run's time: begun as early as they can be, they leave no core idle at its end.
    priority: 10
    conda:
        "../../envs/keras.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=4000,  # measured: 2300 at 96 x 96 with DenseNet-201
        gpu=config["training"]["gpus"],
    params:
        program=program("train_stage"),
        code=code_with_backbone("train_stage"),
        settings=training_settings_of_stage,
        start=unrecorded(start_of_training),
        images=folders_here(images_of_stage),
        companion=folders_here(companion_of_remedy),
        # Undeclared, so that what was trained survives a failure.
        checkpoints=f"{RESULTS}/training/checkpoints/{{pipeline}}-stage{{stage}}",
        model=folder(MODEL),
    shell:
        "python {params.program:q} --tables {input.split} {input.tables} {params.companion} --images {params.images}"
        " --settings {params.settings:q} --start {params.start:q} --code {params.code} --threads {threads}"
        " --checkpoints {params.checkpoints:q} --model {params.model} > {log} 2>&1"


rule training_curve:
    input:
        history=f"{MODEL}/history.tsv",
        provenance=f"{MODEL}/provenance.json",
    output:
        f"{MODEL}/curve.png",
    log:
        f"{RESULTS}/logs/training_curve/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/training_curve/{{pipeline}}/stage{{stage}}.tsv"
    wildcard_constraints:
        stage=f"[12]|{TARGET_ONLY}",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        program=program("training_curve"),
        code=code("training_curve"),
    shell:
        "python {params.program:q} --history {input.history} --provenance {input.provenance} --curve {output} > {log} 2>&1"


rule infer_cohort:
    input:
        model=f"{MODEL}/model.keras",
        provenance=f"{MODEL}/provenance.json",
        split=split_for_inference,
        images=arrays_of(images_for_inference, input_view_of),
        index=expand("{images}/index.tsv", images=images_for_inference),
    output:
        f"{MODEL}/predictions/{{cohort}}.tsv",
    log:
        f"{RESULTS}/logs/infer_cohort/{{pipeline}}/stage{{stage}}/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/infer_cohort/{{pipeline}}/stage{{stage}}/{{cohort}}.tsv"
    wildcard_constraints:
        stage=f"[12]|{TARGET_ONLY}",
    conda:
        "../../envs/keras.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=3000,
        gpu=config["training"]["gpus"],
    params:
        program=program("infer_cohort"),
        code=code_with_backbone("infer_cohort"),
        model=folder(MODEL),
        images=folders_here(images_for_inference),
    shell:
        "python {params.program:q} --model {params.model} --split {input.split} --images {params.images}"
        " --threads {threads} --predictions {output} > {log} 2>&1"


rule train:
    input:
        CHECKED_FOR_TRAINING,
        CHECKED_WEIGHTS,
        predictions_of_models(stages_with_controls(config)),
        expand(
            f"{MODEL}/curve.png",
            pipeline=[pipeline.name for pipeline in PIPELINES],
            stage=stages_with_controls(config),
        ),
