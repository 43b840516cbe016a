"""Splits: what QC keeps → train, validation and test for every cohort and framework, and what their sides share."""

FRAMEWORKS = config["pipelines"]["frameworks"]


rule make_split:
    input:
        program=ancient(program("make_split")),
        cases=tables_assigned_together(f"{RESULTS}/cohorts/{{cohort}}/cases.tsv"),
        slices=tables_assigned_together(f"{RESULTS}/cohorts/{{cohort}}/slices.tsv"),
        manifests=tables_assigned_together(f"{RESULTS}/qc/{{cohort}}/manifest.tsv"),
    output:
        expand(f"{RESULTS}/splits/{{{{cohort}}}}/{{framework}}.tsv", framework=FRAMEWORKS),
    log:
        f"{RESULTS}/logs/make_split/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/make_split/{{cohort}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("make_split"),
        names=lambda wildcards: assigned_together(wildcards.cohort),
        roles=lambda wildcards: [config["cohorts"][name]["role"] for name in assigned_together(wildcards.cohort)],
        unit=config["splits"]["unit"],
        fractions=config["splits"]["fractions"],
        seed=config["seed"],
        labels=list(config["labels"]),
        frameworks=FRAMEWORKS,
    shell:
        "python {input.program} --cohort {wildcards.cohort} --names {params.names} --roles {params.roles}"
        " --cases {input.cases} --slices {input.slices} --manifests {input.manifests} --unit {params.unit}"
        " --fractions {params.fractions} --seed {params.seed} --labels {params.labels:q}"
        " --frameworks {params.frameworks} --splits {output} > {log} 2>&1"


rule leakage:
    input:
        program=ancient(program("leakage")),
        slices=expand(f"{RESULTS}/cohorts/{{cohort}}/slices.tsv", cohort=labelled_cohorts()),
        splits=expand(f"{RESULTS}/splits/{{cohort}}/{{framework}}.tsv", cohort=labelled_cohorts(), framework=FRAMEWORKS),
    output:
        f"{RESULTS}/report/leakage.tsv",
    log:
        f"{RESULTS}/logs/leakage.log",
    benchmark:
        f"{RESULTS}/benchmarks/leakage.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("leakage"),
        cohorts=labelled_cohorts(),
        frameworks=FRAMEWORKS,
        unknown=[name for name in labelled_cohorts() if config["cohorts"][name]["patients"] == "unknown"],
        unit=config["splits"]["unit"],
    shell:
        "python {input.program} --cohorts {params.cohorts} --frameworks {params.frameworks} --unknown {params.unknown}"
        " --unit {params.unit} --slices {input.slices} --splits {input.splits} --leakage {output} > {log} 2>&1"


rule split:
    input:
        rules.leakage.output,
