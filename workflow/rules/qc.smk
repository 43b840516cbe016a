"""QC: volumes and lung masks → scores, a decision on every slice, and the page on which a person reviews them."""

from lungsight.qc.decision_files import check_decision_folder, files_of_cohort, known_cases

QC = f"{RESULTS}/qc/{{cohort}}"
# The parts of the page are no Python, so `code` does not see an edit to them.
PAGE_TEMPLATE = digest(
    [(SCRIPTS / f"lungsight/qc/page.{part}").read_text(encoding="utf-8") for part in ("html", "css", "js")]
)
REVIEW, DECISIONS, QC_RULES = (config["qc"][name] for name in ("review", "decisions", "rules"))

if REVIEW == "required" and not DECISIONS:
    stop("qc.review: required needs qc.decisions, the folder where the reviewer's files go.")
try:
    check_decision_folder(DECISIONS, may_come_later=REVIEW == "required")
except UserError as error:
    stop(error)


include: "inputs/qc.smk"


rule qc_scores:
    input:
        cases=f"{COHORT}/cases.tsv",
        slices=f"{COHORT}/slices.tsv",
        nifti=expand(f"{COHORT}/nifti/{{shard}}", shard=shards_of_cohort, allow_missing=True),
        masks=expand(f"{MASKS}/{{shard}}", shard=shards_of_cohort, allow_missing=True),
    output:
        f"{QC}/scores.tsv",
    log:
        f"{RESULTS}/logs/qc_scores/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/qc_scores/{{cohort}}.tsv"
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/report.yaml"
    threads: threads_of_cohort
    params:
        program=program("qc_scores"),
        code=code("qc_scores"),
        cohort=folder(COHORT),
        masks=folder(MASKS),
        levels=as_json({name: QC_RULES[name] for name in ("soft_level", "air_level")}),
    shell:
        "python {params.program:q} --cohort {params.cohort} --masks {params.masks} --levels {params.levels:q}"
        " --threads {threads} --scores {output} > {log} 2>&1"


# Before the manifest: where decisions are missing, the page is there when the rule asks for them.
rule qc_page:
    input:
        cases=f"{COHORT}/cases.tsv",
        slices=f"{COHORT}/slices.tsv",
        scores=f"{QC}/scores.tsv",
        png=expand(f"{COHORT}/png/{{shard}}", shard=shards_of_cohort, allow_missing=True),
        masks=expand(f"{MASKS}/{{shard}}", shard=shards_of_cohort, allow_missing=True),
    output:
        page=f"{QC}/index.html",
        images=directory(f"{QC}/images"),
    log:
        f"{RESULTS}/logs/qc_page/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/qc_page/{{cohort}}.tsv"
    priority: BEFORE_TRAININGS + 1
    conda:
        "../../envs/report.yaml"
    threads: threads_of_cohort
    params:
        program=program("qc_page"),
        code=code("qc_page"),
        template=PAGE_TEMPLATE,
        cohort=folder(COHORT),
        masks=folder(MASKS),
        rules=as_json(QC_RULES),
    shell:
        "python {params.program:q} --cohort {params.cohort} --scores {input.scores} --masks {params.masks}"
        " --rules {params.rules:q} --threads {threads} --page {output.page} --images {output.images} > {log} 2>&1"


rule qc_manifest:
    input:
        scores=f"{QC}/scores.tsv",
        page=page_to_decide_on,
    output:
        f"{QC}/manifest.tsv",
    log:
        f"{RESULTS}/logs/qc_manifest/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/qc_manifest/{{cohort}}.tsv"
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/report.yaml"
    params:
        program=program("qc_manifest"),
        code=code("qc_manifest"),
        files=unrecorded(decision_files),
        decisions=digest_of_decisions,
        settings=as_json({"review": REVIEW, "decisions": DECISIONS, "rules": QC_RULES}),
        page=f"{QC}/index.html",
        slices=unrecorded(slices_decided_on),
    shell:
        "python {params.program:q} --cohort {wildcards.cohort} --scores {input.scores} --decisions {params.files:q}"
        " --slices {params.slices:q} --settings {params.settings:q} --page {params.page} --manifest {output}"
        " > {log} 2>&1"


# What the splits are made of: of one input view, so that a decision on masks is no reason to train on whole slices again.
rule kept_slices:
    input:
        scores=f"{QC}/scores.tsv",
        page=page_to_decide_on,
    output:
        f"{QC}/kept/{{input_view}}.tsv",
    log:
        f"{RESULTS}/logs/kept_slices/{{cohort}}/{{input_view}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/kept_slices/{{cohort}}/{{input_view}}.tsv"
    priority: BEFORE_TRAININGS
    conda:
        "../../envs/report.yaml"
    params:
        program=program("kept_slices"),
        code=code("kept_slices"),
        files=unrecorded(decision_files),
        overruled=digest_of_overruled,
        rules=as_json(QC_RULES),
        settings=unrecorded(as_json({"review": REVIEW, "decisions": DECISIONS, "rules": QC_RULES})),
        page=f"{QC}/index.html",
        slices=unrecorded(slices_decided_on),
    shell:
        "python {params.program:q} --cohort {wildcards.cohort} --scores {input.scores} --decisions {params.files:q}"
        " --slices {params.slices:q} --settings {params.settings:q} --page {params.page}"
        " --input-view {wildcards.input_view} --kept {output} > {log} 2>&1"


rule qc:
    input:
        expand(f"{QC}/{{file}}", cohort=labelled_cohorts(), file=["manifest.tsv", "index.html"]),
