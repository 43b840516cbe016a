"""Which file each table of the pages is from, and which of its columns: the table's heading links to it.

A file is named below the run's folder. Where there is one for each cohort or model, the link is to their folder.
"""

from typing import NamedTuple

from lungsight.report.components import PageTable
from lungsight.report.headings import MAIN_METRICS, OF_CLASS, OVERALL, PERFORMANCE, SALIENCY


class Source(NamedTuple):
    """Where a table is from.

    Attributes
    ----------
    file
        A path below the run's folder; <cohort> and the like stand for each of them.
    columns
        That the table shows, or that it counts or averages. Their ends of intervals have _lo and _hi.
    """

    file: str
    columns: tuple[str, ...] = ()

    @property
    def link(self) -> str:
        """The address from a page in report/: of the file, or of the folder above what stands for several."""
        fixed, several, _ = self.file.partition("<")
        return f"../{fixed.rpartition('/')[0] + '/' if several else self.file}"


_SUMMARY = "explain/<pipeline>/stage<k>/summary.json"
_AUDIT = Source("report/audit.tsv", ("test", "variant", "measure", "unit", "value"))
_CASES = "cohorts/<cohort>/cases.tsv"
_PERFORMANCE = Source("report/metrics.tsv", ("n", *PERFORMANCE))
_PAIRS = ("comparison", "first", "second", "difference", "p_holm")
_FORENSICS = Source("report/forensics.tsv", ("trace", "auc", "balanced_accuracy", "p", "p_holm"))

# By the name of the table.
SOURCES: dict[str, Source] = {
    "performance-patient": _PERFORMANCE,
    "performance-slice": _PERFORMANCE,
    "ranking": Source(
        "report/systems.tsv",
        ("rank", "roc_auc", "difference", "p_holm", "accuracy", "ece", "enrichment", "verdict", "parameters"),
    ),
    "published-models": Source("report/systems.tsv", ("printed_accuracy", "printed_note")),
    "ensembles": Source(
        "report/ensembles.tsv",
        ("ensemble", "members", "member_weights", "rank", "roc_auc", "difference", "p_holm", "accuracy", "ece"),
    ),
    "replicates": Source("report/replicates.tsv", ("metric", "value", "mean", "sd", "min", "max", "replicates")),
    "map-stability": Source("report/replicates.tsv", ("metric", "value", "mean", "sd", "min", "max", "pairs", "n")),
    "all-classes": Source("report/metrics.tsv", ("n", *OVERALL)),
    "classes": Source("report/classes.tsv", ("class", "probabilities", "n", *OF_CLASS)),
    "adaptation": Source("report/differences.tsv", _PAIRS),
    "thesis": Source("report/metrics.tsv", ("thesis_accuracy", "thesis_precision", "thesis_recall", "thesis_f1")),
    "differences": Source("report/differences.tsv", _PAIRS),
    "aggregation": Source("report/aggregation.tsv", ("aggregation", "parameter", "threshold", "n", *MAIN_METRICS)),
    "subgroups": Source("report/subgroups.tsv", ("grouping", "value", "n", "n_positive", *MAIN_METRICS)),
    "verdicts": Source(
        "report/verdicts.tsv", ("verdict", "rule", "auc", "background", "swap", "enrichment", "similarity")
    ),
    "pairs": Source("report/pairs.tsv", ("first", "second", "verdict", "patients", "auc", "background", "swap")),
    "attention-differences": Source("report/comparisons.tsv", ("measure", "patients", "first", "second", "difference")),
    "transfer-study": Source(
        "report/transfer_summary.tsv",
        ("quantity", "start", "frozen_blocks", "patients", "selection", "slices", "mean", "sd", "min", "max", "draws"),
    ),
    "occlusion": _AUDIT,
    "reliance": _AUDIT,
    "making-counterfactual": _AUDIT,
    "making-washed": _AUDIT,
    "making-correlations": _AUDIT,
    "metadata": _AUDIT,
    "remedies": Source(
        "report/remedies.tsv",
        (
            "remedy",
            "verdict",
            "rule",
            "home",
            "before",
            "external",
            "background",
            "swap",
            "enrichment",
            "training_ratio",
        ),
    ),
    "memorisation": Source(
        "training/generated/<remedy>/<cohort>/<region>/<input view>/memorisation.tsv",
        ("generated", "training", "distance_generated", "distance_validation", "nearer", "copies", "spread_generated"),
    ),
    "linear-probe": Source(
        "training/simsiam/<input view>/<backbone>.probe.tsv",
        ("cohort", "weights", "slices", "patients", "balanced_accuracy", "chance"),
    ),
    "randomisation": _AUDIT,
    "deletion-insertion": _AUDIT,
    "saliency": Source("report/saliency.tsv", ("n", "n_left_out", "n_empty", "enrichment", *SALIENCY)),
    "outcomes": Source("report/saliency.tsv", ("outcome", "n", "enrichment", "lung_mass")),
    "lesions": Source(_SUMMARY),
    "margin": Source(_SUMMARY),
    "thresholds": Source(_SUMMARY),
    "methods": Source(_SUMMARY),
    "cohorts": Source(_CASES, ("patient", "status", "n_slices")),
    "rejections": Source(_CASES, ("status", "reason")),
    "sources": Source("cohorts/<cohort>/slices.tsv", ("source", "label")),
    "acquisition": Source(_CASES, ("spacing_row", "spacing_slice", "slice_thickness", "label")),
    "qc": Source("qc/<cohort>/manifest.tsv", ("whole_keep", "segmented_keep")),
    "qc-reasons": Source("qc/<cohort>/manifest.tsv", ("reason",)),
    "selection": Source("report/selection.tsv", ("excluded_by", "n", "kept", "excluded", "p_holm")),
    "leakage": Source("report/leakage.tsv", ("unit", "slices", "patients", "patients_on_two_sides")),
    "composition": Source("splits/<cohort>/<input view>.tsv", ("patient", "label", "split")),
    "leakage-inflation": Source("report/leakage_inflation.tsv", ("labels", "unit", "accuracy", "roc_auc", "inflation")),
    "leakage-repeats": Source(
        "report/leakage_repeats.tsv", ("labels", "metric", "value", "mean", "sd", "min", "max", "splits")
    ),
    "dice": Source("segmentation/metrics.tsv", ("split", "dice", "surface_distance_95", "volume_error")),
    "own-lungs": Source("report/lungs.tsv", ("cohort", "status", "classical_dice")),
    "own-lungs-refused": Source("report/lungs.tsv", ("cohort", "row", "reason")),
    "models": Source("models/<pipeline>/stage<k>/provenance.json"),
    "overview": Source("report/intake.tsv"),
    "ids": Source("run.json"),
    "predictability": Source("report/intake_labels.tsv", ("aspect", "patients", "balanced_accuracy")),
    "checklists": Source("report/checklists.tsv", ("item", "state")),
    "domains": Source("report/risk.tsv"),
}
# By how the name begins, where each cohort or question has a table.
BEGINNINGS: dict[str, Source] = {
    **dict.fromkeys(("left-", "notes-", "acquisition-", "intake-"), Source("report/intake.tsv")),
    "forensics": _FORENSICS,
}


def source_of(table: PageTable) -> Source | None:
    """Say where a table is from; None where the page itself says it."""
    found = (source for start, source in BEGINNINGS.items() if table.name.startswith(start))
    return SOURCES.get(table.name) or next(found, None)
