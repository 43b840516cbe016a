"""Input functions and settings of the rules of the transfer study. No rules here."""


def transfer_study_wanted(wildcards):
    """The page, where the config allows the study; else a message before any job."""
    check_asked_study()
    return f"{RESULTS}/report/transfer_study.html"


def check_asked_study():
    """End with a message where the config does not allow the study."""
    try:
        check_transfer_study(config)
    except UserError as error:
        stop(error)


def trainings_of_study(wildcards):
    """The table of each start."""
    check_asked_study()
    pattern = f"{RESULTS}/transfer_study/{{pipeline}}/{{start}}.tsv"
    return expand(pattern, pipeline=pipeline_of_study(config), start=list(STAGE_OF_START))


def target_cohort():
    """The cohort that the study trains on."""
    return cohorts_with_role(config, "target")[0]


def tables_of_study(wildcards):
    """Split of the target cohort, and which of its lung masks passed quality control."""
    cohort = target_cohort()
    return [split_of(Pipeline.parse(wildcards.pipeline), cohort), f"{RESULTS}/qc/{cohort}/manifest.tsv"]


def images_of_study(wildcards):
    """Folder of the target cohort's images as the network sees them."""
    return images_folder(Pipeline.parse(wildcards.pipeline), target_cohort())


def start_files_of_study(wildcards):
    """The model of stage 1, or the weights that stage 1 starts from."""
    return start_files(config, RESULTS, wildcards.pipeline, STAGE_OF_START[wildcards.start])


def start_of_study(wildcards):
    """What the trainings start from, as an argument of their program."""
    return as_json(start_of(config, RESULTS_HERE, wildcards.pipeline, STAGE_OF_START[wildcards.start]))


def transfer_training_settings(wildcards):
    """What the config says of the study's trainings from one start, and what that is."""
    start = start_of(config, RESULTS, wildcards.pipeline, STAGE_OF_START[wildcards.start])
    return as_json(
        {
            "cohort": target_cohort(),
            "cells": cells_of(config, wildcards.start),
            "slices_per_patient": config["transfer_study"]["slices_per_patient"],
            "backbone": backbone_of(wildcards),
            "labels": list(config["labels"]),
            "training": settings_of_study(config, wildcards.pipeline),
            "seed": config["seed"],
            "start": identity_of_start(start),
        }
    )
