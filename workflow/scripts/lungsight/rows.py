"""The type of a row of every table, as `lungsight.tables.rows_of` returns it.

Generated from workflow/schemas/*.table.yaml by tools/table_rows.py; do not edit. A number that may be empty is a float,
NaN where it is empty. Columns that a table need not have are `NotRequired`.
"""

from typing import NotRequired, TypedDict


class AggregationRow(TypedDict):
    """Row of the table `aggregation`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    cohort: str
    unit: str
    aggregation: str
    parameter: float
    threshold_from: str
    threshold: float
    n: int
    tp: int
    fp: int
    fn: int
    tn: int
    accuracy: float
    precision: float
    recall: float
    specificity: float
    f1: float
    roc_auc: float
    pr_auc: float
    accuracy_lo: float
    accuracy_hi: float
    precision_lo: float
    precision_hi: float
    recall_lo: float
    recall_hi: float
    specificity_lo: float
    specificity_hi: float
    f1_lo: float
    f1_hi: float
    roc_auc_lo: float
    roc_auc_hi: float
    pr_auc_lo: float
    pr_auc_hi: float
    macro_f1: NotRequired[float]
    macro_f1_lo: NotRequired[float]
    macro_f1_hi: NotRequired[float]
    macro_auc: NotRequired[float]
    macro_auc_lo: NotRequired[float]
    macro_auc_hi: NotRequired[float]
    hand_till: NotRequired[float]
    hand_till_lo: NotRequired[float]
    hand_till_hi: NotRequired[float]
    balanced_accuracy: NotRequired[float]
    balanced_accuracy_lo: NotRequired[float]
    balanced_accuracy_hi: NotRequired[float]
    kappa: NotRequired[float]
    kappa_lo: NotRequired[float]
    kappa_hi: NotRequired[float]


class AuditRow(TypedDict):
    """Row of the table `audit`."""

    test: str
    variant: str
    measure: str
    unit: str
    n: int
    value: float
    value_lo: float
    value_hi: float
    chance: float
    reason: str


class CasesRow(TypedDict):
    """Row of the table `cases`."""

    row: int
    case: str
    patient: str
    label: str
    source: str
    kind: str
    n_slices: int
    status: str
    reason: str
    shard: str
    preassigned_split: str
    rows: float
    columns: float
    spacing_row: float
    spacing_column: float
    spacing_slice: float
    slice_thickness: float
    kvp: float
    contrast: float
    hu_p01: float
    hu_p50: float
    hu_p99: float
    kernel: NotRequired[str]
    manufacturer: NotRequired[str]
    transfer_syntax: NotRequired[str]
    lossy: NotRequired[float]


class ChecklistsRow(TypedDict):
    """Row of the table `checklists`."""

    checklist: str
    item: str
    section: str
    asks: str
    answer: str
    file: str
    column: str
    state: str


ClassCurvesRow = TypedDict(
    "ClassCurvesRow",
    {
        "pipeline": str,
        "framework": str,
        "backbone": str,
        "weights": str,
        "stage": int,
        "cohort": str,
        "class": str,
        "curve": str,
        "x": float,
        "y": float,
        "n": int,
    },
)
"""Row of the table `class_curves`."""


class ClassSaliencyRow(TypedDict):
    """Row of the table `class_saliency`."""

    slice: str
    patient: str
    label: str
    probability: float
    predicted: NotRequired[str]
    explained: str
    explained_probability: float
    outcome: str
    empty: int
    reason: str
    lung_fraction: float
    lung_mass: float
    lung_mass_reference: float
    enrichment: float
    rank_accuracy: float
    top1: float
    top5: float
    top10: float
    top20: float
    iou: float
    auc: float
    pointing: NotRequired[float]
    iou_10: NotRequired[float]
    iou_20: NotRequired[float]
    iou_30: NotRequired[float]
    iou_40: NotRequired[float]
    iou_50: NotRequired[float]
    iou_60: NotRequired[float]
    iou_70: NotRequired[float]
    iou_80: NotRequired[float]
    iou_90: NotRequired[float]
    margin_from: NotRequired[str]
    lung_fraction_margin: NotRequired[float]
    lung_mass_margin: NotRequired[float]
    lung_mass_reference_margin: NotRequired[float]
    enrichment_margin: NotRequired[float]
    rank_accuracy_margin: NotRequired[float]
    top1_margin: NotRequired[float]
    top5_margin: NotRequired[float]
    top10_margin: NotRequired[float]
    top20_margin: NotRequired[float]
    iou_margin: NotRequired[float]
    auc_margin: NotRequired[float]
    pointing_margin: NotRequired[float]
    lesion_fraction: NotRequired[float]
    lesion_mass: NotRequired[float]
    lesion_mass_reference: NotRequired[float]
    lesion_enrichment: NotRequired[float]
    lesion_rank_accuracy: NotRequired[float]
    lesion_top1: NotRequired[float]
    lesion_top5: NotRequired[float]
    lesion_top10: NotRequired[float]
    lesion_top20: NotRequired[float]
    lesion_iou: NotRequired[float]
    lesion_auc: NotRequired[float]
    lesion_pointing: NotRequired[float]
    lesion_enrichment_in_lung: NotRequired[float]


ClassesRow = TypedDict(
    "ClassesRow",
    {
        "pipeline": str,
        "framework": str,
        "backbone": str,
        "weights": str,
        "stage": int,
        "cohort": str,
        "unit": str,
        "probabilities": str,
        "class": str,
        "n": int,
        "sensitivity": float,
        "sensitivity_lo": float,
        "sensitivity_hi": float,
        "specificity": float,
        "specificity_lo": float,
        "specificity_hi": float,
        "precision": float,
        "precision_lo": float,
        "precision_hi": float,
        "f1": float,
        "f1_lo": float,
        "f1_hi": float,
        "roc_auc": float,
        "roc_auc_lo": float,
        "roc_auc_hi": float,
        "brier": float,
        "brier_lo": float,
        "brier_hi": float,
        "ece": float,
        "ece_lo": float,
        "ece_hi": float,
        "ece_calibrated": float,
        "temperature": float,
    },
)
"""Row of the table `classes`."""


class ComparisonsRow(TypedDict):
    """Row of the table `comparisons`."""

    compared: str
    stage: int
    first_pipeline: str
    second_pipeline: str
    measure: str
    patients: int
    first: float
    second: float
    difference: float
    difference_lo: float
    difference_hi: float
    reason: str


class ConfusionRow(TypedDict):
    """Row of the table `confusion`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    cohort: str
    unit: str
    probabilities: str
    true: str
    predicted: str
    n: int


class ConvertedCasesRow(TypedDict):
    """Row of the table `converted_cases`."""

    case: str
    kind: str
    n_slices: int
    status: str
    reason: str
    rows: float
    columns: float
    spacing_row: float
    spacing_column: float
    spacing_slice: float
    slice_thickness: float
    kvp: float
    contrast: float
    hu_p01: float
    hu_p50: float
    hu_p99: float
    kernel: str
    manufacturer: str
    transfer_syntax: str
    lossy: float


class ConvertedSlicesRow(TypedDict):
    """Row of the table `converted_slices`."""

    slice: str
    case: str
    z_index: int
    png: str
    sha256: str
    perceptual_hash: str
    blank: int


class DcganRow(TypedDict):
    """Row of the table `dcgan`."""

    label: str
    step: int
    discriminator_loss: float
    generator_loss: float
    knew_real: float
    knew_generated: float
    seconds: float


class DecisionCurvesRow(TypedDict):
    """Row of the table `decision_curves`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    cohort: str
    threshold: float
    n: int
    n_positive: int
    net_benefit: float
    net_benefit_lo: float
    net_benefit_hi: float
    act_on_all: float
    act_on_all_lo: float
    act_on_all_hi: float
    gain: float
    gain_lo: float
    gain_hi: float


class DecisionsRow(TypedDict):
    """Row of the table `decisions`."""

    slice: str
    whole_keep: int
    segmented_keep: int
    reason: str
    reviewer: str
    time: str


class DifferencesRow(TypedDict):
    """Row of the table `differences`."""

    comparison: str
    first_pipeline: str
    first_stage: str
    second_pipeline: str
    second_stage: str
    cohort: str
    unit: str
    metric: str
    n: int
    n_patients: int
    first: float
    second: float
    difference: float
    difference_lo: float
    difference_hi: float
    p: float
    p_holm: float


class DuplicatesRow(TypedDict):
    """Row of the table `duplicates`."""

    slice: str
    cohort: str
    patient: str
    kind: str
    group: str
    distance: int
    label_conflict: int


class EnsemblesRow(TypedDict):
    """Row of the table `ensembles`."""

    ensemble: str
    members: str
    member_weights: str
    temperatures: str
    note: str
    stage: int
    cohort: str
    unit: str
    rank: float
    ranked: float
    compared_with: str
    difference: float
    difference_lo: float
    difference_hi: float
    p: float
    p_holm: float
    threshold: float
    n: int
    tp: int
    fp: int
    fn: int
    tn: int
    accuracy: float
    precision: float
    recall: float
    specificity: float
    f1: float
    roc_auc: float
    pr_auc: float
    brier: float
    ece: float
    accuracy_lo: float
    accuracy_hi: float
    precision_lo: float
    precision_hi: float
    recall_lo: float
    recall_hi: float
    specificity_lo: float
    specificity_hi: float
    f1_lo: float
    f1_hi: float
    roc_auc_lo: float
    roc_auc_hi: float
    pr_auc_lo: float
    pr_auc_hi: float
    brier_lo: float
    brier_hi: float
    ece_lo: float
    ece_hi: float
    macro_f1: NotRequired[float]
    macro_f1_lo: NotRequired[float]
    macro_f1_hi: NotRequired[float]
    macro_auc: NotRequired[float]
    macro_auc_lo: NotRequired[float]
    macro_auc_hi: NotRequired[float]
    hand_till: NotRequired[float]
    hand_till_lo: NotRequired[float]
    hand_till_hi: NotRequired[float]
    balanced_accuracy: NotRequired[float]
    balanced_accuracy_lo: NotRequired[float]
    balanced_accuracy_hi: NotRequired[float]
    kappa: NotRequired[float]
    kappa_lo: NotRequired[float]
    kappa_hi: NotRequired[float]


class FlowRow(TypedDict):
    """Row of the table `flow`."""

    cohort: str
    input_view: str
    step: str
    reason: str
    label: str
    cases: int
    patients: int
    slices: int


class ForensicsRow(TypedDict):
    """Row of the table `forensics`."""

    slice: str
    format: str
    mode: str
    bits: float
    alpha: str
    interlaced: str
    exif: str
    jpeg_quality: float
    jpeg_tables: str
    jpeg_subsampling: str
    transfer_syntax: str
    lossy: str
    rows: float
    columns: float
    coloured: float
    blockiness: float
    block_row: float
    block_column: float
    resampling: float
    resampling_frequency: float
    grey_levels: float
    histogram_gaps: float
    clipped_low: float
    clipped_high: float
    letterbox_rows: float
    letterbox_columns: float
    border: float
    border_grey: float
    marks: float
    noise_air: float
    noise_muscle: float
    edge_width: float
    field_of_view: float
    body_cut: float
    rotation: float


class GeneratedRow(TypedDict):
    """Row of the table `generated`."""

    row: int
    label: str


class HistoryRow(TypedDict):
    """Row of the table `history`."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float
    kept: int
    stopped: str


class ImageIndexRow(TypedDict):
    """Row of the table `image_index`."""

    slice: str
    height: NotRequired[float]
    width: NotRequired[float]
    masks: NotRequired[int]
    lesions: NotRequired[int]
    shard: NotRequired[str]
    row: NotRequired[int]


class IntakeRow(TypedDict):
    """Row of the table `intake`."""

    cohort: str
    aspect: str
    value: str
    label: str
    cases: int
    patients: int
    slices: int


IntakeLabelsRow = TypedDict(
    "IntakeLabelsRow",
    {
        "cohort": str,
        "aspect": str,
        "patients": int,
        "balanced_accuracy": float,
        "class": NotRequired[str],
    },
)
"""Row of the table `intake_labels`."""


InterventionLogitsRow = TypedDict(
    "InterventionLogitsRow",
    {
        "slice": str,
        "patient": str,
        "label": str,
        "class": NotRequired[str],
        "intact": float,
        "background_only_mean": float,
        "background_only_blur": float,
        "background_only_other": float,
        "lung_only_mean": float,
        "lung_only_blur": float,
        "lung_only_other": float,
        "silhouette": float,
        "border_only": float,
        "central_crop": float,
        "low_pass": float,
    },
)
"""Row of the table `intervention_logits`."""


class KeptRow(TypedDict):
    """Row of the table `kept`."""

    slice: str
    keep: int


class LeakageRow(TypedDict):
    """Row of the table `leakage`."""

    cohort: str
    framework: str
    unit: str
    slices: int
    patients: int
    patients_on_two_sides: int
    test_slices_of_trained_patients: float
    identical_images_on_two_sides: int
    test_images_in_other_cohorts: int
    test_slices_of_patients_in_other_cohorts: int
    near_duplicates_on_two_sides: int
    patients_known: int


class LeakageInflationRow(TypedDict):
    """Row of the table `leakage_inflation`."""

    pipeline: str
    cohort: str
    labels: str
    unit: str
    slices: int
    patients: int
    accuracy: float
    accuracy_lo: float
    accuracy_hi: float
    roc_auc: float
    roc_auc_lo: float
    roc_auc_hi: float
    inflation: float
    inflation_lo: float
    inflation_hi: float


class LeakagePredictionsRow(TypedDict):
    """Row of the table `leakage_predictions`."""

    labels: str
    unit: str
    slice: str
    patient: str
    label: str
    probability: float


class LeakageRepeatsRow(TypedDict):
    """Row of the table `leakage_repeats`."""

    pipeline: str
    cohort: str
    labels: str
    metric: str
    value: float
    value_lo: float
    value_hi: float
    mean: float
    sd: float
    min: float
    max: float
    mean_lo: float
    mean_hi: float
    splits: int


class LinearProbeRow(TypedDict):
    """Row of the table `linear_probe`."""

    cohort: str
    weights: str
    slices: int
    patients: int
    balanced_accuracy: float
    chance: float


class LungsRow(TypedDict):
    """Row of the table `lungs`."""

    cohort: str
    row: int
    case: str
    status: str
    classical_dice: float
    reason: str


MakingLogitsRow = TypedDict(
    "MakingLogitsRow",
    {
        "slice": str,
        "patient": str,
        "label": str,
        "class": NotRequired[str],
        "intact": float,
        "washed_borders": float,
        "imposed_borders": float,
        "washed_letters": float,
        "imposed_letters": float,
        "washed_compression": float,
        "imposed_compression": float,
        "washed_resolution": float,
        "imposed_resolution": float,
        "washed_grey_levels": float,
        "imposed_grey_levels": float,
        "washed_noise": float,
        "imposed_noise": float,
    },
)
"""Row of the table `making_logits`."""


class ManifestRow(TypedDict):
    """Row of the table `manifest`."""

    slice: str
    whole_keep: int
    segmented_keep: int
    reason: str
    lung_fraction: float
    components: int
    largest_share: float
    border_contact: float
    solidity: float
    holes: float
    mean_intensity: float
    soft_fraction: float
    neighbour_dice: float
    air_fraction: NotRequired[float]
    missed_air: NotRequired[float]
    classical_dice: NotRequired[float]
    classical_kept: NotRequired[float]
    gas_fraction: NotRequired[float]
    cut_out: NotRequired[int]
    decided_by: str


class MemorisationRow(TypedDict):
    """Row of the table `memorisation`."""

    label: str
    generated: int
    training: int
    validation: int
    distance_generated: float
    distance_validation: float
    nearer: float
    copies: float
    spread_generated: float
    spread_training: float


class MetricsRow(TypedDict):
    """Row of the table `metrics`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    cohort: str
    unit: str
    threshold: float
    n: int
    tp: int
    fp: int
    fn: int
    tn: int
    accuracy: float
    precision: float
    recall: float
    specificity: float
    f1: float
    roc_auc: float
    pr_auc: float
    brier: float
    ece: float
    accuracy_lo: float
    accuracy_hi: float
    precision_lo: float
    precision_hi: float
    recall_lo: float
    recall_hi: float
    specificity_lo: float
    specificity_hi: float
    f1_lo: float
    f1_hi: float
    roc_auc_lo: float
    roc_auc_hi: float
    pr_auc_lo: float
    pr_auc_hi: float
    brier_lo: float
    brier_hi: float
    ece_lo: float
    ece_hi: float
    macro_f1: NotRequired[float]
    macro_f1_lo: NotRequired[float]
    macro_f1_hi: NotRequired[float]
    macro_auc: NotRequired[float]
    macro_auc_lo: NotRequired[float]
    macro_auc_hi: NotRequired[float]
    hand_till: NotRequired[float]
    hand_till_lo: NotRequired[float]
    hand_till_hi: NotRequired[float]
    balanced_accuracy: NotRequired[float]
    balanced_accuracy_lo: NotRequired[float]
    balanced_accuracy_hi: NotRequired[float]
    kappa: NotRequired[float]
    kappa_lo: NotRequired[float]
    kappa_hi: NotRequired[float]
    thesis_accuracy: float
    thesis_precision: float
    thesis_recall: float
    thesis_f1: float
    weights_origin: str


class NewPredictionsRow(TypedDict):
    """Row of the table `new_predictions`."""

    row: int
    case: str
    patient: str
    label: str
    probability: float
    threshold: float
    outcome_note: str
    lung_mass: float
    enrichment: float
    out_of_range: str
    out_of_range_note: str
    probability_raw: float
    positive_share: float
    n_slices: int
    n_used: int
    p_1: NotRequired[float]
    p_2: NotRequired[float]
    p_3: NotRequired[float]
    p_4: NotRequired[float]
    p_5: NotRequired[float]
    p_6: NotRequired[float]
    p_7: NotRequired[float]
    p_8: NotRequired[float]
    p_9: NotRequired[float]
    p_10: NotRequired[float]
    p_11: NotRequired[float]
    p_12: NotRequired[float]
    p_13: NotRequired[float]
    p_14: NotRequired[float]
    p_15: NotRequired[float]
    p_16: NotRequired[float]
    p_17: NotRequired[float]
    p_18: NotRequired[float]
    p_19: NotRequired[float]
    p_20: NotRequired[float]
    ranked: NotRequired[str]


class NewSlicePredictionsRow(TypedDict):
    """Row of the table `new_slice_predictions`."""

    slice: str
    case: str
    z_index: int
    probability: float
    reason: str
    lung_mass: float
    enrichment: float
    p_1: NotRequired[float]
    p_2: NotRequired[float]
    p_3: NotRequired[float]
    p_4: NotRequired[float]
    p_5: NotRequired[float]
    p_6: NotRequired[float]
    p_7: NotRequired[float]
    p_8: NotRequired[float]
    p_9: NotRequired[float]
    p_10: NotRequired[float]
    p_11: NotRequired[float]
    p_12: NotRequired[float]
    p_13: NotRequired[float]
    p_14: NotRequired[float]
    p_15: NotRequired[float]
    p_16: NotRequired[float]
    p_17: NotRequired[float]
    p_18: NotRequired[float]
    p_19: NotRequired[float]
    p_20: NotRequired[float]
    predicted: NotRequired[str]
    explained: NotRequired[str]
    explained_probability: NotRequired[float]


class PairsRow(TypedDict):
    """Row of the table `pairs`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    first: str
    second: str
    verdict: str
    rule: str
    patients: int
    auc: float
    auc_lo: float
    auc_hi: float
    background: float
    background_lo: float
    background_hi: float
    swap: float
    swap_lo: float
    swap_hi: float


class PeopleRow(TypedDict):
    """Row of the table `people`."""

    case: str
    age: str
    sex: str


class PooledMetricsRow(TypedDict):
    """Row of the table `pooled_metrics`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    cohort: str
    folds: int
    unit: str
    threshold: float
    n: int
    tp: int
    fp: int
    fn: int
    tn: int
    accuracy: float
    precision: float
    recall: float
    specificity: float
    f1: float
    roc_auc: float
    pr_auc: float
    brier: float
    ece: float
    accuracy_lo: float
    accuracy_hi: float
    precision_lo: float
    precision_hi: float
    recall_lo: float
    recall_hi: float
    specificity_lo: float
    specificity_hi: float
    f1_lo: float
    f1_hi: float
    roc_auc_lo: float
    roc_auc_hi: float
    pr_auc_lo: float
    pr_auc_hi: float
    brier_lo: float
    brier_hi: float
    ece_lo: float
    ece_hi: float
    macro_f1: NotRequired[float]
    macro_f1_lo: NotRequired[float]
    macro_f1_hi: NotRequired[float]
    macro_auc: NotRequired[float]
    macro_auc_lo: NotRequired[float]
    macro_auc_hi: NotRequired[float]
    hand_till: NotRequired[float]
    hand_till_lo: NotRequired[float]
    hand_till_hi: NotRequired[float]
    balanced_accuracy: NotRequired[float]
    balanced_accuracy_lo: NotRequired[float]
    balanced_accuracy_hi: NotRequired[float]
    kappa: NotRequired[float]
    kappa_lo: NotRequired[float]
    kappa_hi: NotRequired[float]


class PowerRow(TypedDict):
    """Row of the table `power`."""

    cohort: str
    measure: str
    unit: str
    method: str
    assumed: float
    patients: int
    positive: int
    negative: int
    slices: float
    intraclass_correlation: float
    low: float
    high: float
    width: float
    note: str


class PredictionsRow(TypedDict):
    """Row of the table `predictions`."""

    slice: str
    patient: str
    label: str
    split: str
    probability: float
    p_1: NotRequired[float]
    p_2: NotRequired[float]
    p_3: NotRequired[float]
    p_4: NotRequired[float]
    p_5: NotRequired[float]
    p_6: NotRequired[float]
    p_7: NotRequired[float]
    p_8: NotRequired[float]
    p_9: NotRequired[float]
    p_10: NotRequired[float]
    p_11: NotRequired[float]
    p_12: NotRequired[float]
    p_13: NotRequired[float]
    p_14: NotRequired[float]
    p_15: NotRequired[float]
    p_16: NotRequired[float]
    p_17: NotRequired[float]
    p_18: NotRequired[float]
    p_19: NotRequired[float]
    p_20: NotRequired[float]
    predicted: NotRequired[str]
    patient_probability: NotRequired[float]
    patient_p_1: NotRequired[float]
    patient_p_2: NotRequired[float]
    patient_p_3: NotRequired[float]
    patient_p_4: NotRequired[float]
    patient_p_5: NotRequired[float]
    patient_p_6: NotRequired[float]
    patient_p_7: NotRequired[float]
    patient_p_8: NotRequired[float]
    patient_p_9: NotRequired[float]
    patient_p_10: NotRequired[float]
    patient_p_11: NotRequired[float]
    patient_p_12: NotRequired[float]
    patient_p_13: NotRequired[float]
    patient_p_14: NotRequired[float]
    patient_p_15: NotRequired[float]
    patient_p_16: NotRequired[float]
    patient_p_17: NotRequired[float]
    patient_p_18: NotRequired[float]
    patient_p_19: NotRequired[float]
    patient_p_20: NotRequired[float]


class PrintedRow(TypedDict):
    """Row of the table `printed`."""

    system: str
    metric: str
    value: float
    note: str


class ReliabilityRow(TypedDict):
    """Row of the table `reliability`."""

    pipeline: str
    stage: int
    cohort: str
    low: float
    high: float
    n: int
    mean_probability: float
    share_positive: float


class RemediesRow(TypedDict):
    """Row of the table `remedies`."""

    pipeline: str
    remedy: str
    compared_with: str
    stage: int
    verdict: str
    rule: str
    home: float
    home_lo: float
    home_hi: float
    home_difference: float
    home_difference_lo: float
    home_difference_hi: float
    before: float
    before_lo: float
    before_hi: float
    before_difference: float
    before_difference_lo: float
    before_difference_hi: float
    external: float
    external_lo: float
    external_hi: float
    external_difference: float
    external_difference_lo: float
    external_difference_hi: float
    background: float
    background_lo: float
    background_hi: float
    background_difference: float
    background_difference_lo: float
    background_difference_hi: float
    swap: float
    swap_lo: float
    swap_hi: float
    swap_difference: float
    swap_difference_lo: float
    swap_difference_hi: float
    enrichment: float
    enrichment_lo: float
    enrichment_hi: float
    enrichment_difference: float
    enrichment_difference_lo: float
    enrichment_difference_hi: float
    training_seconds: float
    training_ratio: float


class RenormalisedRow(TypedDict):
    """Row of the table `renormalised`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    cohort: str
    unit: str
    threshold: float
    n: int
    tp: int
    fp: int
    fn: int
    tn: int
    accuracy: float
    precision: float
    recall: float
    specificity: float
    f1: float
    roc_auc: float
    pr_auc: float
    brier: float
    ece: float
    accuracy_lo: float
    accuracy_hi: float
    precision_lo: float
    precision_hi: float
    recall_lo: float
    recall_hi: float
    specificity_lo: float
    specificity_hi: float
    f1_lo: float
    f1_hi: float
    roc_auc_lo: float
    roc_auc_hi: float
    pr_auc_lo: float
    pr_auc_hi: float
    brier_lo: float
    brier_hi: float
    ece_lo: float
    ece_hi: float
    macro_f1: float
    macro_f1_lo: float
    macro_f1_hi: float
    macro_auc: float
    macro_auc_lo: float
    macro_auc_hi: float
    hand_till: float
    hand_till_lo: float
    hand_till_hi: float
    balanced_accuracy: float
    balanced_accuracy_lo: float
    balanced_accuracy_hi: float
    kappa: float
    kappa_lo: float
    kappa_hi: float


class ReplicatesRow(TypedDict):
    """Row of the table `replicates`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    cohort: str
    unit: str
    metric: str
    value: float
    value_lo: float
    value_hi: float
    mean: float
    sd: float
    min: float
    max: float
    replicates: int
    pairs: float
    n: float


class ReportAuditRow(TypedDict):
    """Row of the table `report_audit`."""

    pipeline: str
    framework: str
    stage: float
    cohort: str
    test: str
    variant: str
    measure: str
    unit: str
    n: int
    value: float
    value_lo: float
    value_hi: float
    chance: float
    reason: str


class ReportForensicsRow(TypedDict):
    """Row of the table `report_forensics`."""

    cohort: str
    trace: str
    patients: int
    auc: float
    balanced_accuracy: float
    p: float
    p_holm: float
    tells: str
    classes: int
    known: int
    chance: float
    patients_known: int


class ReportSaliencyRow(TypedDict):
    """Row of the table `report_saliency`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    outcome: str
    n: int
    n_patients: int
    n_empty: int
    n_left_out: int
    lung_mass: float
    lung_mass_lo: float
    lung_mass_hi: float
    lung_mass_reference: float
    lung_mass_reference_lo: float
    lung_mass_reference_hi: float
    enrichment: float
    enrichment_lo: float
    enrichment_hi: float
    rank_accuracy: float
    rank_accuracy_lo: float
    rank_accuracy_hi: float
    top10: float
    top10_lo: float
    top10_hi: float
    iou: float
    iou_lo: float
    iou_hi: float
    auc: float
    auc_lo: float
    auc_hi: float
    weights_origin: str


class ResourcesRow(TypedDict):
    """Row of the table `resources`."""

    rule: str
    jobs: int
    seconds: float
    peak_mb: float
    growth: float
    runtime: int
    mem_mb: int


class RiskRow(TypedDict):
    """Row of the table `risk`."""

    domain: str
    rule: str
    asks: str
    where: str
    value: float
    unclear_from: float
    high_from: float
    judgement: str
    file: str
    column: str
    note: str


class SaliencyRow(TypedDict):
    """Row of the table `saliency`."""

    slice: str
    patient: str
    label: str
    probability: float
    predicted: NotRequired[str]
    explained: NotRequired[str]
    explained_probability: NotRequired[float]
    outcome: str
    empty: int
    reason: str
    lung_fraction: float
    lung_mass: float
    lung_mass_reference: float
    enrichment: float
    rank_accuracy: float
    top1: float
    top5: float
    top10: float
    top20: float
    iou: float
    auc: float
    pointing: NotRequired[float]
    iou_10: NotRequired[float]
    iou_20: NotRequired[float]
    iou_30: NotRequired[float]
    iou_40: NotRequired[float]
    iou_50: NotRequired[float]
    iou_60: NotRequired[float]
    iou_70: NotRequired[float]
    iou_80: NotRequired[float]
    iou_90: NotRequired[float]
    margin_from: NotRequired[str]
    lung_fraction_margin: NotRequired[float]
    lung_mass_margin: NotRequired[float]
    lung_mass_reference_margin: NotRequired[float]
    enrichment_margin: NotRequired[float]
    rank_accuracy_margin: NotRequired[float]
    top1_margin: NotRequired[float]
    top5_margin: NotRequired[float]
    top10_margin: NotRequired[float]
    top20_margin: NotRequired[float]
    iou_margin: NotRequired[float]
    auc_margin: NotRequired[float]
    pointing_margin: NotRequired[float]
    lesion_fraction: NotRequired[float]
    lesion_mass: NotRequired[float]
    lesion_mass_reference: NotRequired[float]
    lesion_enrichment: NotRequired[float]
    lesion_rank_accuracy: NotRequired[float]
    lesion_top1: NotRequired[float]
    lesion_top5: NotRequired[float]
    lesion_top10: NotRequired[float]
    lesion_top20: NotRequired[float]
    lesion_iou: NotRequired[float]
    lesion_auc: NotRequired[float]
    lesion_pointing: NotRequired[float]
    lesion_enrichment_in_lung: NotRequired[float]


class SaliencyMethodsRow(TypedDict):
    """Row of the table `saliency_methods`."""

    method: str
    slice: str
    patient: str
    label: str
    probability: float
    predicted: NotRequired[str]
    explained: NotRequired[str]
    explained_probability: NotRequired[float]
    outcome: str
    empty: int
    reason: str
    lung_fraction: float
    lung_mass: float
    lung_mass_reference: float
    enrichment: float
    rank_accuracy: float
    top1: float
    top5: float
    top10: float
    top20: float
    iou: float
    auc: float
    pointing: NotRequired[float]
    iou_10: NotRequired[float]
    iou_20: NotRequired[float]
    iou_30: NotRequired[float]
    iou_40: NotRequired[float]
    iou_50: NotRequired[float]
    iou_60: NotRequired[float]
    iou_70: NotRequired[float]
    iou_80: NotRequired[float]
    iou_90: NotRequired[float]
    margin_from: NotRequired[str]
    lung_fraction_margin: NotRequired[float]
    lung_mass_margin: NotRequired[float]
    lung_mass_reference_margin: NotRequired[float]
    enrichment_margin: NotRequired[float]
    rank_accuracy_margin: NotRequired[float]
    top1_margin: NotRequired[float]
    top5_margin: NotRequired[float]
    top10_margin: NotRequired[float]
    top20_margin: NotRequired[float]
    iou_margin: NotRequired[float]
    auc_margin: NotRequired[float]
    pointing_margin: NotRequired[float]
    lesion_fraction: NotRequired[float]
    lesion_mass: NotRequired[float]
    lesion_mass_reference: NotRequired[float]
    lesion_enrichment: NotRequired[float]
    lesion_rank_accuracy: NotRequired[float]
    lesion_top1: NotRequired[float]
    lesion_top5: NotRequired[float]
    lesion_top10: NotRequired[float]
    lesion_top20: NotRequired[float]
    lesion_iou: NotRequired[float]
    lesion_auc: NotRequired[float]
    lesion_pointing: NotRequired[float]
    lesion_enrichment_in_lung: NotRequired[float]


class SanityValuesRow(TypedDict):
    """Row of the table `sanity_values`."""

    slice: str
    patient: str
    test: str
    variant: str
    measure: str
    value: float


class ScoresRow(TypedDict):
    """Row of the table `scores`."""

    slice: str
    lung_fraction: float
    components: int
    largest_share: float
    border_contact: float
    solidity: float
    holes: float
    mean_intensity: float
    soft_fraction: float
    neighbour_dice: float
    air_fraction: float
    missed_air: float
    classical_dice: float
    classical_kept: float
    gas_fraction: float
    cut_out: int


class SegmentationMetricsRow(TypedDict):
    """Row of the table `segmentation_metrics`."""

    split: str
    case: str
    dice: float
    surface_distance_95: float
    true_ml: float
    predicted_ml: float
    volume_error: float
    reason: str
    z_index: NotRequired[int]


class SegmentationSplitRow(TypedDict):
    """Row of the table `segmentation_split`."""

    case: str
    patient: str
    split: str
    z_index: NotRequired[int]


class SegmentationTrainingRow(TypedDict):
    """Row of the table `segmentation_training`."""

    epoch: int
    train_loss: float
    val_loss: float
    dice: float
    learning_rate: float
    seconds: float


class SelectionRow(TypedDict):
    """Row of the table `selection`."""

    cohort: str
    excluded_by: str
    framework: str
    label: str
    patients_known: int
    patients: int
    patients_kept: int
    unit: str
    n: int
    kept: int
    excluded: float
    excluded_lo: float
    excluded_hi: float
    p: float
    p_holm: float


class SimsiamRow(TypedDict):
    """Row of the table `simsiam`."""

    epoch: int
    loss: float
    z_std: float
    z_std_even: float
    learning_rate: float
    seconds: float


class SlicesRow(TypedDict):
    """Row of the table `slices`."""

    slice: str
    case: str
    patient: str
    label: str
    source: str
    z_index: int
    png: str
    sha256: str


class SourcePredictionsRow(TypedDict):
    """Row of the table `source_predictions`."""

    slice: str
    patient: str
    source: str
    predicted: str


class SplitRow(TypedDict):
    """Row of the table `split`."""

    slice: str
    patient: str
    label: str
    split: str


class SubgroupsRow(TypedDict):
    """Row of the table `subgroups`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    cohort: str
    grouping: str
    value: str
    unit: str
    n: int
    n_positive: int
    n_patients: int
    roc_auc: float
    roc_auc_lo: float
    roc_auc_hi: float
    accuracy: float
    accuracy_lo: float
    accuracy_hi: float
    recall: float
    recall_lo: float
    recall_hi: float
    specificity: float
    specificity_lo: float
    specificity_hi: float
    hand_till: NotRequired[float]
    hand_till_lo: NotRequired[float]
    hand_till_hi: NotRequired[float]
    balanced_accuracy: NotRequired[float]
    balanced_accuracy_lo: NotRequired[float]
    balanced_accuracy_hi: NotRequired[float]


class SwapLogitsRow(TypedDict):
    """Row of the table `swap_logits`."""

    slice: str
    patient: str
    label: str
    donor: str
    background_only_other: float
    lung_only_other: float


class SystemsRow(TypedDict):
    """Row of the table `systems`."""

    stage: int
    cohort: str
    rank: int
    pipeline: str
    framework: str
    backbone: str
    weights: str
    network: str
    region: str
    answer: str
    n: int
    roc_auc: float
    roc_auc_lo: float
    roc_auc_hi: float
    accuracy: float
    accuracy_lo: float
    accuracy_hi: float
    brier: float
    ece: float
    difference: float
    difference_lo: float
    difference_hi: float
    p: float
    p_holm: float
    enrichment: float
    enrichment_lo: float
    enrichment_hi: float
    lung_mass: float
    verdict: str
    parameters: int
    paper: str
    printed_accuracy: float
    printed_precision: float
    printed_recall: float
    printed_unnamed: float
    printed_note: str


class TakenLungsRow(TypedDict):
    """Row of the table `taken_lungs`."""

    case: str
    status: str
    classical_dice: float
    reason: str


class ThesisRow(TypedDict):
    """Row of the table `thesis`."""

    framework: str
    backbone: str
    weights: str
    stage: int
    accuracy: float
    precision_printed: float
    recall_printed: float
    f1_printed: float
    cm_covid_covid: float
    cm_covid_non: float
    cm_non_covid: float
    cm_non_non: float
    note: str


class TransferStudyRow(TypedDict):
    """Row of the table `transfer_study`."""

    pipeline: str
    cohort: str
    start: str
    frozen_blocks: int
    blocks: int
    patients: int
    draw: int
    selection: str
    slices: int
    epochs: int
    val_roc_auc: float
    roc_auc: float


class TransferSummaryRow(TypedDict):
    """Row of the table `transfer_summary`."""

    quantity: str
    pipeline: str
    cohort: str
    start: str
    frozen_blocks: int
    blocks: int
    patients: int
    selection: str
    slices: float
    mean: float
    sd: float
    min: float
    max: float
    mean_lo: float
    mean_hi: float
    draws: int


class VerdictsRow(TypedDict):
    """Row of the table `verdicts`."""

    pipeline: str
    framework: str
    backbone: str
    weights: str
    stage: int
    verdict: str
    rule: str
    sentence: str
    patients: int
    auc: float
    auc_lo: float
    auc_hi: float
    background: float
    background_lo: float
    background_hi: float
    swap: float
    swap_lo: float
    swap_hi: float
    making: float
    making_lo: float
    making_hi: float
    making_trace: str
    enrichment: float
    enrichment_lo: float
    enrichment_hi: float
    similarity: float
    similarity_lo: float
    similarity_hi: float
    maps_pass: int
    slices: int
    slices_left_out: int
    left_out_of_classes: str
    lost_by_class: float
    lost_by_class_lo: float
    lost_by_class_hi: float
    lost_by_outcome: float
    lost_by_outcome_lo: float
    lost_by_outcome_hi: float
    repeatability: NotRequired[float]
    repeatability_lo: NotRequired[float]
    repeatability_hi: NotRequired[float]
