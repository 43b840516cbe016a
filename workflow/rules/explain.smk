"""Explain: each model's test slices → saliency maps, their metrics against the lung, overlays."""

from lungsight.config import stages_of
from lungsight.training.backbones import module_file


def data_of_stage(wildcards):
    """Split and cached images of the cohort that a stage is trained on, in the pipeline's framework."""
    framework, cohort = Pipeline.parse(wildcards.pipeline).framework, cohort_of_stage(wildcards.stage)
    cache = f"{RESULTS}/training/images/{cohort}"
    return {
        "split": f"{RESULTS}/splits/{cohort}/{framework}.tsv",
        "images": f"{cache}/{framework}.npy",
        "masks": f"{cache}/masks.npy",
        "index": f"{cache}/index.tsv",
    }


def backbone_code(wildcards):
    """Digest of the module that defines the pipeline's backbone, which a program loads by its name."""
    return digest_of(module_file(Pipeline.parse(wildcards.pipeline).backbone))


rule explain_stage:
    input:
        unpack(data_of_stage),
        program=ancient(program("explain_stage")),
        model=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/model.keras",
        provenance=f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/provenance.json",
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
    log:
        f"{RESULTS}/logs/explain_stage/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/explain_stage/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/keras.yaml"
    threads: config["explain"]["threads"]
    params:
        code=code("explain_stage"),
        backbone=backbone_code,
        cohort=lambda wildcards: cohort_of_stage(wildcards.stage),
        positive=next(iter(config["labels"])),
        iou_level=config["explain"]["iou_level"],
        pictures=config["explain"]["overlays"],
        resamples=config["report"]["bootstrap"],
        seed=config["seed"],
    shell:
        "python {input.program} --pipeline {wildcards.pipeline} --stage {wildcards.stage} --cohort {params.cohort}"
        " --model {input.model} --provenance {input.provenance} --split {input.split}"
        " --images {input.images} --masks {input.masks} --index {input.index} --positive {params.positive:q} --iou-level {params.iou_level}"
        " --pictures {params.pictures} --resamples {params.resamples} --seed {params.seed} --threads {threads}"
        " --saliency {output.saliency} --methods {output.methods} --maps {output.maps} --summary {output.summary}"
        " --overlays {output.overlays} > {log} 2>&1"


rule explain:
    input:
        expand(
            f"{RESULTS}/explain/{{pipeline}}/stage{{stage}}/saliency.tsv",
            pipeline=[pipeline.name for pipeline in PIPELINES],
            stage=stages_of(config),
        ),
