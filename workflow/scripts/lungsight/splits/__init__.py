"""Splits: which slices train, validate and test, and what the subsets of a split share.

In: the tables `cases`, `slices` and `manifest` of every labelled cohort, `duplicates`, and subsets that patients
already have (`lungsight.prior_assignments`). Out: splits/<cohort>/<framework>.tsv and report/leakage.tsv.

Read in this order:

- `settings`: the config's section `splits`, checked while the workflow is parsed
- `precheck`: a cohort from the user's table alone, to find an impossible split before any scan is read
- `cohort_split`: from the tables of cohorts to the subset of every slice
- `groups`: slices that must stay together (`splits.unit`)
- `assignment`: units to subsets, stratified and seeded
- `held_out_sources`: the same where whole sources are held out
- `checks`: whether a split can be trained and tested on
- `overlap`: patients and images that two subsets share
"""
