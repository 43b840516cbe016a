"""What a run does before it starts. No rules here."""

from types import SimpleNamespace


def adopt_copied_files():
    """Take the user's files of a copied project for those that were read, where names and sizes agree; this once."""
    for cohort in config["cohorts"]:
        for shard in shards_of(cohort):
            stamp_of_shard(SimpleNamespace(cohort=cohort, shard=shard))
    if GIVEN_FILES:
        stamp_of_given_model({})
    for backbone in config["training"]["imagenet"]:
        stamp_of_imagenet_file(SimpleNamespace(backbone=backbone))
    RECORD.write(RECORD.times)
