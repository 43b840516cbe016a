"""lungsight: chest CT from DICOM to a report that says whether each classifier looks at the lung."""

from snakemake.utils import min_version

min_version("9.19")

# A config given by --configfile stands alone: it is never merged with this one. A folder of scans needs none.
if not workflow.overwrite_configfiles and not {"root", "scans", "folds_of"} & set(config):

    configfile: "config/config.yaml"


if "root" in config:

    # snakemake draft_table --config root=DIR needs no cohorts: it helps to describe the first one.
    include: "workflow/rules/draft.smk"

elif "folds_of" in config:

    # snakemake pool_folds --config folds_of=[DIR,…] needs none either: it joins runs that are finished.
    include: "workflow/rules/pool.smk"

else:

    include: "workflow/rules/common.smk"
    include: "workflow/rules/demo.smk"
    include: "workflow/rules/intake.smk"
    include: "workflow/rules/segmentation.smk"
    include: "workflow/rules/qc.smk"
    include: "workflow/rules/splits.smk"
    include: "workflow/rules/training.smk"
    include: "workflow/rules/evaluation.smk"
    include: "workflow/rules/explain.smk"
    include: "workflow/rules/audit.smk"
    include: "workflow/rules/report.smk"
    include: "workflow/rules/predict.smk"
    include: "workflow/rules/run.smk"

    rule all:
        default_target: True
        input:
            rules.intake.input,
            rules.qc.input,
            rules.train.input,
            rules.report.input,
            rules.run_settings.output,
