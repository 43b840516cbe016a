"""Explain: each model's test slices → saliency maps, their metrics against the lung, overlays."""

from lungsight.run_description import saliency_inputs

EXPLAIN = ("methods", "sample", "score_cam_channels", "iou_level", "margin_mm", "assumed_width_mm", "overlays")


rule explain_stage:
    input:
        model=f"{MODEL}/model.keras",
        provenance=f"{MODEL}/provenance.json",
        predictions=predictions_of_stage,
        tables=expand(f"{COHORT}/{{table}}.tsv", cohort=training_cohort, table=["slices", "cases"]),
        images=expand("{images}/{array}.npy", images=images_of_stage, array=[input_view_of, "masks", "lesions"]),
        index=expand("{images}/index.tsv", images=images_of_stage),
    output:
        saliency=f"{EXPLANATION}/saliency.tsv",
        methods=f"{EXPLANATION}/saliency_methods.tsv",
        maps=f"{EXPLANATION}/maps.npz",
        mean_maps=f"{EXPLANATION}/mean_maps.npz",
        summary=f"{EXPLANATION}/summary.json",
    log:
        f"{RESULTS}/logs/explain_stage/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/explain_stage/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/keras.yaml"
    threads: config["explain"]["threads"]
    params:
        program=program("explain_stage"),
        code=code_with_backbone("explain_stage"),
        model=folder(MODEL),
        cohort=training_cohort_folder,
        images=images_of_stage,
        settings=as_json({name: config["explain"][name] for name in EXPLAIN}),
        statistics=as_json(STATISTICS),
        explanation=folder(EXPLANATION),
    shell:
        "python {params.program:q} --model {params.model} --cohort {params.cohort} --images {params.images}"
        " --settings {params.settings:q} --statistics {params.statistics:q} --threads {threads}"
        " --explanation {params.explanation} > {log} 2>&1"


rule draw_overlays:
    input:
        summary=f"{EXPLANATION}/summary.json",
        saliency=f"{EXPLANATION}/saliency.tsv",
        maps=f"{EXPLANATION}/maps.npz",
        mean_maps=f"{EXPLANATION}/mean_maps.npz",
        images=expand("{images}/{array}.npy", images=images_of_stage, array=[input_view_of, "masks"]),
        index=expand("{images}/index.tsv", images=images_of_stage),
    output:
        overlays=report(
            directory(f"{EXPLANATION}/overlays"),
            patterns=["{outcome}-{position}.png"],
            caption="../report/overlay.rst",
            category="Where the models look",
            subcategory="{pipeline}",
            labels={"stage": "{stage}", "outcome": "{outcome}", "slice": "{position}"},
        ),
        mean_maps=report(
            f"{EXPLANATION}/mean_maps.png",
            caption="../report/mean_maps.rst",
            category="Where the models look",
            subcategory="{pipeline}",
            labels={"stage": "{stage}", "outcome": "all", "slice": "mean map of each class"},
        ),
    log:
        f"{RESULTS}/logs/draw_overlays/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/draw_overlays/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("draw_overlays"),
        code=code("draw_overlays"),
        images=images_of_stage,
        explanation=folder(EXPLANATION),
    shell:
        "python {params.program:q} --images {params.images} --explanation {params.explanation} > {log} 2>&1"


rule saliency_table:
    input:
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
        program=program("saliency_table"),
        code=code("saliency_table"),
        results=folder(RESULTS),
        run=as_json(RUN),
    shell:
        "python {params.program:q} --results {params.results:q} --run {params.run:q} --saliency {output} > {log} 2>&1"


rule explain:
    input:
        of_models(f"{EXPLANATION}/saliency.tsv"),
        of_models(f"{EXPLANATION}/mean_maps.png"),
