"""Intake: the user's files → windowed volumes and slices, a row for every row of the cohort table."""


def scans_of_shard(wildcards):
    """What a shard reads: the root where a rule makes it, else its cases' paths and masks."""
    cohort = config["cohorts"][wildcards.cohort]
    if "phantom" in cohort:
        return ancient(cohort["root"])
    rows = rows_of_shard(wildcards.cohort, wildcards.shard)
    return [os.path.join(cohort["root"], path) for row in rows for path in (row.path, row.mask) if path]


def min_slices_of(cohort):
    return config["cohorts"][cohort].get("min_slices", config["min_slices"])


rule pseudonym_key:
    input:
        program=ancient(program("pseudonym_key")),
    output:
        KEY,
    log:
        f"{RESULTS}/logs/pseudonym_key.log",
    localrule: True
    conda:
        "../../envs/intake.yaml"
    shell:
        "python {input.program} --key {output} > {log} 2>&1"


rule convert:
    input:
        program=ancient(program("convert")),
        key=KEY,
        table=lambda wildcards: ancient(config["cohorts"][wildcards.cohort]["table"]),
        scans=scans_of_shard,
    output:
        cases=f"{RESULTS}/cohorts/{{cohort}}/shards/{{shard}}/cases.tsv",
        slices=f"{RESULTS}/cohorts/{{cohort}}/shards/{{shard}}/slices.tsv",
        nifti=directory(f"{RESULTS}/cohorts/{{cohort}}/nifti/{{shard}}"),
        png=directory(f"{RESULTS}/cohorts/{{cohort}}/png/{{shard}}"),
    log:
        f"{RESULTS}/logs/convert/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert/{{cohort}}/{{shard}}.tsv"
    wildcard_constraints:
        cohort="|".join(labelled_cohorts()) or "(?!)",
    conda:
        "../../envs/intake.yaml"
    params:
        code=code("convert"),
        rows=lambda wildcards: digest(
            [(row.path, row.mask) for row in rows_of_shard(wildcards.cohort, wildcards.shard)]
        ),
        root=lambda wildcards: config["cohorts"][wildcards.cohort]["root"],
        format=lambda wildcards: config["cohorts"][wildcards.cohort]["format"],
        shards=lambda wildcards: number_of_shards(wildcards.cohort),
        min_slices=lambda wildcards: min_slices_of(wildcards.cohort),
        settings=as_json(config["intake"]),
    shell:
        "python {input.program} --cohort {wildcards.cohort} --table {input.table} --root {params.root:q}"
        " --format {params.format} --shard {wildcards.shard} --shards {params.shards} --min-slices {params.min_slices}"
        " --settings {params.settings:q} --key {input.key} --cases {output.cases} --slices {output.slices}"
        " --nifti {output.nifti} --png {output.png} > {log} 2>&1"
