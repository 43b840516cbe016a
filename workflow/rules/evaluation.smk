"""Evaluation: predictions → metrics with intervals, comparisons of models, leakage inflation."""

METRICS = expand(
    f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/metrics.json",
    pipeline=[pipeline.name for pipeline in PIPELINES],
    stage=stages_of(config),
)


rule evaluate_model:
    input:
        program=ancient(program("evaluate_model")),
        predictions=lambda wildcards: expand(
            f"{RESULTS}/models/{{{{pipeline}}}}/stage{{{{stage}}}}/predictions/{{cohort}}.tsv",
            cohort=cohorts_predicted(config, wildcards.stage),
        ),
    output:
        f"{RESULTS}/models/{{pipeline}}/stage{{stage}}/metrics.json",
    log:
        f"{RESULTS}/logs/evaluate_model/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_model/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("evaluate_model"),
        own=lambda wildcards: cohort_of_stage(wildcards.stage),
        positive=next(iter(config["labels"])),
        resamples=config["report"]["bootstrap"],
        seed=config["seed"],
    shell:
        "python {input.program} --pipeline {wildcards.pipeline} --stage {wildcards.stage} --own {params.own} --positive {params.positive:q}"
        " --resamples {params.resamples} --seed {params.seed} --predictions {input.predictions} --metrics {output}"
        " > {log} 2>&1"


rule performance_differences:
    input:
        program=ancient(program("performance_differences")),
        predictions=predictions_of_models(stages_with_controls(config)),
    output:
        report(
            f"{RESULTS}/report/differences.tsv",
            caption="../report/differences.rst",
            category="Tables",
            labels={"table": "which model is better"},
        ),
    log:
        f"{RESULTS}/logs/performance_differences.log",
    benchmark:
        f"{RESULTS}/benchmarks/performance_differences.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("performance_differences"),
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


rule metrics_table:
    input:
        program=ancient(program("metrics_table")),
        results=expand(f"{RESULTS}/{{path}}", path=metrics_inputs(RUN)),
        thesis=THESIS,
    output:
        report(
            f"{RESULTS}/report/metrics.tsv",
            caption="../report/metrics.rst",
            category="Tables",
            labels={"table": "how well"},
        ),
    log:
        f"{RESULTS}/logs/metrics_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/metrics_table.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("metrics_table"),
        results=RESULTS,
        run=as_json(RUN),
    shell:
        "python {input.program} --results {params.results:q} --run {params.run:q} --thesis {input.thesis}"
        " --metrics {output} > {log} 2>&1"


LEAKAGE_PIPELINES = [pipeline.name for pipeline in leakage_pipelines(config)]
ARM_TABLES = f"{RESULTS}/leakage_inflation/arms/{{input_view}}/{{arm}}.tsv"


if LEAKAGE_PIPELINES:

    rule leakage_conditions:
        input:
            program=ancient(program("leakage_conditions")),
            split=f"{RESULTS}/splits/{leakage_cohort(config)}/{{input_view}}.tsv",
        output:
            expand(ARM_TABLES, arm=[arm.name for arm in LEAKAGE_CONDITIONS], allow_missing=True),
        log:
            f"{RESULTS}/logs/leakage_conditions/{{input_view}}.log",
        localrule: True
        conda:
            "../../envs/report.yaml"
        params:
            code=code("leakage_conditions"),
            most=config["leakage"]["max_slices"],
            fractions=config["splits"]["fractions"],
            seed=config["seed"],
        shell:
            "python {input.program} --split {input.split} --most {params.most} --fractions {params.fractions}"
            " --seed {params.seed} --conditions {output} > {log} 2>&1"

    rule leakage_training:
        input:
            unpack(images_of_leakage_training),
            unpack(start_of_leakage_training),
            program=ancient(program("leakage_training")),
        output:
            f"{RESULTS}/leakage_inflation/{{pipeline}}.tsv",
        log:
            f"{RESULTS}/logs/leakage_training/{{pipeline}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/leakage_training/{{pipeline}}.tsv"
        wildcard_constraints:
            pipeline="|".join(LEAKAGE_PIPELINES),
        # As early as trainings: left for the end, it runs alone.
        priority: 10
        conda:
            "../../envs/keras.yaml"
        threads: config["training"]["threads"]
        resources:
            mem_mb=4000,
            gpu=config["training"]["gpus"],
        params:
            code=code_with_backbone("leakage_training"),
            network=backbone_of,
            positive=next(iter(config["labels"])),
            settings=lambda wildcards: as_json(settings_of_leakage_training(config, wildcards.pipeline)),
            seed=config["seed"],
            start=start_arguments_of_leakage_training,
            # Undeclared, so that what was trained survives a failure.
            checkpoints=f"{RESULTS}/training/checkpoints/leakage-{{pipeline}}",
        shell:
            "python {input.program} --backbone {params.network} --positive {params.positive:q}"
            " --settings {params.settings:q} --seed {params.seed} --threads {threads} --code {params.code}"
            " --conditions {input.arms} --images {input.images} --index {input.index} {params.start}"
            " --checkpoints {params.checkpoints:q} --predictions {output} > {log} 2>&1"

    rule leakage_inflation:
        input:
            program=ancient(program("leakage_inflation")),
            predictions=expand(f"{RESULTS}/leakage_inflation/{{pipeline}}.tsv", pipeline=LEAKAGE_PIPELINES),
        output:
            report(
                f"{RESULTS}/report/leakage_inflation.tsv",
                caption="../report/leakage_inflation.rst",
                category="Tables",
                labels={"table": "the price of leakage"},
            ),
        log:
            f"{RESULTS}/logs/leakage_inflation.log",
        benchmark:
            f"{RESULTS}/benchmarks/leakage_inflation.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            code=code("leakage_inflation"),
            cohort=leakage_cohort(config),
            positive=next(iter(config["labels"])),
            resamples=config["report"]["bootstrap"],
            seed=config["seed"],
        shell:
            "python {input.program} --predictions {input.predictions} --cohort {params.cohort}"
            " --positive {params.positive:q} --resamples {params.resamples} --seed {params.seed} --inflation {output}"
            " > {log} 2>&1"


rule evaluate:
    input:
        METRICS,
        rules.metrics_table.output,
        rules.performance_differences.output,
        rules.evaluate_subgroups.output,
        rules.evaluation_tables.output,
