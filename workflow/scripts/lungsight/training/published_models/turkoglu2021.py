"""Features of DenseNet-201, three extreme learning machines (ReLU, PReLU, TanhReLU), majority vote.

Substituted: the number of random neurons, which is the run's head_units, and the constant C, which is the run's elm_c.
The features are those that the network pools, standardised. The vote is taken as the median of the three margins, whose
sign is the majority's: so there is one number to rank by and to explain. In stage 2 the machines are solved anew on the
target cohort; the network that gives the features stays as it is.
"""

from lungsight.training.published_models import PublishedModel

PUBLISHED_MODEL = PublishedModel(
    backbone="densenet201",
    paper="Turkoglu 2021",
    citation="Turkoglu M. COVID-19 detection system using chest CT images and multiple kernels-extreme learning machine"
    " based on deep neural network. IRBM 42, 2021",
    training={"solver": "closed_form", "head": "extreme_learning_machines"},
)
