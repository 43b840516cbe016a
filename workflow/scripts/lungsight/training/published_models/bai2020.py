"""EfficientNet-B4 on segmented lungs, two fully connected layers that pool the slices of a patient.

Substituted: the masks, drawn by hand in the paper, are the run's own. The other class was pneumonia of other origin in
the paper. A training step averages the features of four slices of a patient; a prediction for a patient averages those
of all slices. The prediction for a slice, and its map, are those of a patient with this slice alone. The width of the
first layer and the training are the run's.
"""

from lungsight.training.published_models import PublishedModel

PUBLISHED_MODEL = PublishedModel(
    backbone="efficientnetb4",
    paper="Bai et al. 2020",
    citation="Bai HX, Wang R, Xiong Z et al. Artificial intelligence augmentation of radiologist performance in"
    " distinguishing COVID-19 from pneumonia of other origin at chest CT. Radiology 296, 2020",
    input_view="segmented",
    training={"head": "dense", "head_activation": "relu", "bag_size": 4},
)
