"""Training: cached images → sixteen models (eight pipelines, two stages) → predictions → metrics."""


rule image_cache:
    input:
        program=ancient(program("image_cache")),
        slices=f"{RESULTS}/cohorts/{{cohort}}/slices.tsv",
        png=shard_folders(f"{RESULTS}/cohorts/{{cohort}}/png"),
        masks=shard_folders(f"{RESULTS}/segmentation/masks/{{cohort}}"),
        lesions=shard_folders(f"{RESULTS}/cohorts/{{cohort}}/lesions"),
    output:
        whole=f"{RESULTS}/training/images/{{cohort}}{{region}}/whole.npy",
        segmented=f"{RESULTS}/training/images/{{cohort}}{{region}}/segmented.npy",
        masks=f"{RESULTS}/training/images/{{cohort}}{{region}}/masks.npy",
        lesions=f"{RESULTS}/training/images/{{cohort}}{{region}}/lesions.npy",
        index=f"{RESULTS}/training/images/{{cohort}}{{region}}/index.tsv",
    log:
        f"{RESULTS}/logs/image_cache/{{cohort}}{{region}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/image_cache/{{cohort}}{{region}}.tsv"
    # Empty for whole images, which lie beside the folders of the other regions.
    wildcard_constraints:
        region=f"(?:[/](?:{'|'.join(REGIONS)}))?",
    conda:
        "../../envs/keras.yaml"
    params:
        code=code("image_cache"),
        png=lambda wildcards, input: Path(input.slices).parent,
        masks=lambda wildcards, input: Path(input.masks[0]).parent,
        lesions=lambda wildcards, input: Path(input.lesions[0]).parent,
        size=config["training"]["image_size"],
        region=lambda wildcards: wildcards.region.strip("/") or WHOLE_IMAGE,
    shell:
        "python {input.program} --slices {input.slices} --cohort {params.png:q} --masks {params.masks:q}"
        " --lesions {params.lesions:q} --size {params.size} --region {params.region} --whole-array {output.whole} --segmented-array {output.segmented}"
        " --masks-array {output.masks} --lesions-array {output.lesions} --index {output.index} > {log} 2>&1"


# Before everything else: where the weights cannot be had, that is known in seconds, not after the segmentation.
rule imagenet_weights:
    input:
        program=ancient(program("imagenet_weights")),
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
        code=lambda wildcards: code("imagenet_weights", wildcards.backbone),
    shell:
        "python {input.program} --backbone {wildcards.backbone} --weights {output.weights} > {log} 2>&1"


# As early: a wrong file stops the run at its start.
rule check_imagenet_file:
    input:
        program=ancient(program("check_imagenet_file")),
        weights=lambda wildcards: imagenet_file(wildcards.backbone)["file"],
    output:
        f"{RESULTS}/training/imagenet/{{backbone}}.verified",
    log:
        f"{RESULTS}/logs/check_imagenet_file/{{backbone}}.log",
    priority: 20
    localrule: True
    conda:
        "../../envs/keras.yaml"
    params:
        code=code("check_imagenet_file"),
        sha256=lambda wildcards: imagenet_file(wildcards.backbone)["sha256"],
    shell:
        "python {input.program} --weights {input.weights:q} --sha256 {params.sha256} --verified {output}"
        " > {log} 2>&1"


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
        code=code_with_backbone("train_stage"),
        network=backbone_of,
        stage=lambda wildcards: stage_number(wildcards.stage),
        labels=as_json(list(config["labels"])),
        settings=lambda wildcards: as_json(settings_of_stage(config, wildcards.pipeline, wildcards.stage)),
        seed=config["seed"],
        start=start_arguments,
        # Undeclared, so that what was trained survives a failure.
        checkpoints=f"{RESULTS}/training/checkpoints/{{pipeline}}-stage{{stage}}",
    shell:
        "python {input.program} --pipeline {wildcards.pipeline} --backbone {params.network} --stage {params.stage}"
        " --labels {params.labels:q}"
        " --settings {params.settings:q} --seed {params.seed} --threads {threads}"
        " --code {params.code} --split {input.split} --images {input.images} --index {input.index}"
        " {params.start} --checkpoints {params.checkpoints:q} --model {output.model} --history {output.history}"
        " --provenance {output.provenance} --curve {output.curve} > {log} 2>&1"


rule infer_cohort:
    input:
        unpack(images_for(lambda wildcards: wildcards.cohort)),
        program=ancient(program("infer_cohort")),
        model=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/model.keras",
        provenance=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/provenance.json",
    output:
        f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/predictions/{{cohort}}.tsv",
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
        code=code_with_backbone("infer_cohort"),
    shell:
        "python {input.program} --model {input.model} --provenance {input.provenance} --split {input.split}"
        " --images {input.images} --index {input.index} --threads {threads} --predictions {output} > {log} 2>&1"


rule train:
    input:
        predictions_of_models(stages_with_controls(config)),
        predictions_of_models([TARGET_ONLY]) if TARGET_ONLY in stages_with_controls(config) else [],
