"""Demo: input for everything else, made instead of read."""

import re

PHANTOM_COHORTS = {cohort["root"]: name for name, cohort in config["cohorts"].items() if "phantom" in cohort}
PHANTOM = ("role", "format", "table", "root", "patients", "phantom")


include: "inputs/demo.smk"


# The wildcard is a cohort's root, since that is what the user names and the other rules read.
rule phantom_cohort:
    output:
        local(directory("{root}")),
    log:
        f"{RESULTS}/logs/phantom_cohort/{{root}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/phantom_cohort/{{root}}.tsv"
    wildcard_constraints:
        root="|".join(map(re.escape, PHANTOM_COHORTS)) or "(?!)",
    priority: BEFORE_TRAININGS + 1
    conda:
        "../../envs/intake.yaml"
    threads: 2
    params:
        program=program("phantom_cohort"),
        code=code("phantom_cohort"),
        name=phantom_name,
        cohort=phantom_settings,
        rows=digest_of_phantom_rows,
        labels=unrecorded(as_json(config["labels"])),
        window=as_json(config["intake"]["window"]),
    shell:
        "python {params.program:q} --name {params.name} --cohort {params.cohort:q} --labels {params.labels:q}"
        " --window {params.window:q} --threads {threads} --root {output} > {log} 2>&1"


rule stand_in_weights:
    output:
        weights=f"{RESULTS}/stand_in/{{backbone}}.weights.h5",
        sha256=f"{RESULTS}/stand_in/{{backbone}}.weights.h5.sha256",
    log:
        f"{RESULTS}/logs/stand_in_weights/{{backbone}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/stand_in_weights/{{backbone}}.tsv"
    conda:
        "../../envs/keras.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=3000,
    params:
        program=program("stand_in_weights"),
        code=code_with_backbone("stand_in_weights"),
        settings=as_json(
            (config["training"]["stand_in"] or {})
            | {name: config["training"][name] for name in ("batch_size", "batch_norm_momentum")}
        ),
        seed=config["seed"],
    shell:
        "python {params.program:q} --backbone {wildcards.backbone} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --weights {output.weights} > {log} 2>&1"
