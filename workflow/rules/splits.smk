"""Splits: what QC keeps → train, validation and test of every cohort, and what these subsets share."""

from lungsight.splits.settings import assigned_together, has_network_on_contours, split_settings_of, split_unit_of
from lungsight.training.pipelines import input_views_of

INPUT_VIEWS = input_views_of(config)
# The patients that train the lung segmentation may be in other cohorts too.
FOLLOWS_LUNG_SPLIT = config["shared_ids"] and has_network_on_contours(config)


include: "inputs/splits.smk"


# Before everything else: tables that cannot be split stop the run at its start, not after the segmentation.
rule check_split:
    input:
        program=ancient(program("check_split")),
        tables=ancient(tables_assigned_with),
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
        rows=digest_of_rows_assigned,
        settings=split_settings,
        labels=as_json(config["labels"]),
    shell:
        "python {input.program} --cohort {wildcards.cohort} --tables {input.tables:q} --settings {params.settings:q}"
        " --labels {params.labels:q} --checked {output} > {log} 2>&1"


rule make_split:
    input:
        program=ancient(program("make_split")),
        tables=expand(f"{COHORT}/{{table}}.tsv", cohort=cohorts_assigned_with, table=["cases", "slices"]),
        manifests=expand(f"{RESULTS}/qc/{{cohort}}/manifest.tsv", cohort=cohorts_assigned_with),
        checked=f"{RESULTS}/splits/{{cohort}}/checked.txt",
        duplicates=duplicates_to_follow,
        segmentation=f"{RESULTS}/segmentation/split.tsv" if FOLLOWS_LUNG_SPLIT else [],
        previous=EARLIER,
        private=expand(f"{PRIVATE}/{{cohort}}.tsv", cohort=cohorts_assigned_with) if EARLIER else [],
    output:
        expand(f"{RESULTS}/splits/{{cohort}}/{{input_view}}.tsv", input_view=INPUT_VIEWS, allow_missing=True),
    log:
        f"{RESULTS}/logs/make_split/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/make_split/{{cohort}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("make_split"),
        settings=split_settings,
        input_views=INPUT_VIEWS,
        results=folder(RESULTS),
        private=PRIVATE,
    shell:
        "python {input.program} --cohort {wildcards.cohort} --settings {params.settings:q} --results {params.results:q}"
        " --duplicates {input.duplicates} --segmentation-split {input.segmentation} --private {params.private:q}"
        " --input-views {params.input_views} > {log} 2>&1"


rule split_overlap:
    input:
        program=ancient(program("split_overlap")),
        slices=expand(f"{COHORT}/slices.tsv", cohort=labelled_cohorts()),
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
        results=folder(RESULTS),
        units=as_json({name: split_unit_of(config, name) for name in labelled_cohorts()}),
        unknown=[name for name in labelled_cohorts() if config["cohorts"][name]["patients"] == "unknown"],
        input_views=INPUT_VIEWS,
    shell:
        "python {input.program} --results {params.results:q} --duplicates {input.duplicates} --units {params.units:q}"
        " --unknown {params.unknown} --input-views {params.input_views} --leakage {output} > {log} 2>&1"


rule split:
    input:
        rules.split_overlap.output,
