"""Input functions of the rules of audit. No rules here."""


def folders_of_replicates(wildcards):
    """Folders of all replicates of a model, the run's own first."""
    names = names_of_replicates(wildcards.pipeline, config["training"]["replicates"])
    return [MODEL.format(pipeline=name, stage=wildcards.stage) for name in names]


def models_of_replicates(wildcards):
    """The networks of all replicates of a model, each with its provenance."""
    return [
        f"{folder}/{file}" for folder in folders_of_replicates(wildcards) for file in ("model.keras", "provenance.json")
    ]
