"""Let Snakemake's scheduler look at the ready jobs only when a job has ended.

Snakemake starts at most 100 jobs a second. To start those above that limit later, it looks at all ready jobs again a
second after each look, and every look asks the disk for the size of their inputs. Each job that ends adds such a series
of looks: after n jobs there are n a second, as long as any job is ready and waits for a free core
(`JobScheduler.schedule`, Snakemake 9.27). On one machine no run comes near that limit.
"""

from typing import Any

DEFAULT_LIMIT = (100, 1)  # jobs, seconds


def look_when_a_job_ends(scheduler: Any) -> None:
    """Take Snakemake's own limit of starts away. Another one (`--max-jobs-per-timespan`) stays.

    Parameters
    ----------
    scheduler
        Snakemake's, of a run on this machine, before it has started a job.
    """
    limiter = scheduler.job_rate_limiter
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == DEFAULT_LIMIT:
        scheduler.job_rate_limiter = None
