"""Join a cross-validation: snakemake --cores 1 pool_folds --config folds_of="[results/fold1, results/fold2]" out=DIR."""

import os
import sys
from pathlib import Path

# The interpreter that Snakemake runs in, unless a conda environment is activated over it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

POOLED = str(config.get("out", "results/pooled")).rstrip("/")


rule pool_folds:
    default_target: True
    input:
        program=ancient(os.path.relpath(SCRIPTS / "pool_folds.py")),
        metrics=[file for run in config["folds_of"] for file in Path(run).glob("models/*/stage*/metrics.json")],
    output:
        metrics=f"{POOLED}/metrics.tsv",
        predictions=directory(f"{POOLED}/predictions"),
    log:
        f"{POOLED}/logs/pool_folds.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        runs=config["folds_of"],
    shell:
        "python {input.program} --runs {params.runs:q} --predictions {output.predictions} --metrics {output.metrics}"
        " > {log} 2>&1"
