"""Checklists: a finished run and the study file → items of reporting guidelines, risk of bias, flow; planned intervals."""

from lungsight.checklists.evidence_files import evidence_inputs
from lungsight.report.templates import CHECKLISTS_TEMPLATE, RISK_TEMPLATE, digest_of_parts


include: "inputs/checklists.smk"


if workflow.is_main_process:
    for warning in STUDY_CHECK.warnings:
        log_line(warning)


# From the users' tables alone: `snakemake power` says before any training what the test patients can show.
rule power_table:
    output:
        f"{RESULTS}/report/power.tsv",
    log:
        f"{RESULTS}/logs/power_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/power_table.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("power_table"),
        code=code("power_table"),
        rows=digest_of_labelled_rows(),
        tables=unrecorded(as_json(tables_of_labelled())),
        settings=as_json(split_settings_of_labelled()),
        slices=as_json(slices_of_a_row()),
        assumptions=as_json(config["power"]),
        labels=unrecorded(as_json(config["labels"])),
        seed=config["seed"],
    shell:
        "python {params.program:q} --tables {params.tables:q} --settings {params.settings:q} --slices {params.slices:q}"
        " --assumptions {params.assumptions:q} --labels {params.labels:q} --seed {params.seed} --power {output}"
        " > {log} 2>&1"


# It prints for the user, and leaves nothing.
rule power:
    input:
        rules.power_table.output,
    log:
        f"{RESULTS}/logs/power.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        program=program("power"),
    shell:
        "python {params.program:q} --table {input} 2>&1 | tee {log}"


rule risk_table:
    input:
        EVIDENCE,
    output:
        flow=f"{RESULTS}/report/flow.tsv",
        risk=f"{RESULTS}/report/risk.tsv",
    log:
        f"{RESULTS}/logs/risk_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/risk_table.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("risk_table"),
        code=code("risk_table"),
        limits=digest_of_files([RISK_RULES]),
        study=unrecorded(STUDY_FILES),
        written=digest_of_files(STUDY_FILES),
        withheld=STUDY_CHECK.withheld,
        thesis=repository_file(THESIS),
        results=folder(RESULTS),
        run=as_json(RUN),
    shell:
        "python {params.program:q} --results {params.results:q} --run {params.run:q} --thesis {params.thesis:q}"
        " --study {params.study:q} --withheld {params.withheld} --flow {output.flow} --risk {output.risk} > {log} 2>&1"


rule risk_page:
    input:
        flow=rules.risk_table.output.flow,
        risk=rules.risk_table.output.risk,
    output:
        f"{RESULTS}/report/risk.html",
    log:
        f"{RESULTS}/logs/risk_page.log",
    benchmark:
        f"{RESULTS}/benchmarks/risk_page.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("risk_page"),
        code=code("risk_page"),
        parts=digest_of_parts(RISK_TEMPLATE),
        title=config["report"]["title"],
    shell:
        "python {params.program:q} --risk {input.risk} --flow {input.flow} --title {params.title:q} --page {output}"
        " > {log} 2>&1"


rule checklists_table:
    input:
        EVIDENCE,
        rules.risk_table.output,
    output:
        f"{RESULTS}/report/checklists.tsv",
    log:
        f"{RESULTS}/logs/checklists_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/checklists_table.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("checklists_table"),
        code=code("checklists_table"),
        asked=digest_of_checklists(),
        study=unrecorded(STUDY_FILES),
        written=digest_of_files(STUDY_FILES),
        withheld=STUDY_CHECK.withheld,
        thesis=repository_file(THESIS),
        results=folder(RESULTS),
        run=as_json(RUN),
    shell:
        "python {params.program:q} --results {params.results:q} --run {params.run:q} --thesis {params.thesis:q}"
        " --study {params.study:q} --withheld {params.withheld} --checklists {output} > {log} 2>&1"


rule checklists_page:
    input:
        rules.checklists_table.output,
    output:
        f"{RESULTS}/report/checklists.html",
    log:
        f"{RESULTS}/logs/checklists_page.log",
    benchmark:
        f"{RESULTS}/benchmarks/checklists_page.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("checklists_page"),
        code=code("checklists_page"),
        asked=digest_of_checklists(),
        parts=digest_of_parts(CHECKLISTS_TEMPLATE),
        title=config["report"]["title"],
        has_study="yes" if config["study"] else "no",
    shell:
        "python {params.program:q} --checklists {input} --title {params.title:q} --has-study {params.has_study}"
        " --page {output} > {log} 2>&1"


rule checklists:
    input:
        rules.checklists_page.output,
        rules.risk_page.output,
