"""Audit: what each model still predicts when a part of the slice is replaced, and the verdict on it."""


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
        split=f"{RESULTS}/splits/{{cohort}}/{{input_view}}.tsv",
        slices=f"{RESULTS}/cohorts/{{cohort}}/slices.tsv",
        cases=f"{RESULTS}/cohorts/{{cohort}}/cases.tsv",
        images=f"{RESULTS}/training/images/{{cohort}}/{{input_view}}.npy",
        masks=f"{RESULTS}/training/images/{{cohort}}/masks.npy",
        index=f"{RESULTS}/training/images/{{cohort}}/index.tsv",
    output:
        f"{RESULTS}/explain/metadata/{{cohort}}/{{input_view}}.tsv",
    log:
        f"{RESULTS}/logs/metadata_classifier/{{cohort}}/{{input_view}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/metadata_classifier/{{cohort}}/{{input_view}}.tsv"
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


rule audit_tables:
    input:
        program=ancient(program("audit_tables")),
        results=expand(f"{RESULTS}/{{path}}", path=audit_inputs(RUN)),
    output:
        audit=report(
            f"{RESULTS}/report/audit.tsv",
            caption="../report/audit.rst",
            category="Tables",
            labels={"table": "everything that the audit measured"},
        ),
        verdicts=report(
            f"{RESULTS}/report/verdicts.tsv",
            caption="../report/verdicts.rst",
            category="Tables",
            labels={"table": "does each model look at the lung"},
        ),
        comparisons=report(
            f"{RESULTS}/report/comparisons.tsv",
            caption="../report/comparisons.rst",
            category="Tables",
            labels={"table": "whole against segmented, scratch against ImageNet"},
        ),
    log:
        f"{RESULTS}/logs/audit_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_tables.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("audit_tables"),
        results=RESULTS,
        run=as_json(RUN),
    shell:
        "python {input.program} --results {params.results:q} --run {params.run:q} --audit {output.audit}"
        " --verdicts {output.verdicts} --comparisons {output.comparisons} > {log} 2>&1"


rule rank_pipelines:
    input:
        program=ancient(program("rank_pipelines")),
        results=expand(f"{RESULTS}/{{path}}", path=ranking_inputs(RUN)),
        printed=repository_file("config/table-2-2.tsv"),
    output:
        report(
            f"{RESULTS}/report/systems.tsv",
            caption="../report/systems.rst",
            category="Tables",
            labels={"table": "all pipelines, ranked"},
        ),
    log:
        f"{RESULTS}/logs/rank_pipelines.log",
    benchmark:
        f"{RESULTS}/benchmarks/rank_pipelines.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("rank_pipelines"),
        results=RESULTS,
        run=as_json(RUN),
    shell:
        "python {input.program} --results {params.results:q} --run {params.run:q} --printed {input.printed}"
        " --systems {output} > {log} 2>&1"


rule audit:
    input:
        expand(
            f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/shortcuts.tsv",
            pipeline=[pipeline.name for pipeline in PIPELINES],
            stage=stages_of(config),
        ),
        rules.audit_tables.output if RUN["stages"] else [],
