"""Resources: benchmark files of a pilot run → requests of memory and time for a cluster.

snakemake --configfile my.yaml --cores 1 estimate_resources --config pilot=DIR [profile=profiles/slurm]
"""


include: "inputs/resources.smk"


# No output is declared: it would be up to date, whatever the benchmark files say. It prints for the user.
rule estimate_resources:
    log:
        f"{RESULTS}/logs/estimate_resources.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        program=program("estimate_resources"),
        pilot=folder_of_pilot,
        planned=slices_planned,
        profile=profile_to_follow,
        table=here(f"{RESULTS}/resources/resources.tsv"),
        written=here(f"{RESULTS}/resources/profile.yaml"),
    shell:
        "python {params.program:q} --pilot {params.pilot:q} --planned {params.planned:q}"
        " --profile {params.profile:q} --table {params.table:q} --written {params.written:q} 2>&1 | tee {log}"
