"""Training: from slices and splits to trained models and their predictions.

In: a cohort's 8-bit slices, lung masks and lesion masks; its split table; start weights. Out: the image cache of each
cohort; per pipeline and stage `model.keras`, `history.tsv` and `provenance.json`; a prediction table per cohort.

Read the modules in this order:

1. `pipelines`, `published_models`, `settings`: which models a run trains, with which settings, from which start.
   They import no TensorFlow, since a config is checked while the workflow is parsed.
2. `image_cache`, `regions`: the slices at the network's size.
3. `backbones`, `heads`, `network`: the classifier.
4. `stage_training`: one stage, from files to a trained network. It calls a solver of `solvers`: `fit`, the training
   loop, or `extreme_learning`, the closed form.
5. Parts of the training loop: `augmentation`, `bags`, `losses`, `schedule`, `adam`, `loss_scale`, `early_stopping`,
   `fused_batch_norm`, `recalibration`, `checkpoints`.
6. `inference`: the predictions of a trained model.
7. `weights`, `stand_in`, `textures`: where start weights come from. `simsiam`, `views`, `sgd`, `linear_probe`: those
   that are pre-trained without labels. `provenance`: where a model comes from. `device`: how TensorFlow is set up.
   `history_figure`: the training curve.

`docs/training.md` describes pipelines and stages, and what can be added.
"""

import os

# Silence TensorFlow's C++ runtime; errors still arrive as exceptions. TensorFlow reads the variable at its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
