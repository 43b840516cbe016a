"""Explain: from a trained model and its test slices to saliency maps, and to numbers about where they lie.

In: `model.keras`, the image cache, slices and cases of the cohort that the stage is trained on, and the model's
prediction table. Out: per pipeline and stage `saliency.tsv` (the primary method, all test slices),
`saliency_methods.tsv` (other methods, a sample), `maps.npz`, `summary.json` and pictures; `report/saliency.tsv`.

Read the modules in this order:

1. `explanation`: test slices → maps → rows of saliency.tsv → summary.json.
2. `methods`: which method explains which slices. `gradcam` holds the gradient methods, `scorecam` Score-CAM.
3. `saliency_metrics`: the formula of every metric of a map against the lung. `resample` brings a map to the size of the
   image.
4. `margin`, `lesions`: the same metrics against the lung with a margin, and against lesions.
5. `summary`, `tables`: means by outcome, with intervals.
6. `mean_map`: the mean map of a class. `overlays`: which slices are drawn, and how.

`docs/explain.md` lists methods, columns and reasons.
"""
