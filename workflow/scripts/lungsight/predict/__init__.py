"""Predict: apply a trained pipeline of a finished run to the scans of new patients.

In: a folder of scans and a trained model, `--config scans=DIR model=DIR`, and run.json of the run that the model comes
from. Out: predictions.tsv, slice_predictions.tsv, overlays/ and index.html.

Read in this order:

- `run_settings`: what a run writes into run.json
- `scans`: the scans in a folder
- `request`: the command line turned into a config with one cohort, while the workflow is parsed
- `training_reference`, `calibration`, `image_descriptors`, `out_of_distribution`: what is learned from the run, once
- `model_record`: what the run's tables say of the model
- `network`, `inference`: probability, features and Grad-CAM map of every slice
- `cases`: from slices to scans
- `overlays`, `model_section`, `page`, `templates`: the pictures and the page
"""
