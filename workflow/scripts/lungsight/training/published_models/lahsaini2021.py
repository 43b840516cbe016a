"""DenseNet-201, fine-tuned, with Grad-CAM.

Substituted: nothing that the thesis reports. Grad-CAM is computed at the last ReLU, whose maps the head pools, and on
the logit, as for every pipeline here. Head and training are the run's.
"""

from lungsight.training.published_models import PublishedModel

PUBLISHED_MODEL = PublishedModel(
    backbone="densenet201",
    paper="Lahsaini et al. 2021",
    citation="Lahsaini I, El Habib Daho M, Chikh MA. Deep transfer learning based classification model for COVID-19"
    " using chest CT-scans. Pattern Recognition Letters 152, 2021",
)
