"""Segmentation: contours → a trained nnU-Net, or a given one; volumes → lung masks."""

from lungsight.segmentation.lung_tools import (
    TOOLS,
    check_installed,
    method_of_cohort,
    program_of,
    rows_to_segment,
    tool_settings,
)
from lungsight.segmentation.model_folder import files_of_model
from lungsight.segmentation.settings import cohorts_with_lungs, trains_segmentation
from lungsight.splits.settings import subsets_preassigned_elsewhere

SEGMENTATION = config["segmentation"]
NETWORK = SEGMENTATION["method"] == "nnunet"
TRAINED_HERE = trains_segmentation(config)
GIVEN_FILES = [str(path) for path in files_of_model(SEGMENTATION["model"])] if SEGMENTATION["model"] else []
COHORTS_WITH_LUNGS = cohorts_with_lungs(ROWS)
LUNG_TOOL = SEGMENTATION["method"] if SEGMENTATION["method"] in TOOLS else ""
LUNG_MODEL = f"{RESULTS}/segmentation/model"
LUNG_TRAINING = f"{RESULTS}/segmentation/training.tsv"
LUNG_PLANS = ("batch_size", "patch_size", "max_features")
LUNG_SCHEDULE = ("trainer", "learning_rate", "epochs", "iterations", "validation_iterations")


include: "inputs/segmentation.smk"


rule segmentation_split:
    input:
        cases=expand(f"{COHORT}/cases.tsv", cohort=annotated_cohort),
        private=local(expand(f"{PRIVATE}/{{cohort}}.tsv", cohort=annotated_cohort)) if EARLIER else [],
    output:
        f"{RESULTS}/segmentation/split.tsv",
    log:
        f"{RESULTS}/logs/segmentation_split.log",
    benchmark:
        f"{RESULTS}/benchmarks/segmentation_split.tsv"
    priority: BEFORE_TRAININGS + 1
    conda:
        "../../envs/nnunet.yaml"
    params:
        program=program("segmentation_split"),
        code=code("segmentation_split"),
        cohort=folders_here(annotated_folder),
        settings=lung_split_settings,
        previous=digest_of_files(EARLIER),
        private=PRIVATE,
    shell:
        "python {params.program:q} --cohort {params.cohort} --settings {params.settings:q} --private {params.private}"
        " --split {output} > {log} 2>&1"


rule nnunet_prepare:
    input:
        cases=expand(f"{COHORT}/cases.tsv", cohort=annotated_cohort),
        split=f"{RESULTS}/segmentation/split.tsv",
        nifti=expand(f"{COHORT}/nifti/{{shard}}", cohort=annotated_cohort, shard=annotated_shards),
        truth=expand(f"{COHORT}/truth/{{shard}}", cohort=annotated_cohort, shard=annotated_shards),
    output:
        directory(f"{RESULTS}/segmentation/nnunet"),
    log:
        f"{RESULTS}/logs/nnunet_prepare.log",
    benchmark:
        f"{RESULTS}/benchmarks/nnunet_prepare.tsv"
    priority: BEFORE_TRAININGS + 1
    conda:
        "../../envs/nnunet.yaml"
    threads: SEGMENTATION["threads"]
    params:
        program=program("nnunet_prepare"),
        code=code("nnunet_prepare"),
        cohort=folders_here(annotated_folder),
        settings=as_json({name: SEGMENTATION[name] for name in LUNG_PLANS}),
        # The seed counts only where lesions are drawn.
        lesions=f"--lesion-seed {config['seed']}" if SEGMENTATION["lesion_augmentation"] else "",
    shell:
        # A progress bar of nnU-Net's becomes a line of the log, every ten seconds.
        "TQDM_MININTERVAL=10 nnUNet_def_n_proc={threads} python {params.program:q} --cohort {params.cohort}"
        " --split {input.split} --settings {params.settings:q} {params.lesions} --threads {threads} --dataset {output}"
        " > {log} 2>&1"


if GIVEN_FILES:

    rule adopt_model:
        output:
            directory(LUNG_MODEL),
        log:
            f"{RESULTS}/logs/adopt_model.log",
        benchmark:
            f"{RESULTS}/benchmarks/adopt_model.tsv"
        priority: BEFORE_TRAININGS
        conda:
            "../../envs/nnunet.yaml"
        params:
            program=program("adopt_model"),
            code=code("adopt_model"),
            given=unrecorded(os.path.dirname(GIVEN_FILES[0])),
            files=stamp_of_given_model,
        shell:
            "python {params.program:q} --given {params.given:q} --model {output} > {log} 2>&1"

else:

    rule nnunet_train:
        input:
            dataset=f"{RESULTS}/segmentation/nnunet",
        output:
            model=directory(LUNG_MODEL),
            training=LUNG_TRAINING,
        log:
            f"{RESULTS}/logs/nnunet_train.log",
        benchmark:
            f"{RESULTS}/benchmarks/nnunet_train.tsv"
        priority: BEFORE_TRAININGS + 1
        conda:
            "../../envs/nnunet.yaml"
        threads: SEGMENTATION["threads"]
        params:
            program=program("nnunet_train"),
            code=code("nnunet_train"),
            trainer_code=digest_of(REPOSITORY / "workflow/nnunet_trainers/lungsight_trainer.py"),
            settings=as_json({name: SEGMENTATION[name] for name in LUNG_SCHEDULE} | {"seed": config["seed"]}),
            # Undeclared, so that what was trained survives a failure.
            unfinished=f"{RESULTS}/segmentation/.training",
        shell:
            "nnUNet_def_n_proc={threads} python {params.program:q} --dataset {input.dataset} --settings {params.settings:q}"
            " --threads {threads} --unfinished {params.unfinished:q} --model {output.model} --training {output.training}"
            " > {log} 2>&1"


# It reads the scans a second time, so that a new mask converts nothing again.
rule take_lungs:
    input:
        phantoms=phantoms_of_cohort,
        cases=f"{SHARD}/cases.tsv",
        nifti=f"{COHORT}/nifti/{{shard}}",
    output:
        directory(f"{COHORT}/lungs/{{shard}}"),
    log:
        f"{RESULTS}/logs/take_lungs/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/take_lungs/{{cohort}}/{{shard}}.tsv"
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/intake.yaml"
    threads: threads_of_lungs
    params:
        program=program("take_lungs"),
        code=code("take_lungs"),
        table=unrecorded(setting_of_cohort("table")),
        key=KEY,
        root=unrecorded(setting_of_cohort("root")),
        rows=digest_of_lungs,
        masks=stamp_of_lungs,
        settings=lungs_settings,
        cohort=folder(COHORT),
    shell:
        "python {params.program:q} --table {params.table:q} --root {params.root:q} --key {params.key:q}"
        " --shard {wildcards.shard} --settings {params.settings:q} --threads {threads} --cohort {params.cohort} > {log} 2>&1"


rule lungs_table:
    input:
        lungs=shards_with_lungs(),
        cases=expand(f"{COHORT}/cases.tsv", cohort=COHORTS_WITH_LUNGS),
    output:
        f"{RESULTS}/report/lungs.tsv",
    log:
        f"{RESULTS}/logs/lungs_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/lungs_table.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("lungs_table"),
        code=code("lungs_table"),
    shell:
        "python {params.program:q} --shards {input.lungs} --table {output} > {log} 2>&1"


if LUNG_TOOL:

    # It reads the scans a second time: what the run keeps of them went through a window.
    rule hounsfield_volumes:
        input:
            phantoms=phantoms_of_cohort,
            cases=f"{SHARD}/cases.tsv",
        output:
            temp(directory(f"{COHORT}/hounsfield/{{shard}}")),
        log:
            f"{RESULTS}/logs/hounsfield_volumes/{{cohort}}/{{shard}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/hounsfield_volumes/{{cohort}}/{{shard}}.tsv"
        conda:
            "../../envs/intake.yaml"
        threads: threads_of_shard
        params:
            program=program("hounsfield_volumes"),
            code=code("hounsfield_volumes"),
            table=unrecorded(setting_of_cohort("table")),
            key=KEY,
            root=unrecorded(setting_of_cohort("root")),
            rows=digest_of_segmented_rows,
            scans=stamp_of_shard,
            settings=hounsfield_settings,
        shell:
            "python {params.program:q} --table {params.table:q} --root {params.root:q} --key {params.key:q}"
            " --cohort {wildcards.cohort} --cases {input.cases} --settings {params.settings:q} --threads {threads}"
            " --volumes {output} > {log} 2>&1"

    # Where the run was started, which has a network if any machine has one.
    rule try_lung_tool:
        output:
            f"{RESULTS}/segmentation/tool.json",
        log:
            f"{RESULTS}/logs/try_lung_tool.log",
        benchmark:
            f"{RESULTS}/benchmarks/try_lung_tool.tsv"
        priority: 20
        localrule: True
        conda:
            f"../../envs/{LUNG_TOOL}.yaml"
        threads: SEGMENTATION["threads"]
        params:
            program=program("try_lung_tool"),
            code=code("try_lung_tool"),
            command=unrecorded(program_of(config)),
            settings=as_json(tool_settings(config)),
        shell:
            "python {params.program:q} --program {params.command:q} --settings {params.settings:q} --threads {threads}"
            " --record {output} > {log} 2>&1"

    # Apart from segment_shard, so that a correction of masks does not run the tool again.
    rule run_lung_tool:
        input:
            volumes=f"{COHORT}/hounsfield/{{shard}}",
            tool=rules.try_lung_tool.output,
        output:
            directory(f"{RESULTS}/segmentation/tool/{{cohort}}/{{shard}}"),
        log:
            f"{RESULTS}/logs/run_lung_tool/{{cohort}}/{{shard}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/run_lung_tool/{{cohort}}/{{shard}}.tsv"
        conda:
            f"../../envs/{LUNG_TOOL}.yaml"
        threads: SEGMENTATION["threads"]
        params:
            program=program("run_lung_tool"),
            code=code("run_lung_tool"),
            command=unrecorded(program_of(config)),
            settings=as_json(tool_settings(config)),
        shell:
            "python {params.program:q} --program {params.command:q} --settings {params.settings:q}"
            " --volumes {input.volumes} --threads {threads} --masks {output} > {log} 2>&1"


rule segment_shard:
    input:
        # The shard's own table: a new case in another shard is no reason to segment this one again.
        cases=f"{SHARD}/cases.tsv",
        nifti=f"{COHORT}/nifti/{{shard}}",
        model=model_of_shard,
        lungs=lungs_of_shard,
        tool=tool_masks_of_shard,
    output:
        directory(f"{MASKS}/{{shard}}"),
    log:
        f"{RESULTS}/logs/segment_shard/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/segment_shard/{{cohort}}/{{shard}}.tsv"
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/nnunet.yaml"
    threads: SEGMENTATION["threads"]
    params:
        program=program("segment_shard"),
        code=code("segment_shard"),
        settings=segmentation_settings,
    shell:
        # glibc keeps the memory of one layer for the next instead of giving it back to the system every time.
        "MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=268435456 python {params.program:q} --cases {input.cases}"
        " --nifti {input.nifti} --model {input.model} --lungs {input.lungs} --tool {input.tool}"
        " --settings {params.settings:q} --threads {threads} --masks {output} > {log} 2>&1"


# In the private folder, since it names the patient and the study of its series.
rule dicom_seg:
    input:
        phantoms=phantoms_of_cohort,
        masks=f"{MASKS}/{{shard}}",
        tool=record_of_tool,
    output:
        local(directory(f"{PRIVATE}/dicom_seg/{{cohort}}/{{shard}}")),
    log:
        f"{RESULTS}/logs/dicom_seg/{{cohort}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/dicom_seg/{{cohort}}/{{shard}}.tsv"
    conda:
        "../../envs/intake.yaml"
    params:
        program=program("dicom_seg"),
        code=code("dicom_seg"),
        table=unrecorded(setting_of_cohort("table")),
        key=KEY,
        root=unrecorded(setting_of_cohort("root")),
        rows=digest_of_segmented_rows,
        scans=stamp_of_shard,
        settings=dicom_seg_settings,
    shell:
        "python {params.program:q} --table {params.table:q} --root {params.root:q} --key {params.key:q}"
        " --cohort {wildcards.cohort} --tool {input.tool} --settings {params.settings:q} --masks {input.masks}"
        " --segs {output} > {log} 2>&1"


rule segmentation_metrics:
    input:
        cases=expand(f"{COHORT}/cases.tsv", cohort=annotated_cohort),
        split=f"{RESULTS}/segmentation/split.tsv",
        truth=expand(f"{COHORT}/truth/{{shard}}", cohort=annotated_cohort, shard=annotated_shards),
        masks=expand(f"{MASKS}/{{shard}}", cohort=annotated_cohort, shard=annotated_shards),
    output:
        f"{RESULTS}/segmentation/metrics.tsv",
    log:
        f"{RESULTS}/logs/segmentation_metrics.log",
    benchmark:
        f"{RESULTS}/benchmarks/segmentation_metrics.tsv"
    conda:
        "../../envs/nnunet.yaml"
    params:
        program=program("segmentation_metrics"),
        code=code("segmentation_metrics"),
        cohort=folders_here(annotated_folder),
        masks=folders_here(annotated_masks),
    shell:
        "python {params.program:q} --cohort {params.cohort} --split {input.split} --masks {params.masks}"
        " --metrics {output} > {log} 2>&1"


rule segmentation_figures:
    input:
        metrics=f"{RESULTS}/segmentation/metrics.tsv",
        training=LUNG_TRAINING if TRAINED_HERE else [],
        cases=expand(f"{COHORT}/cases.tsv", cohort=annotated_cohort),
        nifti=expand(f"{COHORT}/nifti/{{shard}}", cohort=annotated_cohort, shard=annotated_shards),
        truth=expand(f"{COHORT}/truth/{{shard}}", cohort=annotated_cohort, shard=annotated_shards),
        masks=expand(f"{MASKS}/{{shard}}", cohort=annotated_cohort, shard=annotated_shards),
    output:
        curve=f"{RESULTS}/segmentation/curve.png",
        worst=f"{RESULTS}/segmentation/worst.png",
    log:
        f"{RESULTS}/logs/segmentation_figures.log",
    benchmark:
        f"{RESULTS}/benchmarks/segmentation_figures.tsv"
    conda:
        "../../envs/nnunet.yaml"
    params:
        program=program("segmentation_figures"),
        code=code("segmentation_figures"),
        cohort=folders_here(annotated_folder),
        masks=folders_here(annotated_masks),
    shell:
        "python {params.program:q} --metrics {input.metrics} --training {input.training} --cohort {params.cohort}"
        " --masks {params.masks} --curve {output.curve} --worst {output.worst} > {log} 2>&1"


rule segment:
    input:
        [f"{MASKS}/{shard}".format(cohort=cohort) for cohort in config["cohorts"] for shard in shards_of(cohort)],
        metrics_of_segmentation,
        rules.lungs_table.output if COHORTS_WITH_LUNGS else [],
        dicom_segs(),
