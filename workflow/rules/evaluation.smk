"""Evaluation: predictions → metrics with intervals, comparisons of models, leakage inflation."""

from lungsight.evaluation.leakage_inflation.settings import (
    LEAKAGE_CONDITIONS,
    leakage_cohort,
    leakage_pipelines,
    settings_of_leakage_training,
)
from lungsight.run_description import metrics_inputs
from lungsight.training.pipelines import input_views_of
from lungsight.training.settings import identity_of_start, start_files, start_of

LEAKAGE_PIPELINES = [pipeline.name for pipeline in leakage_pipelines(config)]
LEAKAGE_REPEATS = config["leakage"]["repeats"]
LEAKAGE_TRAININGS = [name for pipeline in LEAKAGE_PIPELINES for name in names_of_replicates(pipeline, LEAKAGE_REPEATS)]
# What every program with several classes needs: all of them in order, and what it costs to take one for another.
CLASSES = {"labels": list(config["labels"]), "costs": config["evaluation"]["costs"]}
# With two classes, the costs change no number but those of class_tables.
CLASSES_OF_MANY = CLASSES if len(config["labels"]) > 2 else CLASSES | {"costs": None}
COHORTS_TRAINED_ON = {role: name for role in ROLE_OF_STAGE.values() for name in cohorts_with_role(config, role)}
CONDITIONS = f"{RESULTS}/leakage_inflation/conditions/{{input_view}}"
CONDITIONS_AGAIN = f"{RESULTS}/leakage_inflation/conditions/r{{replicate}}/{{input_view}}"


include: "inputs/evaluation.smk"


rule evaluate_model:
    input:
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
        program=program("evaluate_model"),
        code=code("evaluate_model"),
        model=folder(MODEL),
        training_cohort=training_cohort,
        statistics=as_json(STATISTICS),
        classes=as_json(CLASSES_OF_MANY),
    shell:
        "python {params.program:q} --model {params.model} --training-cohort {params.training_cohort}"
        " --statistics {params.statistics:q} --classes {params.classes:q} --predictions {input.predictions} --metrics {output} > {log} 2>&1"


rule performance_differences:
    input:
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
        program=program("performance_differences"),
        code=code("performance_differences"),
        statistics=as_json(STATISTICS),
        classes=as_json(CLASSES_OF_MANY),
    shell:
        "python {params.program:q} --statistics {params.statistics:q} --classes {params.classes:q}"
        " --predictions {input.predictions} --differences {output} > {log} 2>&1"


rule decision_curves:
    input:
        predictions=predictions_of_models(stages_of(config)),
    output:
        report(
            f"{RESULTS}/report/decision_curves.tsv",
            caption="../report/decision_curves.rst",
            category="Tables",
            labels={"table": "decision curves"},
        ),
    log:
        f"{RESULTS}/logs/decision_curves.log",
    benchmark:
        f"{RESULTS}/benchmarks/decision_curves.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("decision_curves"),
        code=code("decision_curves"),
        statistics=as_json(STATISTICS),
        labels=as_json(CLASSES["labels"]),
    shell:
        "python {params.program:q} --statistics {params.statistics:q} --labels {params.labels:q}"
        " --predictions {input.predictions} --curves {output} > {log} 2>&1"


rule evaluate_ensembles:
    input:
        predictions=predictions_of_models(stages_of(config)),
    output:
        combined=directory(f"{RESULTS}/ensembles"),
        table=report(
            f"{RESULTS}/report/ensembles.tsv",
            caption="../report/ensembles.rst",
            category="Tables",
            labels={"table": "ensembles"},
        ),
    log:
        f"{RESULTS}/logs/evaluate_ensembles.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_ensembles.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("evaluate_ensembles"),
        code=code("evaluate_ensembles"),
        ensembles=as_json(config["pipelines"]["ensembles"]),
        cohorts=as_json({stage: COHORTS_TRAINED_ON[ROLE_OF_STAGE[stage]] for stage in stages_of(config)}),
        statistics=as_json(STATISTICS),
        classes=as_json(CLASSES_OF_MANY),
    shell:
        "python {params.program:q} --ensembles {params.ensembles:q} --cohorts {params.cohorts:q}"
        " --statistics {params.statistics:q} --classes {params.classes:q} --predictions {input.predictions}"
        " --combined {output.combined} --table {output.table} > {log} 2>&1"


rule class_tables:
    input:
        predictions=predictions_of_models(stages_of(config)),
    output:
        classes=report(
            f"{RESULTS}/report/classes.tsv",
            caption="../report/classes.rst",
            category="Tables",
            labels={"table": "how well, by class"},
        ),
        confusion=report(
            f"{RESULTS}/report/confusion.tsv",
            caption="../report/confusion.rst",
            category="Tables",
            labels={"table": "which class is taken for which"},
        ),
    log:
        f"{RESULTS}/logs/class_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/class_tables.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("class_tables"),
        code=code("class_tables"),
        resampling=as_json({name: STATISTICS[name] for name in ("resamples", "seed")}),
        classes=as_json(CLASSES),
        cohorts=as_json(COHORTS_TRAINED_ON),
    shell:
        "python {params.program:q} --resampling {params.resampling:q} --classes {params.classes:q}"
        " --cohorts {params.cohorts:q} --predictions {input.predictions} --by-class {output.classes}"
        " --confusion {output.confusion} > {log} 2>&1"


rule evaluate_subgroups:
    input:
        predictions=predictions_of_models(stages_of(config)),
        tables=expand(f"{COHORT}/{{table}}.tsv", cohort=labelled_cohorts(), table=["cases", "slices"]),
        people=expand(f"{COHORT}/people.tsv", cohort=RUN["people"]),
    output:
        report(
            f"{RESULTS}/report/subgroups.tsv",
            caption="../report/subgroups.rst",
            category="Tables",
            labels={"table": "by source, scanner, kernel, contrast, age and sex"},
        ),
    log:
        f"{RESULTS}/logs/evaluate_subgroups.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_subgroups.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("evaluate_subgroups"),
        code=code("evaluate_subgroups"),
        cohorts=expand(here(COHORT), cohort=labelled_cohorts()),
        statistics=as_json(STATISTICS),
        classes=as_json(CLASSES_OF_MANY),
    shell:
        "python {params.program:q} --cohorts {params.cohorts} --statistics {params.statistics:q}"
        " --classes {params.classes:q} --people {input.people} --predictions {input.predictions} --subgroups {output}"
        " > {log} 2>&1"


# Without a model too: whom intake and quality control left out.
rule selection_table:
    input:
        tables=expand(f"{COHORT}/{{table}}.tsv", cohort=labelled_cohorts(), table=["cases", "slices"]),
        manifests=expand(f"{RESULTS}/qc/{{cohort}}/manifest.tsv", cohort=labelled_cohorts()),
    output:
        report(
            f"{RESULTS}/report/selection.tsv",
            caption="../report/selection.rst",
            category="Tables",
            labels={"table": "does exclusion depend on the class"},
        ),
    log:
        f"{RESULTS}/logs/selection_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/selection_table.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("selection_table"),
        code=code("selection_table"),
        results=folder(RESULTS),
        known=as_json({name: config["cohorts"][name]["patients"] == "known" for name in labelled_cohorts()}),
        input_views=input_views_of(config),
        labels=as_json(list(config["labels"])),
        seed=config["seed"],
    shell:
        "python {params.program:q} --results {params.results:q} --known {params.known:q}"
        " --input-views {params.input_views} --labels {params.labels:q} --seed {params.seed} --selection {output}"
        " > {log} 2>&1"


rule evaluation_tables:
    input:
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
        program=program("evaluation_tables"),
        code=code("evaluation_tables"),
    shell:
        "python {params.program:q} --metrics {input.metrics} --aggregation {output.aggregation}"
        " --reliability {output.reliability} > {log} 2>&1"


if len(config["labels"]) > 2:

    # Each class against the rest, as pictures of the page show it.
    rule class_curves:
        input:
            predictions=predictions_on_training_cohorts(),
        output:
            f"{RESULTS}/report/class_curves.tsv",
        log:
            f"{RESULTS}/logs/class_curves.log",
        benchmark:
            f"{RESULTS}/benchmarks/class_curves.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            program=program("class_curves"),
            code=code("class_curves"),
            labels=as_json(list(config["labels"])),
        shell:
            "python {params.program:q} --labels {params.labels:q} --predictions {input.predictions} --curves {output}"
            " > {log} 2>&1"

    # Rows of cohorts that lack a class, with the probabilities of their own classes divided by their sum.
    rule renormalised_metrics:
        input:
            metrics=of_models(f"{MODEL}/metrics.json"),
        output:
            f"{RESULTS}/report/renormalised.tsv",
        log:
            f"{RESULTS}/logs/renormalised_metrics.log",
        benchmark:
            f"{RESULTS}/benchmarks/renormalised_metrics.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            program=program("renormalised_metrics"),
            code=code("renormalised_metrics"),
        shell:
            "python {params.program:q} --metrics {input.metrics} --renormalised {output} > {log} 2>&1"


rule metrics_table:
    input:
        results=expand(f"{RESULTS}/{{path}}", path=metrics_inputs(RUN)),
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
        program=program("metrics_table"),
        code=code("metrics_table"),
        thesis=repository_file(THESIS),
        thesis_results=digest_of_files([REPOSITORY / THESIS]),
        results=folder(RESULTS),
        run=as_json(RUN),
    shell:
        "python {params.program:q} --results {params.results:q} --run {params.run:q} --thesis {params.thesis:q}"
        " --metrics {output} > {log} 2>&1"


if LEAKAGE_PIPELINES:

    rule leakage_conditions:
        input:
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
            program=program("leakage_conditions"),
            code=code("leakage_conditions"),
            max_slices=lookup(dpath="leakage/max_slices", within=config),
            fractions=config["splits"]["fractions"],
            seed=config["seed"],
            conditions=here(CONDITIONS),
        shell:
            "python {params.program:q} --split {input.split} --max-slices {params.max_slices}"
            " --fractions {params.fractions} --seed {params.seed} --conditions {params.conditions} > {log} 2>&1"

    rule leakage_training:
        input:
            conditions=conditions_of_leakage_training,
            images=arrays_of(images_of_leakage_training, input_view_of),
            index=expand("{images}/index.tsv", images=images_of_leakage_training),
            start=start_files_of_leakage_training,
        output:
            f"{RESULTS}/leakage_inflation/{{pipeline}}.tsv",
        log:
            f"{RESULTS}/logs/leakage_training/{{pipeline}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/leakage_training/{{pipeline}}.tsv"
        wildcard_constraints:
            pipeline="|".join(LEAKAGE_TRAININGS),
        # As early as trainings: left for the end, it runs alone.
        priority: 10
        conda:
            "../../envs/keras.yaml"
        threads: config["training"]["threads"]
        resources:
            mem_mb=4000,
            gpu=config["training"]["gpus"],
        params:
            program=program("leakage_training"),
            code=code_with_backbone("leakage_training"),
            settings=leakage_training_settings,
            start=unrecorded(start_of_leakage_trainings),
            images=folders_here(images_of_leakage_training),
            # Undeclared, so that what was trained survives a failure.
            checkpoints=f"{RESULTS}/training/checkpoints/leakage-{{pipeline}}",
        shell:
            "python {params.program:q} --conditions {input.conditions} --images {params.images}"
            " --settings {params.settings:q} --start {params.start:q} --code {params.code} --threads {threads}"
            " --checkpoints {params.checkpoints:q} --predictions {output} > {log} 2>&1"

    if LEAKAGE_REPEATS > 1:

        use rule leakage_conditions as leakage_conditions_again with:
            output:
                expand(
                    f"{CONDITIONS_AGAIN}/{{condition}}.tsv",
                    condition=[condition.name for condition in LEAKAGE_CONDITIONS],
                    allow_missing=True,
                ),
            log:
                f"{RESULTS}/logs/leakage_conditions/r{{replicate}}/{{input_view}}.log",
            wildcard_constraints:
                replicate=r"\d+",
            params:
                seed=seed_of_leakage_conditions,
                conditions=here(CONDITIONS_AGAIN),

        rule leakage_repeats:
            input:
                predictions=expand(f"{RESULTS}/leakage_inflation/{{pipeline}}.tsv", pipeline=LEAKAGE_TRAININGS),
            output:
                report(
                    f"{RESULTS}/report/leakage_repeats.tsv",
                    caption="../report/leakage_repeats.rst",
                    category="Tables",
                    labels={"table": "what leakage adds, over several splits"},
                ),
            log:
                f"{RESULTS}/logs/leakage_repeats.log",
            benchmark:
                f"{RESULTS}/benchmarks/leakage_repeats.tsv"
            conda:
                "../../envs/report.yaml"
            params:
                program=program("leakage_repeats"),
                code=code("leakage_repeats"),
                cohort=leakage_cohort(config),
                statistics=as_json(STATISTICS),
                fractions=config["splits"]["fractions"],
            shell:
                "python {params.program:q} --predictions {input.predictions} --cohort {params.cohort}"
                " --statistics {params.statistics:q} --fractions {params.fractions} --table {output} > {log} 2>&1"

    rule leakage_inflation:
        input:
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
            program=program("leakage_inflation"),
            code=code("leakage_inflation"),
            cohort=leakage_cohort(config),
            statistics=as_json(STATISTICS),
        shell:
            "python {params.program:q} --predictions {input.predictions} --cohort {params.cohort}"
            " --statistics {params.statistics:q} --inflation {output} > {log} 2>&1"


rule evaluate:
    input:
        CHECKED_FOR_TRAINING,
        of_models(f"{MODEL}/metrics.json"),
        rules.metrics_table.output,
        rules.performance_differences.output,
        rules.evaluate_subgroups.output,
        rules.evaluation_tables.output,
        rules.class_tables.output,
        rules.decision_curves.output,
        *([rules.evaluate_ensembles.output.table] if config["pipelines"]["ensembles"] else []),
        *([rules.renormalised_metrics.output] if len(config["labels"]) > 2 else []),
        rules.selection_table.output,
