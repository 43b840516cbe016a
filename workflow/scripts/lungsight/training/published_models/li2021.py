"""DenseNet-121, weights of CheXNet fine-tuned to CT.

Substituted: the start weights. The paper starts from CheXNet, trained on chest X-rays; here the start is ImageNet,
unless the config names a file of CheXNet's convolutional part under training.imagenet.densenet121. Head and training
are the run's.
"""

from lungsight.training.published_models import PublishedModel

PUBLISHED_MODEL = PublishedModel(
    backbone="densenet121",
    paper="Li et al. 2021",
    citation="Li C, Yang Y, Liang H, Wu B. Transfer learning for establishment of recognition of COVID-19 on CT imaging"
    " using small-sized training datasets. Knowledge-Based Systems 218, 2021",
)
