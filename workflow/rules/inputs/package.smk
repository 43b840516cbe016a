"""Input functions of the rules of package. No rules here."""

from lungsight.package.contents import missing_files, refusal, refusal_of_stale, required_files, stale


def refuse_stale_run(dag):
    """Stop before any job where the package alone is asked for, and something else would be made for it."""
    asked = [*(rule.name for rule in dag.targetrules), *map(str, dag.targetfiles)]
    ends = ("package", "write_package", ".crate.zip")
    if asked and all(name.endswith(ends) for name in asked):
        if rules_to_run := stale(job.rule.name for job in dag.needrun_jobs()):
            raise WorkflowError(refusal_of_stale(RESULTS, rules_to_run))


def finished_run(wildcards):
    """The files of the run. Where one is missing, nothing runs: a package is never made of half a run."""
    if IN_STORAGE:
        stop("A package is made of results on this machine. Copy them here, and leave out --default-storage-provider.")
    if missing := missing_files(Path(RESULTS), RUN):
        stop(refusal(RESULTS, missing))
    return [*(f"{RESULTS}/{path}" for path in required_files(RUN)), *CARDS]
