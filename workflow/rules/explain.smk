"""Explain: each model's test slices → saliency maps, their metrics against the lung, overlays."""

from lungsight.run_description import saliency_inputs

EXPLAIN = config["explain"]
# What maps and their metrics depend on, and what a summary states of it.
MEASURED_BY = ("methods", "classes", "sample", "score_cam_channels", "iou_level", "margin_mm", "assumed_width_mm")
EVERY_CLASS = EXPLAIN["classes"] == "all"
STATED = ("iou_level", "margin_mm")


rule explain_stage:
    input:
        model=f"{MODEL}/model.keras",
        provenance=f"{MODEL}/provenance.json",
        predictions=predictions_of_stage,
        tables=expand(f"{COHORT}/{{table}}.tsv", cohort=training_cohort, table=["slices", "cases"]),
        images=arrays_of(images_of_stage, input_view_of, "masks", "lesions"),
        index=expand("{images}/index.tsv", images=images_of_stage),
        manifest=expand(f"{RESULTS}/qc/{{cohort}}/manifest.tsv", cohort=training_cohort),
    output:
        saliency=f"{EXPLANATION}/saliency.tsv",
        others=f"{EXPLANATION}/saliency_methods.tsv",
        maps=f"{EXPLANATION}/maps.npz",
        mean_maps=f"{EXPLANATION}/mean_maps.npz",
        methods=f"{EXPLANATION}/methods.json",
        of_classes=[f"{EXPLANATION}/class_saliency.tsv", f"{EXPLANATION}/class_maps.npz"] if EVERY_CLASS else [],
    log:
        f"{RESULTS}/logs/explain_stage/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/explain_stage/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/keras.yaml"
    threads: EXPLAIN["threads"]
    params:
        program=program("explain_stage"),
        code=code_with_backbone("explain_stage"),
        model=folder(MODEL),
        cohort=folders_here(training_cohort_folder),
        images=folders_here(images_of_stage),
        settings=as_json({name: EXPLAIN[name] for name in MEASURED_BY}),
        explanation=folder(EXPLANATION),
    shell:
        "python {params.program:q} --model {params.model} --cohort {params.cohort} --images {params.images}"
        " --manifest {input.manifest} --settings {params.settings:q} --threads {threads}"
        " --explanation {params.explanation} > {log} 2>&1"


# Intervals and the number of pictures are no reason to make the maps again.
rule summarise_maps:
    input:
        saliency=f"{EXPLANATION}/saliency.tsv",
        others=f"{EXPLANATION}/saliency_methods.tsv",
        mean_maps=f"{EXPLANATION}/mean_maps.npz",
        methods=f"{EXPLANATION}/methods.json",
    output:
        f"{EXPLANATION}/summary.json",
    log:
        f"{RESULTS}/logs/summarise_maps/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/summarise_maps/{{pipeline}}/stage{{stage}}.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        program=program("summarise_maps"),
        code=code("summarise_maps"),
        explanation=folder(EXPLANATION),
        cohort=training_cohort,
        stated=as_json({name: EXPLAIN[name] for name in STATED}),
        pictures=EXPLAIN["overlays"],
        resampling=as_json({name: STATISTICS[name] for name in ("resamples", "seed")}),
    shell:
        "python {params.program:q} --explanation {params.explanation} --cohort {params.cohort} --stated {params.stated:q}"
        " --pictures {params.pictures} --resampling {params.resampling:q} > {log} 2>&1"


rule draw_overlays:
    input:
        saliency=f"{EXPLANATION}/saliency.tsv",
        maps=f"{EXPLANATION}/maps.npz",
        mean_maps=f"{EXPLANATION}/mean_maps.npz",
        images=arrays_of(images_of_stage, input_view_of, "masks", "lesions"),
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
        layers=f"{EXPLANATION}/layers.npz",
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
        images=folders_here(images_of_stage),
        explanation=folder(EXPLANATION),
        pictures=EXPLAIN["overlays"],
    shell:
        "python {params.program:q} --images {params.images} --explanation {params.explanation} --pictures {params.pictures}"
        " > {log} 2>&1"


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
        CHECKED_FOR_TRAINING,
        of_models(f"{EXPLANATION}/summary.json"),
        of_models(f"{EXPLANATION}/mean_maps.png"),
