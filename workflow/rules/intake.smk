"""Intake: the user's files → windowed volumes and slices, a row for every row of the cohort table."""

from lungsight.intake.file_names import is_leftover
from lungsight.intake.shards import threads_for
from lungsight.run_description import describe_intake

# Settings that decide how every scan is converted, how its 8-bit slices are, and how contours are.
CONVERSION = ("window", "png_size", "burned_in", "nifti_values", "plausibility", "series")
OF_SLICES = ("harmonise",)
CONTOURS = ("roi_names", "tumour_in_lung")


include: "inputs/intake.smk"


rule convert:
    input:
        phantoms=phantoms_of_cohort,
    output:
        cases=f"{SHARD}/cases.tsv",
        slices=f"{SHARD}/slices.tsv",
        nifti=directory(f"{COHORT}/nifti/{{shard}}"),
        png=directory(f"{COHORT}/png/{{shard}}"),
        lesions=directory(f"{COHORT}/lesions/{{shard}}"),
    log:
        f"{RESULTS}/logs/convert/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert/{{cohort}}/{{shard}}.tsv"
    wildcard_constraints:
        cohort="|".join(labelled_cohorts()) or "(?!)",
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/intake.yaml"
    threads: threads_of_shard
    params:
        program=program("convert"),
        code=code("convert"),
        table=unrecorded(setting_of_cohort("table")),
        key=KEY,
        root=unrecorded(setting_of_cohort("root")),
        rows=digest_of_shard,
        scans=stamp_of_shard,
        settings=conversion_settings,
        cohort=folder(COHORT),
    shell:
        "python {params.program:q} --table {params.table:q} --root {params.root:q} --key {params.key:q}"
        " --shard {wildcards.shard} --settings {params.settings:q} --threads {threads} --cohort {params.cohort} > {log} 2>&1"


rule convert_annotated:
    input:
        phantoms=phantoms_of_cohort,
    output:
        cases=f"{SHARD}/cases.tsv",
        slices=f"{SHARD}/slices.tsv",
        nifti=directory(f"{COHORT}/nifti/{{shard}}"),
        truth=directory(f"{COHORT}/truth/{{shard}}"),
    log:
        f"{RESULTS}/logs/convert_annotated/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert_annotated/{{cohort}}/{{shard}}.tsv"
    wildcard_constraints:
        cohort="|".join(cohorts_with_role(config, "segmentation")) or "(?!)",
    # The training of the lung network is the longest chain in front of all others.
    priority: BEFORE_TRAININGS + 1
    conda:
        "../../envs/intake.yaml"
    threads: threads_of_shard
    params:
        program=program("convert_annotated"),
        code=code("convert_annotated"),
        table=unrecorded(setting_of_cohort("table")),
        key=KEY,
        root=unrecorded(setting_of_cohort("root")),
        rows=digest_of_shard,
        scans=stamp_of_shard,
        settings=conversion_settings,
        cohort=folder(COHORT),
    shell:
        "python {params.program:q} --table {params.table:q} --root {params.root:q} --key {params.key:q}"
        " --shard {wildcards.shard} --settings {params.settings:q} --threads {threads} --cohort {params.cohort} > {log} 2>&1"


rule gather_cohort:
    input:
        cases=expand(f"{SHARD}/cases.tsv", shard=shards_of_cohort, allow_missing=True),
        slices=expand(f"{SHARD}/slices.tsv", shard=shards_of_cohort, allow_missing=True),
    output:
        cases=f"{COHORT}/cases.tsv",
        slices=f"{COHORT}/slices.tsv",
        private=local(f"{PRIVATE}/{{cohort}}.tsv"),
    log:
        f"{RESULTS}/logs/gather_cohort/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/gather_cohort/{{cohort}}.tsv"
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/intake.yaml"
    params:
        program=program("gather_cohort"),
        code=code("gather_cohort"),
        table=unrecorded(setting_of_cohort("table")),
        key=KEY,
        rows=digest_of_rows,
        labels=unrecorded(as_json(config["labels"])),  # the rows hold the classes, whatever words stand for them
        shards=shards_of_cohort,
        settings=gathering_settings,
        cohort=folder(COHORT),
    shell:
        "python {params.program:q} --table {params.table:q} --key {params.key:q} --shards {params.shards}"
        " --labels {params.labels:q} --settings {params.settings:q} --cohort {params.cohort}"
        " --private {output.private} > {log} 2>&1"


# Apart from cases.tsv, so that a corrected age splits and trains nothing again.
rule people_table:
    input:
        phantoms=phantoms_of_cohort,
        cases=f"{COHORT}/cases.tsv",
    output:
        f"{COHORT}/people.tsv",
    log:
        f"{RESULTS}/logs/people_table/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/people_table/{{cohort}}.tsv"
    wildcard_constraints:
        cohort="|".join(labelled_cohorts()) or "(?!)",
    conda:
        "../../envs/intake.yaml"
    params:
        program=program("people_table"),
        code=code("people_table"),
        table=unrecorded(setting_of_cohort("table")),
        key=KEY,
        root=unrecorded(setting_of_cohort("root")),
        people=digest_of_people,
        format=setting_of_cohort("format"),
        cohort=folder(COHORT),
    shell:
        "python {params.program:q} --table {params.table:q} --root {params.root:q} --key {params.key:q}"
        " --format {params.format} --cohort {params.cohort} > {log} 2>&1"


# It reads the scans a second time, so that a new trace converts nothing again.
rule measure_forensics:
    input:
        phantoms=phantoms_of_cohort,
        cases=f"{SHARD}/cases.tsv",
        slices=f"{SHARD}/slices.tsv",
        png=f"{COHORT}/png/{{shard}}",
    output:
        f"{SHARD}/forensics.tsv",
    log:
        f"{RESULTS}/logs/measure_forensics/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure_forensics/{{cohort}}/{{shard}}.tsv"
    wildcard_constraints:
        cohort="|".join(labelled_cohorts()) or "(?!)",
    conda:
        "../../envs/intake.yaml"
    params:
        program=program("measure_forensics"),
        code=code("measure_forensics"),
        table=unrecorded(setting_of_cohort("table")),
        key=KEY,
        root=unrecorded(setting_of_cohort("root")),
        settings=forensics_settings,
        cohort=folder(COHORT),
    shell:
        "python {params.program:q} --table {params.table:q} --root {params.root:q} --key {params.key:q}"
        " --shard {wildcards.shard} --settings {params.settings:q} --cohort {params.cohort} > {log} 2>&1"


rule gather_forensics:
    input:
        shards=expand(f"{SHARD}/forensics.tsv", shard=shards_of_cohort, allow_missing=True),
        slices=f"{COHORT}/slices.tsv",
    output:
        f"{COHORT}/forensics.tsv",
    log:
        f"{RESULTS}/logs/gather_forensics/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/gather_forensics/{{cohort}}.tsv"
    wildcard_constraints:
        cohort="|".join(labelled_cohorts()) or "(?!)",
    conda:
        "../../envs/intake.yaml"
    params:
        program=program("gather_forensics"),
        code=code("gather_forensics"),
        shards=shards_of_cohort,
        cohort=folder(COHORT),
    shell:
        "python {params.program:q} --shards {params.shards} --cohort {params.cohort} > {log} 2>&1"


rule find_duplicates:
    input:
        slices=expand(f"{COHORT}/slices.tsv", cohort=labelled_cohorts()),
        shards=shards_of_labelled(f"{SHARD}/slices.tsv"),
        png=shards_of_labelled(f"{COHORT}/png/{{shard}}"),
    output:
        f"{RESULTS}/cohorts/duplicates.tsv",
    log:
        f"{RESULTS}/logs/find_duplicates.log",
    benchmark:
        f"{RESULTS}/benchmarks/find_duplicates.tsv"
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/intake.yaml"
    threads: 1
    params:
        program=program("find_duplicates"),
        code=code("find_duplicates"),
        cohorts=expand(here(COHORT), cohort=labelled_cohorts()),
        distance=lookup(dpath="intake/duplicate_distance", within=config),
    shell:
        "python {params.program:q} --cohorts {params.cohorts} --distance {params.distance} --duplicates {output}"
        " > {log} 2>&1"


rule intake_tables:
    input:
        cases=expand(f"{COHORT}/cases.tsv", cohort=config["cohorts"]),
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
        program=program("intake_tables"),
        code=code("intake_tables"),
        results=folder(RESULTS),
        run=as_json(describe_intake(config, ROWS)),
    shell:
        "python {params.program:q} --results {params.results:q} --run {params.run:q} --duplicates {input.duplicates}"
        " --counts {output.counts} --predictability {output.predictability} > {log} 2>&1"


rule intake:
    input:
        f"{RESULTS}/report/intake.html",
        rules.intake_tables.output,
        expand(f"{COHORT}/cases.tsv", cohort=config["cohorts"]),
        rules.find_duplicates.output if labelled_cohorts() else [],
        expand(f"{COHORT}/forensics.tsv", cohort=labelled_cohorts()),
