"""Input functions and settings of the rules of segmentation. No rules here."""


def annotated_cohort(wildcards):
    """The cohort whose contours train the lung segmentation; a message where the config has none."""
    cohorts = cohorts_with_role(config, "segmentation")
    if not cohorts:
        # Snakemake would surround an exception of an input function with a traceback.
        sys.exit(
            "error: Lung segmentation by nnU-Net is trained on a cohort with role: segmentation, and the config has none."
            " Add one, name a trained model (segmentation.model), set segmentation.method:"
            " classical, or give every row its own mask (column lungs) and set segmentation.method: own."
        )
    return cohorts[0]


def stamp_of_given_model(wildcards):
    """The files of the model that the user gives, by names, sizes and times."""
    root = Path(os.path.dirname(GIVEN_FILES[0]))
    files = [os.path.relpath(file, root) for file in GIVEN_FILES]
    return RECORD.stamp_of("segmentation.model", [stamp_of_files(root, files)])


def rows_with_lungs(wildcards):
    """The rows of a shard whose lung masks the user's table names."""
    return [row for row in rows_of_shard(wildcards) if row.lungs and not row.skip]


def lungs_of_shard(wildcards):
    """The masks of a shard that its table names; nothing where it names none."""
    return f"{COHORT}/lungs/{{shard}}".format(**dict(wildcards.items())) if rows_with_lungs(wildcards) else []


def model_of_shard(wildcards):
    """The network, where it segments a case of a shard."""
    return LUNG_MODEL if NETWORK and segmented_rows(wildcards) else []


def segmented_rows(wildcards):
    """The rows of a shard without a mask of the user's."""
    return rows_to_segment(rows_of_shard(wildcards))


def tool_masks_of_shard(wildcards):
    """The masks of a shard that a tool makes; nothing where it makes none."""
    by_tool = method_of_cohort(config, wildcards.cohort) in TOOLS and segmented_rows(wildcards)
    return f"{RESULTS}/segmentation/tool/{{cohort}}/{{shard}}".format(**dict(wildcards.items())) if by_tool else []


def refuse_missing_tool(dag):
    """Stop before any job where a tool has to run and is not installed. With conda, it comes with its environment."""
    needed = {"try_lung_tool", "run_lung_tool"} & {job.rule.name for job in dag.needrun_jobs()}
    if needed and (SEGMENTATION["executable"] or not WITH_CONDA):
        try:
            check_installed(config)
        except UserError as error:
            raise WorkflowError(str(error)) from None


def record_of_tool(wildcards):
    """The record of the tool that made the masks of a shard; nothing where none did."""
    return rules.try_lung_tool.output if tool_masks_of_shard(wildcards) else []


def digest_of_segmented_rows(wildcards):
    """Digest of which scans of a shard have no mask of the user's, in any order."""
    return digest(sorted(row.path for row in segmented_rows(wildcards)))


def hounsfield_settings(wildcards):
    """What the config says of how scans are read, but not of the window."""
    return conversion_settings(wildcards, [name for name in CONVERSION if name not in ("window", "png_size")])


def dicom_seg_settings(wildcards):
    """What the config says of how scans are read, and of what made their masks."""
    return as_json({"method": SEGMENTATION["method"]} | json.loads(hounsfield_settings(wildcards)))


def dicom_segs():
    """Folders of the DICOM SEG of all shards, where the config asks for them."""
    names = [name for name, cohort in config["cohorts"].items() if cohort["format"] == "dicom"]
    folders = [local(f"{PRIVATE}/dicom_seg/{name}/{shard}") for name in names for shard in shards_of(name)]
    return folders if SEGMENTATION["dicom_seg"] else []


def segmentation_settings(wildcards):
    """What the config says of how the cases of a cohort are segmented."""
    settings = {name: SEGMENTATION[name] for name in ("method", "mirroring", "postprocessing")}
    return as_json(settings | {"method": method_of_cohort(config, wildcards.cohort)})


def digest_of_lungs(wildcards):
    """Digest of which mask belongs to which scan, in any order."""
    return digest(sorted((row.path, row.lungs) for row in rows_with_lungs(wildcards)))


def stamp_of_lungs(wildcards):
    """The masks of a shard, by names, sizes and times; those of phantoms are inputs instead."""
    if "phantom" in config["cohorts"][wildcards.cohort]:
        return ""
    stamp = stamp_of_rows(wildcards.cohort, rows_with_lungs(wildcards), ("lungs",), "a lung mask")
    return RECORD.stamp_of(f"{wildcards.cohort}/{wildcards.shard}/lungs", [stamp])


def lungs_settings(wildcards):
    """What the config says of how scans and lung masks are read."""
    return conversion_settings(wildcards, (*CONVERSION, *CONTOURS))


def threads_of_lungs(wildcards):
    """Masks of a shard that are read at once, each with its scan."""
    format = config["cohorts"][wildcards.cohort]["format"]
    return threads_for(len(rows_with_lungs(wildcards)), format, config["intake"]["threads"])


def shards_with_lungs():
    """Folders of the masks that the tables name, of all shards that have any."""
    return [
        f"{COHORT}/lungs/{shard}".format(cohort=name)
        for name in COHORTS_WITH_LUNGS
        for shard, rows in shards_with_rows(name).items()
        if any(row.lungs and not row.skip for row in rows)
    ]


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
