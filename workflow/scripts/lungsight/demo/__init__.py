"""Demo: phantom patients, and cohorts of them as a hospital or a public collection would hand them over.

    from lungsight.demo.anatomy import thorax
    phantom = thorax(seed=7, matrix=192, slices=14, scanner="alpha", disease="covid")
    phantom.hu          (i, j, k) float32 HU on canonical (RAS+) axes; phantom.affine leads to mm
    phantom.lung_left, phantom.lung_right, phantom.lesion, phantom.cord      bool, the truth on the same grid

`cohort.cohort_table` gives the rows of a configured cohort without making an image, `cohort.write_cohort` makes its
files and, below `<root>/truth/`, the true labels of each: `cohort.truth_path` says where. Everything is a pure function
of the seed.
"""
