"""Training: cached images → sixteen models (eight pipelines, two stages) → predictions → metrics."""

METRICS = expand(
    f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/metrics.json",
    pipeline=[pipeline.name for pipeline in PIPELINES],
    stage=stages_of(config),
)


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
        stage=f"[12]|{DIRECT}",
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
    wildcard_constraints:
        stage=f"[12]|{DIRECT}",
    conda:
        "../../envs/keras.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=3000,
        gpu=config["training"]["gpus"],
    params:
        code=code_with_backbone("classify"),
    shell:
        "python {input.program} --model {input.model} --provenance {input.provenance} --split {input.split}"
        " --images {input.images} --index {input.index} --threads {threads} --predictions {output} > {log} 2>&1"


rule evaluate:
    input:
        program=ancient(program("evaluate")),
        predictions=lambda wildcards: expand(
            f"{RESULTS}/models/{{{{pipeline}}}}/stage{{{{stage}}}}/predictions/{{cohort}}.tsv",
            cohort=cohorts_predicted(config, wildcards.stage),
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
        own=lambda wildcards: cohort_of_stage(wildcards.stage),
        positive=next(iter(config["labels"])),
        resamples=config["report"]["bootstrap"],
        seed=config["seed"],
    shell:
        "python {input.program} --pipeline {wildcards.pipeline} --stage {wildcards.stage} --own {params.own} --positive {params.positive:q}"
        " --resamples {params.resamples} --seed {params.seed} --predictions {input.predictions} --metrics {output}"
        " > {log} 2>&1"


rule compare_models:
    input:
        program=ancient(program("compare_models")),
        predictions=predictions_of_models(stages_with_controls(config)),
    output:
        report(
            f"{RESULTS}/report/differences.tsv",
            caption="../report/differences.rst",
            category="Tables",
            labels={"table": "which model is better"},
        ),
    log:
        f"{RESULTS}/logs/compare_models.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_models.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("compare_models"),
        positive=next(iter(config["labels"])),
        resamples=config["report"]["bootstrap"],
        seed=config["seed"],
    shell:
        "python {input.program} --positive {params.positive:q} --resamples {params.resamples} --seed {params.seed}"
        " --predictions {input.predictions} --differences {output} > {log} 2>&1"


rule evaluate_subgroups:
    input:
        program=ancient(program("evaluate_subgroups")),
        predictions=predictions_of_models(stages_of(config)),
        facts=expand(
            f"{RESULTS}/cohorts/{{cohort}}/{{table}}.tsv", cohort=labelled_cohorts(), table=["cases", "slices"]
        ),
    output:
        report(
            f"{RESULTS}/report/subgroups.tsv",
            caption="../report/subgroups.rst",
            category="Tables",
            labels={"table": "by source, scanner, kernel and contrast"},
        ),
    log:
        f"{RESULTS}/logs/evaluate_subgroups.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_subgroups.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("evaluate_subgroups"),
        cohorts=expand(f"{RESULTS}/cohorts/{{cohort}}", cohort=labelled_cohorts()),
        positive=next(iter(config["labels"])),
        resamples=config["report"]["bootstrap"],
        seed=config["seed"],
    shell:
        "python {input.program} --positive {params.positive:q} --resamples {params.resamples} --seed {params.seed}"
        " --predictions {input.predictions} --cohorts {params.cohorts:q} --subgroups {output} > {log} 2>&1"


rule evaluation_tables:
    input:
        program=ancient(program("evaluation_tables")),
        metrics=METRICS,
    output:
        aggregation=report(
            f"{RESULTS}/report/aggregation.tsv",
            caption="../report/aggregation.rst",
            category="Tables",
            labels={"table": "patients answered in several ways"},
        ),
        reliability=report(
            f"{RESULTS}/report/reliability.tsv",
            caption="../report/reliability.rst",
            category="Tables",
            labels={"table": "are the probabilities right"},
        ),
    log:
        f"{RESULTS}/logs/evaluation_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluation_tables.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("evaluation_tables"),
    shell:
        "python {input.program} --metrics {input.metrics} --aggregation {output.aggregation}"
        " --reliability {output.reliability} > {log} 2>&1"


rule train:
    input:
        METRICS,
        predictions_of_models([DIRECT]) if DIRECT in stages_with_controls(config) else [],
