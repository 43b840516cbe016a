"""Transfer study, on request: how many patients of the target cohort stage 2 needs, and how deep it should train."""

from lungsight.evaluation.transfer_study.settings import (
    STAGE_OF_START,
    cells_of,
    check_transfer_study,
    pipeline_of_study,
    settings_of_study,
)
from lungsight.report.templates import TRANSFER_TEMPLATE, digest_of_parts
from lungsight.training.settings import identity_of_start, start_files, start_of


include: "inputs/transfer.smk"


# All trainings from one start: a start of TensorFlow for each would take longer than most of them.
rule transfer_training:
    input:
        tables=tables_of_study,
        images=arrays_of(images_of_study, input_view_of),
        masks=arrays_of(images_of_study, "masks"),
        index=expand("{images}/index.tsv", images=images_of_study),
        start=start_files_of_study,
    output:
        f"{RESULTS}/transfer_study/{{pipeline}}/{{start}}.tsv",
    log:
        f"{RESULTS}/logs/transfer_training/{{pipeline}}/{{start}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/transfer_training/{{pipeline}}/{{start}}.tsv"
    wildcard_constraints:
        start="|".join(STAGE_OF_START),
    priority: 10
    conda:
        "../../envs/keras.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=4000,
        gpu=config["training"]["gpus"],
    params:
        program=program("transfer_training"),
        code=code_with_backbone("transfer_training"),
        settings=transfer_training_settings,
        start=unrecorded(start_of_study),
        images=folders_here(images_of_study),
        # Undeclared, so that what was trained survives a failure.
        checkpoints=f"{RESULTS}/training/checkpoints/transfer-{{pipeline}}-{{start}}",
    shell:
        "python {params.program:q} --tables {input.tables} --images {params.images} --settings {params.settings:q}"
        " --start {params.start:q} --code {params.code} --threads {threads} --checkpoints {params.checkpoints:q}"
        " --table {output} > {log} 2>&1"


rule transfer_tables:
    input:
        trainings=trainings_of_study,
    output:
        table=f"{RESULTS}/report/transfer_study.tsv",
        summary=f"{RESULTS}/report/transfer_summary.tsv",
    log:
        f"{RESULTS}/logs/transfer_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/transfer_tables.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("transfer_tables"),
        code=code("transfer_tables"),
    shell:
        "python {params.program:q} --trainings {input.trainings} --table {output.table} --summary {output.summary}"
        " > {log} 2>&1"


rule transfer_page:
    input:
        table=rules.transfer_tables.output.table,
        summary=rules.transfer_tables.output.summary,
    output:
        f"{RESULTS}/report/transfer_study.html",
    log:
        f"{RESULTS}/logs/transfer_page.log",
    benchmark:
        f"{RESULTS}/benchmarks/transfer_page.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("transfer_page"),
        code=code("transfer_page"),
        parts=digest_of_parts(TRANSFER_TEMPLATE),
        title=config["report"]["title"],
    shell:
        "python {params.program:q} --table {input.table} --summary {input.summary} --title {params.title:q}"
        " --page {output} > {log} 2>&1"


rule transfer_study:
    input:
        transfer_study_wanted,
