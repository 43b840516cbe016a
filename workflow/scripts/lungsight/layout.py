"""Name the files of a run's folders, in one place: a rule gives a program a folder, the program finds its files here.

The folders themselves are those of docs/architecture.md. Each name is a definition of its own, so that a new file
reruns no program that does not use it. Standard library alone.
"""

from pathlib import Path

# cohorts/<cohort>/
CASES = "cases.tsv"
SLICES = "slices.tsv"
FORENSICS = "forensics.tsv"
PEOPLE = "people.tsv"
SHARDS = "shards"  # <shard>/cases.tsv and slices.tsv, of the shard alone
NIFTI = "nifti"  # <shard>/<case>.nii.gz
PNG = "png"  # <shard>/<slice>.png
TRUTH = "truth"  # <shard>/<case>.nii.gz, the lung by contours
LESIONS = "lesions"  # <shard>/<case>.nii.gz
LUNGS = "lungs"  # <shard>/<case>.nii.gz, the user's own lung masks
TAKEN_LUNGS = "lungs.tsv"  # in lungs/<shard>/: what became of each

# models/<pipeline>/stage<k>/
MODEL = "model.keras"
HISTORY = "history.tsv"
PROVENANCE = "provenance.json"

# explain/<pipeline>/stage<k>/
SALIENCY = "saliency.tsv"
SALIENCY_METHODS = "saliency_methods.tsv"
METHODS = "methods.json"
MAPS = "maps.npz"
MEAN_MAPS = "mean_maps.npz"
CLASS_SALIENCY = "class_saliency.tsv"
CLASS_MAPS = "class_maps.npz"
SUMMARY = "summary.json"
OVERLAYS = "overlays"
LAYERS = "layers.npz"
MEAN_MAPS_PICTURE = "mean_maps.png"
INTERVENTION_LOGITS = "intervention_logits.tsv"
SOURCE_PREDICTIONS = "source_predictions.tsv"
SWAP_LOGITS = "swap_logits.tsv"
SANITY_VALUES = "sanity_values.tsv"
MAKING_LOGITS = "making_logits.tsv"
SHORTCUTS = "shortcuts.tsv"
SANITY = "sanity.tsv"
REPLICATE_MAPS = "replicate_maps.npz"
MAKING = "making.tsv"

# report/
METRICS_TABLE = "report/metrics.tsv"
VERDICTS = "report/verdicts.tsv"
PAIRS = "report/pairs.tsv"
REPLICATES = "report/replicates.tsv"
LEAKAGE_REPEATS = "report/leakage_repeats.tsv"

# The results of `predict`; its maps and overlays are called as those of an explanation.
REFERENCE = "reference.json"
REFERENCE_FEATURES = "reference.npz"
MODEL_RECORD = "model_record.json"
NEW_PREDICTIONS = "predictions.tsv"
NEW_SLICE_PREDICTIONS = "slice_predictions.tsv"


def cohort_folder(results: Path, cohort: str) -> Path:
    """Return where a run keeps what intake made of a cohort."""
    return results / "cohorts" / cohort


def split_file(results: Path, cohort: str, input_view: str) -> Path:
    """Return where a run keeps the split of a cohort for one kind of input."""
    return results / "splits" / cohort / f"{input_view}.tsv"


def manifest_file(results: Path, cohort: str) -> Path:
    """Return where a run keeps what QC decided on the slices of a cohort."""
    return results / "qc" / cohort / "manifest.tsv"


def kept_file(results: Path, cohort: str, input_view: str) -> Path:
    """Return where a run keeps which slices of a cohort one kind of input keeps."""
    return results / "qc" / cohort / "kept" / f"{input_view}.tsv"


def predictions_file(model: Path, cohort: str) -> Path:
    """Return where a model's folder keeps what the model predicts for a cohort."""
    return model / "predictions" / f"{cohort}.tsv"
