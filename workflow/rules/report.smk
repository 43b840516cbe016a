"""Report: what all rooms found → tables and one page that opens offline."""

from lungsight.report.facts import audit_inputs, facts_of, page_inputs, ranking_inputs, table_inputs
from lungsight.report.page_parts import digest_of_parts

FACTS = facts_of(config)
THESIS = repository_file("config/thesis.tsv")


rule report_tables:
    input:
        program=ancient(program("report_tables")),
        results=expand(f"{RESULTS}/{{path}}", path=table_inputs(FACTS)),
        thesis=THESIS,
    output:
        metrics=report(
            f"{RESULTS}/report/metrics.tsv",
            caption="../report/metrics.rst",
            category="Tables",
            labels={"table": "how well"},
        ),
        saliency=report(
            f"{RESULTS}/report/saliency.tsv",
            caption="../report/saliency.rst",
            category="Tables",
            labels={"table": "where the models look"},
        ),
    log:
        f"{RESULTS}/logs/report_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/report_tables.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("report_tables"),
        results=lambda wildcards, output: os.path.dirname(os.path.dirname(output[0])),
        facts=as_json(FACTS),
    shell:
        "python {input.program} --results {params.results:q} --facts {params.facts:q} --thesis {input.thesis}"
        " --metrics {output.metrics} --saliency {output.saliency} > {log} 2>&1"


rule audit_tables:
    input:
        program=ancient(program("audit_tables")),
        results=expand(f"{RESULTS}/{{path}}", path=audit_inputs(FACTS)),
    output:
        audit=report(
            f"{RESULTS}/report/audit.tsv",
            caption="../report/audit.rst",
            category="Tables",
            labels={"table": "everything that the audit measured"},
        ),
        verdicts=report(
            f"{RESULTS}/report/verdicts.tsv",
            caption="../report/verdicts.rst",
            category="Tables",
            labels={"table": "does each model look at the lung"},
        ),
        comparisons=report(
            f"{RESULTS}/report/comparisons.tsv",
            caption="../report/comparisons.rst",
            category="Tables",
            labels={"table": "whole against segmented, scratch against ImageNet"},
        ),
    log:
        f"{RESULTS}/logs/audit_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/audit_tables.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("audit_tables"),
        results=lambda wildcards, output: os.path.dirname(os.path.dirname(output[0])),
        facts=as_json(FACTS),
    shell:
        "python {input.program} --results {params.results:q} --facts {params.facts:q} --audit {output.audit}"
        " --verdicts {output.verdicts} --comparisons {output.comparisons} > {log} 2>&1"


rule rank_pipelines:
    input:
        program=ancient(program("rank_pipelines")),
        results=expand(f"{RESULTS}/{{path}}", path=ranking_inputs(FACTS)),
        printed=repository_file("config/table-2-2.tsv"),
    output:
        report(
            f"{RESULTS}/report/systems.tsv",
            caption="../report/systems.rst",
            category="Tables",
            labels={"table": "all pipelines, ranked"},
        ),
    log:
        f"{RESULTS}/logs/rank_pipelines.log",
    benchmark:
        f"{RESULTS}/benchmarks/rank_pipelines.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("rank_pipelines"),
        results=lambda wildcards, output: os.path.dirname(os.path.dirname(output[0])),
        facts=as_json(FACTS),
    shell:
        "python {input.program} --results {params.results:q} --facts {params.facts:q} --printed {input.printed}"
        " --systems {output} > {log} 2>&1"


rule write_report:
    input:
        program=ancient(program("write_report")),
        results=expand(f"{RESULTS}/{{path}}", path=page_inputs(FACTS)),
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
        results=lambda wildcards, output: os.path.dirname(os.path.dirname(output[0])),
        facts=as_json(FACTS),
    shell:
        "python {input.program} --results {params.results:q} --facts {params.facts:q} --thesis {input.thesis}"
        " --page {output} > {log} 2>&1"


rule report:
    input:
        rules.write_report.output,
        # The page is newer than a table that someone deleted: asked for by themselves, tables are made again.
        [f"{RESULTS}/{path}" for path in page_inputs(FACTS) if path.startswith("report/")],
