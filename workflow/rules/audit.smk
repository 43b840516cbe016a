"""Audit: what each model still predicts when a part of the slice is replaced, and the verdict on it."""

from lungsight.run_description import (
    audit_inputs,
    has_remedies,
    pairs_inputs,
    ranking_inputs,
    remedies_inputs,
    replicates_inputs,
)

# With more than two classes, each slice gets a part of every other class in turn.
SWAP_LOGITS = [f"{EXPLANATION}/swap_logits.tsv"] if len(config["labels"]) > 2 else []


include: "inputs/audit.smk"


rule audit_stage:
    input:
        model=f"{MODEL}/model.keras",
        provenance=f"{MODEL}/provenance.json",
        predictions=predictions_of_stage,
        slices=expand(f"{COHORT}/slices.tsv", cohort=training_cohort),
        png=png_of_training_cohort,
        masks=masks_of_training_cohort,
        images=arrays_of(images_of_stage, input_view_of, "masks"),
        index=expand("{images}/index.tsv", images=images_of_stage),
        manifest=expand(f"{RESULTS}/qc/{{cohort}}/manifest.tsv", cohort=training_cohort),
    output:
        logits=f"{EXPLANATION}/intervention_logits.tsv",
        sources=f"{EXPLANATION}/source_predictions.tsv",
        sanity=f"{EXPLANATION}/sanity_values.tsv",
        making=f"{EXPLANATION}/making_logits.tsv",
        swaps=SWAP_LOGITS,
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
        program=program("audit_stage"),
        code=code_with_backbone("audit_stage"),
        model=folder(MODEL),
        cohort=folders_here(training_cohort_folder),
        images=folders_here(images_of_stage),
        lungs=folders_here(masks_folder_of_training_cohort),
        settings=audit_settings,
        explanation=folder(EXPLANATION),
    shell:
        "python {params.program:q} --model {params.model} --cohort {params.cohort} --images {params.images}"
        " --masks {params.lungs} --manifest {input.manifest} --settings {params.settings:q} --threads {threads}"
        " --explanation {params.explanation} > {log} 2>&1"


# Intervals are no reason to run the network again.
rule audit_intervals:
    input:
        logits=f"{EXPLANATION}/intervention_logits.tsv",
        sources=f"{EXPLANATION}/source_predictions.tsv",
        sanity=f"{EXPLANATION}/sanity_values.tsv",
        making=f"{EXPLANATION}/making_logits.tsv",
        swaps=SWAP_LOGITS,
        forensics=expand(f"{COHORT}/forensics.tsv", cohort=training_cohort),
    output:
        shortcuts=f"{EXPLANATION}/shortcuts.tsv",
        sanity=f"{EXPLANATION}/sanity.tsv",
        making=f"{EXPLANATION}/making.tsv",
    log:
        f"{RESULTS}/logs/audit_intervals/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_intervals/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("audit_intervals"),
        code=code("audit_intervals"),
        explanation=folder(EXPLANATION),
        statistics=as_json(STATISTICS),
    shell:
        "python {params.program:q} --explanation {params.explanation} --forensics {input.forensics}"
        " --statistics {params.statistics:q} > {log} 2>&1"


rule forensics_table:
    input:
        tables=expand(f"{COHORT}/{{table}}.tsv", cohort=labelled_cohorts(), table=["slices", "forensics"]),
    output:
        f"{RESULTS}/report/forensics.tsv",
    log:
        f"{RESULTS}/logs/forensics_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/forensics_table.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("forensics_table"),
        code=code("forensics_table"),
        cohorts=expand(here(COHORT), cohort=labelled_cohorts()),
        unknown=[name for name in labelled_cohorts() if config["cohorts"][name]["patients"] == "unknown"],
        seed=config["seed"],
    shell:
        "python {params.program:q} --cohorts {params.cohorts} --unknown {params.unknown} --seed {params.seed}"
        " --table {output} > {log} 2>&1"


rule metadata_classifier:
    input:
        split=f"{RESULTS}/splits/{{cohort}}/{{input_view}}.tsv",
        slices=f"{COHORT}/slices.tsv",
        cases=f"{COHORT}/cases.tsv",
        images=expand(f"{IMAGES}/{{shard}}/{{input_view}}.npy", shard=shards_of_cohort, allow_missing=True),
        masks=expand(f"{IMAGES}/{{shard}}/masks.npy", shard=shards_of_cohort, allow_missing=True),
        index=f"{IMAGES}/index.tsv",
        manifest=f"{RESULTS}/qc/{{cohort}}/manifest.tsv",
    output:
        f"{RESULTS}/explain/metadata/{{cohort}}/{{input_view}}.tsv",
    log:
        f"{RESULTS}/logs/metadata_classifier/{{cohort}}/{{input_view}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/metadata_classifier/{{cohort}}/{{input_view}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("metadata_classifier"),
        code=code("metadata_classifier"),
        cohort=folder(COHORT),
        images=folder(IMAGES),
        statistics=as_json(
            {"labels": list(config["labels"]), **{name: STATISTICS[name] for name in ("resamples", "seed")}}
        ),
    shell:
        "python {params.program:q} --split {input.split} --cohort {params.cohort} --images {params.images}"
        " --manifest {input.manifest} --statistics {params.statistics:q} --table {output} > {log} 2>&1"


if len(config["labels"]) > 2:

    rule pairs_table:
        input:
            results=expand(f"{RESULTS}/{{path}}", path=pairs_inputs(RUN)),
        output:
            report(
                f"{RESULTS}/report/pairs.tsv",
                caption="../report/pairs.rst",
                category="Tables",
                labels={"table": "does each model look at the lung, by pairs of classes"},
            ),
        log:
            f"{RESULTS}/logs/pairs_table.log",
        benchmark:
            f"{RESULTS}/benchmarks/pairs_table.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            program=program("pairs_table"),
            code=code("pairs_table"),
            results=folder(RESULTS),
            run=as_json(RUN),
        shell:
            "python {params.program:q} --results {params.results:q} --run {params.run:q} --pairs {output} > {log} 2>&1"


rule audit_tables:
    input:
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
            labels={"table": "whole against segmented, one start against another"},
        ),
    log:
        f"{RESULTS}/logs/audit_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_tables.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("audit_tables"),
        code=code("audit_tables"),
        results=folder(RESULTS),
        run=as_json(RUN),
    shell:
        "python {params.program:q} --results {params.results:q} --run {params.run:q} --audit {output.audit}"
        " --verdicts {output.verdicts} --comparisons {output.comparisons} > {log} 2>&1"


rule rank_pipelines:
    input:
        results=expand(f"{RESULTS}/{{path}}", path=ranking_inputs(RUN)),
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
        program=program("rank_pipelines"),
        code=code("rank_pipelines"),
        printed=repository_file(TABLE_2_2),
        printed_results=digest_of_files([REPOSITORY / TABLE_2_2]),
        results=folder(RESULTS),
        run=as_json(RUN),
    shell:
        "python {params.program:q} --results {params.results:q} --run {params.run:q} --printed {params.printed:q}"
        " --systems {output} > {log} 2>&1"


if REPLICATES:

    # One job for all replicates of a model, on the same slices.
    rule replicate_maps:
        input:
            models=models_of_replicates,
            predictions=predictions_of_stage,
            images=arrays_of(images_of_stage, input_view_of, "masks"),
            index=expand("{images}/index.tsv", images=images_of_stage),
            manifest=expand(f"{RESULTS}/qc/{{cohort}}/manifest.tsv", cohort=training_cohort),
        output:
            f"{EXPLANATION}/replicate_maps.npz",
        log:
            f"{RESULTS}/logs/replicate_maps/{{pipeline}}/stage{{stage}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/replicate_maps/{{pipeline}}/stage{{stage}}.tsv"
        conda:
            "../../envs/keras.yaml"
        threads: config["explain"]["threads"]
        resources:
            mem_mb=3000,
        params:
            program=program("replicate_maps"),
            code=code_with_backbone("replicate_maps"),
            models=folders_here(folders_of_replicates),
            images=folders_here(images_of_stage),
            settings=as_json({"sample": config["audit"]["sample"], "seed": config["seed"]}),
        shell:
            "python {params.program:q} --models {params.models} --predictions {input.predictions}"
            " --images {params.images} --manifest {input.manifest} --settings {params.settings:q} --threads {threads}"
            " --maps {output} > {log} 2>&1"

    rule replicates_table:
        input:
            results=expand(f"{RESULTS}/{{path}}", path=replicates_inputs(RUN)),
        output:
            report(
                f"{RESULTS}/report/replicates.tsv",
                caption="../report/replicates.rst",
                category="Tables",
                labels={"table": "how far replicates differ"},
            ),
        log:
            f"{RESULTS}/logs/replicates_table.log",
        benchmark:
            f"{RESULTS}/benchmarks/replicates_table.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            program=program("replicates_table"),
            code=code("replicates_table"),
            results=folder(RESULTS),
            run=as_json(RUN),
        shell:
            "python {params.program:q} --results {params.results:q} --run {params.run:q} --table {output} > {log} 2>&1"


if has_remedies(RUN):

    rule remedies_table:
        input:
            results=expand(f"{RESULTS}/{{path}}", path=remedies_inputs(RUN)),
        output:
            report(
                f"{RESULTS}/report/remedies.tsv",
                caption="../report/remedies.rst",
                category="Tables",
                labels={"table": "what every remedy does to its pipeline"},
            ),
        log:
            f"{RESULTS}/logs/remedies_table.log",
        benchmark:
            f"{RESULTS}/benchmarks/remedies_table.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            program=program("remedies_table"),
            code=code("remedies_table"),
            results=folder(RESULTS),
            run=as_json(RUN),
        shell:
            "python {params.program:q} --results {params.results:q} --run {params.run:q} --remedies {output}"
            " > {log} 2>&1"


rule audit:
    input:
        CHECKED_FOR_TRAINING,
        of_models(f"{EXPLANATION}/shortcuts.tsv"),
        rules.audit_tables.output if RUN["stages"] else [],
        rules.remedies_table.output if has_remedies(RUN) else [],
