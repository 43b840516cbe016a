"""QC: volumes and lung masks → scores, a decision on every slice, and the page on which a person reviews them."""

from lungsight.qc.decision_files import no_files

QC = f"{RESULTS}/qc"
# The parts of the page are no Python, so `code` does not see an edit to them.
PAGE_TEMPLATE = digest(
    [(SCRIPTS / f"lungsight/qc/page.{part}").read_text(encoding="utf-8") for part in ("html", "css", "js")]
)
REVIEW, DECISIONS, QC_RULES = (config["qc"][name] for name in ("review", "decisions", "rules"))

if REVIEW == "required" and not DECISIONS:
    raise WorkflowError("qc.review: required needs qc.decisions, the folder where the reviewer's files go.")
if REVIEW == "automatic" and DECISIONS and not Path(DECISIONS).is_dir():
    raise WorkflowError(f"qc.decisions: the folder {DECISIONS} does not exist.")
if DECISIONS and no_files(DECISIONS):
    raise WorkflowError(f"qc.decisions: {', '.join(no_files(DECISIONS))} in {DECISIONS} is no file that can be read.")


rule qc_scores:
    input:
        program=ancient(program("qc_scores")),
        cases=f"{RESULTS}/cohorts/{{cohort}}/cases.tsv",
        slices=f"{RESULTS}/cohorts/{{cohort}}/slices.tsv",
        nifti=shard_folders(f"{RESULTS}/cohorts/{{cohort}}/nifti"),
        masks=shard_folders(f"{RESULTS}/segmentation/masks/{{cohort}}"),
    output:
        f"{QC}/{{cohort}}/scores.tsv",
    log:
        f"{RESULTS}/logs/qc_scores/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/qc_scores/{{cohort}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("qc_scores"),
        nifti=f"{RESULTS}/cohorts/{{cohort}}/nifti",
        masks=f"{RESULTS}/segmentation/masks/{{cohort}}",
        levels=as_json({name: QC_RULES[name] for name in ("soft_level", "air_level")}),
    shell:
        "python {input.program} --cases {input.cases} --slices {input.slices} --nifti {params.nifti:q}"
        " --masks {params.masks:q} --levels {params.levels:q} --scores {output} > {log} 2>&1"


rule qc_page:
    input:
        program=ancient(program("qc_page")),
        cases=f"{RESULTS}/cohorts/{{cohort}}/cases.tsv",
        slices=f"{RESULTS}/cohorts/{{cohort}}/slices.tsv",
        scores=f"{QC}/{{cohort}}/scores.tsv",
        png=shard_folders(f"{RESULTS}/cohorts/{{cohort}}/png"),
        masks=shard_folders(f"{RESULTS}/segmentation/masks/{{cohort}}"),
    output:
        page=f"{QC}/{{cohort}}/index.html",
        images=directory(f"{QC}/{{cohort}}/images"),
    log:
        f"{RESULTS}/logs/qc_page/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/qc_page/{{cohort}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("qc_page"),
        template=PAGE_TEMPLATE,
        masks=f"{RESULTS}/segmentation/masks/{{cohort}}",
        rules=as_json(QC_RULES),
    shell:
        "python {input.program} --cohort {wildcards.cohort} --cases {input.cases} --slices {input.slices}"
        " --scores {input.scores} --masks {params.masks:q} --rules {params.rules:q}"
        " --page {output.page} --images {output.images} > {log} 2>&1"


rule qc_manifest:
    input:
        program=ancient(program("qc_manifest")),
        scores=f"{QC}/{{cohort}}/scores.tsv",
        decisions=decision_files,
        # Where a person must review, the page has to be there before this rule can ask for the decisions; a page made
        # anew is no reason to decide again.
        page=ancient(f"{QC}/{{cohort}}/index.html") if REVIEW == "required" else [],
    output:
        f"{QC}/{{cohort}}/manifest.tsv",
    log:
        f"{RESULTS}/logs/qc_manifest/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/qc_manifest/{{cohort}}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        code=code("qc_manifest"),
        rules=as_json(QC_RULES),
        review=REVIEW,
        page=f"{QC}/{{cohort}}/index.html",
        folder=DECISIONS,
        # A function of the input is not recorded: a new cohort is no reason to decide on the old ones again.
        slices=lambda wildcards, input: slices_decided_on(wildcards),
    shell:
        "python {input.program} --cohort {wildcards.cohort} --scores {input.scores} --decisions {input.decisions:q}"
        " --slices {params.slices:q} --rules {params.rules:q} --review {params.review} --page {params.page:q}"
        " --folder {params.folder:q} --manifest {output} > {log} 2>&1"


rule qc:
    input:
        expand(f"{QC}/{{cohort}}/{{file}}", cohort=labelled_cohorts(), file=["manifest.tsv", "index.html"]),
