"""Input functions and settings of the rules of segmentation. No rules here."""


def annotated_cohort(wildcards):
    """The cohort whose contours train the lung segmentation; a message where the config has none."""
    cohorts = cohorts_with_role(config, "segmentation")
    if not cohorts:
        # Snakemake would surround an exception of an input function with a traceback.
        sys.exit(
            "error: Lung segmentation by nnU-Net is trained on a cohort with role: segmentation, and the config has none."
            " Add one, name a trained model (segmentation.model), or set segmentation.method: classical."
        )
    return cohorts[0]


def stamp_of_given_model(wildcards):
    """The files of the model that the user gives, by names, sizes and times."""
    root = Path(os.path.dirname(GIVEN_FILES[0]))
    files = [os.path.relpath(file, root) for file in GIVEN_FILES]
    return RECORD.stamp_of("segmentation.model", [stamp_of_files(root, files)])


def annotated_shards(wildcards):
    """Names of the shards of the cohort with contours."""
    return shards_of(annotated_cohort(wildcards))


def annotated_folder(wildcards):
    """Folder of the cohort with contours."""
    return COHORT.format(cohort=annotated_cohort(wildcards))


def annotated_masks(wildcards):
    """Folder of the predicted masks of the cohort with contours."""
    return MASKS.format(cohort=annotated_cohort(wildcards))


def lung_split_settings(wildcards):
    """What the config says of the split of the cases with contours."""
    settings = {
        # Where nothing is trained, no case was seen: all are test.
        "fractions": SEGMENTATION["fractions"] if TRAINED_HERE else None,
        "unit": SEGMENTATION["split_unit"],
        "seed": config["seed"],
        "preassigned": subsets_preassigned_elsewhere(config, ROWS, annotated_cohort(wildcards)),
        "shared_ids": config["shared_ids"],
        "patient_ids": patient_ids_of([annotated_cohort(wildcards)]),
        "previous": config["splits"]["previous"].rstrip("/"),
    }
    return as_json(settings)


def metrics_of_segmentation(wildcards):
    """The comparison with contours, where there are any; a network that is trained here cannot do without."""
    needed = (TRAINED_HERE and annotated_cohort(wildcards)) or cohorts_with_role(config, "segmentation")
    return [*rules.segmentation_metrics.output, *rules.segmentation_figures.output] if needed else []
