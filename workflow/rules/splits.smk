"""Splits: what QC keeps → train, validation and test for every cohort and framework, and what their sides share."""

INPUT_VIEWS = input_views_of(config)


# Before everything else: tables that cannot be split stop the run at its start, not after the segmentation.
rule check_split:
    input:
        program=ancient(program("check_split")),
        tables=lambda wildcards: [
            ancient(config["cohorts"][name]["table"]) for name in cohorts_assigned_with(wildcards.cohort)
        ],
    output:
        f"{RESULTS}/splits/{{cohort}}/checked.txt",
    log:
        f"{RESULTS}/logs/check_split/{{cohort}}.log",
    priority: 20
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code("check_split"),
        rows=lambda wildcards: digest(
            [vars(row) for name in cohorts_assigned_with(wildcards.cohort) for row in ROWS[name]]
        ),
        names=lambda wildcards: cohorts_assigned_with(wildcards.cohort),
        roles=lambda wildcards: [config["cohorts"][name]["role"] for name in cohorts_assigned_with(wildcards.cohort)],
        unit=lambda wildcards: split_unit(wildcards.cohort),
        settings=lambda wildcards: as_json(split_settings_of(config, wildcards.cohort)),
        seed=config["seed"],
        labels=as_json(config["labels"]),
        shared_ids="--shared-ids" if config["shared_ids"] else "",
    shell:
        "python {input.program} --cohort {wildcards.cohort} --names {params.names} --roles {params.roles}"
        " --tables {input.tables:q} --unit {params.unit} --settings {params.settings:q} --seed {params.seed}"
        " --labels {params.labels:q} {params.shared_ids} --checked {output} > {log} 2>&1"


rule make_split:
    input:
        program=ancient(program("make_split")),
        cases=tables_assigned_together(f"{RESULTS}/cohorts/{{cohort}}/cases.tsv"),
        slices=tables_assigned_together(f"{RESULTS}/cohorts/{{cohort}}/slices.tsv"),
        manifests=tables_assigned_together(f"{RESULTS}/qc/{{cohort}}/manifest.tsv"),
        checked=f"{RESULTS}/splits/{{cohort}}/checked.txt",
        duplicates=duplicates_wanted,
        segmentation=segmentation_split_wanted(),
        previous=EARLIER,
        private=tables_assigned_together(f"{PRIVATE}/{{cohort}}.tsv") if EARLIER else [],
    output:
        expand(f"{RESULTS}/splits/{{{{cohort}}}}/{{input_view}}.tsv", input_view=INPUT_VIEWS),
    log:
        f"{RESULTS}/logs/make_split/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/make_split/{{cohort}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("make_split"),
        names=lambda wildcards: cohorts_assigned_with(wildcards.cohort),
        roles=lambda wildcards: [config["cohorts"][name]["role"] for name in cohorts_assigned_with(wildcards.cohort)],
        unit=lambda wildcards: split_unit(wildcards.cohort),
        settings=lambda wildcards: as_json(split_settings_of(config, wildcards.cohort)),
        known=known_side_arguments,
        seed=config["seed"],
        labels=list(config["labels"]),
        frameworks=INPUT_VIEWS,
    shell:
        "python {input.program} --cohort {wildcards.cohort} --names {params.names} --roles {params.roles}"
        " --cases {input.cases} --slices {input.slices} --manifests {input.manifests} --unit {params.unit}"
        " --settings {params.settings:q} --seed {params.seed} --labels {params.labels:q} {params.known}"
        " --frameworks {params.frameworks} --splits {output} > {log} 2>&1"


rule split_overlap:
    input:
        program=ancient(program("split_overlap")),
        slices=expand(f"{RESULTS}/cohorts/{{cohort}}/slices.tsv", cohort=labelled_cohorts()),
        splits=expand(
            f"{RESULTS}/splits/{{cohort}}/{{input_view}}.tsv", cohort=labelled_cohorts(), input_view=INPUT_VIEWS
        ),
        duplicates=f"{RESULTS}/cohorts/duplicates.tsv",
    output:
        f"{RESULTS}/report/leakage.tsv",
    log:
        f"{RESULTS}/logs/split_overlap.log",
    benchmark:
        f"{RESULTS}/benchmarks/split_overlap.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("split_overlap"),
        cohorts=labelled_cohorts(),
        frameworks=INPUT_VIEWS,
        unknown=[name for name in labelled_cohorts() if config["cohorts"][name]["patients"] == "unknown"],
        units=[split_unit(name) for name in labelled_cohorts()],
    shell:
        "python {input.program} --cohorts {params.cohorts} --frameworks {params.frameworks} --unknown {params.unknown}"
        " --units {params.units} --slices {input.slices} --splits {input.splits} --duplicates {input.duplicates}"
        " --leakage {output} > {log} 2>&1"


rule split:
    input:
        rules.split_overlap.output,
