"""Input functions and settings of the rules of training. No rules here."""


def start_of_stage(wildcards):
    """Files that a stage starts from: the model of stage 1, weights of the network, or none."""
    return start_files(config, RESULTS, wildcards.pipeline, wildcards.stage)


def split_of_training(wildcards):
    """The split that a stage is trained by."""
    return split_of(Pipeline.parse(wildcards.pipeline), training_cohort(wildcards))


def split_for_inference(wildcards):
    """The split of a cohort that is predicted, as the pipeline's input view keeps its slices."""
    return split_of(Pipeline.parse(wildcards.pipeline), wildcards.cohort)


def training_settings_of_stage(wildcards):
    """What the config says of the training of a stage, and what it starts from."""
    settings = {
        "backbone": backbone_of(wildcards),
        "labels": list(config["labels"]),
        "training": settings_of_stage(config, wildcards.pipeline, wildcards.stage),
        "seed": seed_of_replicate(config, Pipeline.parse(wildcards.pipeline).replicate),
        "start": identity_of_start(start_of(config, RESULTS, wildcards.pipeline, wildcards.stage)),
    }
    return as_json(settings)


def start_of_training(wildcards):
    """What a stage starts from, as an argument of its program: also where a file of weights lies."""
    return as_json(start_of(config, RESULTS_HERE, wildcards.pipeline, wildcards.stage))


def stamp_of_imagenet_file(wildcards):
    """The file of weights that the config names, by size and time."""
    file = Path(config["training"]["imagenet"][wildcards.backbone]["file"])
    return RECORD.stamp_of(f"training.imagenet.{wildcards.backbone}", [stamp_of_files(file.parent, [file.name])])


def images_for_inference(wildcards):
    """Folder of a cohort's images as a pipeline's network sees them."""
    return images_folder(Pipeline.parse(wildcards.pipeline), wildcards.cohort)


def needs_of_remedy(wildcards):
    """What a pipeline's remedy needs beyond the images; nothing where it has none, or none in this stage."""
    remedy = remedies.load(Pipeline.parse(wildcards.pipeline).remedy)
    return remedy.needs if remedy.is_for(wildcards.stage) else ()


def masks_of_remedy(wildcards):
    """The lung masks of the training cohort, where a remedy needs them."""
    return shards_of_array(images_of_stage(wildcards), "masks") if remedies.LUNGS in needs_of_remedy(wildcards) else []


def tables_of_remedy(wildcards):
    """What a remedy needs: which masks passed quality control, sources of slices, generated slices."""
    pipeline, cohort = Pipeline.parse(wildcards.pipeline), training_cohort(wildcards)
    tables = {
        remedies.GENERATED: f"{RESULTS}/{generated_folder(pipeline, cohort, config['training'])}/generated.tsv",
        remedies.LUNGS: f"{RESULTS}/qc/{cohort}/manifest.tsv",
        remedies.SOURCES: f"{training_cohort_folder(wildcards)}/slices.tsv",
    }
    return [tables[need] for need in needs_of_remedy(wildcards) if need in tables]


def training_files(cohorts):
    """The files of cohorts that a program names by split, array and index, the shards of the array among them."""
    return [
        file
        for split, array, index in zip(*[iter(cohorts)] * 3, strict=True)
        for file in (split, *shards_of_array(*array.removesuffix(".npy").rsplit("/", 1)), index)
    ]


def companion_of_remedy(wildcards):
    """Split, images and index of the cohort of stage 1, where a remedy trains stage 2 on both."""
    if remedies.COMPANION not in needs_of_remedy(wildcards):
        return []
    pipeline = Pipeline.parse(wildcards.pipeline)
    (cohort,) = cohorts_with_role(config, "public")
    images = images_folder(pipeline, cohort)
    return [split_of(pipeline, cohort), f"{images}/{pipeline.input_view}.npy", f"{images}/index.tsv"]


def files_of_companion(wildcards):
    """The files of the cohort of stage 1, where a remedy trains stage 2 on both."""
    return training_files(companion_of_remedy(wildcards))


def cohorts_of_pretraining(wildcards):
    """Split, images and index of every cohort that a stage is trained on, for a pre-training without labels."""
    pipeline = Pipeline(wildcards.input_view, wildcards.backbone, SIMSIAM)
    files = []
    for cohort in cohorts_with_role(config, *ROLE_OF_STAGE.values()):
        images = images_folder(pipeline, cohort)
        files += [split_of(pipeline, cohort), f"{images}/{wildcards.input_view}.npy", f"{images}/index.tsv"]
    return files


def files_of_pretraining(wildcards):
    """The files of the cohorts of a pre-training."""
    return training_files(cohorts_of_pretraining(wildcards))


def cohort_of_generator(wildcards):
    """Split, images and index of the cohort that generators of slices are trained on."""
    images = f"{RESULTS}/training/images/{wildcards.cohort}"
    folder = images if wildcards.region == WHOLE_IMAGE else f"{images}/{wildcards.region}"
    split = f"{RESULTS}/splits/{wildcards.cohort}/{wildcards.input_view}.tsv"
    return [split, f"{folder}/{wildcards.input_view}.npy", f"{folder}/index.tsv"]


def files_of_generator(wildcards):
    """The files of the cohort of generators."""
    return training_files(cohort_of_generator(wildcards))


def settings_of_generator(wildcards):
    """What the config says of the generators of a remedy. What their slices are used for is none of it."""
    of_remedy = config["training"]["remedies"][wildcards.remedy]
    generator = {name: of_remedy[name] for name in ("samples", "steps", "batch", "filters")}
    by_class = remedies.load(wildcards.remedy).generator_of_each_class
    return as_json(
        {
            "labels": list(config["labels"]),
            "generator": generator | {"precision": config["training"]["precision"]},
            "image_size": config["training"]["image_size"],
            "seed": config["seed"],
            **({} if by_class else {"without_classes": True}),
        }
    )
