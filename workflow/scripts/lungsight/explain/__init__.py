"""Explain: from a trained model and its test slices to saliency maps, and to numbers about where they lie.

In: `model.keras`, the image cache, slices and cases of the cohort that the stage is trained on, and the model's
prediction table. Out: per pipeline and stage `saliency.tsv` (the primary method, all test slices),
`saliency_methods.tsv` (other methods, a sample), `methods.json` (what each method explains), `maps.npz` and
`mean_maps.npz`. From these files follow `summary.json`, with intervals, and the pictures. `report/saliency.tsv` joins
all models.

Read the modules in this order:

1. `explanation`: test slices → maps → rows of saliency.tsv.
2. `methods`: which method explains which slices. `gradcam` holds the gradient methods, `scorecam` Score-CAM.
3. `saliency_metrics`: the formula of every metric of a map against the lung. `resample` brings a map to the size of the
   image.
4. `margin`, `lesions`: the same metrics against the lung with a margin, and against lesions.
5. `summary`, `tables`: means by outcome, with intervals. `model_summary`: summary.json.
6. `mean_map`: the mean map of a class. `sampling`: which slices are drawn. `map_files`: maps on the disk. `overlays`:
   the pictures.

`docs/explain.md` lists methods, columns and reasons.
"""
