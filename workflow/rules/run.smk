"""What a run needs before it starts and says when it ends. No rules here.

Imports stand in the hooks, since every job parses the workflow.
"""

from lungsight.program import check_conda
from lungsight.run_record import Study

WITH_CONDA = "conda" in {str(method) for method in workflow.deployment_settings.deployment_method}
STUDY = Study.of(config, workflow.configfiles)
REPORTERS = []  # who shows the progress of this run


include: "inputs/run.smk"


try:
    check_conda(asked_for=WITH_CONDA)
    if workflow.is_main_process:
        check_scans_in_buckets()
        if IN_STORAGE:
            check_storage()
        if not REQUEST:
            RECORD.check_study(STUDY)
        elif RECORD.is_of_another(STUDY):
            log_line(f"{RESULTS} holds another prediction, which this one replaces; --config out=DIR keeps both.")
        for name, cohort in config["cohorts"].items():
            say_if_in_the_future(f"cohorts.{name}.table", os.path.getmtime(cohort["table"]))
        for notice in [*REMARKS, *class_notices(config, ROWS)]:
            log_line(notice)
        if corrected := RECORD.check_key(Path(KEY)):
            log_line(corrected)
        if not {"--forceall", "-F"} & set(sys.argv):
            RECORD.check_origin(Path(".snakemake/metadata"))
        if RECORD.is_copied():
            RECORD.restore_times()
            adopt_copied_files()
    elif IN_STORAGE:
        check_key_is_here()
except UserError as error:
    stop(error)


onstart:
    from lungsight.ahead import write_tasks
    from lungsight.estimate import Job, RunPlan, check_disk, estimate, free_bytes, in_words
    from lungsight.libraries import changed_libraries, changes_in_words
    from lungsight.program import forward_interrupts
    from lungsight.run_progress import follow, planned
    from lungsight.scheduling import look_when_a_job_ends

    refuse_stale_run(workflow.dag)
    refuse_missing_tool(workflow.dag)
    cost_of_job = no_cost
    if not any("phantom" in cohort for cohort in config["cohorts"].values()):
        plan = RunPlan(
            config | {"cohorts": LISTED}, ROWS, {cohort: number_of_shards(cohort) for cohort in config["cohorts"]}
        )
        cost_of_job = seconds_of_job(plan)
        cost = estimate(plan, [Job(job.rule.name, dict(job.wildcards_dict)) for job in workflow.dag.needrun_jobs()])
        free = free_bytes(Path(RESULTS))
        log_line(in_words(plan, cost, free))
        try:
            check_disk(Path(RESULTS), cost, free)
        except UserError as error:
            raise WorkflowError(str(error)) from None
    # Conda's environments hold other versions than this one, and Snakemake reruns what depends on one that changed.
    if not WITH_CONDA:
        changed = changed_libraries(Path(RESULTS) / "libraries", libraries)
        if changed:
            log_line(changes_in_words(changed))
    write_tasks(Path(RESULTS), list(tasks_ahead(workflow.dag.needrun_jobs())))
    forward_interrupts()
    if workflow.local_exec:
        look_when_a_job_ends(workflow.scheduler)
    RECORD.begin(STUDY, Path(KEY))
    REPORTERS.append(follow(workflow.logger_manager.logger, planned(workflow.dag, cost_of_job), cores_of_run()))


onsuccess:
    from lungsight.ahead import forget
    from lungsight.run_summary import success_text

    stop_reporting()
    RECORD.end(output for job in workflow.dag.jobs for output in job.output)
    forget(Path(RESULTS))
    if IN_STORAGE:  # what a summary is read from lies there too
        log_line(f"The results are in {in_storage(RESULTS).query}. Look at first: report/index.html there.")
    else:
        log_line(success_text(Path(RESULTS), list(config["cohorts"]), since=STARTED))


onerror:
    from lungsight.run_summary import failure_text

    stop_reporting()
    RECORD.end(output for job in workflow.dag.jobs for output in job.output)
    log_line(failure_text([Path(path) for path in log]))
