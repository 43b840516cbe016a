"""Splits: what QC keeps → train, validation and test of every cohort, and what these subsets share."""

from lungsight.splits.settings import (
    assigned_together,
    has_network_on_contours,
    split_origin_of,
    split_settings_of,
    split_unit_of,
)
from lungsight.training.pipelines import input_views_of

INPUT_VIEWS = input_views_of(config)
# Targets ask for these, and no rule needs them: a table that is checked again is no reason to train again.
CHECKED_SPLITS = expand(f"{RESULTS}/splits/{{cohort}}/checked.txt", cohort=labelled_cohorts())
CHECKED_FOR_TRAINING = CHECKED_SPLITS if stages_of(config) else []
# The patients that train the lung segmentation may be in other cohorts too.
FOLLOWS_LUNG_SPLIT = config["shared_ids"] and has_network_on_contours(config)


include: "inputs/splits.smk"


# Before everything else: tables that cannot be split stop the run at its start, not after the segmentation.
rule check_split:
    output:
        f"{RESULTS}/splits/{{cohort}}/checked.txt",
    log:
        f"{RESULTS}/logs/check_split/{{cohort}}.log",
    priority: 20
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        program=program("check_split"),
        code=code("check_split"),
        tables=unrecorded(tables_assigned_with),
        rows=digest_of_rows_assigned,
        settings=split_settings,
        labels=unrecorded(as_json(config["labels"])),
    shell:
        "python {params.program:q} --cohort {wildcards.cohort} --tables {params.tables:q} --settings {params.settings:q}"
        " --labels {params.labels:q} --checked {output} > {log} 2>&1"


rule make_split:
    input:
        tables=expand(f"{COHORT}/{{table}}.tsv", cohort=cohorts_assigned_with, table=["cases", "slices"]),
        kept=kept_to_assign,
        duplicates=duplicates_to_follow,
        segmentation=f"{RESULTS}/segmentation/split.tsv" if FOLLOWS_LUNG_SPLIT else [],
        private=local(expand(f"{PRIVATE}/{{cohort}}.tsv", cohort=cohorts_assigned_with)) if EARLIER else [],
    output:
        f"{RESULTS}/splits/{{cohort}}/{{input_view}}.tsv",
    log:
        f"{RESULTS}/logs/make_split/{{cohort}}/{{input_view}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/make_split/{{cohort}}/{{input_view}}.tsv"
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/report.yaml"
    params:
        program=program("make_split"),
        code=code("make_split"),
        settings=split_settings,
        previous=digest_of_files(EARLIER),
        results=folder(RESULTS),
        private=PRIVATE,
    shell:
        "python {params.program:q} --cohort {wildcards.cohort} --settings {params.settings:q} --results {params.results:q}"
        " --duplicates {input.duplicates} --segmentation-split {input.segmentation} --private {params.private:q}"
        " --input-view {wildcards.input_view} --split {output} > {log} 2>&1"


if config["splits"]["repeats"]:

    # The same from the seed of a replicate.
    use rule make_split as make_split_again with:
        output:
            f"{RESULTS}/splits/{{cohort}}/r{{replicate}}/{{input_view}}.tsv",
        log:
            f"{RESULTS}/logs/make_split/{{cohort}}/r{{replicate}}/{{input_view}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/make_split/{{cohort}}/r{{replicate}}/{{input_view}}.tsv"
        wildcard_constraints:
            replicate=r"\d+",
        params:
            settings=split_settings_of_replicate,


rule split_overlap:
    input:
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
        program=program("split_overlap"),
        code=code("split_overlap"),
        results=folder(RESULTS),
        units=as_json({name: split_origin_of(config, name) for name in labelled_cohorts()}),
        unknown=[name for name in labelled_cohorts() if config["cohorts"][name]["patients"] == "unknown"],
        input_views=INPUT_VIEWS,
    shell:
        "python {params.program:q} --results {params.results:q} --duplicates {input.duplicates} --units {params.units:q}"
        " --unknown {params.unknown} --input-views {params.input_views} --leakage {output} > {log} 2>&1"


rule split:
    input:
        rules.split_overlap.output,
        CHECKED_SPLITS,
