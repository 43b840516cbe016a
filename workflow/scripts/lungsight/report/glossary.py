"""The words of the pages: listed at the end, and shown where a word is pointed at."""

import re
from typing import NamedTuple

from markupsafe import Markup, escape


class Term(NamedTuple):
    """A word with its meaning. spellings: as they stand in sentences; none where the word is too common to mark."""

    name: str
    meaning: str
    spellings: tuple[str, ...] = ()


GLOSSARY = (
    Term(
        "AUC",
        "Area under the ROC curve: the probability that a random positive gets a higher predicted probability "
        "than a random negative. 0.5 is guessing, 1 is perfect.",
        ("AUC",),
    ),
    Term(
        "Recall, specificity, precision",
        "Recall (sensitivity): share of the positives that were found. Specificity: share of the negatives that "
        "were called negative. Precision (positive predictive value): share of positive predictions that are "
        "right.",
    ),
    Term(
        "Balanced accuracy",
        "The mean over the classes of the share that is classified rightly. Guessing gives 0.5 with two classes, "
        "however unequal they are.",
        (
            "balanced accuracy",
            "Balanced accuracy",
        ),
    ),
    Term(
        "95 % interval",
        "Patients are drawn anew with replacement, each with all of their slices, and the number is computed "
        "again; the middle 95 % of the results are shown.",
        (
            "95 % interval",
            "95 % intervals",
        ),
    ),
    Term(
        "Replicate",
        "The same training once more, from another seed. The spread over replicates is what a result owes to chance in "
        "training.",
        ("replicate", "replicates"),
    ),
    Term(
        "Repeatability, reproducibility",
        "How alike saliency maps of the same slices are: between replicates of one network, and between backbones. "
        "Compared by rank correlation of the pixels and by structural similarity (SSIM); 1 is the same map.",
        ("Repeatability", "repeatability", "Reproducibility", "reproducibility"),
    ),
    Term(
        "By patient",
        "The mean probability of a patient's slices, or the network's own prediction where it pools slices: one "
        "prediction per patient.",
        ("by patient",),
    ),
    Term(
        "TP, TN, FP, FN",
        "True positive, true negative, false positive, false negative, at probability 0.5.",
    ),
    Term(
        "Input view: whole, segmented",
        "What the network sees: whole slices, or segmented ones, in which everything but the lung is black. "
        "Tables call the column framework.",
    ),
    Term(
        "Pipeline",
        "Input view, architecture and start weights of a model, joined by hyphens.",
        (
            "pipeline",
            "pipelines",
        ),
    ),
    Term(
        "Remedy",
        "What is changed in training so that a model looks at the lung. It is the last word of a pipeline's name.",
    ),
    Term(
        "Stage 1, stage 2",
        "Training on the public cohort, then further training on the target cohort (adaptation).",
    ),
    Term(
        "Subset",
        "Train, validation or test: the three parts of a split.",
        (
            "subset",
            "subsets",
        ),
    ),
    Term(
        "Near duplicates",
        "Two slices of different patients, or with different labels, whose images are almost the same. If they "
        "lie in different subsets, the test is too easy.",
        (
            "near duplicate",
            "near duplicates",
        ),
    ),
    Term(
        "Leakage inflation",
        "What a split by slice adds to the AUC, because slices of the same patient lie in training and in test.",
        (
            "leakage inflation",
            "Leakage inflation",
        ),
    ),
    Term(
        "Grad-CAM",
        "A map of how much each region moved the network towards its prediction (Selvaraju 2017). Here it is "
        "computed on the logit, at the layer that the classifier sees, for the class that was predicted.",
        ("Grad-CAM",),
    ),
    Term(
        "Lung mass",
        "Share of the map's sum that lies inside the lung mask.",
        (
            "lung mass",
            "Lung mass",
        ),
    ),
    Term(
        "Enrichment",
        "Lung mass divided by the share of the image that is lung. 1: the map has no preference for the lung; 2: "
        "the lung gets twice what it would get by chance.",
        (
            "enrichment",
            "Enrichment",
        ),
    ),
    Term(
        "Reference",
        "Grad-CAM is coarse: even a map of exactly the lung, seen through its few pixels, has a lung mass below "
        "1. The reference says how much.",
    ),
    Term(
        "Occlusion test",
        "A part of each test slice is replaced, and the model predicts again.",
        (
            "occlusion test",
            "occlusion tests",
        ),
    ),
    Term(
        "Lung swapped",
        "The lung of each test slice is replaced by that of a patient of another class, taken in turn by table "
        "order. Lung and background then contradict each other. An AUC near 0 means that the predictions follow "
        "the new lung, near 1 that they stay with the old background.",
        (
            "lung swapped",
            "Lung swapped",
        ),
    ),
    Term(
        "Lung reliance",
        "How much the prediction changes when the lung is replaced, as a share of that and of how much it changes"
        " when everything else is replaced. 1: only the lung matters; 0: only the rest.",
        (
            "lung reliance",
            "Lung reliance",
        ),
    ),
    Term(
        "Parameter randomisation",
        "A map that stays the same when what the network learned is replaced by random numbers does not explain "
        "the network (Adebayo 2018).",
        (
            "parameter randomisation",
            "Parameter randomisation",
        ),
    ),
    Term(
        "Deletion, insertion",
        "The pixels that a map marks are removed, or put back, the hottest first; the faster the probability "
        "falls, or rises, the better (Petsiuk 2018).",
    ),
    Term(
        "Rank accuracy, hottest 10 %",
        "Share of the hottest pixels that lie in the lung: as many pixels as the lung has, or a tenth of the image.",
    ),
    Term(
        "Dice",
        "Overlap of two masks: twice the intersection over the sum of both areas.",
        ("Dice",),
    ),
)
_MEANING = {spelling: term for term in GLOSSARY for spelling in term.spellings}
_SPELLINGS = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(_MEANING, key=len, reverse=True)))})\b")


def explained(text: str) -> Markup:
    """Mark the words of the glossary in a text, each where it stands first, so that pointing at it explains it."""
    seen: set[str] = set()
    parts, end = [], 0
    for found in _SPELLINGS.finditer(text):
        term = _MEANING[found.group()]
        if term.name in seen:
            continue
        seen.add(term.name)
        marked = Markup('<abbr title="{}">{}</abbr>').format(term.meaning, found.group())
        parts += [escape(text[end : found.start()]), marked]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])
