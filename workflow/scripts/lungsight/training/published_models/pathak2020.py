"""ResNet-50 with a cost-sensitive cross-entropy.

Substituted: the costs, which the thesis does not print. The cost of a class is the share of the other class among the
training slices, unless the config sets training.class_costs. The paper's smoothing over the two best classes (top 2)
has no effect with two classes. Head and training are the run's.
"""

from lungsight.training.published_models import PublishedModel

PUBLISHED_MODEL = PublishedModel(
    backbone="resnet50",
    paper="Pathak et al. 2020",
    citation="Pathak Y, Shukla PK, Tiwari A, Stalin S, Singh S, Shukla PK. Deep transfer learning based classification"
    " model for COVID-19 disease. IRBM, online 2020",
    training={"loss": "cost_sensitive", "label_smoothing": 0.0},
)
