"""lungsight: chest CT from DICOM to a report that says whether a classifier looks at the lung.

One package per step of the workflow, in the order of the data. A package imports only from those before it:

intake → segmentation → qc → splits → training → evaluation → explain → audit → report

`demo` makes phantom scans, which intake reads like any others. `predict` applies a trained pipeline to new scans with
the other packages. `package` publishes a finished run, and `verify` checks what was published, by itself.

The modules beside the packages are shared by all of them: errors, files, layout (names of files and folders), tables,
rows (the type of a row of each table), privacy, parallel, program, config, code and libraries (what a program's results
depend on), subsets, prior_assignments, wording. Four modules know the settings of several packages: config_check,
run_description, estimate, run_summary.
"""

__version__ = "0.1.0"
