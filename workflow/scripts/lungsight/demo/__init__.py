"""Demo: make phantom patients, and cohorts of them as a hospital or a public collection would hand them over.

In
    A seed and a cohort's entry in the config (`phantom`). Everything is a pure function of them.
Out
    Below the cohort's root the files of its scans, and below `<root>/truth/` the true labels of lung and lesion.
    `cohort.cohort_table` gives the rows of the cohort's table without making an image.

A phantom in memory:

    from lungsight.demo.anatomy import thorax
    phantom = thorax(seed=7, matrix=192, slices=14, scanner="alpha", disease="covid")
    phantom.hu          (i, j, k) float32 HU on canonical (RAS+) axes; phantom.affine leads to mm
    phantom.lung_left, phantom.lung_right, phantom.lesion, phantom.cord      bool, the truth on the same grid

Read the modules in this order: `anatomy` (a patient), with `body` (shapes), `organs`, `vessels` and `lesions` (what is
painted), `canvas` and `fields` (how), and `scanner` (what an acquisition adds); then `cohort` (tables and files), with
`dicom_writer`. `planted` makes slices in memory for tests of the audit, `textures` makes images for pre-training.
"""
