"""Segmentation: contours → a trained nnU-Net, or a given one; volumes → lung masks."""

SEGMENTATION = config["segmentation"]
GIVEN_MODEL = SEGMENTATION["model"]
NETWORK = SEGMENTATION["method"] == "nnunet"
TRAINED_HERE = trains_segmentation(config)
MODEL = f"{RESULTS}/segmentation/model"
TRAINING = f"{RESULTS}/segmentation/training.tsv"
TRAINER = repository_file("workflow/nnunet_trainers/lungsight_trainer.py")


rule segmentation_split:
    input:
        program=ancient(program("segmentation_split")),
        cases=annotated(f"{RESULTS}/cohorts/{{cohort}}/cases.tsv"),
        previous=EARLIER,
        private=annotated(f"{PRIVATE}/{{cohort}}.tsv") if EARLIER else [],
    output:
        f"{RESULTS}/segmentation/split.tsv",
    log:
        f"{RESULTS}/logs/segmentation_split.log",
    benchmark:
        f"{RESULTS}/benchmarks/segmentation_split.tsv"
    conda:
        "../../envs/nnunet.yaml"
    params:
        code=code("segmentation_split"),
        # Where nothing is trained, no case was seen: all are test.
        fractions=as_json(SEGMENTATION["fractions"] if TRAINED_HERE else None),
        unit=SEGMENTATION["split_unit"],
        seed=config["seed"],
        cohort=lambda wildcards: annotated_cohort(),
        preassigned=lambda wildcards: as_json(subsets_preassigned_elsewhere(config, ROWS, annotated_cohort())),
        known=earlier_run_arguments,
    shell:
        "python {input.program} --cohort {params.cohort} --cases {input.cases} --fractions {params.fractions:q} --unit {params.unit}"
        " --seed {params.seed} --preassigned {params.preassigned:q} {params.known}"
        " --split {output} > {log} 2>&1"


rule nnunet_prepare:
    input:
        program=ancient(program("nnunet_prepare")),
        cases=annotated(f"{RESULTS}/cohorts/{{cohort}}/cases.tsv"),
        split=f"{RESULTS}/segmentation/split.tsv",
        nifti=annotated(f"{RESULTS}/cohorts/{{cohort}}/nifti/{{shard}}"),
        truth=annotated(f"{RESULTS}/cohorts/{{cohort}}/truth/{{shard}}"),
    output:
        directory(f"{RESULTS}/segmentation/nnunet"),
    log:
        f"{RESULTS}/logs/nnunet_prepare.log",
    benchmark:
        f"{RESULTS}/benchmarks/nnunet_prepare.tsv"
    conda:
        "../../envs/nnunet.yaml"
    threads: SEGMENTATION["threads"]
    params:
        code=code("nnunet_prepare"),
        nifti=annotated(f"{RESULTS}/cohorts/{{cohort}}/nifti"),
        truth=annotated(f"{RESULTS}/cohorts/{{cohort}}/truth"),
        settings=settings_of("segmentation", "batch_size", "patch_size", "max_features"),
    shell:
        # A progress bar of nnU-Net's becomes a line of the log, every ten seconds.
        "TQDM_MININTERVAL=10 nnUNet_def_n_proc={threads} python {input.program} --cases {input.cases} --split {input.split}"
        " --nifti {params.nifti:q} --truth {params.truth:q} --settings {params.settings:q} --threads {threads}"
        " --dataset {output} > {log} 2>&1"


if GIVEN_MODEL:

    rule adopt_model:
        input:
            program=ancient(program("adopt_model")),
            given=[str(path) for path in files_of_model(GIVEN_MODEL)],
        output:
            directory(MODEL),
        log:
            f"{RESULTS}/logs/adopt_model.log",
        benchmark:
            f"{RESULTS}/benchmarks/adopt_model.tsv"
        conda:
            "../../envs/nnunet.yaml"
        params:
            code=code("adopt_model"),
            given=lambda wildcards, input: os.path.dirname(input.given[0]),
        shell:
            "python {input.program} --given {params.given:q} --model {output} > {log} 2>&1"

else:

    rule nnunet_train:
        input:
            program=ancient(program("nnunet_train")),
            trainer=ancient(TRAINER),
            dataset=f"{RESULTS}/segmentation/nnunet",
        output:
            model=directory(MODEL),
            training=TRAINING,
        log:
            f"{RESULTS}/logs/nnunet_train.log",
        benchmark:
            f"{RESULTS}/benchmarks/nnunet_train.tsv"
        conda:
            "../../envs/nnunet.yaml"
        threads: SEGMENTATION["threads"]
        params:
            code=code("nnunet_train"),
            trainer_code=digest_of(Path(TRAINER).resolve()),
            settings=settings_of(
                "segmentation", "trainer", "learning_rate", "epochs", "iterations", "validation_iterations"
            ),
            seed=config["seed"],
            unfinished=f"{RESULTS}/segmentation/.training",
        shell:
            "nnUNet_def_n_proc={threads} python {input.program} --dataset {input.dataset} --settings {params.settings:q}"
            " --seed {params.seed} --threads {threads} --unfinished {params.unfinished:q} --model {output.model}"
            " --training {output.training} > {log} 2>&1"


rule segment_shard:
    input:
        program=ancient(program("segment_shard")),
        # The shard's own table: a new case in another shard is no reason to segment this one again.
        cases=f"{RESULTS}/cohorts/{{cohort}}/shards/{{shard}}/cases.tsv",
        nifti=f"{RESULTS}/cohorts/{{cohort}}/nifti/{{shard}}",
        model=MODEL if NETWORK else [],
    output:
        directory(f"{RESULTS}/segmentation/masks/{{cohort}}/{{shard}}"),
    log:
        f"{RESULTS}/logs/segment_shard/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/segment_shard/{{cohort}}/{{shard}}.tsv"
    conda:
        "../../envs/nnunet.yaml"
    threads: SEGMENTATION["threads"]
    params:
        code=code("segment_shard"),
        method=f"nnunet --model {MODEL}" if NETWORK else "classical",
        mirroring="--mirroring" if SEGMENTATION["mirroring"] else "",
        postprocessing=as_json(SEGMENTATION["postprocessing"]),
    shell:
        # glibc keeps the memory of one layer for the next instead of giving it back to the system every time.
        "MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=268435456"
        " python {input.program} --cases {input.cases} --nifti {input.nifti} --method {params.method} {params.mirroring}"
        " --threads {threads} --postprocessing {params.postprocessing:q} --masks {output} > {log} 2>&1"


rule segmentation_metrics:
    input:
        program=ancient(program("segmentation_metrics")),
        cases=annotated(f"{RESULTS}/cohorts/{{cohort}}/cases.tsv"),
        split=f"{RESULTS}/segmentation/split.tsv",
        nifti=annotated(f"{RESULTS}/cohorts/{{cohort}}/nifti/{{shard}}"),
        truth=annotated(f"{RESULTS}/cohorts/{{cohort}}/truth/{{shard}}"),
        masks=annotated(f"{RESULTS}/segmentation/masks/{{cohort}}/{{shard}}"),
        training=TRAINING if TRAINED_HERE else [],
    output:
        metrics=f"{RESULTS}/segmentation/metrics.tsv",
        curve=f"{RESULTS}/segmentation/curve.png",
        worst=f"{RESULTS}/segmentation/worst.png",
    log:
        f"{RESULTS}/logs/segmentation_metrics.log",
    benchmark:
        f"{RESULTS}/benchmarks/segmentation_metrics.tsv"
    conda:
        "../../envs/nnunet.yaml"
    params:
        code=code("segmentation_metrics"),
        nifti=annotated(f"{RESULTS}/cohorts/{{cohort}}/nifti"),
        truth=annotated(f"{RESULTS}/cohorts/{{cohort}}/truth"),
        masks=annotated(f"{RESULTS}/segmentation/masks/{{cohort}}"),
        training=f"--training {TRAINING}" if TRAINED_HERE else "",
    shell:
        "python {input.program} --cases {input.cases} --split {input.split} --nifti {params.nifti:q}"
        " --truth {params.truth:q} --masks {params.masks:q} {params.training} --metrics {output.metrics}"
        " --curve {output.curve} --worst {output.worst} > {log} 2>&1"


rule segment:
    input:
        [
            f"{RESULTS}/segmentation/masks/{cohort}/{shard}"
            for cohort in config["cohorts"]
            for shard in shards_of(cohort)
        ],
        segmentation_metrics_wanted,
