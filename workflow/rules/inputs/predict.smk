"""Input functions and settings of the rules of predict. No rules here."""


def scans_and_model_wanted(wildcards):
    """The input of a prediction that nobody described."""
    stop("predict needs scans and a model: --config scans=DIR model=RESULTS/models/<pipeline>/stage2")
