"""Audit, part of the room explain: what each model still answers when a part of the slice is replaced."""


rule audit_stage:
    input:
        unpack(cached_images(lambda wildcards: cohort_of_stage(wildcards.stage), "masks")),
        program=ancient(program("audit_stage")),
        model=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/model.keras",
        provenance=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/provenance.json",
        predictions=predictions_of_stage,
        slices=lambda wildcards: f"{RESULTS}/cohorts/{cohort_of_stage(wildcards.stage)}/slices.tsv",
    output:
        logits=f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/intervention_logits.tsv",
        shortcuts=f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/shortcuts.tsv",
        sanity=f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/sanity.tsv",
    log:
        f"{RESULTS}/logs/audit_stage/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_stage/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/keras.yaml"
    threads: config["explain"]["threads"]
    resources:
        mem_mb=3000,
    params:
        code=code_with_backbone("audit_stage"),
        positive=next(iter(config["labels"])),
        settings=as_json(config["audit"]),
        resamples=config["report"]["bootstrap"],
        seed=config["seed"],
    shell:
        "python {input.program} --model {input.model} --provenance {input.provenance}"
        " --predictions {input.predictions} --slices {input.slices} --images {input.images} --masks {input.masks}"
        " --index {input.index} --positive {params.positive:q} --settings {params.settings:q}"
        " --resamples {params.resamples} --seed {params.seed} --threads {threads} --logits {output.logits}"
        " --shortcuts {output.shortcuts} --sanity {output.sanity} > {log} 2>&1"


rule metadata_classifier:
    input:
        program=ancient(program("metadata_classifier")),
        split=f"{RESULTS}/splits/{{cohort}}/{{framework}}.tsv",
        slices=f"{RESULTS}/cohorts/{{cohort}}/slices.tsv",
        cases=f"{RESULTS}/cohorts/{{cohort}}/cases.tsv",
        images=f"{RESULTS}/training/images/{{cohort}}/{{framework}}.npy",
        masks=f"{RESULTS}/training/images/{{cohort}}/masks.npy",
        index=f"{RESULTS}/training/images/{{cohort}}/index.tsv",
    output:
        f"{RESULTS}/explain/metadata/{{cohort}}/{{framework}}.tsv",
    log:
        f"{RESULTS}/logs/metadata_classifier/{{cohort}}/{{framework}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/metadata_classifier/{{cohort}}/{{framework}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("metadata_classifier"),
        positive=next(iter(config["labels"])),
        resamples=config["report"]["bootstrap"],
        seed=config["seed"],
    shell:
        "python {input.program} --split {input.split} --slices {input.slices} --cases {input.cases}"
        " --images {input.images} --masks {input.masks} --index {input.index} --positive {params.positive:q}"
        " --resamples {params.resamples} --seed {params.seed} --table {output} > {log} 2>&1"
