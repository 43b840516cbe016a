"""Predict: a trained pipeline on new scans, which need no cohort. What a run must remember for it."""

from lungsight.predict.templates import new_page_parts
from lungsight.predict.run_settings import run_settings


rule run_settings:
    input:
        program=ancient(program("run_settings")),
    output:
        f"{RESULTS}/run.json",
    log:
        f"{RESULTS}/logs/run_settings.log",
    localrule: True
    conda:
        "../../envs/intake.yaml"
    params:
        code=code("run_settings"),
        settings=as_json(run_settings(config)),
    shell:
        "python {input.program} --settings {params.settings:q} --output {output} > {log} 2>&1"


if REQUEST:
    TRAINED = REQUEST.model
    LEARNED_FROM = f"{TRAINED.results}/training/images/{REQUEST.training_cohort}"
    ASKED = f"{RESULTS}/training/images/{NEW}"

    rule list_scans:
        input:
            program=ancient(program("list_scans")),
        output:
            config["cohorts"][NEW]["table"],
        log:
            f"{RESULTS}/logs/list_scans.log",
        localrule: True
        conda:
            "../../envs/intake.yaml"
        params:
            code=code("list_scans"),
            rows=digest([(row.path, row.patient) for row in ROWS[NEW]]),
            scans=config["cohorts"][NEW]["root"],
            format=config["cohorts"][NEW]["format"],
        shell:
            "python {input.program} --scans {params.scans:q} --format {params.format} --table {output} > {log} 2>&1"

    rule model_reference:
        input:
            **cached_arrays(TRAINED.pipeline, LEARNED_FROM),
            program=ancient(program("model_reference")),
            model=f"{TRAINED.folder}/model.keras",
            provenance=f"{TRAINED.folder}/provenance.json",
            predictions=f"{TRAINED.folder}/predictions/{REQUEST.training_cohort}.tsv",
            cases=f"{TRAINED.results}/cohorts/{REQUEST.training_cohort}/cases.tsv",
        output:
            reference=f"{RESULTS}/reference.json",
            features=f"{RESULTS}/reference.npz",
        log:
            f"{RESULTS}/logs/model_reference.log",
        benchmark:
            f"{RESULTS}/benchmarks/model_reference.tsv"
        conda:
            "../../envs/keras.yaml"
        threads: config["explain"]["threads"]
        params:
            code=code("model_reference"),
        shell:
            "python {input.program} --model {input.model:q} --provenance {input.provenance:q}"
            " --predictions {input.predictions:q} --cases {input.cases:q} --images {input.images:q} --index {input.index:q}"
            " --threads {threads} --reference {output.reference} --features {output.features} > {log} 2>&1"

    rule predict_cases:
        input:
            **cached_arrays(TRAINED.pipeline, ASKED, "masks"),
            program=ancient(program("predict_cases")),
            model=f"{TRAINED.folder}/model.keras",
            provenance=f"{TRAINED.folder}/provenance.json",
            reference=f"{RESULTS}/reference.json",
            features=f"{RESULTS}/reference.npz",
            cases=f"{RESULTS}/cohorts/{NEW}/cases.tsv",
            slices=f"{RESULTS}/cohorts/{NEW}/slices.tsv",
            manifest=f"{RESULTS}/qc/{NEW}/manifest.tsv",
        output:
            predictions=f"{RESULTS}/predictions.tsv",
            slices=f"{RESULTS}/slice_predictions.tsv",
            overlays=directory(f"{RESULTS}/overlays"),
        log:
            f"{RESULTS}/logs/predict_cases.log",
        benchmark:
            f"{RESULTS}/benchmarks/predict_cases.tsv"
        conda:
            "../../envs/keras.yaml"
        threads: config["explain"]["threads"]
        params:
            code=code("predict_cases"),
            pipeline=TRAINED.pipeline.name,
            iou_level=config["explain"]["iou_level"],
        shell:
            "python {input.program} --pipeline {params.pipeline} --model {input.model:q} --provenance {input.provenance:q}"
            " --reference {input.reference} --features {input.features} --cases {input.cases} --slices {input.slices}"
            " --manifest {input.manifest} --images {input.images} --masks {input.masks} --index {input.index}"
            " --iou-level {params.iou_level} --threads {threads} --predictions {output.predictions}"
            " --slice-predictions {output.slices} --overlays {output.overlays} > {log} 2>&1"

    rule predict_page:
        input:
            program=ancient(program("predict_page")),
            predictions=f"{RESULTS}/predictions.tsv",
            slices=f"{RESULTS}/slice_predictions.tsv",
            overlays=f"{RESULTS}/overlays",
            provenance=f"{TRAINED.folder}/provenance.json",
            reference=f"{RESULTS}/reference.json",
        output:
            f"{RESULTS}/index.html",
        log:
            f"{RESULTS}/logs/predict_page.log",
        benchmark:
            f"{RESULTS}/benchmarks/predict_page.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            code=code("predict_page"),
            parts=digest(new_page_parts()),
        shell:
            "python {input.program} --predictions {input.predictions} --slice-predictions {input.slices}"
            " --overlays {input.overlays} --provenance {input.provenance:q} --reference {input.reference}"
            " --page {output} > {log} 2>&1"

    rule predict:
        input:
            rules.predict_page.output,

else:

    rule predict:
        input:
            scans_and_model_wanted,
