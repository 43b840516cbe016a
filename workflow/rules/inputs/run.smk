"""What a run does before it starts. No rules here."""

import shlex
from types import SimpleNamespace

from lungsight.ahead import OUTPUT_OF


def adopt_copied_files():
    """Take the user's files of a copied project for those that were read, where names and sizes agree; this once."""
    for cohort in config["cohorts"]:
        for shard in shards_of(cohort):
            stamp_of_shard(SimpleNamespace(cohort=cohort, shard=shard))
    if GIVEN_FILES:
        stamp_of_given_model({})
    for backbone in config["training"]["imagenet"]:
        stamp_of_imagenet_file(SimpleNamespace(backbone=backbone))
    RECORD.write(RECORD.times)


def tasks_ahead(jobs):
    """Describe the jobs that the process of another job may do ahead: their command lines, inputs and code."""
    for job in jobs:
        # As a module of another workflow, rules have a prefix; and a rule of that workflow may be called anything.
        words = shlex.split(job.shellcmd or "") if job.rule.name.endswith(tuple(OUTPUT_OF)) else []
        if ">" in words and Path(words[1]).stem in OUTPUT_OF:
            yield {
                "program": Path(words[1]).stem,
                "arguments": words[2 : words.index(">")],
                "inputs": [str(file) for file in job.input],
                "code": job.params.code,
            }


def no_cost(job):
    """Phantoms are not there to be counted when a run starts."""
    return 0.0


def seconds_of_job(plan):
    """A function: job → seconds of its work, by the estimate of the run."""
    from lungsight.estimate import Job, estimate

    def cost(job):
        return estimate(plan, [Job(job.rule.name, dict(job.wildcards_dict))]).seconds

    return cost


def cores_of_run():
    """How many cores the jobs share; on a cluster, how many jobs may run at once."""
    return workflow.resource_settings.cores or workflow.resource_settings.nodes or 1


def stop_reporting():
    """Say no more about the progress."""
    for reporter in REPORTERS:
        reporter.stop()
