"""Input functions of the rule of resources. No rules here.

They are called for its job alone: another target asks for no profile, and `pilot` may be a word of an outer workflow.
"""

from lungsight.paths import checked_path


def folder_of_pilot(wildcards):
    """The results folder of the pilot; without one, that of this run itself, as far as it came."""
    pilot = LEARNED_FROM["pilot"]
    return RESULTS if pilot is None else _checked("pilot", pilot)


def profile_to_follow(wildcards):
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


def slices_planned(wildcards):
    """Cohort → shard → slices, counted in the tables and folders of the user; of phantoms, those that were made."""
    from lungsight.estimate import RunPlan
    from lungsight.resources import slices_of_run

    if IN_STORAGE:
        stop("estimate_resources reads benchmarks on this machine. Leave out --default-storage-provider.")
    plan = RunPlan(config, ROWS, {cohort: number_of_shards(cohort) for cohort in config["cohorts"]})
    return as_json(dict.fromkeys(config["cohorts"], {}) | slices_of_run(Path(RESULTS)) | plan.slices)
