"""Quality control: score every lung mask, decide which slices to keep, and let a person overrule the decisions.

In: slices, volumes and lung masks of a cohort, and decisions.tsv files that a person exported from the review page.
Out: qc/<cohort>/scores.tsv, manifest.tsv, and the review page index.html with its pictures.

Read in this order:

- `volumes`: volumes and masks of a case as stacks of images
- `scores`: measurements of a mask, slice by slice
- `rules`: from scores and the limits of `qc.rules` to decisions
- `page`: the review page (with page.html, page.css and page.js)
- `decision_files`: which exported files concern which cohort, found while the workflow is parsed
- `decisions`: a person's decisions, which replace the automatic ones
"""
