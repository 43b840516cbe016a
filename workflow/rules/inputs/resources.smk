"""Input functions of the rule of resources. No rules here."""

from lungsight.paths import checked_path


def folder_of_pilot():
    """The results folder of the pilot; without one, that of this run itself, as far as it came."""
    pilot = LEARNED_FROM["pilot"]
    return RESULTS if pilot is None else _checked("pilot", pilot)


def profile_to_follow():
    """The profile whose requests are replaced where the pilot says more."""
    profile = LEARNED_FROM["profile"]
    folder = os.path.relpath(REPOSITORY / "profiles" / "slurm") if profile is None else _checked("profile", profile)
    if not Path(folder, "profile.yaml").is_file():
        stop(f"profile: {folder}/profile.yaml does not exist; write --config profile=profiles/slurm or the like")
    return f"{folder}/profile.yaml"


def _checked(key, value):
    try:
        return checked_path(key, value).rstrip("/")
    except UserError as error:
        stop(error)


def cohorts_by_stage():
    """stage1, stage2 → the cohort that it is trained on, of stages that the config has."""
    of_stages = {stage: cohorts_with_role(config, role) for stage, role in ROLE_OF_STAGE.items()}
    return {f"stage{stage}": names[0] for stage, names in of_stages.items() if names}


def slices_planned(wildcards):
    """Cohort → shard → slices, counted in the tables and folders of the user; of phantoms, those that were made.

    It is a function because counting opens folders: it is called where the job is asked for.
    """
    from lungsight.estimate import RunPlan
    from lungsight.resources import slices_of_run

    if IN_STORAGE:
        stop("estimate_resources reads benchmarks on this machine. Leave out --default-storage-provider.")
    plan = RunPlan(config, ROWS, {cohort: number_of_shards(cohort) for cohort in config["cohorts"]})
    return as_json(slices_of_run(Path(RESULTS)) | plan.slices)
