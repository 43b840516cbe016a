"""Headings of columns that several tables have: a title and an explanation."""

PIPELINE = ("Pipeline", "input view, architecture and start weights")
STAGE = ("Stage", "1: trained on the public cohort; 2: trained further on the target cohort")
MODEL: tuple[tuple[str, str], ...] = (PIPELINE, STAGE)
EVALUATION = ("Evaluation", "stage of the model, and the cohort that it was tested on")
COHORT = ("Cohort", "")
CLASS = ("Class", "")
SOURCE = ("Source", "")
INPUT_VIEW = (
    "Input view",
    "what the network sees: whole slices, or segmented ones, in which everything but the lung is black",
)

PERFORMANCE = {
    "roc_auc": ("AUC", "area under the ROC curve; 0.5 is chance"),
    "accuracy": ("Accuracy", "share classified rightly at probability 0.5"),
    "recall": ("Recall", "sensitivity: share of the positives that were found"),
    "specificity": ("Specificity", "share of the negatives that were called negative"),
    "precision": ("Precision", "positive predictive value"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "pr_auc": ("PR AUC", "average precision; chance is the share of positives"),
    "brier": ("Brier", "mean squared error of the probability; lower is better"),
    "ece": ("ECE", "expected calibration error; lower is better"),
}
# What tables with little room show of PERFORMANCE.
MAIN_METRICS = ("roc_auc", "accuracy", "recall", "specificity")
# Of more than two classes: all of them together, and each against the rest.
OVERALL = {
    "balanced_accuracy": ("Balanced accuracy", "mean over the classes of the share that is classified rightly"),
    "macro_f1": ("Macro F1", "mean over the classes of F1"),
    "macro_auc": ("Macro AUC", "mean over the classes of the AUC against the rest; 0.5 is chance"),
    "hand_till": ("Hand and Till's M", "mean over the pairs of classes of the AUC within the pair; 0.5 is chance"),
    "kappa": ("Kappa", "Cohen's: agreement with the truth beyond chance; 0 is chance"),
}
OF_CLASS = {
    "sensitivity": ("Sensitivity", "share of the class that was found"),
    "specificity": ("Specificity", "share of the others that were not taken for it"),
    "precision": ("Precision", "share of those taken for the class that are of it"),
    "f1": ("F1", "harmonic mean of precision and sensitivity"),
    "roc_auc": ("AUC", "against the rest"),
    "ece": ("ECE", "calibration error"),
}

ENRICHMENT = ("Enrichment", "lung mass over the lung's share of the image; 1 is chance")
SALIENCY = {
    "lung_mass": ("Lung mass", "share of the map's sum inside the lung"),
    "lung_mass_reference": ("Reference", "the lung mass of a map of exactly the lung, at the map's resolution"),
    "rank_accuracy": ("Rank accuracy", "share of the hottest pixels, as many as the lung has, inside it"),
    "top10": ("Hottest 10 %", "share of the hottest tenth of the image inside the lung"),
    "iou": ("IoU", "overlap of the hot region with the lung"),
    "auc": ("Localisation AUC", "0.5: lung pixels are no hotter than others"),
}
