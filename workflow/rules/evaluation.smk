"""Evaluation: predictions → metrics with intervals, comparisons of models, leakage inflation."""

from lungsight.evaluation.leakage_inflation.settings import (
    LEAKAGE_CONDITIONS,
    leakage_cohort,
    leakage_pipelines,
    settings_of_leakage_training,
)
from lungsight.run_description import metrics_inputs
from lungsight.training.settings import start_files, start_of

LEAKAGE_PIPELINES = [pipeline.name for pipeline in leakage_pipelines(config)]
CONDITIONS = f"{RESULTS}/leakage_inflation/conditions/{{input_view}}"


include: "inputs/evaluation.smk"


rule evaluate_model:
    input:
        program=ancient(program("evaluate_model")),
        predictions=expand(f"{MODEL}/predictions/{{cohort}}.tsv", cohort=cohorts_of_evaluation, allow_missing=True),
    output:
        f"{MODEL}/metrics.json",
    log:
        f"{RESULTS}/logs/evaluate_model/{{pipeline}}/stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_model/{{pipeline}}/stage{{stage}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("evaluate_model"),
        model=folder(MODEL),
        training_cohort=training_cohort,
        statistics=as_json(STATISTICS),
    shell:
        "python {input.program} --model {params.model} --training-cohort {params.training_cohort}"
        " --statistics {params.statistics:q} --predictions {input.predictions} --metrics {output} > {log} 2>&1"


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
        statistics=as_json(STATISTICS),
    shell:
        "python {input.program} --statistics {params.statistics:q} --predictions {input.predictions}"
        " --differences {output} > {log} 2>&1"


rule evaluate_subgroups:
    input:
        program=ancient(program("evaluate_subgroups")),
        predictions=predictions_of_models(stages_of(config)),
        tables=expand(f"{COHORT}/{{table}}.tsv", cohort=labelled_cohorts(), table=["cases", "slices"]),
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
        cohorts=expand(COHORT, cohort=labelled_cohorts()),
        statistics=as_json(STATISTICS),
    shell:
        "python {input.program} --cohorts {params.cohorts} --statistics {params.statistics:q}"
        " --predictions {input.predictions} --subgroups {output} > {log} 2>&1"


rule evaluation_tables:
    input:
        program=ancient(program("evaluation_tables")),
        metrics=of_models(f"{MODEL}/metrics.json"),
    output:
        aggregation=report(
            f"{RESULTS}/report/aggregation.tsv",
            caption="../report/aggregation.rst",
            category="Tables",
            labels={"table": "patient predictions made in several ways"},
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
        results=folder(RESULTS),
        run=as_json(RUN),
    shell:
        "python {input.program} --results {params.results:q} --run {params.run:q} --thesis {input.thesis}"
        " --metrics {output} > {log} 2>&1"


if LEAKAGE_PIPELINES:

    rule leakage_conditions:
        input:
            program=ancient(program("leakage_conditions")),
            split=f"{RESULTS}/splits/{leakage_cohort(config)}/{{input_view}}.tsv",
        output:
            expand(
                f"{CONDITIONS}/{{condition}}.tsv",
                condition=[condition.name for condition in LEAKAGE_CONDITIONS],
                allow_missing=True,
            ),
        log:
            f"{RESULTS}/logs/leakage_conditions/{{input_view}}.log",
        localrule: True
        conda:
            "../../envs/report.yaml"
        params:
            code=code("leakage_conditions"),
            max_slices=lookup(dpath="leakage/max_slices", within=config),
            fractions=config["splits"]["fractions"],
            seed=config["seed"],
            conditions=CONDITIONS,
        shell:
            "python {input.program} --split {input.split} --max-slices {params.max_slices}"
            " --fractions {params.fractions} --seed {params.seed} --conditions {params.conditions} > {log} 2>&1"

    rule leakage_training:
        input:
            program=ancient(program("leakage_training")),
            conditions=expand(rules.leakage_conditions.output, input_view=input_view_of),
            images=expand("{images}/{view}.npy", images=images_of_leakage_training, view=input_view_of),
            index=expand("{images}/index.tsv", images=images_of_leakage_training),
            start=start_of_leakage_training,
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
            settings=leakage_training_settings,
            images=images_of_leakage_training,
            # Undeclared, so that what was trained survives a failure.
            checkpoints=f"{RESULTS}/training/checkpoints/leakage-{{pipeline}}",
        shell:
            "python {input.program} --conditions {input.conditions} --images {params.images}"
            " --settings {params.settings:q} --code {params.code} --threads {threads}"
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
                labels={"table": "what leakage adds to the numbers"},
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
            statistics=as_json(STATISTICS),
        shell:
            "python {input.program} --predictions {input.predictions} --cohort {params.cohort}"
            " --statistics {params.statistics:q} --inflation {output} > {log} 2>&1"


rule evaluate:
    input:
        of_models(f"{MODEL}/metrics.json"),
        rules.metrics_table.output,
        rules.performance_differences.output,
        rules.evaluate_subgroups.output,
        rules.evaluation_tables.output,
