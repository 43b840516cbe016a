"""Input functions and settings of the rules of evaluation. No rules here."""


def cohorts_of_evaluation(wildcards):
    """Cohorts that a stage's models are evaluated on."""
    return cohorts_predicted(config, wildcards.stage)


def predictions_on_training_cohorts():
    """The prediction table of every model for the cohort that it is trained on."""
    return [
        f"{RESULTS}/models/{pipeline.name}/stage{stage}/predictions/{COHORTS_TRAINED_ON[ROLE_OF_STAGE[stage]]}.tsv"
        for pipeline in PIPELINES
        for stage in stages_of(config)
    ]


def images_of_leakage_training(wildcards):
    """Folder of the images of the leakage experiment."""
    return images_folder(Pipeline.parse(wildcards.pipeline), leakage_cohort(config))


def conditions_of_leakage_training(wildcards):
    """The split tables of the four conditions; a repeat of the experiment has its own."""
    pipeline = Pipeline.parse(wildcards.pipeline)
    folder = CONDITIONS_AGAIN if pipeline.replicate > 1 else CONDITIONS
    return expand(
        f"{folder}/{{condition}}.tsv",
        condition=[condition.name for condition in LEAKAGE_CONDITIONS],
        input_view=pipeline.input_view,
        replicate=pipeline.replicate,
    )


def seed_of_leakage_conditions(wildcards):
    """The seed of the splits and random labels of a repeat."""
    return seed_of_replicate(config, int(wildcards.replicate))


def start_files_of_leakage_training(wildcards):
    """Files that a training of the leakage experiment starts from: those of the pipeline's first stage."""
    return start_files(config, RESULTS, wildcards.pipeline, "1")


def leakage_training_settings(wildcards):
    """What the config says of the trainings of the leakage experiment, and what they start from."""
    settings = {
        "backbone": backbone_of(wildcards),
        "labels": list(config["labels"]),
        "training": settings_of_leakage_training(config, wildcards.pipeline),
        "seed": seed_of_replicate(config, Pipeline.parse(wildcards.pipeline).replicate),
        "start": identity_of_start(start_of(config, RESULTS, wildcards.pipeline, "1")),
    }
    return as_json(settings)


def start_of_leakage_trainings(wildcards):
    """What the trainings of the leakage experiment start from, as an argument of their program."""
    return as_json(start_of(config, RESULTS_HERE, wildcards.pipeline, "1"))
