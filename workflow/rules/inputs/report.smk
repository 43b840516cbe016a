"""Input functions and settings of the rules of report. No rules here."""


def images_of_intake():
    """Folders of the images that the page of intake shows: slices, or volumes where a cohort has none."""
    kinds = {cohort: "png" if cohort in labelled_cohorts() else "nifti" for cohort in config["cohorts"]}
    return [
        f"{RESULTS}/cohorts/{cohort}/{kind}/{shard}" for cohort, kind in kinds.items() for shard in shards_of(cohort)
    ]
