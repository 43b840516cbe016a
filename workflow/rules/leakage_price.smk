"""The price of leakage: one pipeline under slice and patient splits, with true and with shuffled labels."""

PRICED = [pipeline.name for pipeline in priced_pipelines(config)]
ARM_TABLES = f"{RESULTS}/leakage_price/arms/{{framework}}/{{arm}}.tsv"


if PRICED:

    rule leakage_arms:
        input:
            program=ancient(program("leakage_arms")),
            split=f"{RESULTS}/splits/{priced_cohort(config)}/{{framework}}.tsv",
        output:
            expand(ARM_TABLES, arm=[arm.name for arm in ARMS], allow_missing=True),
        log:
            f"{RESULTS}/logs/leakage_arms/{{framework}}.log",
        localrule: True
        conda:
            "../../envs/report.yaml"
        params:
            code=code("leakage_arms"),
            most=config["leakage"]["max_slices"],
            fractions=config["splits"]["fractions"],
            seed=config["seed"],
        shell:
            "python {input.program} --split {input.split} --most {params.most} --fractions {params.fractions}"
            " --seed {params.seed} --arms {output} > {log} 2>&1"

    rule leakage_trial:
        input:
            unpack(images_of_price),
            unpack(start_of_price),
            program=ancient(program("leakage_trial")),
        output:
            f"{RESULTS}/leakage_price/{{pipeline}}.tsv",
        log:
            f"{RESULTS}/logs/leakage_trial/{{pipeline}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/leakage_trial/{{pipeline}}.tsv"
        wildcard_constraints:
            pipeline="|".join(PRICED),
        # As early as trainings: left for the end, it runs alone.
        priority: 10
        conda:
            "../../envs/keras.yaml"
        threads: config["training"]["threads"]
        resources:
            mem_mb=4000,
            gpu=config["training"]["gpus"],
        params:
            code=code_with_backbone("leakage_trial"),
            network=backbone_of,
            positive=next(iter(config["labels"])),
            settings=lambda wildcards: as_json(settings_of_trial(config, wildcards.pipeline)),
            seed=config["seed"],
            start=arguments_of_price,
            # Undeclared, so that what was trained survives a failure.
            checkpoints=f"{RESULTS}/training/checkpoints/leakage-{{pipeline}}",
        shell:
            "python {input.program} --backbone {params.network} --positive {params.positive:q}"
            " --settings {params.settings:q} --seed {params.seed} --threads {threads} --code {params.code}"
            " --arms {input.arms} --images {input.images} --index {input.index} {params.start}"
            " --checkpoints {params.checkpoints:q} --predictions {output} > {log} 2>&1"

    rule leakage_price:
        input:
            program=ancient(program("leakage_price")),
            predictions=expand(f"{RESULTS}/leakage_price/{{pipeline}}.tsv", pipeline=PRICED),
        output:
            report(
                f"{RESULTS}/report/leakage_price.tsv",
                caption="../report/leakage_price.rst",
                category="Tables",
                labels={"table": "the price of leakage"},
            ),
        log:
            f"{RESULTS}/logs/leakage_price.log",
        benchmark:
            f"{RESULTS}/benchmarks/leakage_price.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            code=code("leakage_price"),
            cohort=priced_cohort(config),
            positive=next(iter(config["labels"])),
            resamples=config["report"]["bootstrap"],
            seed=config["seed"],
        shell:
            "python {input.program} --predictions {input.predictions} --cohort {params.cohort}"
            " --positive {params.positive:q} --resamples {params.resamples} --seed {params.seed} --price {output}"
            " > {log} 2>&1"
