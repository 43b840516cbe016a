"""Inception v3 on regions of interest that were chosen by features of COVID-19.

Substituted: the regions. The paper chose them by features of COVID-19; here they are automatic lung boxes, a square
about the lung mask of each slice with a margin. Maps and overlays show that box. Head and training are the run's.
"""

from lungsight.training.published_models import PublishedModel

PUBLISHED_MODEL = PublishedModel(
    backbone="inceptionv3",
    paper="Wang et al. 2021",
    citation="Wang S, Kang B, Ma J et al. A deep learning algorithm using CT images to screen for Corona virus disease"
    " (COVID-19). European Radiology 31, 2021",
    training={"region": "lung_box"},
)
