"""Input functions and settings of the rules of demo. No rules here."""


def phantom_name(wildcards):
    """Name of the phantom cohort that is made into a root."""
    return PHANTOM_COHORTS[wildcards.root]


def digest_of_phantom_rows(wildcards):
    """Digest of the rows that say who is imaged."""
    return digest_of_tables((phantom_name(wildcards),))


def phantom_settings(wildcards):
    """What the images of a phantom cohort follow from."""
    cohort = config["cohorts"][phantom_name(wildcards)]
    return as_json({key: cohort[key] for key in PHANTOM})
