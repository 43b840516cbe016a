"""Features of DenseNet-201, three extreme learning machines (ReLU, PReLU, TanhReLU), majority vote.

Substituted: the number of random neurons, which is the run's head_units, and the constant C, which is the run's elm_c.
The features are those that the network pools, standardised. The vote is the sign of the median of the three margins, so
that one number ranks the images and can be explained. Stage 2 solves the machines anew on the target cohort; the
network that computes the features stays as it is.
"""

from lungsight.training.published_models import PublishedModel

PUBLISHED_MODEL = PublishedModel(
    backbone="densenet201",
    paper="Turkoglu 2021",
    citation="Turkoglu M. COVID-19 detection system using chest CT images and multiple kernels-extreme learning machine"
    " based on deep neural network. IRBM 42, 2021",
    training={"solver": "closed_form", "head": "extreme_learning_machines"},
)
