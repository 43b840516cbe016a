"""lungsight: chest CT from DICOM to a report that says whether each classifier looks at the lung."""

# The workflow is in workflow/Snakefile, where the workflow catalog and `module:` look for it. `include:` would do the
# same, but forget its default target.
workflow.include("workflow/Snakefile", overwrite_default_target=True)
