"""FCONet: one whole slice, no segmentation; Xception, one of the four that the paper compares.

Substituted: head and training are the run's.
"""

from lungsight.training.published_models import PublishedModel

CLASSES_OF_PAPER = ("COVID-19", "other pneumonia", "no pneumonia")
PUBLISHED_MODEL = PublishedModel(
    backbone="xception",
    paper="Ko et al. 2020",
    citation="Ko H, Chung H, Kang WS et al. COVID-19 pneumonia diagnosis using a simple 2D deep learning framework with"
    " a single chest CT image. Journal of Medical Internet Research 22, 2020",
)
