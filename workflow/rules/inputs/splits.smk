"""Input functions and settings of the rules of splits. No rules here."""


def cohorts_assigned_with(wildcards):
    """Cohorts that a cohort's split is made with."""
    return assigned_together(config, wildcards.cohort, labelled_cohorts())


def kept_to_assign(wildcards):
    """Which slices are kept: whole ones, by which subsets are assigned, and those of the wildcard's input view."""
    views = dict.fromkeys(("whole", wildcards.input_view))
    return [f"{RESULTS}/qc/{name}/kept/{view}.tsv" for name in cohorts_assigned_with(wildcards) for view in views]


def tables_assigned_with(wildcards):
    """The users' tables of the cohorts that a cohort's split is made with."""
    return [config["cohorts"][name]["table"] for name in cohorts_assigned_with(wildcards)]


def digest_of_rows_assigned(wildcards):
    """Digest of all that the users' tables say of these cohorts."""
    return digest_of_tables(tuple(cohorts_assigned_with(wildcards)))


def duplicates_to_follow(wildcards):
    """The table of duplicates, where a cohort's split keeps them together."""
    joint = split_unit_of(config, wildcards.cohort) == "patient+duplicates"
    return rules.find_duplicates.output[0] if joint else []


def split_settings(wildcards):
    """What the config says of a cohort's split."""
    return as_json(settings_of_split(wildcards))


def split_settings_of_replicate(wildcards):
    """What the config says of a cohort's split, with the seed of a replicate."""
    return as_json(settings_of_split(wildcards) | {"seed": seed_of_replicate(config, int(wildcards.replicate))})


def settings_of_split(wildcards):
    """What a split depends on, the run's seed included."""
    return {
        "cohorts": {name: config["cohorts"][name]["role"] for name in cohorts_assigned_with(wildcards)},
        "unit": split_unit_of(config, wildcards.cohort),
        "splits": split_settings_of(config, wildcards.cohort),
        "seed": config["seed"],
        "labels": list(config["labels"]),
        "shared_ids": config["shared_ids"],
        "patient_ids": patient_ids_of(cohorts_assigned_with(wildcards)),
    }
