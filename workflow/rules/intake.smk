"""Intake: the user's files → windowed volumes and slices, a row for every row of the cohort table."""


rule pseudonym_key:
    input:
        program=ancient(program("pseudonym_key")),
    output:
        # Snakemake deletes an output before it makes it anew; this one must survive -F and a new environment.
        update(KEY),
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
        lesions=directory(f"{RESULTS}/cohorts/{{cohort}}/lesions/{{shard}}"),
    log:
        f"{RESULTS}/logs/convert/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert/{{cohort}}/{{shard}}.tsv"
    wildcard_constraints:
        cohort="|".join(labelled_cohorts()) or "(?!)",
    conda:
        "../../envs/intake.yaml"
    threads: threads_of_shard
    params:
        code=code("convert"),
        what=what_of_shard,
        root=lambda wildcards: config["cohorts"][wildcards.cohort]["root"],
        format=lambda wildcards: config["cohorts"][wildcards.cohort]["format"],
        shards=lambda wildcards: number_of_shards(wildcards.cohort),
        min_slices=lambda wildcards: min_slices_of(wildcards.cohort),
        settings=settings_of_images(),
    shell:
        "python {input.program} --cohort {wildcards.cohort} --table {input.table:q} --root {params.root:q}"
        " --format {params.format} --shard {wildcards.shard} --shards {params.shards} --min-slices {params.min_slices}"
        " --settings {params.settings:q} --threads {threads} --key {input.key} --cases {output.cases}"
        " --slices {output.slices} --nifti {output.nifti} --png {output.png} --lesions {output.lesions} > {log} 2>&1"


rule convert_annotated:
    input:
        program=ancient(program("convert_annotated")),
        key=KEY,
        table=lambda wildcards: ancient(config["cohorts"][wildcards.cohort]["table"]),
        scans=scans_of_shard,
    output:
        cases=f"{RESULTS}/cohorts/{{cohort}}/shards/{{shard}}/cases.tsv",
        slices=f"{RESULTS}/cohorts/{{cohort}}/shards/{{shard}}/slices.tsv",
        nifti=directory(f"{RESULTS}/cohorts/{{cohort}}/nifti/{{shard}}"),
        truth=directory(f"{RESULTS}/cohorts/{{cohort}}/truth/{{shard}}"),
    log:
        f"{RESULTS}/logs/convert_annotated/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert_annotated/{{cohort}}/{{shard}}.tsv"
    wildcard_constraints:
        cohort="|".join(cohorts_with_role(config, "segmentation")) or "(?!)",
    conda:
        "../../envs/intake.yaml"
    threads: threads_of_shard
    params:
        code=code("convert_annotated"),
        what=what_of_shard,
        root=lambda wildcards: config["cohorts"][wildcards.cohort]["root"],
        format=lambda wildcards: config["cohorts"][wildcards.cohort]["format"],
        shards=lambda wildcards: number_of_shards(wildcards.cohort),
        min_slices=lambda wildcards: min_slices_of(wildcards.cohort),
        settings=settings_of_images("roi_names", "tumour_in_lung"),
    shell:
        "python {input.program} --cohort {wildcards.cohort} --table {input.table:q} --root {params.root:q}"
        " --format {params.format} --shard {wildcards.shard} --shards {params.shards} --min-slices {params.min_slices}"
        " --settings {params.settings:q} --threads {threads} --key {input.key} --cases {output.cases}"
        " --slices {output.slices} --nifti {output.nifti} --truth {output.truth} > {log} 2>&1"


rule gather_cohort:
    input:
        program=ancient(program("gather_cohort")),
        key=KEY,
        table=lambda wildcards: ancient(config["cohorts"][wildcards.cohort]["table"]),
        cases=shard_tables("cases"),
        slices=shard_tables("slices"),
    output:
        cases=f"{RESULTS}/cohorts/{{cohort}}/cases.tsv",
        slices=f"{RESULTS}/cohorts/{{cohort}}/slices.tsv",
        private=f"{PRIVATE}/{{cohort}}.tsv",
    log:
        f"{RESULTS}/logs/gather_cohort/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/gather_cohort/{{cohort}}.tsv"
    conda:
        "../../envs/intake.yaml"
    params:
        code=code("gather_cohort"),
        rows=lambda wildcards: digest([vars(row) for row in ROWS[wildcards.cohort]]),
        labels=as_json(config["labels"]),
        shared_ids="--shared-ids" if config["shared_ids"] else "",
    shell:
        "python {input.program} --cohort {wildcards.cohort} --table {input.table:q} --labels {params.labels:q}"
        " {params.shared_ids} --key {input.key} --shard-cases {input.cases} --shard-slices {input.slices}"
        " --cases {output.cases} --slices {output.slices} --private {output.private} > {log} 2>&1"


rule find_duplicates:
    input:
        program=ancient(program("find_duplicates")),
        slices=expand(f"{RESULTS}/cohorts/{{cohort}}/slices.tsv", cohort=labelled_cohorts()),
        shards=[
            f"{RESULTS}/cohorts/{cohort}/shards/{shard}/slices.tsv"
            for cohort in labelled_cohorts()
            for shard in shards_of(cohort)
        ],
        png=[f"{RESULTS}/cohorts/{cohort}/png/{shard}" for cohort in labelled_cohorts() for shard in shards_of(cohort)],
    output:
        f"{RESULTS}/cohorts/duplicates.tsv",
    log:
        f"{RESULTS}/logs/find_duplicates.log",
    benchmark:
        f"{RESULTS}/benchmarks/find_duplicates.tsv"
    conda:
        "../../envs/intake.yaml"
    threads: 1
    params:
        code=code("find_duplicates"),
        cohorts=labelled_cohorts(),
        distance=config["intake"]["duplicate_distance"],
    shell:
        "python {input.program} --cohorts {params.cohorts} --slices {input.slices} --shard-slices {input.shards}"
        " --distance {params.distance} --duplicates {output} > {log} 2>&1"


rule intake_tables:
    input:
        program=ancient(program("intake_tables")),
        cases=expand(f"{RESULTS}/cohorts/{{cohort}}/cases.tsv", cohort=config["cohorts"]),
        duplicates=rules.find_duplicates.output if labelled_cohorts() else [],
    output:
        counts=f"{RESULTS}/report/intake.tsv",
        predictability=f"{RESULTS}/report/intake_labels.tsv",
    log:
        f"{RESULTS}/logs/intake_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/intake_tables.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("intake_tables"),
        results=RESULTS,
        run=as_json(describe_intake(config)),
        duplicates=lambda wildcards, input: f"--duplicates {input.duplicates}" if input.duplicates else "",
    shell:
        "python {input.program} --results {params.results:q} --run {params.run:q} {params.duplicates}"
        " --counts {output.counts} --predictability {output.predictability} > {log} 2>&1"


rule intake:
    input:
        f"{RESULTS}/report/intake.html",
        rules.intake_tables.output,
        expand(f"{RESULTS}/cohorts/{{cohort}}/cases.tsv", cohort=config["cohorts"]),
        [f"{RESULTS}/cohorts/duplicates.tsv"] if labelled_cohorts() else [],
