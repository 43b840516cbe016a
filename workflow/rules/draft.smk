"""A first cohort table from a folder of scans: snakemake --cores 1 draft_table --config root=DIR [table=FILE]."""

import os
import sys
from pathlib import Path

# The interpreter that Snakemake runs in, unless a conda environment is activated over it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


# No output is declared: Snakemake would delete a table that the user has filled in, where the program refuses. No log:
# the program speaks to the user, and names of folders belong on the terminal alone.
rule draft_table:
    input:
        program=ancient(os.path.relpath(SCRIPTS / "draft_table.py")),
    localrule: True
    conda:
        "../../envs/intake.yaml"
    params:
        root=config["root"],
        table=config.get("table", "cohort.tsv"),
    shell:
        "python {input.program} --root {params.root:q} --table {params.table:q}"
