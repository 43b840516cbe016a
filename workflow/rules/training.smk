"""Training: cached images → sixteen models (eight pipelines, two stages) → predictions → metrics."""


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
        png=lambda wildcards, input: Path(input.slices).parent,
        masks=lambda wildcards, input: Path(input.masks[0]).parent,
        size=config["training"]["image_size"],
    shell:
        "python {input.program} --slices {input.slices} --cohort {params.png:q} --masks {params.masks:q}"
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
    priority: 20
    localrule: True
    conda:
        "../../envs/keras.yaml"
    params:
        code=code("imagenet_weights"),
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
    # Trainings are most of a run's time: begun as early as they can be, they leave no core idle at its end.
    priority: 10
    conda:
        "../../envs/keras.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=4000,  # measured: 2300 at 96 x 96 with DenseNet-201
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
    threads: config["training"]["threads"]
    resources:
        mem_mb=3000,
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
