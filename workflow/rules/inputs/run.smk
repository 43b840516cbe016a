"""What a run does before it starts. No rules here."""

import shlex
from types import SimpleNamespace

from lungsight.ahead import OUTPUT_OF


def check_storage():
    """Raise UserError where results in a bucket would not do, or would get a second key of pseudonyms."""
    if REQUEST:
        raise UserError(
            "A prediction reads the run of its model on this machine. Copy that run here, and leave out"
            " --default-storage-provider."
        )
    if DECISIONS:
        raise UserError(
            "qc.decisions are compared with tables of the run before any job, and these are in a bucket. Take a copy of"
            " the results, and go on there without --default-storage-provider."
        )
    if not Path(KEY).exists():
        shards = (SHARD.format(cohort=name, shard=shard) for name in config["cohorts"] for shard in shards_of(name))
        if any(in_storage(f"{shard}/cases.tsv").exists() for shard in shards):
            raise UserError(
                f"{KEY} is not on this machine, and the bucket holds scans under its pseudonyms: new ones would not fit."
                f" Copy {PRIVATE} from the machine that began the run, or choose another --default-storage-prefix."
            )


def check_scans_in_buckets():
    """Raise UserError where jobs could not read scans in a bucket, or a list of them would hold the results."""
    for name, cohort in config["cohorts"].items():
        root = f"{cohort['root'].rstrip('/')}/"
        if is_bucket(root) and WITH_CONDA:
            raise UserError(
                f"cohorts.{name}.root is in a bucket, and the environments of --use-conda have no boto3. Leave"
                " --use-conda out: every program then runs in the environment of Snakemake."
            )
        if is_bucket(root) and IN_STORAGE and f"{in_storage(RESULTS).query}/".startswith(root):
            raise UserError(f"cohorts.{name}.root holds the results of this run; name a folder of scans alone.")


def check_key_is_here():
    """Raise UserError where a job on another machine would draw a key of its own: its pseudonyms would fit no other."""
    if not Path(KEY).exists():
        raise UserError(
            f"{KEY} is not on the machine of this job. The private folder must be there as well: mount it at"
            f" {Path(PRIVATE).absolute()} (docs/cluster.md). If it is mounted, the run was started with --no-hooks, which"
            " draws no key: start it without that word."
        )


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
