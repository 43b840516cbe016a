"""Inception v3 on regions of interest, chosen by features of COVID-19.

Substituted: the regions. The paper chose them by features of COVID-19; here each is an automatic lung box, a square
with a margin around the lung mask of the slice. Maps and overlays show that box. Head and training are the run's.
"""

from lungsight.training.published_models import PublishedModel

PUBLISHED_MODEL = PublishedModel(
    backbone="inceptionv3",
    paper="Wang et al. 2021",
    citation="Wang S, Kang B, Ma J et al. A deep learning algorithm using CT images to screen for Corona virus disease"
    " (COVID-19). European Radiology 31, 2021",
    training={"region": "lung_box"},
)
