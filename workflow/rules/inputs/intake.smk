"""Input functions and settings of the rules of intake. No rules here."""


def rows_of_shard(wildcards):
    """The rows of the user's table that a shard converts."""
    return shards_with_rows(wildcards.cohort).get(wildcards.shard, [])


# Without one of these, a change of the user's tables, settings or scans would pass unseen.
NEEDED_TRIGGERS = {"mtime", "params", "input"}


@cache
def check_triggers():
    """Stop a run that would not see every change. Snakemake knows its triggers when it asks for the first inputs."""
    missing = NEEDED_TRIGGERS - {str(trigger) for trigger in workflow.dag_settings.rerun_triggers}
    if missing and workflow.is_main_process:
        # Snakemake would surround an exception of an input function with a traceback.
        sys.exit(
            f"error: --rerun-triggers leaves out {', '.join(sorted(missing))}: a corrected label or a new scan would"
            " change nothing, without a word. Take the option out of the command and of your profile."
        )


def phantoms_of_cohort(wildcards):
    """The root of a phantom cohort. The user's scans are no inputs: their names may name patients."""
    check_triggers()
    cohort = config["cohorts"][wildcards.cohort]
    return cohort["root"] if "phantom" in cohort else []


@cache
def stamps_of_shard(cohort, shard):
    """Row of a shard → stamp of the files that it names, of a cohort whose scans are the user's."""
    root = Path(config["cohorts"][cohort]["root"])
    rows = [row for row in shards_with_rows(cohort).get(shard, []) if not row.skip]
    stamps = {
        row.row: stamp_of_files(root, filter(None, (row.path, row.mask, row.lesion)), is_leftover) for row in rows
    }
    for row, stamp in stamps.items():
        say_if_in_the_future(f"cohort {cohort}, row {row}: a file", stamp.newest)
    return stamps


def stamp_of_shard(wildcards):
    """What a shard reads, by names, sizes and times; phantoms are inputs instead."""
    if "phantom" in config["cohorts"][wildcards.cohort]:
        return ""
    return RECORD.stamp_of(
        f"{wildcards.cohort}/{wildcards.shard}", stamps_of_shard(wildcards.cohort, wildcards.shard).values()
    )


def setting_of_cohort(name):
    """An input function: a setting of the wildcard's cohort."""

    def setting(wildcards):
        return config["cohorts"][wildcards.cohort][name]

    return setting


def threads_of_shard(wildcards):
    """Cases of a shard that are converted at once."""
    format = config["cohorts"][wildcards.cohort]["format"]
    return threads_for(len(rows_of_shard(wildcards)), format, config["intake"]["threads"])


def threads_of_cohort(wildcards):
    """Cases of a cohort that are scored at once."""
    cohort = config["cohorts"][wildcards.cohort]
    return threads_for(len(ROWS[wildcards.cohort]), cohort["format"], config["intake"]["threads"])


def digest_of_shard(wildcards):
    """Digest of what a shard converts, in any order: an edit of a label or a patient, or sorting, reruns nothing."""
    rows = rows_of_shard(wildcards)
    return digest(sorted((row.path, row.mask, row.lesion, row.skip, row.note) for row in rows))


def conversion_settings(wildcards, names=()):
    """What the config says of the conversion of a cohort. names: of the keys of intake, where not the usual ones."""
    cohort = config["cohorts"][wildcards.cohort]
    names = names or (*CONVERSION, *(CONTOURS if cohort["role"] == "segmentation" else OF_SLICES))
    settings = {
        "format": cohort["format"],
        "min_slices": cohort.get("min_slices", config["min_slices"]),
        "shards": number_of_shards(wildcards.cohort),
        "intake": {name: config["intake"][name] for name in names},
    }
    return as_json(settings)


def forensics_settings(wildcards):
    """What the config says of the images that a cohort's traces are measured on."""
    format, harmonise = config["cohorts"][wildcards.cohort]["format"], config["intake"]["harmonise"]
    return as_json({"format": format, "shards": number_of_shards(wildcards.cohort), "harmonise": harmonise})


def digest_of_rows(wildcards):
    """Digest of all that the user's table says of a cohort; a source that is not named is the cohort."""
    return digest([words_of(row) | {"source": row.source or wildcards.cohort} for row in ROWS[wildcards.cohort]])


def digest_of_people(wildcards):
    """Digest of the age bands and sexes that a cohort's table gives, in any order."""
    return digest(sorted((row.path, row.age, row.sex) for row in ROWS[wildcards.cohort]))


def gathering_settings(wildcards):
    """What the config says of the names in a cohort's table."""
    return as_json({"shared_ids": config["shared_ids"], "patient_ids": patient_id_rules(config)[wildcards.cohort]})


def shards_of_labelled(pattern):
    """A pattern with {cohort} and {shard}, for every shard of every labelled cohort."""
    return [path for name in labelled_cohorts() for path in expand(pattern, cohort=name, shard=shards_of(name))]
