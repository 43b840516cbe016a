"""Input functions of the rules of package. No rules here."""

from lungsight.package.contents import missing_files, refusal, required_files


def finished_run(wildcards):
    """The files of the run. Where one is missing, nothing runs: a package is never made of half a run."""
    if missing := missing_files(Path(RESULTS), RUN):
        stop(refusal(RESULTS, missing))
    return [*(f"{RESULTS}/{path}" for path in required_files(RUN)), *CARDS]
