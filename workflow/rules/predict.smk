"""Predict: a trained pipeline on new scans, which need no cohort. What a run must remember for it."""

from lungsight.predict.templates import new_page_parts
from lungsight.predict.run_settings import run_settings


rule run_settings:
    output:
        f"{RESULTS}/run.json",
    log:
        f"{RESULTS}/logs/run_settings.log",
    localrule: True
    conda:
        "../../envs/intake.yaml"
    params:
        program=program("run_settings"),
        code=code("run_settings"),
        settings=as_json(run_settings(config)),
    shell:
        "python {params.program:q} --settings {params.settings:q} --output {output} > {log} 2>&1"


include: "inputs/predict.smk"


if REQUEST:
    TRAINED = REQUEST.model
    INPUT_VIEW = TRAINED.pipeline.input_view
    TRAINING_COHORT = f"{TRAINED.results}/cohorts/{REQUEST.training_cohort}"
    TRAINING_IMAGES = images_folder(TRAINED.pipeline, REQUEST.training_cohort, TRAINED.results)
    NEW_COHORT = f"{RESULTS}/cohorts/{NEW}"
    NEW_IMAGES = images_folder(TRAINED.pipeline, NEW)
    # What the network sees, and the whole slice, which shows what kind of image it is.
    DESCRIBED = list(dict.fromkeys([INPUT_VIEW, "whole"]))

    rule model_reference:
        input:
            model=f"{TRAINED.folder}/model.keras",
            provenance=f"{TRAINED.folder}/provenance.json",
            predictions=f"{TRAINED.folder}/predictions/{REQUEST.training_cohort}.tsv",
            cases=f"{TRAINING_COHORT}/cases.tsv",
            images=arrays_of_run(TRAINING_IMAGES, DESCRIBED),
            index=f"{TRAINING_IMAGES}/index.tsv",
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
            program=program("model_reference"),
            code=code("model_reference"),
            model=TRAINED.folder,
            cohort=TRAINING_COHORT,
            images=TRAINING_IMAGES,
            patients="unknown" if REQUEST.training_cohort in REQUEST.patients_unknown else "known",
            results=folder(RESULTS),
        shell:
            "python {params.program:q} --model {params.model:q} --cohort {params.cohort:q} --images {params.images:q}"
            " --patients {params.patients} --threads {threads} --results {params.results:q} > {log} 2>&1"

    rule model_record:
        input:
            map(str, REQUEST.tables_of_model()),
        output:
            f"{RESULTS}/model_record.json",
        log:
            f"{RESULTS}/logs/model_record.log",
        benchmark:
            f"{RESULTS}/benchmarks/model_record.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            program=program("model_record"),
            code=code("model_record"),
            model=TRAINED.folder,
            trained_on=as_json(REQUEST.trained_on),
            unknown=as_json(REQUEST.patients_unknown),
            window=lookup(dpath="intake/window", within=config),
        shell:
            "python {params.program:q} --model {params.model:q} --trained-on {params.trained_on:q}"
            " --patients-unknown {params.unknown:q} --window {params.window} --output {output} > {log} 2>&1"

    rule predict_cases:
        input:
            model=f"{TRAINED.folder}/model.keras",
            provenance=f"{TRAINED.folder}/provenance.json",
            reference=f"{RESULTS}/reference.json",
            features=f"{RESULTS}/reference.npz",
            cases=f"{NEW_COHORT}/cases.tsv",
            slices=f"{NEW_COHORT}/slices.tsv",
            manifest=f"{RESULTS}/qc/{NEW}/manifest.tsv",
            images=[shards_of_array(NEW_IMAGES, array) for array in (*DESCRIBED, "masks")],
            index=f"{NEW_IMAGES}/index.tsv",
        output:
            predictions=f"{RESULTS}/predictions.tsv",
            slices=f"{RESULTS}/slice_predictions.tsv",
            maps=f"{RESULTS}/maps.npz",
        log:
            f"{RESULTS}/logs/predict_cases.log",
        benchmark:
            f"{RESULTS}/benchmarks/predict_cases.tsv"
        conda:
            "../../envs/keras.yaml"
        threads: config["explain"]["threads"]
        params:
            program=program("predict_cases"),
            code=code("predict_cases"),
            model=TRAINED.folder,
            cohort=NEW_COHORT,
            images=NEW_IMAGES,
            iou_level=lookup(dpath="explain/iou_level", within=config),
            results=folder(RESULTS),
        shell:
            "python {params.program:q} --model {params.model:q} --cohort {params.cohort} --manifest {input.manifest}"
            " --images {params.images} --iou-level {params.iou_level} --threads {threads} --results {params.results:q}"
            " > {log} 2>&1"

    rule draw_predictions:
        input:
            slices=f"{RESULTS}/slice_predictions.tsv",
            maps=f"{RESULTS}/maps.npz",
            cases=f"{NEW_COHORT}/cases.tsv",
            images=[shards_of_array(NEW_IMAGES, array) for array in (INPUT_VIEW, "masks")],
            index=f"{NEW_IMAGES}/index.tsv",
        output:
            directory(f"{RESULTS}/overlays"),
        log:
            f"{RESULTS}/logs/draw_predictions.log",
        benchmark:
            f"{RESULTS}/benchmarks/draw_predictions.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            program=program("draw_predictions"),
            code=code("draw_predictions"),
            images=NEW_IMAGES,
            input_view=INPUT_VIEW,
        shell:
            "python {params.program:q} --slice-predictions {input.slices} --maps {input.maps} --cases {input.cases}"
            " --images {params.images} --input-view {params.input_view} --overlays {output} > {log} 2>&1"

    rule predict_page:
        input:
            predictions=f"{RESULTS}/predictions.tsv",
            slices=f"{RESULTS}/slice_predictions.tsv",
            overlays=f"{RESULTS}/overlays",
            provenance=f"{TRAINED.folder}/provenance.json",
            reference=f"{RESULTS}/reference.json",
            record=f"{RESULTS}/model_record.json",
        output:
            f"{RESULTS}/index.html",
        log:
            f"{RESULTS}/logs/predict_page.log",
        benchmark:
            f"{RESULTS}/benchmarks/predict_page.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            program=program("predict_page"),
            code=code("predict_page"),
            parts=digest(new_page_parts()),
            results=folder(RESULTS),
        shell:
            "python {params.program:q} --provenance {input.provenance:q} --results {params.results:q} --page {output}"
            " > {log} 2>&1"

    rule predict:
        input:
            rules.predict_page.output,

else:

    rule predict:
        input:
            scans_and_model_wanted,
