"""Input functions and settings of the rules of intake. No rules here."""


def rows_of_shard(wildcards):
    """The rows of the user's table that a shard converts."""
    return shards_with_rows(wildcards.cohort).get(wildcards.shard, [])


def scans_of_shard(wildcards):
    """What a shard reads: the root where a rule makes it, else its cases' paths, masks and lesion masks."""
    cohort = config["cohorts"][wildcards.cohort]
    if "phantom" in cohort:
        return cohort["root"]
    rows = [row for row in rows_of_shard(wildcards) if not row.skip]
    paths = [path for row in rows for path in (row.path, row.mask, row.lesion) if path]
    return [os.path.join(cohort["root"], path) for path in dict.fromkeys(paths)]


def threads_of_shard(wildcards):
    """Cases of a shard that are converted at once."""
    format = config["cohorts"][wildcards.cohort]["format"]
    return threads_for(len(rows_of_shard(wildcards)), format, config["intake"]["threads"])


def digest_of_shard(wildcards):
    """Digest of what a shard converts: an edit of a label, a source or a patient reruns nothing here."""
    return digest([(row.path, row.mask, row.lesion, row.skip, row.note) for row in rows_of_shard(wildcards)])


def conversion_settings(wildcards):
    """What the config says of the conversion of a cohort."""
    cohort = config["cohorts"][wildcards.cohort]
    names = (*CONVERSION, *CONTOURS) if cohort["role"] == "segmentation" else CONVERSION
    settings = {
        "root": cohort["root"],
        "format": cohort["format"],
        "min_slices": cohort.get("min_slices", config["min_slices"]),
        "shards": number_of_shards(wildcards.cohort),
        "intake": {name: config["intake"][name] for name in names},
    }
    return as_json(settings)


def digest_of_rows(wildcards):
    """Digest of all that the user's table says of a cohort."""
    return digest([vars(row) for row in ROWS[wildcards.cohort]])


def gathering_settings(wildcards):
    """What the config says of the names and classes of a cohort's table."""
    settings = {name: config[name] for name in ("labels", "shared_ids")}
    return as_json(settings | {"patient_ids": patient_id_rules(config)[wildcards.cohort]})


def shards_of_labelled(pattern):
    """A pattern with {cohort} and {shard}, for every shard of every labelled cohort."""
    return [path for name in labelled_cohorts() for path in expand(pattern, cohort=name, shard=shards_of(name))]
