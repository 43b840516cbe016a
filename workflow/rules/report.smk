"""Report: what all rooms found → tables and one page that opens offline."""

from lungsight.report.templates import INTAKE_TEMPLATE
from lungsight.report.templates import digest_of_parts


rule intake_page:
    input:
        program=ancient(program("intake_page")),
        tables=expand(
            f"{RESULTS}/cohorts/{{cohort}}/{{table}}.tsv", cohort=config["cohorts"], table=("cases", "slices")
        ),
        counts=rules.intake_tables.output,
        duplicates=rules.find_duplicates.output if labelled_cohorts() else [],
        images=[
            f"{RESULTS}/cohorts/{cohort}/{'png' if cohort in labelled_cohorts() else 'nifti'}/{shard}"
            for cohort in config["cohorts"]
            for shard in shards_of(cohort)
        ],
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
        code=code("intake_page"),
        parts=digest_of_parts(INTAKE_TEMPLATE),
        results=RESULTS,
        run=as_json(describe_intake(config)),
        duplicates=lambda wildcards, input: f"--duplicates {input.duplicates}" if input.duplicates else "",
    shell:
        "python {input.program} --results {params.results:q} --run {params.run:q} {params.duplicates}"
        " --page {output} > {log} 2>&1"


rule write_report:
    input:
        program=ancient(program("write_report")),
        results=expand(f"{RESULTS}/{{path}}", path=page_inputs(RUN)),
        thesis=THESIS,
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
        code=code("write_report"),
        parts=digest_of_parts(),
        results=RESULTS,
        run=as_json(RUN),
    shell:
        "python {input.program} --results {params.results:q} --run {params.run:q} --thesis {input.thesis}"
        " --page {output} > {log} 2>&1"


rule report:
    input:
        rules.write_report.output,
        # The page is newer than a table that someone deleted: asked for by themselves, tables are made again.
        [f"{RESULTS}/{path}" for path in page_inputs(RUN) if path.startswith("report/")],
