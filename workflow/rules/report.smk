"""Report: what all rooms found → tables and one page that opens offline."""

from lungsight.report.templates import INTAKE_TEMPLATE, digest_of_parts
from lungsight.run_description import page_inputs


include: "inputs/report.smk"


rule intake_page:
    input:
        tables=expand(f"{COHORT}/{{table}}.tsv", cohort=config["cohorts"], table=["cases", "slices"]),
        counts=rules.intake_tables.output,
        duplicates=rules.find_duplicates.output if labelled_cohorts() else [],
        traces=expand(f"{COHORT}/forensics.tsv", cohort=labelled_cohorts()),
        forensics=rules.forensics_table.output if labelled_cohorts() else [],
        images=images_of_intake(),
    output:
        f"{RESULTS}/report/intake.html",
    log:
        f"{RESULTS}/logs/intake_page.log",
    benchmark:
        f"{RESULTS}/benchmarks/intake_page.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    params:
        program=program("intake_page"),
        code=code("intake_page"),
        parts=digest_of_parts(INTAKE_TEMPLATE),
        results=folder(RESULTS),
        run=as_json(describe_intake(config, ROWS)),
    shell:
        "python {params.program:q} --results {params.results:q} --run {params.run:q} --duplicates {input.duplicates}"
        " --page {output} > {log} 2>&1"


rule write_report:
    input:
        results=expand(f"{RESULTS}/{{path}}", path=page_inputs(RUN)),
    output:
        report(
            f"{RESULTS}/report/index.html",
            caption="../report/page.rst",
            category="Report",
            labels={"page": "the report"},
        ),
    log:
        f"{RESULTS}/logs/write_report.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        program=program("write_report"),
        code=code("write_report"),
        thesis=repository_file(THESIS),
        thesis_results=digest_of_files([REPOSITORY / THESIS]),
        parts=digest_of_parts(),
        results=folder(RESULTS),
        run=as_json(RUN),
    shell:
        "python {params.program:q} --results {params.results:q} --run {params.run:q} --thesis {params.thesis:q}"
        " --page {output} > {log} 2>&1"


rule report:
    input:
        CHECKED_FOR_TRAINING,
        rules.write_report.output,
        # Also request the tables, so that a deleted one is made again.
        [f"{RESULTS}/{path}" for path in page_inputs(RUN) if path.startswith("report/")],
