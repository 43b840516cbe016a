"""Read and check what the config says of the lung segmentation, while the workflow is parsed."""


def mask_origin(config: dict) -> str:
    """Return where lung masks come from: a network `trained` in this run, a `given` one, or the `classical` method."""
    if config["segmentation"]["method"] == "classical":
        return "classical"
    return "given" if config["segmentation"]["model"] else "trained"


def trains_segmentation(config: dict) -> bool:
    """Return whether the run trains a segmentation network, for which it needs a cohort with contours."""
    return mask_origin(config) == "trained"


def segmentation_problems(config: dict) -> list[str]:
    """List what a schema cannot find wrong with the settings of the segmentation, one sentence each."""
    settings, wrong = config["segmentation"], []
    if abs(sum(settings["fractions"]) - 1) > 1e-6:
        wrong.append(f"segmentation.fractions: {settings['fractions']} do not sum to 1.")
    if settings["model"] and settings["method"] != "nnunet":
        wrong.append("segmentation.model: a given model is used by segmentation.method: nnunet alone.")
    if settings["split_unit"] == "slice" and (config["shared_ids"] or config["splits"]["previous"]):
        wrong.append(
            "segmentation.split_unit: slice puts one patient's slices into all subsets, which neither shared_ids nor"
            " splits.previous can follow; they need split_unit: patient."
        )
    return wrong
