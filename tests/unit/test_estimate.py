"""The estimate before a run: what is counted, the sum, and when a run is refused."""

from dataclasses import replace

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from lungsight.audit.interventions import INTERVENTIONS
from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.estimate import (
    CHANGED_SLICE,
    CONVERT,
    FORWARD,
    MAP_METRICS,
    MODEL,
    NETWORK_STEP,
    SEGMENT,
    Job,
    RunPlan,
    check_disk,
    count_slices,
    estimate,
    free_bytes,
    in_words,
    training_of,
)
from lungsight.intake.cohort_table import TableRow


def row(number: int, path: str) -> TableRow:
    return TableRow(number, f"P{number}", path, "Covid-19", "", "", "")


@pytest.fixture
def plan(tmp_path) -> RunPlan:
    """Two public images and a target series of seven slices; annotated series of five and three."""
    paths = {"nsclc": ["a", "b"], "curated": ["1.png", "2.png"], "hospital": ["s"]}
    rows = {name: [row(number, path) for number, path in enumerate(cases, start=1)] for name, cases in paths.items()}
    roles = {"nsclc": "segmentation", "curated": "public", "hospital": "target"}
    for cohort, path, slices in (("nsclc", "a", 5), ("nsclc", "b", 3), ("hospital", "s", 7)):
        (tmp_path / cohort / path).mkdir(parents=True)
        for number in range(slices):
            (tmp_path / cohort / path / f"{number}.dcm").touch()
    cohorts = {
        name: {"role": role, "format": "png" if role == "public" else "dicom"}
        | {"root": str(tmp_path / name), "table": f"{name}.tsv"}
        for name, role in roles.items()
    }
    return RunPlan(complete_config({"results": "r", "cohorts": cohorts}), rows, dict.fromkeys(roles, 1))


def test_slices_are_files_of_a_folder_or_of_a_volume(tmp_path):
    (tmp_path / "series").mkdir()
    for number in range(4):
        (tmp_path / "series" / f"{number}.dcm").touch()
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 9), np.uint8), np.eye(4)), tmp_path / "v.nii.gz")
    (tmp_path / "broken.nii.gz").write_bytes(b"no volume")
    torn = bytearray(nibabel.Nifti1Image(np.zeros((3, 4, 9), np.uint8), np.eye(4)).to_bytes())
    torn[40:56] = b"\xff" * 16  # the numbers of axes and voxels
    (tmp_path / "torn.nii").write_bytes(torn)
    huge = nibabel.Nifti1Header()
    huge.set_data_shape((32000, 32000, 32000))
    (tmp_path / "huge.nii").write_bytes(huge.binaryblock + bytes(4))
    counts = [
        count_slices(row(1, path), tmp_path, format)
        for path, format in (
            *(("series", "dicom"), ("v.nii.gz", "nifti"), ("broken.nii.gz", "nifti"), ("torn.nii", "nifti")),
            *(("x.png", "png"), ("huge.nii", "nifti"), ("none", "nifti"), ("a\0b", "nifti")),
        )
    ]
    assert counts == [4, 9, 1, 1, 1, 1, 1, 1]


def test_slices_of_every_kind_of_volume_are_counted_by_its_header(tmp_path):
    values = np.zeros((9, 4, 3), np.uint8)
    for name, packed in (("a.nrrd", False), ("b.nrrd", True), ("a.mha", False), ("b.mha", True)):
        sitk.WriteImage(sitk.GetImageFromArray(values), tmp_path / name, packed)
    nibabel.save(nibabel.Nifti1Image(values.T, np.eye(4)), tmp_path / "c.nii.gz")
    (tmp_path / "c.nii.gz").rename(tmp_path / "C.NII")
    nibabel.save(nibabel.Nifti2Image(values.T, np.eye(4)), tmp_path / "two.nii")
    nibabel.save(nibabel.Nifti1Pair(values.T, np.eye(4)), tmp_path / "pair.hdr")
    names = ("a.nrrd", "b.nrrd", "a.mha", "b.mha", "C.NII", "two.nii", "pair.hdr", "pair.img")
    assert {name: count_slices(row(1, name), tmp_path, "nifti") for name in names} == dict.fromkeys(names, 9)


def test_slices_of_a_shard_and_of_a_cohort(plan):
    assert plan.slices == {"nsclc": {"000": 8}, "curated": {"000": 2}, "hospital": {"000": 7}}
    assert plan.slices_of({"cohort": "hospital", "shard": "000"}) == plan.slices_of({"cohort": "hospital"}) == 7
    assert plan.slices_with_role("segmentation") == 8


def test_a_phantom_cohort_is_not_counted(plan):
    plan.config["cohorts"]["hospital"]["phantom"] = {"seed": 1, "patients": 2}
    assert "hospital" not in plan.slices
    assert estimate(plan, [Job("convert", {"cohort": "hospital", "shard": "000"})]) == (0, 0)


def test_jobs_add_up(plan):
    jobs = [
        Job("convert", {"cohort": "hospital", "shard": "000"}),
        Job("segment_shard", {"cohort": "nsclc", "shard": "000"}),
        Job("evaluate", {"pipeline": "whole-resnet50-scratch", "stage": "1"}),
    ]
    cost = estimate(plan, jobs)
    assert cost.disk == pytest.approx(7 * CONVERT.disk + 8 * SEGMENT["nnunet"].disk)
    assert cost.seconds == pytest.approx(7 * CONVERT.seconds + 8 * SEGMENT["nnunet"].seconds)


def test_lesions_are_counted_where_there_are_masks_of_them(plan):
    job = [Job("image_cache", {"cohort": "hospital"})]
    without = estimate(plan, job).disk
    assert without == 3 * 7 * plan.config["training"]["image_size"] ** 2
    plan.rows["hospital"][0] = replace(plan.rows["hospital"][0], lesion="lesion.nii.gz")
    assert estimate(plan, job).disk == pytest.approx(without * 4 / 3)


def test_a_training_counts_its_epochs_and_its_images(plan):
    plan.config["training"] |= {"image_size": 128, "epochs": {"stage1": 3, "stage2": 5}}
    cost = estimate(plan, [Job("train_stage", {"pipeline": "whole-resnet50-scratch", "stage": "2"})])
    passes = 5 * 7 * (0.8 + 0.1 * FORWARD)
    assert cost.seconds == pytest.approx(passes * training_of("resnet50").seconds / 4)
    assert cost.disk == MODEL.disk


def test_a_network_that_is_solved_passes_its_images_once(plan):
    solved = estimate(plan, [Job("train_stage", {"pipeline": "whole-turkoglu2021-imagenet", "stage": "2"})]).seconds
    assert solved == pytest.approx(7 * (0.8 + 0.1) * FORWARD * training_of("densenet201").seconds)


def test_a_pre_training_counts_two_views_of_both_cohorts(plan):
    plan.config["training"]["simsiam"]["epochs"] = 10
    cost = estimate(plan, [Job("pretrain_simsiam", {"backbone": "resnet50", "input_view": "whole"})])
    slices = plan.slices_with_role("public") + plan.slices_with_role("target")
    assert cost.seconds == pytest.approx(0.8 * slices * (20 + 3 * FORWARD) * training_of("resnet50").seconds)


STAGE_2 = {"pipeline": "whole-resnet50-scratch", "stage": "2"}


def test_batch_statistics_measured_anew_cost_a_forward_pass(plan):
    without = estimate(plan, [Job("train_stage", STAGE_2)]).seconds
    plan.config["training"]["batch_norm_recalibration"] = True
    more = estimate(plan, [Job("train_stage", STAGE_2)]).seconds - without
    assert more == pytest.approx(50 * 7 * 0.8 * FORWARD * training_of("resnet50").seconds)


def test_the_leakage_experiment_counts_its_conditions_on_thinned_slices(plan):
    plan.config["leakage"] |= {"epochs": 3, "max_slices": 4, "batch_norm_recalibration": None}
    cost = estimate(plan, [Job("leakage_training", {"pipeline": "whole-small_cnn-scratch"})])
    passes = 3.5 * (3 * (0.8 + 0.1 * FORWARD) + 0.1 * FORWARD)  # of the hospital's seven slices every second
    assert cost.seconds == pytest.approx(4 * passes * training_of("small_cnn").seconds)
    assert training_of("small_cnn").seconds < training_of("resnet50").seconds < training_of("densenet121").seconds


def test_the_transfer_study_counts_its_cells(plan):
    study = {"depths": [0, 2], "patients": [1, 50], "draws": 3, "slices_per_patient": 1, "epochs": 2}
    plan.config["transfer_study"] |= study
    patients = len({row.patient for row in plan.rows["hospital"]})
    of_patient = 7 / patients
    # Of the hospital's seven slices 5.6 train, so a second number above all of them is these.
    trained = [min(number * each, 5.6) for each in (of_patient, min(of_patient, 1)) for number in (1, 50)]
    by_cell = [2 * (slices + 0.7 * FORWARD) + 1.4 * FORWARD for slices in trained]
    passes = 3 * (2 * sum(by_cell[:2]) + 2 * sum(by_cell[2:]))
    cost = estimate(plan, [Job("transfer_training", {"pipeline": "whole-resnet50-scratch", "start": "stage1"})])
    assert cost.seconds == pytest.approx(passes * training_of("resnet50").seconds)


def test_an_explanation_counts_its_methods_on_a_sample(plan):
    plan.config["training"]["image_size"] = 512
    plan.config["explain"] |= {"methods": ["scorecam"], "score_cam_channels": 10, "sample": 2}
    plan.config["splits"]["fractions"] = [0.2, 0.2, 0.6]  # 4.2 of the hospital's slices are tested
    cost = estimate(plan, [Job("explain_stage", STAGE_2)])
    forwards, maps = 4.2 + 2 * 10, 4.2 * 2 + 2
    expected = forwards * FORWARD * training_of("resnet50").seconds + maps * MAP_METRICS.seconds
    assert cost.seconds == pytest.approx(4 * expected)
    plan.config["explain"]["sample"] = 0
    assert estimate(plan, [Job("explain_stage", STAGE_2)]).seconds < cost.seconds


def test_an_audit_counts_its_interventions_and_the_predictions_of_its_sample(plan):
    plan.config["audit"] |= {"sample": 1000, "randomisations": 2, "steps": 9}
    cost = estimate(plan, [Job("audit_stage", STAGE_2)])
    tested, changed = 0.7, 0.7 * len(INTERVENTIONS)
    predictions = tested + changed + tested * (2 * 6 + 4 * 10)
    expected = predictions * FORWARD * training_of("resnet50").seconds + changed * CHANGED_SLICE.seconds
    assert cost.seconds == pytest.approx(expected)


def test_the_segmentation_network_counts_its_steps(plan):
    cost = estimate(plan, [Job("nnunet_train", {})])
    assert cost.seconds == pytest.approx(100 * (250 + 50 * FORWARD) * 12 * NETWORK_STEP.seconds)


def test_the_cache_holds_three_arrays(plan):
    assert estimate(plan, [Job("image_cache", {"cohort": "hospital"})]).disk == 3 * 7 * 256 * 256


def test_a_run_that_does_not_fit_is_refused(plan, tmp_path):
    cost = estimate(plan, [Job("convert", {"cohort": "hospital", "shard": "000"})])
    check_disk(tmp_path, cost, free=int(cost.disk) + 1)
    with pytest.raises(UserError, match=r"about 0\.0 GB below .*Make room"):
        check_disk(tmp_path, cost, free=int(cost.disk) - 1)


def test_the_sentence_names_slices_disk_and_time(plan):
    sentence = in_words(plan, estimate(plan, [Job("nnunet_train", {})]), free=2_500_000_000)
    assert sentence.startswith("Estimate: 17 slices, 0.0 GB to write (2.5 GB are free), 324 hours of one processor")


def test_free_space_of_a_folder_that_is_not_there_yet(tmp_path):
    assert free_bytes(tmp_path / "a" / "b") == pytest.approx(free_bytes(tmp_path), rel=0.05)
