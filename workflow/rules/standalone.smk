"""Targets that need no cohorts: a first cohort table from a folder of scans, and the folds of a cross-validation joined.

snakemake --cores 1 draft_table --config root=DIR [table=FILE]
snakemake --cores 1 pool_folds --config folds_of="[results/fold1, results/fold2]" out=DIR
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(SCRIPTS))

from lungsight.errors import UserError
from lungsight.evaluation.fold_runs import runs_to_pool
from lungsight.paths import path_option

# The interpreter that Snakemake runs in, unless a conda environment is activated over it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

try:
    ROOT = path_option(config, "root", ".")
    TABLE = path_option(config, "table", "cohort.tsv")
    POOLED = path_option(config, "out", "results/pooled").rstrip("/")
    FOLDS = [] if "root" in config else runs_to_pool(config.get("folds_of"))
except UserError as error:
    stop(error)

if "root" in config:

    # No output is declared: Snakemake would delete a table that the user has filled in, where the program refuses. No
    # log: the program speaks to the user, and names of folders belong on the terminal alone.
    rule draft_table:
        localrule: True
        conda:
            "../../envs/intake.yaml"
        params:
            program=program("draft_table"),
            root=ROOT,
            table=TABLE,
        shell:
            "python {params.program:q} --root {params.root:q} --table {params.table:q}"

else:

    rule pool_folds:
        default_target: True
        input:
            metrics=[file for run in FOLDS for file in Path(run).glob("models/*/stage*/metrics.json")],
        output:
            metrics=f"{POOLED}/metrics.tsv",
            predictions=directory(f"{POOLED}/predictions"),
        log:
            f"{POOLED}/logs/pool_folds.log",
        localrule: True
        conda:
            "../../envs/report.yaml"
        params:
            program=program("pool_folds"),
            runs=FOLDS,
        shell:
            "python {params.program:q} --runs {params.runs:q} --predictions {output.predictions}"
            " --metrics {output.metrics} > {log} 2>&1"
