"""Explain: each model's test slices → saliency maps, their metrics against the lung, overlays."""


rule explain_stage:
    input:
        unpack(cached_images(lambda wildcards: cohort_of_stage(wildcards.stage), "masks", "lesions")),
        program=ancient(program("explain_stage")),
        model=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/model.keras",
        provenance=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/provenance.json",
        predictions=predictions_of_stage,
        slices=lambda wildcards: f"{RESULTS}/cohorts/{cohort_of_stage(wildcards.stage)}/slices.tsv",
        cases=lambda wildcards: f"{RESULTS}/cohorts/{cohort_of_stage(wildcards.stage)}/cases.tsv",
    output:
        saliency=f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/saliency.tsv",
        methods=f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/saliency_methods.tsv",
        maps=f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/maps.npz",
        summary=f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/summary.json",
        overlays=report(
            directory(f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/overlays"),
            patterns=["{outcome}-{position}.png"],
            caption="../report/overlay.rst",
            category="Where the models look",
            subcategory="{pipeline}",
            labels={"stage": "{stage}", "outcome": "{outcome}", "slice": "{position}"},
        ),
        mean_maps=report(
            f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/mean_maps.png",
            caption="../report/mean_maps.rst",
            category="Where the models look",
            subcategory="{pipeline}",
            labels={"stage": "{stage}", "outcome": "all", "slice": "mean map of each class"},
        ),
    log:
        f"{RESULTS}/logs/explain_stage/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/explain_stage/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/keras.yaml"
    threads: config["explain"]["threads"]
    params:
        code=code_with_backbone("explain_stage"),
        cohort=lambda wildcards: cohort_of_stage(wildcards.stage),
        positive=next(iter(config["labels"])),
        settings=settings_of(
            "explain",
            *("methods", "sample", "score_cam_channels", "iou_level", "margin_mm", "assumed_width_mm", "overlays"),
        ),
        resamples=config["report"]["bootstrap"],
        seed=config["seed"],
    shell:
        "python {input.program} --pipeline {wildcards.pipeline} --stage {wildcards.stage} --cohort {params.cohort}"
        " --model {input.model} --provenance {input.provenance} --predictions {input.predictions}"
        " --images {input.images} --masks {input.masks} --lesions {input.lesions}"
        " --index {input.index} --positive {params.positive:q} --slices {input.slices} --cases {input.cases} --settings {params.settings:q}"
        " --resamples {params.resamples} --seed {params.seed} --threads {threads}"
        " --saliency {output.saliency} --methods {output.methods} --maps {output.maps}"
        " --summary {output.summary} --overlays {output.overlays} --mean-maps {output.mean_maps}"
        " > {log} 2>&1"


rule saliency_table:
    input:
        program=ancient(program("saliency_table")),
        results=expand(f"{RESULTS}/{{path}}", path=saliency_inputs(RUN)),
    output:
        report(
            f"{RESULTS}/report/saliency.tsv",
            caption="../report/saliency.rst",
            category="Tables",
            labels={"table": "where the models look"},
        ),
    log:
        f"{RESULTS}/logs/saliency_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/saliency_table.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("saliency_table"),
        results=RESULTS,
        run=as_json(RUN),
    shell:
        "python {input.program} --results {params.results:q} --run {params.run:q} --saliency {output} > {log} 2>&1"


rule explain:
    input:
        expand(
            f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/{{table}}.tsv",
            table=["saliency"],
            pipeline=[pipeline.name for pipeline in PIPELINES],
            stage=stages_of(config),
        ),
