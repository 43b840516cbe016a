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
    return local(cohort["root"]) if "phantom" in cohort else []


@cache
def stamp_of_scans(cohort, shard):
    """Stamp of the files that the rows of a shard name, of a cohort whose scans are the user's."""
    rows = [row for row in shards_with_rows(cohort).get(shard, []) if not row.skip]
    stamp = stamp_of_rows(cohort, rows, ("path", "mask", "lesion"), "a file")
    return RECORD.stamp_of(f"{cohort}/{shard}", [stamp])


def stamp_of_rows(cohort, rows, columns, kind):
    """Stamp of all files that rows of a cohort name in these columns; says which are dated in the future."""
    root = Path(LISTED[cohort]["root"])

    def stamp_of(rows):
        named = (getattr(row, column) for row in rows for column in columns)
        return stamp_of_files(root, filter(None, named), is_leftover)

    stamp = stamp_of(rows)
    for row in rows if is_in_the_future(stamp.newest) else []:
        say_if_in_the_future(f"cohort {cohort}, row {row.row}: {kind}", stamp_of([row]).newest)
    return stamp


def stamp_of_shard(wildcards):
    """What a shard reads, by names, sizes and times; phantoms are inputs instead."""
    if "phantom" in config["cohorts"][wildcards.cohort]:
        return ""
    return stamp_of_scans(wildcards.cohort, wildcards.shard)


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
    cohort = wildcards.cohort
    return digest_of_many(words | {"source": words["source"] or cohort} for words in words_of(cohort))


def digest_of_people(wildcards):
    """Digest of the age bands and sexes that a cohort's table gives, in any order."""
    return digest(sorted((row.path, row.age, row.sex) for row in ROWS[wildcards.cohort]))


def gathering_settings(wildcards):
    """What the config says of the names in a cohort's table."""
    return as_json({"shared_ids": config["shared_ids"], "patient_ids": patient_id_rules(config)[wildcards.cohort]})


def shards_of_labelled(pattern):
    """A pattern with {cohort} and {shard}, for every shard of every labelled cohort."""
    return [path for name in labelled_cohorts() for path in expand(pattern, cohort=name, shard=shards_of(name))]
