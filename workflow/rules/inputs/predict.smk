"""Input functions and settings of the rules of predict. No rules here."""


def arrays_of_run(images, arrays):
    """The files of arrays of cached images of a finished run: in shards, or one file of an earlier version."""
    found = {array: sorted(Path(images).glob(f"[0-9][0-9][0-9]/{array}.npy")) for array in arrays}
    return [str(file) for array in arrays for file in found[array] or [f"{images}/{array}.npy"]]


def scans_and_model_wanted(wildcards):
    """The input of a prediction that nobody described."""
    stop("predict needs scans and a model: --config scans=DIR model=RESULTS/models/<pipeline>/stage2")
